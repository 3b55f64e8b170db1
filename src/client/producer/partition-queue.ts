// One partition's outgoing batches and the sequence numbers they carry. Pure state: the sender asks what to send next
// and tells what came back. Runs on the producer's thread.
//
// A batch goes: open → waiting → in flight → done, or back from in flight to waiting (retry) with its sequence.
// What keeps order and exactly-once:
// - a batch that comes back stands in front of everything younger, and nothing is sent while older ones that were
//   sent with it are still out: they return first (with OUT_OF_ORDER_SEQUENCE_NUMBER at the latest);
// - a batch keeps producer id, epoch and sequence over all its retries, so that the broker recognises it;
// - the broker recognises a producer's last five batches of a partition only. So nothing new goes more than four
//   batches beyond the oldest unanswered one, however often that one has to be sent again, and to whichever broker;
// - when a sequence can never arrive (a batch was given up), numbers start at 0 under a new epoch, once nothing is out.

import { incrementSequence } from '../../protocol/records/batch-layout.js'
import type { ProducerBatch } from './batch.js'

export interface ProducerIdentity {
  readonly producerId: number
  readonly epoch: number
}

/** How many batches of a producer a broker remembers per partition, to tell a repetition from a gap (Kafka's NUM_BATCHES_TO_RETAIN). */
const REMEMBERED_BATCHES = 5

export class PartitionQueue {
  readonly topic: string
  readonly partition: number
  /** Takes records. */
  open: ProducerBatch | undefined
  /** Closed, oldest first. */
  readonly #waiting: ProducerBatch[] = []
  /** Sent and not answered, oldest first. */
  readonly #inFlight: ProducerBatch[] = []
  /** Answered well, and nobody told yet, oldest first. */
  readonly #answered: ProducerBatch[] = []
  #identity: ProducerIdentity | undefined
  #nextSequence = 0
  /** Batches that were given sequences under `#identity`. */
  #numbered = 0
  /** The highest `number` among batches that the broker accepted under `#identity`. */
  #accepted = -1
  #resetWanted = false
  /** Monotonic time before which nothing is sent after a failure. */
  notBefore = 0
  failures = 0

  constructor(topic: string, partition: number) {
    this.topic = topic
    this.partition = partition
  }

  get isEmpty(): boolean {
    return this.open === undefined && this.#waiting.length === 0 && this.#inFlight.length === 0 && this.#answered.length === 0
  }

  get hasUnsent(): boolean {
    return this.open !== undefined || this.#waiting.length > 0
  }

  get inFlightCount(): number {
    return this.#inFlight.length
  }

  get waitingCount(): number {
    return this.#waiting.length
  }

  /** True when a given-up batch left a hole in the sequence: the producer needs a new epoch before this goes on. */
  get wantsNewEpoch(): boolean {
    return this.#resetWanted && this.#inFlight.length === 0
  }

  /** Who the batches that are out belong to; undefined before the first. */
  get identity(): ProducerIdentity | undefined {
    return this.#identity
  }

  /** Closes the open batch: no record joins it any more. */
  closeOpen(): void {
    const batch = this.open
    if (!batch) return
    this.open = undefined
    this.#waiting.push(batch)
  }

  /** All batches that have not been answered, oldest first; for expiry, flush and close. */
  unsent(): readonly ProducerBatch[] {
    return this.#waiting
  }

