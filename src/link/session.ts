// One authenticated link, from one end: frames in, items out; items in, frames out, as far as the peer's credit and the transport allow.
// Does no I/O of its own and reads no clock: it acts on the transport it was given and is told the time. Runs on the link thread.
//
// Credit: an end announces a window in the handshake. The bytes of data frames sent and not given back stay within it. The receiver gives bytes
// back when they came, but stops while more than a window of them waits in threads of this node: so a stopped thread, too, bounds memory, and
// a body larger than the window still gets through. Large bodies leave an eighth of the window to small ones.

import { BufferPool } from '../env/buffer-pool.js'
import type { Agreed } from './handshake.js'
import {
  BULK_SINCE,
  FRAME_HEADER,
  frameHeader,
  FrameType,
  ItemType,
  makeFrame,
  openFrame,
  PIECE_HEADER,
  type Piece,
  PieceFlag,
  readPiece,
  sealFrame,
  view,
} from './frames.js'
import { type FrameInPlace, type OutgoingItem, SendQueue } from './send-queue.js'
import type { LinkSettings } from './settings.js'

/** A WebSocket, either end's. */
export interface LinkTransport {
  /** The bytes may be used again when it returns. false: the connection is broken. */
  send(frame: Uint8Array): boolean
  /** Bytes that were sent and that the kernel has not taken. */
  readonly buffered: number
  /** Runs `work`, whose sends may leave together. */
  cork(work: () => void): void
  /** `gracefully`: what was sent should still arrive. */
  close(gracefully: boolean): void
}

/** A whole item as it arrived. */
export interface IncomingItem extends Piece {
  readonly body: Uint8Array
}

export interface SessionEvents {
  /** All items that ended in one frame. The bodies die with the call. `frame`: they lie in it; undefined: elsewhere. */
  items(items: readonly IncomingItem[], frame?: Uint8Array): void
  /** A frame of so many bytes comes, and seems to be answers to a call: memory for it, from where nothing need be copied, if there is any. */
  room(correlation: number, bytes: number): Uint8Array | undefined
  /** The peer gave bytes back: more may go. */
  credited(): void
  /** The link is of no use: close it. */
  broken(reason: string): void
}

interface Assembly {
  readonly memory: Buffer
  readonly body: Uint8Array
  length: number
}

/** Above it in the transport nothing more is sent: what is there can be overtaken by nothing. */
const TRANSPORT_BYTES = 512 << 10
/** Sent in one go, before other links get their turn. */
const TURN_BYTES = 2 << 20
/** Unfinished bodies of a peer that keeps to the protocol: a few. */
const MAX_ASSEMBLIES = 64
/** Memory of bodies that is kept for the next: so many of each size, of at most so much. All together below 8 MiB. */
const KEPT = 2
const KEPT_BYTES = 2 << 20

export class LinkSession {
  readonly agreed: Agreed
  readonly queue: SendQueue
  /** Corrupt frames seen; the first one breaks the link. */
  corruptFrames = 0
  receivedBytes = 0
  sentBytes = 0
  private readonly settings: LinkSettings
  private readonly transport: LinkTransport
  private readonly events: SessionEvents
  private readonly scratch: Uint8Array
  private readonly assemblies = new Map<string, Assembly>()
  private assemblyBytes = 0
  /** Memory of bodies that are put together, used again when they are over. */
  private readonly pool = new BufferPool(KEPT, KEPT_BYTES)
  private inFlight = 0
  /** Received and not yet given back; bytes that wait in threads of this node. */
  private owed = 0
  private held = 0
  private heardAt: number
  private pingedAt: number
  private over = false

  constructor(agreed: Agreed, settings: LinkSettings, transport: LinkTransport, events: SessionEvents, scratch: Uint8Array, now: number) {
    this.agreed = agreed
    this.settings = settings
    this.transport = transport
    this.events = events
    this.scratch = scratch
    this.queue = new SendQueue(settings.chunkBytes, settings.smallBytes)
    this.heardAt = now
    this.pingedAt = now
  }

  // ---- sending

  /** Queued; `pump` sends it. The caller looks at `queue.queuedBytes` before. */
  enqueue(item: OutgoingItem): void {
    if (this.over) item.held?.release()
    else this.queue.push(item)
  }

