// The idempotent and transactional state of one partition: which producers wrote what, which transactions are open.
// Decides (check) before anything is written, changes (apply) after the bytes were taken, and can take back what was
// only staged (undo). No I/O, no clock: snapshots are files of producer-state/snapshot-files.ts.

import { Code } from '../codes.js'
import { incrementSequence } from '../../protocol/records/batch-layout.js'
import { ProducerEntry } from './producer-entry.js'
import { type AppendOrigin, isClient, type ProducerSummary } from '../types.js'
import type { RecoveredBatch } from '../native.js'

/** `check` says: this batch is already in the log; `duplicateBaseOffset` and the fields beside it say where. */
export const DUPLICATE = -2

export interface CompletedTransaction {
  readonly producerId: number
  readonly firstOffset: number
  readonly lastOffset: number
  readonly aborted: boolean
}

interface DecidedTransaction {
  readonly firstOffset: number
  readonly lastOffset: number
}

const MAX_SEQUENCE = 0x7fffffff

export class ProducerState {
  readonly #producers = new Map<number, ProducerEntry>()
  /** First offset → producer id of every open transaction. Small; kept as a map in insertion = offset order. */
  readonly #open = new Map<number, number>()
  /** Decided, but the marker is not yet below the high watermark: still unstable for readers. In order of markers. */
  #decided: DecidedTransaction[] = []
  /** Copies of entries as they were before the staged appends; undefined: there was no entry. */
  readonly #journal = new Map<number, ProducerEntry | undefined>()
  #flushNumber = 0

  duplicateBaseOffset = -1
  duplicateLastOffset = -1
  duplicateTimestamp = -1

  get isEmpty(): boolean {
    return this.#producers.size === 0
  }

  get size(): number {
    return this.#producers.size
  }

  entries(): Iterable<ProducerEntry> {
    return this.#producers.values()
  }

  get(producerId: number): ProducerEntry | undefined {
    return this.#producers.get(producerId)
  }

