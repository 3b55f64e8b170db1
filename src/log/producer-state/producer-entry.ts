// What one producer id last wrote to one partition: its epoch, its newest five batches and its open transaction. Pure.

import { decrementSequence } from '../../protocol/records/batch-layout.js'

/** Kafka's number: the most a client may have in flight. */
export const KEPT_BATCHES = 5

export class ProducerEntry {
  readonly producerId: number
  /** -1: nothing known yet. */
  epoch = -1
  coordinatorEpoch = -1
  lastTimestamp = -1
  /** First offset of the open transaction; -1 none. */
  txnFirstOffset = -1
  /** Batches kept, oldest first, as parallel columns: no object per batch. */
  count = 0
  readonly lastSequences = [-1, -1, -1, -1, -1]
  readonly lastOffsets = [-1, -1, -1, -1, -1]
  readonly offsetDeltas = [0, 0, 0, 0, 0]
  readonly timestamps = [-1, -1, -1, -1, -1]
  /** The flush during which a copy of this entry went into the undo journal. */
  journaledAt = -1

  constructor(producerId: number) {
    this.producerId = producerId
  }

  get isEmpty(): boolean {
    return this.count === 0
  }

  get lastSequence(): number {
    return this.count === 0 ? -1 : this.lastSequences[this.count - 1]!
  }

  get lastOffset(): number {
    return this.count === 0 ? -1 : this.lastOffsets[this.count - 1]!
  }

  get lastOffsetDelta(): number {
    return this.count === 0 ? 0 : this.offsetDeltas[this.count - 1]!
  }

  firstSequenceOf(slot: number): number {
    const last = this.lastSequences[slot]!
    return last === -1 ? -1 : decrementSequence(last, this.offsetDeltas[slot]!)
  }

  firstOffsetOf(slot: number): number {
    return this.lastOffsets[slot]! - this.offsetDeltas[slot]!
  }

  /** The slot of a batch with exactly this sequence range, or -1. */
  slotOf(epoch: number, firstSequence: number, lastSequence: number): number {
    if (epoch !== this.epoch) return -1
    for (let slot = 0; slot < this.count; slot++) {
      if (this.lastSequences[slot] === lastSequence && this.firstSequenceOf(slot) === firstSequence) return slot
    }
    return -1
  }

  setEpoch(epoch: number): void {
    if (epoch === this.epoch) return
    this.count = 0
    this.epoch = epoch
  }

  addBatch(epoch: number, lastSequence: number, lastOffset: number, offsetDelta: number, timestamp: number): void {
    this.setEpoch(epoch)
    if (this.count === KEPT_BATCHES) this.dropOldest()
    const slot = this.count++
    this.lastSequences[slot] = lastSequence
    this.lastOffsets[slot] = lastOffset
    this.offsetDeltas[slot] = offsetDelta
    this.timestamps[slot] = timestamp
    this.lastTimestamp = timestamp
  }

  private dropOldest(): void {
    for (let i = 1; i < KEPT_BATCHES; i++) {
      this.lastSequences[i - 1] = this.lastSequences[i]!
      this.lastOffsets[i - 1] = this.lastOffsets[i]!
      this.offsetDeltas[i - 1] = this.offsetDeltas[i]!
      this.timestamps[i - 1] = this.timestamps[i]!
    }
    this.count = KEPT_BATCHES - 1
  }

  clone(): ProducerEntry {
    const copy = new ProducerEntry(this.producerId)
    copy.epoch = this.epoch
    copy.coordinatorEpoch = this.coordinatorEpoch
    copy.lastTimestamp = this.lastTimestamp
    copy.txnFirstOffset = this.txnFirstOffset
    copy.count = this.count
    for (let i = 0; i < this.count; i++) {
      copy.lastSequences[i] = this.lastSequences[i]!
      copy.lastOffsets[i] = this.lastOffsets[i]!
      copy.offsetDeltas[i] = this.offsetDeltas[i]!
      copy.timestamps[i] = this.timestamps[i]!
    }
    return copy
  }
}
