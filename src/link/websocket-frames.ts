// The frames of a WebSocket (RFC 6455), as the dialing end sees them. Bytes are read into one buffer that is used again: a whole message lies in it
// in one piece and is handed over in place. For a long one the sink may have memory of its own: what came of it is copied there, the rest is read there.
// No sockets here, no state but the buffer.
//
// Why not a library's reader: it allocates each read and each message, and memory outside of V8's heap sets off its marking, which was a quarter of
// a replicating node's CPU.

import { randomFillSync } from 'node:crypto'
import { copyShared } from '../threads/shared-ring.js'

const Opcode = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const
type Opcode = (typeof Opcode)[keyof typeof Opcode]

const FIN = 0x80
const MASKED = 0x80
/** Of a frame without a mask. */
const MAX_HEADER = 10
const MAX_CONTROL = 125
/** Read when nothing is known of what comes. */
const READ_BYTES = 64 << 10
/** The same behind a message that lies in the sink's memory: the next one may be as long, and what came of it before it is known is copied. */
const FIRST_BYTES = 512
/** A message up to this length is not worth asking the sink, whose memory takes a read of its own for each. */
const LONG_BYTES = 64 << 10
/** So much of a message has come when the sink is asked. */
const HEAD_BYTES = 64

export interface WebSocketSink {
  /**
   * A long binary message of so many bytes has begun with `head`: memory for it, or undefined. It is written to until `message` has it, or the reader
   * is closed. Where there is more than the message needs, the beginning of the next is read along.
   */
  room(head: Uint8Array, bytes: number): Uint8Array | undefined
  /** A whole binary message. The bytes die with the call. */
  message(bytes: Uint8Array): void
  /** To be answered with a pong that says the same. */
  ping(bytes: Uint8Array): void
  closed(code: number, reason: string): void
  /** The peer does not keep to the protocol, or a message is too long. */
  broken(reason: string): void
}

export class WebSocketReader {
  private readonly maxMessageBytes: number
  private readonly sink: WebSocketSink
  private buffer = Buffer.allocUnsafeSlow(2 * READ_BYTES)
  /** What came and was not handed over lies between them. */
  private start = 0
  private end = 0
  /** Bytes of the frame at `start`, with its header; 0: its header is not there yet. */
  private needed = 0
  /** Memory of the sink that a message is read into, the message's length, and how much of it is there. Nothing else waits meanwhile. */
  private room: Uint8Array | undefined
  private roomNeeded = 0
  private roomEnd = 0
  /** The sink was asked for the frame at `start`. */
  private asked = false
  private longCame = false
  private over = false

  constructor(maxMessageBytes: number, sink: WebSocketSink) {
    this.maxMessageBytes = maxMessageBytes
    this.sink = sink
  }

  /** Where the next bytes go. Never empty. Of a long frame that has begun not more than its rest, so that the next one begins where it did. */
  space(): Uint8Array {
    if (this.room) return this.room.subarray(this.roomEnd, this.roomNeeded + FIRST_BYTES)
    const unknown = this.longCame ? FIRST_BYTES : READ_BYTES
    const wanted = this.needed > READ_BYTES / 2 ? this.needed - (this.end - this.start) : unknown
    if (this.start === this.end) this.start = this.end = 0
    else if (this.end + wanted > this.buffer.length) {
      this.buffer.copyWithin(0, this.start, this.end)
      this.end -= this.start
      this.start = 0
    }
    if (this.end + wanted > this.buffer.length) this.grow(this.end + wanted)
    return this.buffer.subarray(this.end, this.end + wanted)
  }

  /** So many bytes came into `space`. */
  came(bytes: number): void {
    if (this.over) return
    if (this.room) this.cameToRoom(this.room, bytes)
    else this.end += bytes
    while (!this.over && !this.room && this.next());
  }

  /** Nothing is handed over any more, and nothing kept. */
  close(): void {
    this.over = true
    this.room = undefined
    this.start = this.end = this.needed = 0
  }

  private cameToRoom(room: Uint8Array, bytes: number): void {
    const { roomNeeded } = this
    this.roomEnd += bytes
    if (this.roomEnd < roomNeeded) return
    this.room = undefined
    this.longCame = true
    this.end = this.roomEnd - roomNeeded
    this.buffer.set(room.subarray(roomNeeded, this.roomEnd))
    this.sink.message(room.subarray(0, roomNeeded))
  }

  private grow(bytes: number): void {
    const most = this.maxMessageBytes + MAX_HEADER + READ_BYTES
    const larger = Buffer.allocUnsafeSlow(Math.max(bytes, Math.min(2 * this.buffer.length, most)))
    this.buffer.copy(larger, 0, 0, this.end)
    this.buffer = larger
  }

