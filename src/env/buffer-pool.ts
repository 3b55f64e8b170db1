// Reusable buffers for frames and bodies that arrive in pieces and for file chunks on their way out. Last in, first out, so that the memory
// handed out is the memory that is still in the cache. Bounded: what exceeds the keep limit is left to the garbage collector.

const SMALLEST_CLASS = 14 // 16 KiB

export class BufferPool {
  private readonly free: Buffer[][] = []
  private readonly keepPerClass: number
  private readonly largestClass: number
  private readonly allocate: (bytes: number) => Buffer

  /** Keeps up to `keepPerClass` buffers of each size, the powers of two from 16 KiB to `largestBytes`. */
  constructor(keepPerClass = 16, largestBytes = 1 << 20, allocate: (bytes: number) => Buffer = Buffer.allocUnsafeSlow) {
    this.keepPerClass = keepPerClass
    this.allocate = allocate
    this.largestClass = classOf(largestBytes)
    for (let i = SMALLEST_CLASS; i <= this.largestClass; i++) this.free.push([])
  }

  /** A buffer of at least `size` bytes with arbitrary content. */
  acquire(size: number): Buffer {
    const sizeClass = classOf(size)
    if (sizeClass > this.largestClass) return this.allocate(size)
    return this.free[sizeClass - SMALLEST_CLASS]!.pop() ?? this.allocate(1 << sizeClass)
  }

  release(buffer: Buffer): void {
    const sizeClass = classOf(buffer.length)
    if (sizeClass > this.largestClass || buffer.length !== 1 << sizeClass) return
    const list = this.free[sizeClass - SMALLEST_CLASS]!
    if (list.length < this.keepPerClass) list.push(buffer)
  }
}

function classOf(size: number): number {
  return Math.max(SMALLEST_CLASS, 32 - Math.clz32(Math.max(size, 1) - 1))
}