  /** Sends what may go. True: there is more that could go at once, after the others' turn. */
  pump(): boolean {
    if (this.over || !this.sendable()) return false
    let more = false
    this.transport.cork(() => {
      const end = this.sentBytes + TURN_BYTES
      while (this.sendable() && this.sentBytes < end) this.sendData()
      more = this.sendable()
    })
    return more
  }

  private sendable(): boolean {
    if (this.over || this.transport.buffered > TRANSPORT_BYTES) return false
    return (this.queue.hasSmall && this.inFlight < this.agreed.windowBytes) || this.bulkSendable()
  }

  private bulkSendable(): boolean {
    return this.queue.hasBulk && this.inFlight < this.agreed.windowBytes - this.agreed.windowBytes / 8
  }

  /** One frame of small items when there are any, then one of a large one. */
  private sendData(): void {
    const { queue, scratch } = this
    if (queue.hasSmall && this.inFlight < this.agreed.windowBytes) this.sendPieces(queue.fillSmall(scratch))
    if (this.over || !this.bulkSendable()) return
    const inPlace = queue.takeInPlace()
    if (!inPlace) return this.sendPieces(queue.fillBulk(scratch))
    this.sendInPlace(inPlace)
    inPlace.release()
  }

  private sendInPlace({ frame, selfChecked }: FrameInPlace): void {
    if (selfChecked === 0 || this.agreed.version < BULK_SINCE) this.sendFrame(frame, frame.length, FrameType.data, 1)
    else this.sendFrame(frame, frame.length, FrameType.bulk, selfChecked)
  }

  /** What the queue put into the scratch. */
  private sendPieces([end, pieces]: readonly [number, number]): void {
    this.sendFrame(this.scratch, end, FrameType.data, pieces)
  }

  private sendFrame(frame: Uint8Array, end: number, type: FrameType, value: number): void {
    this.inFlight += end
    this.transmit(sealFrame(frame, end, this.agreed.version, type, value))
  }

  private transmit(frame: Uint8Array): void {
    this.sentBytes += frame.length
    if (!this.transport.send(frame)) this.fail('the connection takes no more bytes')
  }

  // ---- receiving

  /**
   * A frame of so many bytes has begun with `head`, its header and a piece's at least: memory for the whole. Nothing is checked yet: what it seems to
   * be only chooses the memory.
   */
  room(head: Uint8Array, bytes: number): Uint8Array | undefined {
    if (this.over) return undefined
    const data = view(head)
    const { version, type } = frameHeader(data)
    if (version !== this.agreed.version || (type !== FrameType.data && type !== FrameType.bulk)) return undefined
    const piece = readPiece(data, FRAME_HEADER, bytes)
    // Bodies of several frames are put together elsewhere.
    if (piece?.type !== ItemType.answer || piece.total !== piece.length) return undefined
    return this.events.room(piece.correlation, bytes)
  }

  receive(frame: Uint8Array, now: number): void {
    if (this.over) return
    const header = openFrame(frame)
    if (!header) {
      this.corruptFrames++
      return this.fail('a frame came with a wrong checksum')
    }
    this.heardAt = now
    this.receivedBytes += frame.length
    if (header.version !== this.agreed.version)
      return this.fail(`a frame of link version ${header.version}, where ${this.agreed.version} was agreed`)
    if (header.type === FrameType.data) this.receiveData(frame, header.value)
    else if (header.type === FrameType.bulk && header.version >= BULK_SINCE) this.receiveData(frame, 1)
    else if (header.type === FrameType.credit) this.receiveCredit(header.value)
    else if (header.type === FrameType.ping) this.transmit(makeFrame(this.agreed.version, FrameType.pong, 0))
    else if (header.type !== FrameType.pong) this.fail(`a frame of type ${header.type}, which this version does not have`)
  }

  private receiveCredit(bytes: number): void {
    this.inFlight -= bytes
    if (this.inFlight < 0) this.fail(`the peer gave back ${-this.inFlight} bytes more than it got`)
    else this.events.credited()
  }

