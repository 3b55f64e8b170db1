// Produce requests of one partition that wait for an offset to be written, replicated or durable. No I/O, no clock: the owner says how far
// things are. First in, first out for each kind of wait: offsets of one partition only grow, so the head is always the next to be freed,
// and who waits for the leader alone is not held up by who waits for the followers.
// Several waits of one request (one per partition) share a `ProduceSink`.

import type { AppendResult } from '../../log/types.js'

/** Where the results of one Produce request gather. `slot` is the caller's index of the partition. */
export interface ProduceSink {
  complete(slot: number, result: AppendResult): void
}

/**
 * What must hold before the answer: write(2) returned; fsync has passed here; the high watermark has passed; both (`durable`).
 */
export type ProduceWait = 'written' | 'synced' | 'committed' | 'durable'

interface Waiter {
  readonly requiredOffset: number
  readonly sink: ProduceSink
  readonly slot: number
  readonly result: AppendResult
  done: boolean
}

/** An error about records that are in the log: their offsets stay in the answer, so that whoever must know knows. */
export interface Refusal {
  readonly errorCode: number
  readonly errorMessage: string | null
}

class Waiters {
  list: Waiter[] = []
  head = 0

  release(reached: number, refusal: Refusal | null): void {
    const { list } = this
    while (this.head < list.length) {
      const waiter = list[this.head]!
      if (!waiter.done && reached < waiter.requiredOffset) break
      this.head++
      finish(waiter, refusal === null ? waiter.result : { ...waiter.result, ...refusal })
    }
    if (this.head === 0) return
    if (this.head === list.length) {
      // A new one: to set the length of an array is a call into V8's runtime.
      this.list = []
      this.head = 0
    } else if (this.head > 1024) {
      this.list = list.slice(this.head)
      this.head = 0
    }
  }

  /** Takes out those above `logEndOffset`. */
  cut(logEndOffset: number): Waiter[] {
    const kept: Waiter[] = []
    const failed: Waiter[] = []
    for (let i = this.head; i < this.list.length; i++) {
      const waiter = this.list[i]!
      ;(waiter.requiredOffset > logEndOffset ? failed : kept).push(waiter)
    }
    this.list = kept
    this.head = 0
    return failed
  }
}

export class ProduceQueue {
  private readonly written = new Waiters()
  private readonly synced = new Waiters()
  private readonly committed = new Waiters()
  private readonly durable = new Waiters()

  get length(): number {
    return [this.written, this.synced, this.committed, this.durable].reduce((sum, { list, head }) => sum + list.length - head, 0)
  }

  /** Returns a function that ends this wait early with another result (timeout). */
  add(requiredOffset: number, wait: ProduceWait, sink: ProduceSink, slot: number, result: AppendResult): (result: AppendResult) => void {
    const waiter: Waiter = { requiredOffset, sink, slot, result, done: false }
    this[wait].list.push(waiter)
    return (other) => finish(waiter, other)
  }

  /** Answers every wait that the offsets allow. `refusal`: what those get that wait for the in-sync set, where it is too small by now. */
  release(written: number, highWatermark: number, durable: number, refusal: Refusal | null = null): void {
    this.written.release(written, null)
    this.synced.release(durable, null)
    this.committed.release(highWatermark, refusal)
    this.durable.release(highWatermark < durable ? highWatermark : durable, refusal)
  }

  /** Ends every wait: the records are in the log, and what becomes of them is not known here any more (lost leadership). */
  abandon(refusal: Refusal): void {
    const all = [this.written, this.synced, this.committed, this.durable].flatMap((waiters) => waiters.cut(-1))
    for (const waiter of all) finish(waiter, { ...waiter.result, ...refusal })
  }

  /** Ends every wait above `logEndOffset` with `result`: those records are not in the log (failed write). */
  failAbove(logEndOffset: number, result: AppendResult): void {
    const failed = [this.written, this.synced, this.committed, this.durable].flatMap((waiters) => waiters.cut(logEndOffset))
    for (const waiter of failed) finish(waiter, result)
  }
}

function finish(waiter: Waiter, result: AppendResult): void {
  if (waiter.done) return
  waiter.done = true
  waiter.sink.complete(waiter.slot, result)
}
