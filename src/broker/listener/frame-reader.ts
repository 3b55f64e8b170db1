// Bytes of one connection → whole frames. A frame that lies whole in the chunk just read is handed over in place, without a copy; only a
// frame that is still incomplete is gathered in a pooled buffer. Memory grows with the bytes that came, never with the length announced.
// No sockets here: fed by `Connection`.

import type { BufferPool } from '../../env/buffer-pool.js'

/** Gathered frames start with this much and double: an announced length alone reserves nothing more. */
const FIRST_GATHER_BYTES = 1 << 20

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
  private frameBytes = 0
  private readonly prefix = Buffer.alloc(4)
  private prefixBytes = 0
  private broken = false

  constructor(pool: BufferPool, maxFrameBytes: number, sink: FrameSink) {
    this.pool = pool
    this.maxFrameBytes = maxFrameBytes
    this.sink = sink
  }

  /** Bytes held of a frame that is not complete yet: what came, because a buffer's untouched pages cost no memory. */
  get heldBytes(): number {
    return this.gathered ? this.gatheredBytes : 0
  }

  feed(chunk: Buffer, length: number): void {
    let position = 0
    while (position < length && !this.broken) {
      if (this.gathered) position = this.gather(chunk, position, length)
      else position = this.begin(chunk, position, length)
    }
  }

  /** Gives the held buffer back. Call when the connection ends. */
  close(): void {
    this.broken = true
    if (this.gathered) this.pool.release(this.gathered)
    this.gathered = undefined
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
    if (length - position >= frameBytes) {
      this.sink.frame(chunk, position, position + frameBytes)
      return position + frameBytes
    }
    this.frameBytes = frameBytes
    this.gatheredBytes = 0
    this.gathered = this.pool.acquire(Math.min(frameBytes, FIRST_GATHER_BYTES))
    return position
  }

  private gather(chunk: Buffer, position: number, length: number): number {
    const take = Math.min(this.frameBytes - this.gatheredBytes, length - position)
    const buffer = this.roomFor(this.gatheredBytes + take)
    chunk.copy(buffer, this.gatheredBytes, position, position + take)
    this.gatheredBytes += take
    if (this.gatheredBytes === this.frameBytes) {
      this.gathered = undefined
      this.sink.frame(buffer, 0, this.frameBytes)
      this.pool.release(buffer)
    }
    return position + take
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
