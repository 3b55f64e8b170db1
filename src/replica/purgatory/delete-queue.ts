// DeleteRecords requests of one partition that wait until every live replica's log starts where they asked (Kafka's DelayedDeleteRecords).
// No I/O, no clock: the owner says how far the replicas are, and ends a wait whose time is up.

import { errors } from '../../model/errors.js'

export interface DeleteRecordsAnswer {
  readonly errorCode: number
  readonly lowWatermark: number
}

interface Waiter {
  readonly requiredOffset: number
  readonly answer: (answer: DeleteRecordsAnswer) => void
}

export class DeleteQueue {
  private readonly waiters = new Set<Waiter>()

  get isEmpty(): boolean {
    return this.waiters.size === 0
  }

  /** `answer` is called once, unless the returned function took the wait back before. */
  add(requiredOffset: number, answer: (answer: DeleteRecordsAnswer) => void): () => void {
    const waiter = { requiredOffset, answer }
    this.waiters.add(waiter)
    return () => void this.waiters.delete(waiter)
  }

  /** Answers every wait that the low watermark allows. */
  release(lowWatermark: number): void {
    for (const waiter of Array.from(this.waiters)) {
      if (waiter.requiredOffset <= lowWatermark) this.finish(waiter, { errorCode: errors.NONE.code, lowWatermark })
    }
  }

  /** Ends every wait: what became of the records on the other replicas is not known here any more. */
  abandon(errorCode: number): void {
    for (const waiter of Array.from(this.waiters)) this.finish(waiter, { errorCode, lowWatermark: -1 })
  }

  private finish(waiter: Waiter, answer: DeleteRecordsAnswer): void {
    this.waiters.delete(waiter)
    waiter.answer(answer)
  }
}
