// The frames of a WebSocket (RFC 6455), as the dialing end sees them. Bytes are read into one buffer that is used again: a whole message lies in it
// in one piece and is handed over in place. No sockets here, no state but the buffer.
//
// Why not a library's reader: it allocates each read and each message, and memory outside of V8's heap sets off its marking, which was a quarter of
// a replicating node's CPU.

import { randomFillSync } from 'node:crypto'

const Opcode = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const
type Opcode = (typeof Opcode)[keyof typeof Opcode]

const FIN = 0x80
const MASKED = 0x80
/** Of a frame without a mask. */
const MAX_HEADER = 10
const MAX_CONTROL = 125
/** Read when nothing is known of what comes. */
const READ_BYTES = 64 << 10

export interface WebSocketSink {
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
  private over = false

  constructor(maxMessageBytes: number, sink: WebSocketSink) {
    this.maxMessageBytes = maxMessageBytes
    this.sink = sink
  }

  /** Where the next bytes go. Never empty. Of a long frame that has begun not more than its rest, so that the next one begins where it did. */
  space(): Buffer {
    const wanted = this.needed > READ_BYTES / 2 ? this.needed - (this.end - this.start) : READ_BYTES
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
    this.end += bytes
    while (!this.over && this.next());
  }

  /** Nothing is handed over any more. */
  close(): void {
    this.over = true
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
    if (available < header + length) return this.incomplete(header + length)
    this.needed = 0
    this.start = start + header + length
    this.give((buffer[start]! & 0x0f) as Opcode, buffer.subarray(start + header, this.start))
    return true
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