  summaries(): ProducerSummary[] {
    return Array.from(this.#producers.values(), (entry) => ({
      producerId: entry.producerId,
      producerEpoch: entry.epoch,
      lastSequence: entry.lastSequence,
      lastTimestamp: entry.lastTimestamp,
      coordinatorEpoch: entry.coordinatorEpoch,
      currentTxnStartOffset: entry.txnFirstOffset,
    }))
  }

  /** Smallest offset that is not yet stable: of an open transaction, or of one whose marker readers cannot see yet. -1 none. */
  get firstUnstableOffset(): number {
    let first = -1
    for (const offset of this.#open.keys()) {
      if (first === -1 || offset < first) first = offset
    }
    for (const txn of this.#decided) {
      if (first === -1 || txn.firstOffset < first) first = txn.firstOffset
    }
    return first
  }

  get hasUnstable(): boolean {
    return this.#open.size > 0 || this.#decided.length > 0
  }

  onHighWatermark(highWatermark: number): void {
    if (this.#decided.length > 0) this.#decided = this.#decided.filter((txn) => txn.lastOffset >= highWatermark)
  }

  /** What Kafka answers to a data batch of this producer: 0, DUPLICATE or an error code. Changes nothing. */
  check(
    producerId: number,
    epoch: number,
    baseSequence: number,
    lastOffsetDelta: number,
    transactional: boolean,
    origin: AppendOrigin,
  ): number {
    const entry = this.#producers.get(producerId)
    if (entry === undefined) return Code.none
    if (isClient(origin)) {
      const slot = entry.slotOf(epoch, baseSequence, incrementSequence(baseSequence, lastOffsetDelta))
      if (slot !== -1) {
        this.duplicateBaseOffset = entry.firstOffsetOf(slot)
        this.duplicateLastOffset = entry.lastOffsets[slot]!
        this.duplicateTimestamp = entry.timestamps[slot]!
        return DUPLICATE
      }
    }
    if (epoch < entry.epoch) return Code.invalidProducerEpoch
    if (isClient(origin) && !followsInSequence(entry, epoch, baseSequence)) return Code.outOfOrderSequenceNumber
    if (entry.txnFirstOffset !== -1 && !transactional) return Code.invalidTxnState
    return Code.none
  }

  /** What Kafka answers to a transaction marker: 0 or an error code. Changes nothing. */
  checkMarker(producerId: number, epoch: number, coordinatorEpoch: number): number {
    const entry = this.#producers.get(producerId)
    if (entry === undefined) return Code.none
    if (epoch < entry.epoch) return Code.invalidProducerEpoch
    return coordinatorEpoch < entry.coordinatorEpoch ? Code.transactionCoordinatorFenced : Code.none
  }

  /** A data batch is in the log (or staged: then `journal` keeps what was before). */
  applyData(
    producerId: number,
    epoch: number,
    baseSequence: number,
    firstOffset: number,
    lastOffset: number,
    timestamp: number,
    transactional: boolean,
    staged: boolean,
  ): void {
    let entry = this.#producers.get(producerId)
    if (staged && (entry === undefined || entry.journaledAt !== this.#flushNumber)) this.#journalEntry(producerId, entry)
    if (entry === undefined) {
      entry = new ProducerEntry(producerId)
      if (staged) entry.journaledAt = this.#flushNumber
      this.#producers.set(producerId, entry)
    }
    const delta = lastOffset - firstOffset
    entry.addBatch(epoch, baseSequence < 0 ? -1 : incrementSequence(baseSequence, delta), lastOffset, delta, timestamp)
    if (transactional && entry.txnFirstOffset === -1) {
      entry.txnFirstOffset = firstOffset
      this.#open.set(firstOffset, producerId)
    }
  }

  /** A marker is in the log. Returns the transaction it ended, or undefined when none was open. */
  applyMarker(
    producerId: number,
    epoch: number,
    coordinatorEpoch: number,
    aborted: boolean,
    offset: number,
    timestamp: number,
  ): CompletedTransaction | undefined {
    let entry = this.#producers.get(producerId)
    if (entry === undefined) {
      entry = new ProducerEntry(producerId)
      this.#producers.set(producerId, entry)
    }
    const firstOffset = entry.txnFirstOffset
    entry.setEpoch(epoch)
    entry.coordinatorEpoch = coordinatorEpoch
    entry.lastTimestamp = timestamp
    entry.txnFirstOffset = -1
    if (firstOffset === -1) return undefined
    this.#open.delete(firstOffset)
    this.#decided.push({ firstOffset, lastOffset: offset })
    return { producerId, firstOffset, lastOffset: offset, aborted }
  }

  /** The last stable offset right after `completed`: the next open transaction's start, or the offset after the marker. */
  lastStableOffsetAfter(completed: CompletedTransaction): number {
    let next = completed.lastOffset + 1
    for (const offset of this.#open.keys()) {
      if (offset < next) next = offset
    }
    return next
  }

  /** One batch read back from the log, in order. Returns the transaction a marker ended. */
  replay(batch: RecoveredBatch): CompletedTransaction | undefined {
    if (batch.producerId < 0) return undefined
    if (!batch.isControl) {
      this.applyData(
        batch.producerId,
        batch.producerEpoch,
        batch.baseSequence,
        batch.baseOffset,
        batch.lastOffset,
        batch.maxTimestamp,
        batch.isTransactional,
        false,
      )
      return undefined
    }
    if (batch.controlType !== 0 && batch.controlType !== 1) return undefined
    return this.applyMarker(
      batch.producerId,
      batch.producerEpoch,
      batch.coordinatorEpoch,
      batch.controlType === 0,
      batch.baseOffset,
      batch.maxTimestamp,
    )
  }

  /** Everything staged is written: nothing to take back any more. */
  commitStaged(): void {
    if (this.#journal.size > 0) this.#journal.clear()
    this.#flushNumber++
  }

  /** What was staged is gone: back to the state before it. */
  undoStaged(): void {
    for (const [producerId, before] of this.#journal) {
      if (before === undefined) this.#producers.delete(producerId)
      else this.#producers.set(producerId, before)
    }
    this.commitStaged()
    this.#rebuildOpen()
  }

  restore(entries: readonly ProducerEntry[]): void {
    this.#producers.clear()
    this.#decided = []
    this.commitStaged()
    for (const entry of entries) this.#producers.set(entry.producerId, entry)
    this.#rebuildOpen()
  }

  /** Drops producers silent for longer than `expirationMs` that have no open transaction. Returns how many. */
  expire(now: number, expirationMs: number): number {
    let dropped = 0
    for (const entry of this.#producers.values()) {
      if (!isExpired(entry, now, expirationMs)) continue
      this.#producers.delete(entry.producerId)
      dropped++
    }
    return dropped
  }

  #journalEntry(producerId: number, entry: ProducerEntry | undefined): void {
    if (entry === undefined) {
      this.#journal.set(producerId, undefined)
      return
    }
    this.#journal.set(producerId, entry.clone())
    entry.journaledAt = this.#flushNumber
  }

  #rebuildOpen(): void {
    this.#open.clear()
    const open = Array.from(this.#producers.values()).filter((entry) => entry.txnFirstOffset !== -1)
    for (const entry of open.sort((a, b) => a.txnFirstOffset - b.txnFirstOffset)) this.#open.set(entry.txnFirstOffset, entry.producerId)
  }
}

/** Kafka's sequence rule. An entry without an epoch, and a producer without an entry, accept any first sequence. */
function followsInSequence(entry: ProducerEntry, epoch: number, baseSequence: number): boolean {
  if (entry.epoch === -1) return true
  if (epoch !== entry.epoch) return baseSequence === 0
  const last = entry.lastSequence
  return baseSequence === last + 1 || (baseSequence === 0 && last === MAX_SEQUENCE)
}

/** By the newest timestamp of its records, as Kafka counts: a producer whose records are dated long ago expires though it goes on. */
export function isExpired(entry: ProducerEntry, now: number, expirationMs: number): boolean {
  return entry.txnFirstOffset === -1 && now - entry.lastTimestamp >= expirationMs
}
