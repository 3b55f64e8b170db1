// What a connection to a worker says once for many batches: the memory they lie in, which both threads see, and the terms they are sent under. Both
// have slots that the worker knows them by. The caller's side decides what is in them. Pure but for the memory.

import type { BatchTerms } from '../broker/in-process-connection.js'
import type { DirectBatch } from '../model/direct-batch.js'

/** Memory comes in steps of this size, so that what comes back fits the next batch too. */
const MEMORY_STEP = 16 * 1024
/** As many as are on their way with the default of maxInFlightRequestsPerConnection, and some. */
const MAX_FREE_MEMORY = 8
const MAX_TERMS = 1024

/** Memory of one batch, on its way to the worker and until its answer. */
export interface Lent {
  readonly slot: number
  readonly bytes: Uint8Array
}

export class SharedMemory {
  private readonly tell: (slot: number, memory: SharedArrayBuffer | null) => void
  /** The last one that came back is the first to go: it is in the cache. */
  private readonly free: Lent[] = []
  private readonly freeSlots: number[] = []
  private slots = 0

  /** `tell`: the worker is to know before a batch lies in it; null: it may forget it. */
  constructor(tell: (slot: number, memory: SharedArrayBuffer | null) => void) {
    this.tell = tell
  }

  take(size: number): Lent {
    const at = this.free.findLastIndex(({ bytes }) => bytes.length >= size)
    if (at >= 0) return this.free.splice(at, 1)[0]!
    const memory = new SharedArrayBuffer(Math.ceil(size / MEMORY_STEP) * MEMORY_STEP)
    const slot = this.freeSlots.pop() ?? this.slots++
    this.tell(slot, memory)
    return { slot, bytes: new Uint8Array(memory) }
  }

  giveBack(lent: Lent): void {
    this.free.push(lent)
    if (this.free.length <= MAX_FREE_MEMORY) return
    const { slot } = this.free.shift()!
    this.freeSlots.push(slot)
    this.tell(slot, null)
  }
}

type Terms = BatchTerms['terms']

export class TermsTable {
  private readonly tell: (slot: number, terms: Terms) => void
  private readonly slots = new Map<string, number>()
  private last: Terms | undefined
  private lastSlot = 0

  constructor(tell: (slot: number, terms: Terms) => void) {
    this.tell = tell
  }

  /** Valid for the batch that is sent next: the worker is told of terms before their first one. */
  slotOf(batch: DirectBatch): number {
    const { topic, topicId, partition, acks, millraceAck, timeoutMs, clientId } = batch
    const { last } = this
    const same =
      last !== undefined &&
      last.partition === partition &&
      last.topic === topic &&
      last.topicId === topicId &&
      last.acks === acks &&
      last.millraceAck === millraceAck &&
      last.timeoutMs === timeoutMs &&
      last.clientId === clientId
    if (same) return this.lastSlot
    const terms = { topic, topicId, partition, acks, millraceAck, timeoutMs, clientId }
    const key = JSON.stringify(Object.values(terms))
    let slot = this.slots.get(key)
    if (slot === undefined) {
      // Begun anew rather than kept in order of use: nobody has as many partitions and promises at once and is in a hurry.
      if (this.slots.size === MAX_TERMS) this.slots.clear()
      this.slots.set(key, (slot = this.slots.size))
      this.tell(slot, terms)
    }
    this.last = terms
    return (this.lastSlot = slot)
  }
}
