// Bytes of one connection → whole frames. A frame that lies whole in the chunk just read is handed over in place, without a copy; only a
// frame that is still incomplete is gathered in a pooled buffer. The rest of a large one is read straight to its place there, and a frame that
// follows a large one is begun with little, so that of large frames hardly anything is copied.
// Memory grows with the bytes that came, never with the length announced. No sockets here: fed by `Connection`.

import type { BufferPool } from '../../env/buffer-pool.js'

/** Gathered frames start with this much and double: an announced length alone reserves nothing more. */
const FIRST_GATHER_BYTES = 1 << 20
/** Read of what follows a large frame: a length, and little to copy if it is as large. */
const BEGINNING_BYTES = 16 << 10

export interface FrameSink {
  /** One frame without its length prefix, at bytes[start, end). Valid only during the call. */
  frame(bytes: Buffer, start: number, end: number): void
  /** The length prefix is not positive or over the limit: the connection cannot be read any further. */
  badLength(length: number): void
}

export class FrameReader {
  private readonly pool: BufferPool
  private readonly maxFrameBytes: number
  private readonly sink: FrameSink
  private gathered: Buffer | undefined
  private gatheredBytes = 0
  /** Of the frame that began last. */
  private frameBytes = 0
  private readonly prefix = Buffer.alloc(4)
  private prefixBytes = 0
  private broken = false
  /** The receive buffer of all connections, and its beginning. */
  private readonly shared: Buffer
  private readonly beginning: Buffer
  /** The place of a large frame's rest, as `space` gave it last. */
  private direct: Buffer | undefined

  constructor(pool: BufferPool, maxFrameBytes: number, shared: Buffer, sink: FrameSink) {
    this.pool = pool
    this.maxFrameBytes = maxFrameBytes
    this.shared = shared
    this.beginning = shared.subarray(0, BEGINNING_BYTES)
    this.sink = sink
  }

  /** Where the next bytes are to be read to: then `feed` them, before anything else. The same object while nothing changes. */
  space(): Buffer {
    this.direct = undefined
    if (!this.isLarge) return this.shared
    if (!this.gathered) return this.beginning
    const buffer = this.roomFor(this.gatheredBytes + 1)
    this.direct = buffer.subarray(this.gatheredBytes, this.frameBytes)
    return this.direct
  }

  /** Bytes held of a frame that is not complete yet: what came, because a buffer's untouched pages cost no memory. */
  get heldBytes(): number {
    return this.gathered ? this.gatheredBytes : 0
  }

  /** `chunk`: what `space` gave, or any other bytes. */
  feed(chunk: Buffer, length: number): void {
    if (chunk === this.direct) {
      this.arrived(length)
      return
    }
    let position = 0
    while (position < length && !this.broken) {
      if (this.gathered) position = this.gather(chunk, position, length)
      else position = this.begin(chunk, position, length)
    }
  }

  /** A copy of what came of a frame that is not complete, with its length, to be fed to another reader. */
  unread(): Uint8Array {
    // Memory of its own: a view of Node's pool would take the whole pool to the other thread.
    if (!this.gathered) return Uint8Array.from(this.prefix.subarray(0, this.prefixBytes))
    const bytes = Buffer.allocUnsafeSlow(4 + this.gatheredBytes)
    bytes.writeInt32BE(this.frameBytes)
    this.gathered.copy(bytes, 4, 0, this.gatheredBytes)
    return bytes
  }

  /** Gives the held buffer back. Call when the connection ends. */
  close(): void {
    this.broken = true
    if (this.gathered) this.pool.release(this.gathered)
    this.gathered = undefined
    this.direct = undefined
  }

  /** Of the frame that began last: copying it would cost more than another read. */
  private get isLarge(): boolean {
    return this.frameBytes > this.shared.length / 2
  }

  private begin(chunk: Buffer, position: number, length: number): number {
    let frameBytes: number
    if (this.prefixBytes === 0 && length - position >= 4) {
      frameBytes = chunk.readInt32BE(position)
      position += 4
    } else {
      while (this.prefixBytes < 4 && position < length) this.prefix[this.prefixBytes++] = chunk[position++]!
      if (this.prefixBytes < 4) return position
      this.prefixBytes = 0
      frameBytes = this.prefix.readInt32BE(0)
    }
    if (frameBytes <= 0 || frameBytes > this.maxFrameBytes) {
      this.broken = true
      this.sink.badLength(frameBytes)
      return length
    }
    this.frameBytes = frameBytes
    if (length - position >= frameBytes) {
      this.sink.frame(chunk, position, position + frameBytes)
      return position + frameBytes
    }
    this.gatheredBytes = 0
    this.gathered = this.pool.acquire(Math.min(frameBytes, FIRST_GATHER_BYTES))
    return position
  }

  private gather(chunk: Buffer, position: number, length: number): number {
    const take = Math.min(this.frameBytes - this.gatheredBytes, length - position)
    const buffer = this.roomFor(this.gatheredBytes + take)
    chunk.copy(buffer, this.gatheredBytes, position, position + take)
    this.arrived(take)
    return position + take
  }

  /** So many bytes more of the frame lie in their place. */
  private arrived(bytes: number): void {
    const buffer = this.gathered!
    this.direct = undefined
    this.gatheredBytes += bytes
    if (this.gatheredBytes < this.frameBytes) return
    this.gathered = undefined
    this.sink.frame(buffer, 0, this.frameBytes)
    this.pool.release(buffer)
  }

  private roomFor(bytes: number): Buffer {
    const current = this.gathered!
    if (bytes <= current.length) return current
    const larger = this.pool.acquire(Math.min(this.frameBytes, Math.max(bytes, current.length * 2)))
    current.copy(larger, 0, 0, this.gatheredBytes)
    this.pool.release(current)
    this.gathered = larger
    return larger
  }
}
