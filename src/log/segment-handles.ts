// The least-recently-used limit on open segment files of one thread (module state is per thread). Active segments are
// not counted here: they stay open.

export interface Closable {
  readonly pins: number
  readonly handle: number
  closeHandle(): void
}

class SegmentHandles {
  limit = 1024
  /** Insertion order is use order: the oldest first. */
  readonly #used = new Set<Closable>()

  touch(segment: Closable): void {
    this.#used.delete(segment)
    this.#used.add(segment)
    if (this.#used.size > this.limit) this.#closeOldest()
  }

  forget(segment: Closable): void {
    this.#used.delete(segment)
  }

  get size(): number {
    return this.#used.size
  }

  #closeOldest(): void {
    for (const segment of this.#used) {
      if (segment.pins > 0) continue
      segment.closeHandle() // also forgets it here
      this.#used.delete(segment)
      if (this.#used.size <= this.limit) return
    }
  }
}

export const segmentHandles = new SegmentHandles()
