// One accepted connection: frames in, answers out in order, and the limits that keep it from hurting others. Runs on the worker that accepted it.
//
// Reading stops while too many requests are unanswered or too many answer bytes wait for a slow reader, and starts again at half of
// that. What was already read is still handled, so the overshoot is one chunk.

import { Socket } from 'node:net'
import type { Logger } from '../../env/env.js'
import type { BufferPool } from '../../env/buffer-pool.js'
import { native } from '../../log/native.js'
import { asBuffer } from '../../model/bytes.js'
import { type AffinityState, ConnectionAffinity } from './connection-affinity.js'
import { FrameReader } from './frame-reader.js'
import { ResponseWriter, type ResponsePiece } from './response-writer.js'
import type { Transfers } from './transfers.js'

export interface ConnectionLimits {
  /** socket.request.max.bytes */
  readonly maxFrameBytes: number
  /** Unanswered requests of one connection. */
  readonly maxInFlight: number
  /** Bytes of one connection's unanswered requests, and of its answers in memory. */
  readonly maxBufferedBytes: number
}

/** Who a connection talks to. */
export interface RequestHandler {
  /**
   * One request frame at bytes[start, end), valid only during the call. Calls `respond` once, now or later: the pieces of the whole
   * answer with its length, or null when the request has none. Throws for a frame that cannot be understood: the connection is closed.
   */
  request(
    connection: Connection,
    bytes: Buffer,
    start: number,
    end: number,
    respond: (pieces: readonly ResponsePiece[] | null) => void,
  ): void
  /** The frames of this turn have all been handed over. */
  turnEnded(): void
}

/** How a connection comes from another worker. */
export interface Carried {
  readonly affinity: AffinityState
  /** What had come of a request that is not complete. */
  readonly unread: Uint8Array
}

export interface ConnectionOwner {
  readonly pool: BufferPool
  readonly limits: ConnectionLimits
  readonly handler: RequestHandler
  readonly transfers: Transfers
  readonly logger: Logger
  monotonic(): number
  closed(connection: Connection): void
  /** Its number, where there are others to go to. */
  readonly worker: number | undefined
  /** True: that worker has room, and a place is kept until the connection has left or is closed. */
  mayLeave(worker: number): boolean
  /** It belongs to that worker from now on; the descriptor is still the connection's own, which closes it after the call. */
  left(connection: Connection, worker: number, descriptor: number, carried: Carried): void
  /** The connection now holds `change` bytes more (or less) of half-received frames and unanswered requests. False: the limit is reached, stop reading until `resumeReading`. */
  held(connection: Connection, change: number): boolean
}

export class Connection {
  readonly listenerName: string
  readonly remoteAddress: string
  readonly localAddress: string
  readonly localPort: number
  /** Undefined: there is only one worker. */
  readonly affinity: ConnectionAffinity | undefined
  private active: number
  private readonly handle: { readonly fd?: number }
  private readonly socket: Socket
  private readonly owner: ConnectionOwner
  private readonly reader: FrameReader
  private readonly writer: ResponseWriter
  private space: Buffer | undefined
  private heldBytes = 0
  /** Of requests without an answer: their records may be on the way to another worker. */
  private requestBytes = 0
  private heldFrom = 0
  private paused = false
  private open = true
  private inTurn = false
  private pumpScheduled = false
  private target: number | undefined

  /** `handle` is the accepted socket's libuv handle; `receiveBuffer` is shared by every connection of the worker. */
  constructor(handle: object, receiveBuffer: Buffer, listenerName: string, owner: ConnectionOwner, carried?: Carried) {
    this.owner = owner
    this.handle = handle
    this.listenerName = listenerName
    if (owner.worker !== undefined) this.affinity = new ConnectionAffinity(owner.worker, carried?.affinity)
    this.active = owner.monotonic()
    this.reader = new FrameReader(owner.pool, owner.limits.maxFrameBytes, receiveBuffer, {
      frame: (bytes, start, end) => this.frame(bytes, start, end),
      badLength: (length) => this.badLength(length),
    })
    const onread = { buffer: () => this.nextSpace(), callback: (length: number, buffer: Buffer) => this.received(length, buffer) }
    // `handle` and `onread` together are what keeps a read free of allocation; the option exists but the published types omit it.
    this.socket = new Socket({ handle, onread, allowHalfOpen: false } as never)
    this.socket.setNoDelay(true)
    this.socket.setKeepAlive(true, 60_000)
    this.remoteAddress = this.socket.remoteAddress ?? ''
    this.localAddress = this.socket.localAddress ?? ''
    this.localPort = this.socket.localPort ?? 0
    this.writer = new ResponseWriter(
      this.socket,
      owner.pool,
      () => this.drained(),
      (error) => this.destroy(`cannot read the records of an answer: ${error.message}`),
      {
        descriptor: () => this.descriptor,
        send: (descriptor, bytes, length) => native().socketSend(descriptor, bytes, length),
        cork: (descriptor, on) => native().socketCork(descriptor, on),
        transfer: (descriptor) => owner.transfers.open(descriptor),
      },
    )
    this.socket.on('error', (error) => this.destroy(error.message))
    this.socket.on('end', () => this.destroy('the client closed'))
    this.socket.on('close', () => this.destroy('closed'))
    if (carried) this.reader.feed(asBuffer(carried.unread), carried.unread.length)
    this.socket.resume()
  }

