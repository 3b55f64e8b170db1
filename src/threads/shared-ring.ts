// Bytes from one thread to one other through memory that both see: between workers, and between a worker and the link thread. What goes through
// it is neither allocated nor moved nor collected on either side: moved ArrayBuffers were a third of a follower's CPU, most of it V8's marking,
// which external memory sets off every 64 MiB.
// One writer, one reader. Where the bytes lie is told by a message (which orders the accesses); the reader says through the head of the memory
// up to where it is done. Runs on both threads.
//
// V8 copies to and from shared memory in words only where both ends lie alike within a word, else byte by byte, at a tenth of the speed. So who
// places a body says how its other end lies (`lead`).

import { native } from '../log/native.js'

/** Where a body lies: its first byte, its length, and the position to say when it is done with. */
export type Placed = readonly [start: number, length: number, end: number]

const HEAD = 64
const ALIGN = 8

/** From here on a call of the addon pays: V8 copies to and from shared memory word by word, each an atomic access. */
const NATIVE_COPY = 4096

/** Copies between a ring and memory of the thread, either way. */
export function copyShared(target: Uint8Array, at: number, source: Uint8Array): void {
  if (source.length < NATIVE_COPY) target.set(source, at)
  else native().copyBytes(target, source, at)
}

export function ringMemory(bytes: number): SharedArrayBuffer {
  if (bytes < 1024 || (bytes & (bytes - 1)) !== 0) throw new RangeError(`a ring of ${bytes} bytes; it must be a power of two from 1024`)
  return new SharedArrayBuffer(HEAD + bytes)
}

export class RingWriter {
  private readonly released: Int32Array
  private readonly bytes: Uint8Array
  private readonly size: number
  /** Positions count all bytes ever placed, modulo 2^32, of which the size is a divisor. */
  private written = 0
  /** What a position lies ahead of its place in the memory by. */
  private shift = 0
  /** The room that was looked for last: where it begins, bytes free in front of it, bytes left out at the end of the memory. */
  private start = 0
  private lead = 0
  private skipped = 0

  constructor(memory: SharedArrayBuffer) {
    this.released = new Int32Array(memory, 0, 1)
    this.bytes = new Uint8Array(memory)
    this.size = memory.byteLength - HEAD
  }

  /**
   * Room in one piece for `write` to fill, which is called at once; undefined: there is none now, or never for so many. `lead`: so many bytes behind
   * a multiple of 8 the body begins, as what is copied here or will be copied to; those in front of it are the reader's to use.
   */
  place(length: number, lead: number, write: (target: Uint8Array, at: number) => void): Placed | undefined {
    if (!this.look(length, lead)) return undefined
    write(this.bytes, this.start)
    return this.commit(length)
  }

  /** Room as in `place`, to be filled over time. It is taken by `commit`; without it, what is placed or reserved next lies there. */
  reserve(length: number): Uint8Array | undefined {
    return this.look(length, 0) ? this.bytes.subarray(this.start, this.start + length) : undefined
  }

  /** The first `length` bytes of what was reserved are there. */
  commit(length: number): Placed {
    const { start, lead, skipped } = this
    this.written = (this.written + skipped + roundUp(lead + length)) >>> 0
    return [start, length, this.written]
  }

  private look(length: number, lead: number): boolean {
    const { size } = this
    const rounded = roundUp(lead + length)
    // A larger one might never find a place in one piece.
    if (length === 0 || rounded > size / 2) return false
    const used = (this.written - Atomics.load(this.released, 0)) >>> 0
    // An empty ring begins at its beginning: that memory is still in the caches, what comes next in the ring is not.
    if (used === 0) this.shift = this.written & (size - 1)
    const offset = (this.written - this.shift) & (size - 1)
    const skipped = offset + rounded > size ? size - offset : 0
    if (used + skipped + rounded > size) return false
    this.skipped = skipped
    this.lead = lead
    this.start = HEAD + (skipped === 0 ? offset : 0) + lead
    return true
  }
}

function roundUp(bytes: number): number {
  return (bytes + ALIGN - 1) & -ALIGN
}

/** A body in the ring, until it is released. */
export class RingBody {
  readonly bytes: Uint8Array
  readonly end: number
  private readonly ring: RingReader
  isDone = false

  constructor(ring: RingReader, bytes: Uint8Array, end: number) {
    this.ring = ring
    this.bytes = bytes
    this.end = end
  }

  /** The body and so many bytes in front of it, which its writer left free: at most the `lead` that it was placed with. */
  withLead(bytes: number): Uint8Array {
    const { buffer, byteOffset, length } = this.bytes
    return new Uint8Array(buffer, byteOffset - bytes, length + bytes)
  }

  /** Nobody looks at the bytes any more. In any order; the writer gets them back in its own. */
  release(): void {
    this.isDone = true
    this.ring.giveBack()
  }
}

export class RingReader {
  private readonly released: Int32Array
  private readonly memory: SharedArrayBuffer
  /** In the order of the ring. */
  private readonly taken: RingBody[] = []

  constructor(memory: SharedArrayBuffer) {
    this.memory = memory
    this.released = new Int32Array(memory, 0, 1)
  }

  /** Each once, in the order in which they were placed. */
  take([start, length, end]: Placed): RingBody {
    const body = new RingBody(this, new Uint8Array(this.memory, start, length), end)
    this.taken.push(body)
    return body
  }

  /** Everything up to `end` is done with: for a reader that keeps nothing beyond the message that told of it. */
  doneTo(end: number): void {
    Atomics.store(this.released, 0, end | 0)
  }

  giveBack(): void {
    const { taken } = this
    let done = 0
    while (taken[done]?.isDone) done++
    if (done === 0) return
    Atomics.store(this.released, 0, taken[done - 1]!.end | 0)
    taken.splice(0, done)
  }
}