  /** Everything that is out or waits, oldest first. */
  outstanding(): ProducerBatch[] {
    const all = [...this.#answered, ...this.#inFlight, ...this.#waiting]
    if (this.open) all.push(this.open)
    return all
  }

  /** The batch to send next, still waiting; undefined when nothing may be sent. Sequences are given here (`identity` set: idempotent). */
  next(identity: ProducerIdentity | undefined): ProducerBatch | undefined {
    const head = this.#waiting[0]
    if (!head) return undefined
    if (head.attempts > 0 && this.#inFlight.length > 0) return undefined
    if (!identity) return head
    if (this.#resetWanted) {
      if (this.#inFlight.length > 0 || sameIdentity(identity, this.#identity)) return undefined
      for (const batch of this.#waiting) batch.clearSequence()
      this.#start(identity)
    } else if (!sameIdentity(identity, this.#identity) && this.#inFlight.length === 0 && head.sequence < 0) {
      // Numbers of the old identity have all been answered.
      this.#start(identity)
    }
    if (head.sequence < 0) {
      if (!sameIdentity(identity, this.#identity)) return undefined
      const oldest = this.#inFlight[0]
      if (oldest && this.#numbered - oldest.number >= REMEMBERED_BATCHES) return undefined
      head.setSequence(identity.producerId, identity.epoch, this.#nextSequence, this.#numbered++)
      this.#nextSequence = incrementSequence(this.#nextSequence, head.recordCount)
    }
    return head
  }

  /** The head went out. */
  sent(batch: ProducerBatch): void {
    this.#waiting.shift()
    batch.attempts++
    this.#inFlight.push(batch)
  }

  /** Answered for good, well or badly: it leaves. */
  done(batch: ProducerBatch): void {
    if (remove(this.#answered, batch) || remove(this.#inFlight, batch) || remove(this.#waiting, batch)) return
    if (this.open === batch) this.open = undefined
  }

  /** The log has it: it stands in the way of nothing. It leaves with `done`, when its owners are told. */
  answered(batch: ProducerBatch): void {
    remove(this.#inFlight, batch)
    this.#answered.push(batch)
    this.accepted(batch)
  }

  /** The broker has it, and by the order of sequences everything older under the same identity. */
  accepted(batch: ProducerBatch): void {
    if (batch.sequence >= 0 && sameIdentity(batch, this.#identity)) this.#accepted = Math.max(this.#accepted, batch.number)
  }

  /** Whether the broker accepted a younger one under the same identity: it took this one before, or lost the producer's state between. */
  isOvertaken(batch: ProducerBatch): boolean {
    return sameIdentity(batch, this.#identity) && batch.number < this.#accepted
  }

  /** Goes back in front of everything younger. */
  requeue(batch: ProducerBatch): void {
    remove(this.#inFlight, batch)
    let at = 0
    while (at < this.#waiting.length && this.#waiting[at]!.order < batch.order) at++
    this.#waiting.splice(at, 0, batch)
  }

  /** Replaces a batch that was too large by its parts, which share its sequence range. */
  replace(batch: ProducerBatch, parts: readonly ProducerBatch[]): void {
    remove(this.#inFlight, batch)
    let sequence = batch.sequence
    for (const part of parts) {
      if (sequence < 0) break
      part.setSequence(batch.producerId, batch.epoch, sequence, batch.number)
      sequence = incrementSequence(sequence, part.recordCount)
    }
    let at = 0
    while (at < this.#waiting.length && this.#waiting[at]!.order < batch.order) at++
    this.#waiting.splice(at, 0, ...parts)
  }

  /** Whether every batch with a smaller sequence has been answered: then "out of order" is the broker's real view. */
  isOldest(batch: ProducerBatch): boolean {
    const older = (other: ProducerBatch): boolean => other !== batch && other.sequence >= 0 && other.order < batch.order
    return !this.#inFlight.some(older) && !this.#waiting.some(older)
  }

  /** A sequence was lost: the next identity starts again at 0. */
  wantReset(): void {
    if (this.#identity) this.#resetWanted = true
  }

  #start(identity: ProducerIdentity): void {
    this.#identity = identity
    this.#nextSequence = 0
    this.#numbered = 0
    this.#accepted = -1
    this.#resetWanted = false
  }
}

function sameIdentity(a: ProducerIdentity, b: ProducerIdentity | undefined): boolean {
  return b !== undefined && a.producerId === b.producerId && a.epoch === b.epoch
}

function remove<T>(list: T[], item: T): boolean {
  const at = list.indexOf(item)
  if (at < 0) return false
  list.splice(at, 1)
  return true
}
