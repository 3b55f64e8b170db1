// A log's segments in order of base offset: binary search by offset, total size. The last one is the active segment.

import type { Segment } from './segment.js'

export class SegmentList {
  #segments: Segment[] = []
  /** Bytes of all segments but the active one, which grows under our feet. */
  #closedBytes = 0

  get all(): readonly Segment[] {
    return this.#segments
  }

  get count(): number {
    return this.#segments.length
  }

  get active(): Segment {
    return this.#segments[this.#segments.length - 1]!
  }

  get first(): Segment {
    return this.#segments[0]!
  }

  get totalBytes(): number {
    return this.#closedBytes + this.active.size
  }

  at(index: number): Segment {
    return this.#segments[index]!
  }

  push(segment: Segment): void {
    if (this.#segments.length > 0) this.#closedBytes += this.active.size
    this.#segments.push(segment)
  }

  /** Replaces the whole list, e.g. after truncation or compaction. */
  reset(segments: readonly Segment[]): void {
    this.#segments = [...segments]
    this.#closedBytes = 0
    for (let i = 0; i < segments.length - 1; i++) this.#closedBytes += segments[i]!.size
  }

  /** Index of the segment whose range holds `offset`: the last with base offset at or below it; -1 when all lie above. */
  floorIndex(offset: number): number {
    let low = 0
    let high = this.#segments.length - 1
    if (high >= 0 && this.#segments[high]!.baseOffset <= offset) return high
    let found = -1
    while (low <= high) {
      const middle = (low + high) >>> 1
      if (this.#segments[middle]!.baseOffset <= offset) {
        found = middle
        low = middle + 1
      } else {
        high = middle - 1
      }
    }
    return found
  }

  /** The offset after the last one the segment at `index` may hold. */
  endOffsetOf(index: number, logEndOffset: number): number {
    return index + 1 < this.#segments.length ? this.#segments[index + 1]!.baseOffset : logEndOffset
  }
}