  /** When bytes last went either way. */
  get lastActive(): number {
    if (this.writer.hasMoved) this.active = this.owner.monotonic()
    return this.active
  }
  get isOpen(): boolean {
    return this.open
  }
  /** Bytes of a half-received frame and of unanswered requests, and since when none were freed. */
  get held(): number {
    return this.heldBytes
  }
  get heldSince(): number {
    return this.heldFrom
  }

  /** The worker that it goes to once all is answered, and until then reads nothing; undefined: it stays. */
  get leavingTo(): number | undefined {
    return this.target
  }

  destroy(reason: string): void {
    if (!this.open) return
    this.owner.logger.debug({ client: this.remoteAddress, reason }, 'connection closed')
    this.end()
    this.owner.closed(this)
  }

  resumeReading(): void {
    if (!this.open || !this.paused || this.target !== undefined || this.overLimit(0.5)) return
    this.paused = false
    this.socket.resume()
    // A net.Socket with a user buffer stops its handle on pause(); read(0) starts it again.
    this.socket.read(0)
  }

  /** Where libuv reads to; undefined: where it did the last time. */
  private nextSpace(): Buffer | undefined {
    const space = this.reader.space()
    if (space === this.space) return undefined
    this.space = space
    return space
  }

  private received(length: number, buffer: Buffer): boolean {
    this.active = this.owner.monotonic()
    this.inTurn = true
    this.reader.feed(buffer, length)
    this.inTurn = false
    this.owner.handler.turnEnded()
    if (!this.open) return false
    this.writer.pump()
    this.lookForBetterWorker()
    if (!this.reportHeld() || this.overLimit(1) || this.target !== undefined) {
      this.paused = true
      this.socket.pause()
      this.leaveOnceIdle()
      return false
    }
    return true
  }

  private lookForBetterWorker(): void {
    const worker = this.affinity?.review() ?? -1
    if (worker >= 0 && this.target === undefined && this.owner.mayLeave(worker)) this.target = worker
  }

  /** Between two requests, so that answers keep their order. */
  private leaveOnceIdle(): void {
    const { descriptor, affinity, target } = this
    if (target === undefined || !affinity || !this.writer.isIdle || descriptor < 0) return
    this.owner.left(this, target, descriptor, { affinity: affinity.moved(), unread: this.reader.unread() })
    this.end()
  }

  /** Negative: closed. */
  private get descriptor(): number {
    return this.open ? (this.handle.fd ?? -1) : -1
  }

  private end(): void {
    this.open = false
    this.reader.close()
    this.owner.held(this, -this.heldBytes)
    this.writer.end()
    this.socket.destroy()
  }

  /** Tells the owner what this connection holds now. False: it must not read on. */
  private reportHeld(): boolean {
    const change = this.reader.heldBytes + this.requestBytes - this.heldBytes
    if (change === 0 || !this.open) return true
    if (this.heldBytes === 0 || change < 0) this.heldFrom = this.active
    this.heldBytes += change
    return this.owner.held(this, change)
  }

  private frame(bytes: Buffer, start: number, end: number): void {
    if (!this.open) return
    const size = end - start
    this.requestBytes += size
    const slot = this.writer.reserve()
    try {
      this.owner.handler.request(this, bytes, start, end, (pieces) => {
        this.requestBytes -= size
        this.writer.complete(slot, pieces)
        if (!this.inTurn) this.schedulePump()
      })
    } catch (error) {
      this.owner.logger.warn(
        { client: this.remoteAddress, error: (error as Error).message },
        'closing a connection that sent what cannot be understood',
      )
      this.destroy((error as Error).message)
    }
  }

  /**
   * Answers that became ready in one turn (a flush frees many at once) share a write. After all microtasks: what another thread can go on with has left by
   * then. A write wakes its reader, which may well take this core.
   */
  private schedulePump(): void {
    if (this.pumpScheduled) return
    this.pumpScheduled = true
    queueMicrotask(() => process.nextTick(() => this.pumpNow()))
  }

  private pumpNow(): void {
    this.pumpScheduled = false
    this.writer.pump()
    this.reportHeld()
    this.proceed()
  }

  private proceed(): void {
    if (this.target !== undefined) this.leaveOnceIdle()
    else if (this.paused) this.resumeReading()
  }

  private badLength(length: number): void {
    const { maxFrameBytes } = this.owner.limits
    this.owner.logger.warn(
      { client: this.remoteAddress, length, limit: maxFrameBytes, setting: 'socket.request.max.bytes' },
      length <= 0
        ? 'closing a connection: a request length must be positive'
        : 'closing a connection: the request is larger than socket.request.max.bytes',
    )
    this.destroy(`invalid request length ${length}`)
  }

  private drained(): void {
    this.active = this.owner.monotonic()
    this.proceed()
  }

  private overLimit(share: number): boolean {
    const { maxInFlight, maxBufferedBytes } = this.owner.limits
    const { outstanding, bufferedBytes } = this.writer
    return outstanding > maxInFlight * share || bufferedBytes > maxBufferedBytes * share || this.requestBytes > maxBufferedBytes * share
  }
}
