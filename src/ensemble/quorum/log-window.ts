// The newest part of a member's log in memory: what a leader can send to one that is behind, and what says where two logs
// part. Entries of one epoch come from one leader in one order, so two logs that both hold a zxid agree up to it. Pure.

import type { EnsembleConfig } from './config.js'

export interface Entry {
  readonly zxid: bigint
  /** The transaction as the log stores it, its zxid included. */
  readonly payload: Uint8Array
  /** Set when the entry changes the ensemble's configuration. */
  readonly config: EnsembleConfig | null
  /** Who waits for its result: member and the number of its request. Not stored. */
  readonly origin: { readonly member: number; readonly request: number } | null
}

export interface EpochEnd {
  readonly epoch: number
  readonly last: bigint
}

export function epochOf(zxid: bigint): number {
  return Number(zxid >> 32n)
}

export class LogWindow {
  #entries: Entry[] = []
  #base: bigint
  #bytes = 0

  /** `base`: the zxid that the snapshot below ends with. */
  constructor(base: bigint, entries: readonly Entry[] = []) {
    this.#base = base
    this.append(entries)
  }

  get base(): bigint {
    return this.#base
  }

  get last(): bigint {
    return this.#entries.at(-1)?.zxid ?? this.#base
  }

  get entries(): readonly Entry[] {
    return this.#entries
  }

  append(entries: readonly Entry[]): void {
    for (const entry of entries) {
      this.#entries.push(entry)
      this.#bytes += entry.payload.length
    }
  }

  contains(zxid: bigint): boolean {
    return zxid === this.#base || this.#entries[this.#countUpTo(zxid) - 1]?.zxid === zxid
  }

  after(zxid: bigint, upTo?: bigint): Entry[] {
    return this.#entries.slice(this.#countUpTo(zxid), upTo === undefined ? undefined : this.#countUpTo(upTo))
  }

  truncate(after: bigint): void {
    const dropped = this.#entries.splice(this.#countUpTo(after))
    for (const entry of dropped) this.#bytes -= entry.payload.length
  }

  /** Starts anew behind an installed snapshot. */
  reset(base: bigint): void {
    this.#entries = []
    this.#base = base
    this.#bytes = 0
  }

  /** Drops the oldest entries up to `committed` while there are more than `maxBytes`. */
  trim(committed: bigint, maxBytes: number): void {
    if (this.#bytes <= maxBytes) return
    let count = 0
    // A quarter at a time, so that the array is not moved for every entry.
    for (; count < this.#entries.length && this.#bytes > maxBytes * 0.75 && this.#entries[count]!.zxid <= committed; count++) {
      this.#bytes -= this.#entries[count]!.payload.length
    }
    if (count === 0) return
    this.#base = this.#entries[count - 1]!.zxid
    this.#entries.splice(0, count)
  }

  /** The last zxid of every epoch in the window, newest first; the base is the last of them. */
  epochEnds(): EpochEnd[] {
    const ends: EpochEnd[] = []
    for (let i = this.#entries.length - 1; i >= -1; i--) {
      const zxid = i === -1 ? this.#base : this.#entries[i]!.zxid
      if (ends.at(-1)?.epoch !== epochOf(zxid)) ends.push({ epoch: epochOf(zxid), last: zxid })
    }
    return ends
  }

  /** The largest zxid that both logs hold, or null when it does not lie in this window. */
  commonWith(theirs: readonly EpochEnd[], theirBase: bigint): bigint | null {
    for (const { epoch, last } of theirs) {
      const count = this.#countUpTo(last)
      const zxid = count === 0 ? this.#base : this.#entries[count - 1]!.zxid
      if (zxid > last || zxid < theirBase) continue
      if (epochOf(zxid) === epoch) return zxid
    }
    return null
  }

  #countUpTo(zxid: bigint): number {
    let [low, high] = [0, this.#entries.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#entries[middle]!.zxid <= zxid) low = middle + 1
      else high = middle
    }
    return low
  }
}
