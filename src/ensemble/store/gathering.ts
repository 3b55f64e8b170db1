// When to wait for more before a durable write. Clients that keep many requests under way fall into groups, one that is written and one that
// waits: the answers of a group bring its next requests, so two groups take turns at the disk for ever, and each request waits for two writes.
// So the next write waits a little for those that the last one answered, unless they are there already. A client with one request at a time is
// there with it. Where the wait is in vain it is tried more and more rarely. Pure.

const MAX_WAIT_MS = 5
const MAX_MISSES = 6

export class Gathering {
  /** Answered by the last write, and waiting when it ended. */
  #answered = 0
  #waited = 0
  #tookMs = 0
  #endedAt = -Infinity
  #misses = 0
  #skip = 0

  wrote(entries: number, waiting: number, began: number, now: number): void {
    this.#answered = entries
    this.#waited = waiting
    this.#tookMs = now - began
    this.#endedAt = now
  }

  isEnough(entries: number): boolean {
    return entries >= this.#waited + this.#answered
  }

  /** For how many milliseconds `entries` may wait before they are written. Where the disk takes less than two, waiting costs more: 0. */
  patienceMs(entries: number, now: number): number {
    const ms = Math.min(Math.floor(this.#tookMs / 2), MAX_WAIT_MS)
    if (ms === 0 || this.isEnough(entries) || now - this.#endedAt > this.#tookMs) return 0
    if (this.#skip === 0) return ms
    this.#skip--
    return 0
  }

  /** The wait ended with so many. */
  over(entries: number): void {
    const met = entries >= this.#waited + this.#answered / 2
    this.#misses = met ? 0 : Math.min(this.#misses + 1, MAX_MISSES)
    this.#skip = met ? 0 : 2 ** this.#misses
  }
}