  /** Hands over the frame at `start`. False: it is not there yet. */
  private next(): boolean {
    const { buffer, start } = this
    const available = this.end - start
    if (available < 2) return this.incomplete(0)
    const short = buffer[start + 1]! & 0x7f
    const header = short === 126 ? 4 : short === 127 ? 10 : 2
    if (available < header) return this.incomplete(0)
    const length = short === 126 ? buffer.readUInt16BE(start + 2) : short === 127 ? Number(buffer.readBigUInt64BE(start + 2)) : short
    const wrong = this.wrong(buffer[start]!, buffer[start + 1]!, length)
    if (wrong !== null) {
      this.over = true
      this.sink.broken(wrong)
      return false
    }
    if (available < header + length) {
      if (length <= LONG_BYTES || (buffer[start]! & 0x0f) !== Opcode.binary) return this.incomplete(header + length)
      return available < header + HEAD_BYTES ? this.incomplete(0) : this.begin(header, length)
    }
    this.needed = 0
    this.asked = false
    this.longCame = false
    this.start = start + header + length
    this.give((buffer[start]! & 0x0f) as Opcode, buffer.subarray(start + header, this.start))
    return true
  }

  /** A long message has begun. */
  private begin(header: number, length: number): false {
    const came = this.buffer.subarray(this.start + header, this.end)
    const room = this.asked ? undefined : this.sink.room(came, length)
    this.asked = true
    if (!room) return this.incomplete(header + length)
    copyShared(room, 0, came)
    this.room = room
    this.roomNeeded = length
    this.roomEnd = came.length
    this.start = this.end = this.needed = 0
    this.asked = false
    return false
  }

  private incomplete(needed: number): false {
    this.needed = needed
    return false
  }

  private wrong(first: number, second: number, length: number): string | null {
    const opcode = first & 0x0f
    if ((first & 0x70) !== 0) return 'a WebSocket frame with reserved bits'
    if ((second & MASKED) !== 0) return 'a masked WebSocket frame from a server'
    // A link's message is one frame: its sender does not split it.
    if ((first & FIN) === 0 || opcode === Opcode.continuation) return 'a WebSocket message in several frames'
    if (opcode === Opcode.binary)
      return length > this.maxMessageBytes ? `a WebSocket message of ${length} bytes; at most ${this.maxMessageBytes} are taken` : null
    if (opcode !== Opcode.close && opcode !== Opcode.ping && opcode !== Opcode.pong) return `a WebSocket frame of opcode ${opcode}`
    return length > MAX_CONTROL ? `a WebSocket control frame of ${length} bytes; the limit is ${MAX_CONTROL}` : null
  }

  private give(opcode: Opcode, payload: Buffer): void {
    if (opcode === Opcode.binary) this.sink.message(payload)
    else if (opcode === Opcode.ping) this.sink.ping(payload)
    else if (opcode === Opcode.close) {
      this.over = true
      this.sink.closed(payload.length >= 2 ? payload.readUInt16BE(0) : 1005, payload.toString('utf8', 2))
    }
  }
}

// ---- what a client sends: masked

const masks = Buffer.allocUnsafeSlow(4096)
let maskAt = masks.length

function clientFrame(opcode: Opcode, payload: Uint8Array): Buffer {
  const { length } = payload
  const header = length < 126 ? 2 : length < 0x1_0000 ? 4 : 10
  const frame = Buffer.allocUnsafe(header + 4 + length)
  frame[0] = FIN | opcode
  if (header === 2) frame[1] = MASKED | length
  else if (header === 4) {
    frame[1] = MASKED | 126
    frame.writeUInt16BE(length, 2)
  } else {
    frame[1] = MASKED | 127
    frame.writeBigUInt64BE(BigInt(length), 2)
  }
  if (maskAt === masks.length) {
    randomFillSync(masks)
    maskAt = 0
  }
  const start = header + 4
  for (let i = 0; i < 4; i++) frame[header + i] = masks[maskAt + i]!
  for (let i = 0; i < length; i++) frame[start + i] = payload[i]! ^ masks[maskAt + (i & 3)]!
  maskAt += 4
  return frame
}

/** A binary message. */
export function messageFrame(payload: Uint8Array): Buffer {
  return clientFrame(Opcode.binary, payload)
}

export function pongFrame(payload: Uint8Array): Buffer {
  return clientFrame(Opcode.pong, payload)
}

export function closeFrame(code: number): Buffer {
  const payload = Buffer.alloc(2)
  payload.writeUInt16BE(code)
  return clientFrame(Opcode.close, payload)
}
