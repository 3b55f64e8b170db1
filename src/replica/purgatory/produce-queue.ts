// Produce requests of one partition that wait for an offset to be written, replicated or durable. No I/O, no clock: the owner says how far
// things are. First in, first out: offsets of one partition only grow, so the head is always the next to be freed.
// Several waits of one request (one per partition) share a `ProduceSink`.

import type { AppendResult } from '../../log/types.js'

/** Where the results of one Produce request gather. `slot` is the caller's index of the partition. */
export interface ProduceSink {
  complete(slot: number, result: AppendResult): void
}

/** What must hold before the answer: write(2) returned; the high watermark has passed; fsync has passed. */
export type ProduceWait = 'written' | 'committed' | 'durable'

interface Waiter {
  readonly requiredOffset: number
  readonly wait: ProduceWait
  readonly sink: ProduceSink
  readonly slot: number
  readonly result: AppendResult
  done: boolean
}

export class ProduceQueue {
  private waiters: Waiter[] = []
  private head = 0

  get length(): number {
    return this.waiters.length - this.head
  }

  /** Returns a function that ends this wait early with another result (timeout). */
  add(requiredOffset: number, wait: ProduceWait, sink: ProduceSink, slot: number, result: AppendResult): (result: AppendResult) => void {
    const waiter: Waiter = { requiredOffset, wait, sink, slot, result, done: false }
    this.waiters.push(waiter)
    return (other) => finish(waiter, other)
  }

  /** Answers every wait that the offsets allow, in order. */
  release(written: number, highWatermark: number, durable: number): void {
    const waiters = this.waiters
    while (this.head < waiters.length) {
      const waiter = waiters[this.head]!
      const reached = waiter.wait === 'written' ? written : waiter.wait === 'committed' ? highWatermark : Math.min(highWatermark, durable)
      if (!waiter.done && reached < waiter.requiredOffset) break
      this.head++
      finish(waiter, waiter.result)
    }
    this.compact()
  }

  /** Ends every wait above `logEndOffset` with `result`: those records are not in the log (failed write, lost leadership). */
  failAbove(logEndOffset: number, result: AppendResult): void {
    const kept: Waiter[] = []
    const failed: Waiter[] = []
    for (let i = this.head; i < this.waiters.length; i++) {
      const waiter = this.waiters[i]!
      ;(waiter.requiredOffset > logEndOffset ? failed : kept).push(waiter)
    }
    this.waiters = kept
    this.head = 0
    for (const waiter of failed) finish(waiter, result)
  }

  private compact(): void {
    if (this.head === this.waiters.length) {
      this.waiters.length = 0
      this.head = 0
    } else if (this.head > 1024) {
      this.waiters = this.waiters.slice(this.head)
      this.head = 0
    }
  }
}

function finish(waiter: Waiter, result: AppendResult): void {
  if (waiter.done) return
  waiter.done = true
  waiter.sink.complete(waiter.slot, result)
}
