// Chooses partitions for records without a key: all of them go to one partition until it took about `batchSize`
// bytes, then another is drawn at random (KIP-794 without the queue-length weights). Keeps no clock, does no I/O.

import type { Random } from '../../env/env.js'

/** A topic's sticky choice. One per topic and producer. */
export class StickyChoice {
  #partition = -1
  #bytes = 0
  readonly #random: Random

  constructor(random: Random) {
    this.#random = random
  }

  /**
   * The current partition. `available` are the partitions that have a leader; when it is empty any of
   * `partitionCount` is drawn, so that the record waits for a leader instead of failing at once.
   */
  current(available: readonly number[], partitionCount: number): number {
    if (this.#partition < 0 || this.#partition >= partitionCount) this.#draw(available, partitionCount)
    return this.#partition
  }

  /** Counts bytes appended to the current partition and switches once `switchBytes` is reached. */
  took(bytes: number, switchBytes: number, available: readonly number[], partitionCount: number): void {
    this.#bytes += bytes
    if (this.#bytes >= switchBytes) this.#draw(available, partitionCount)
  }

  /** The current partition lost its leader or its batch left early: draw anew at the next record. */
  reset(): void {
    this.#partition = -1
    this.#bytes = 0
  }

  #draw(available: readonly number[], partitionCount: number): void {
    const before = this.#partition
    this.#bytes = 0
    const count = available.length === 0 ? partitionCount : available.length
    let at = Math.floor(this.#random.next() * count) % count
    let drawn = available.length === 0 ? at : available[at]!
    if (drawn === before && count > 1) {
      at = (at + 1) % count
      drawn = available.length === 0 ? at : available[at]!
    }
    this.#partition = drawn
  }
}