  private receiveData(frame: Uint8Array, pieces: number): void {
    this.owed += frame.length
    if (this.owed > this.settings.windowBytes + 2 * frame.length)
      return this.fail(`the peer sent ${this.owed} bytes; it was allowed ${this.settings.windowBytes} (link windowBytes)`)
    const data = view(frame)
    const whole: IncomingItem[] = []
    let at = FRAME_HEADER
    for (let i = 0; i < pieces; i++) {
      const piece = readPiece(data, at)
      if (!piece) return this.fail('a piece passes the end of its frame')
      const start = at + PIECE_HEADER
      at = start + piece.length
      const wrong = this.takePiece(piece, frame.subarray(start, at), whole)
      if (wrong !== null) return this.fail(wrong)
    }
    if (at !== frame.length) return this.fail('a frame has bytes behind its pieces')
    if (whole.length > 0) this.events.items(whole, frame)
    this.giveBack()
  }

  /** Null, or what is wrong. */
  private takePiece(piece: Piece, body: Uint8Array, whole: IncomingItem[]): string | null {
    const first = (piece.flags & PieceFlag.first) !== 0
    const last = (piece.flags & PieceFlag.last) !== 0
    if (first && last) {
      if (piece.total !== piece.length) return 'a whole item whose lengths differ'
      whole.push(itemOf(piece, body))
      return null
    }
    const key = `${piece.type}.${piece.correlation}.${piece.index}`
    if (first) {
      const wrong = this.beginAssembly(key, piece.total)
      if (wrong !== null) return wrong
    }
    const assembly = this.assemblies.get(key)
    if (!assembly || assembly.body.length !== piece.total) return 'a piece of an item that did not begin'
    if (assembly.length + body.length > piece.total) return 'an item longer than it said'
    assembly.body.set(body, assembly.length)
    assembly.length += body.length
    if (!last) return null
    if (assembly.length !== piece.total) return 'an item shorter than it said'
    this.assemblies.delete(key)
    this.assemblyBytes -= piece.total
    this.events.items([itemOf(piece, assembly.body)])
    this.pool.release(assembly.memory)
    return null
  }

  private beginAssembly(key: string, total: number): string | null {
    if (total > this.settings.maxBodyBytes)
      return `a body of ${total} bytes; at most ${this.settings.maxBodyBytes} are taken (link maxBodyBytes)`
    if (this.assemblies.has(key)) return 'an item that began twice'
    if (this.assemblies.size >= MAX_ASSEMBLIES) return `more than ${MAX_ASSEMBLIES} unfinished items`
    const memory = this.pool.acquire(total)
    this.assemblies.set(key, { memory, body: new Uint8Array(memory.buffer, memory.byteOffset, total), length: 0 })
    this.assemblyBytes += total
    return null
  }

  /** These bytes wait in a thread of this node. */
  hold(bytes: number): void {
    this.held += bytes
  }

  release(bytes: number): void {
    this.held -= bytes
    this.giveBack()
  }

  /** Bytes of this link in memory here: waiting in threads, and of unfinished bodies. */
  get heldBytes(): number {
    return this.held + this.assemblyBytes
  }

  private giveBack(): void {
    if (this.over || this.held > this.settings.windowBytes || this.owed < this.settings.windowBytes / 8) return
    const bytes = this.owed
    this.owed = 0
    this.transmit(makeFrame(this.agreed.version, FrameType.credit, bytes))
  }

  // ---- time

  tick(now: number): void {
    if (this.over) return
    const silentMs = now - this.heardAt
    if (silentMs >= this.settings.deadAfterMs)
      return this.fail(`nothing was heard of the peer for ${Math.round(silentMs)} ms (link deadAfterMs ${this.settings.deadAfterMs})`)
    if (now - this.pingedAt < this.settings.pingIntervalMs) return
    this.pingedAt = now
    this.transmit(makeFrame(this.agreed.version, FrameType.ping, 0))
  }

  end(): void {
    this.over = true
    this.assemblies.clear()
    this.queue.clear()
  }

  private fail(reason: string): void {
    if (this.over) return
    this.end()
    this.events.broken(reason)
  }
}

/** Written out: a spread makes hidden classes, which showed in profiles. */
function itemOf({ type, flags, status, correlation, index, kind, total, length }: Piece, body: Uint8Array): IncomingItem {
  return { type, flags, status, correlation, index, kind, total, length, body }
}
