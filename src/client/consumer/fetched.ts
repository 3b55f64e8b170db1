// What one fetch answer brought for one partition, and the walk over it: batch by batch or record by record, leaving
// out control batches, aborted transactions and what lies before the position. Makes no object but those handed out.

import { errors } from '../../model/errors.js'
import { BatchCursor, batchHeader, type OpenOptions, RecordCursor, type RecordHeader } from '../../protocol/records/index.js'
import { KafkaError } from '../errors.js'
import type { PartitionState } from './subscription.js'

/**
 * A record as the user gets it. Key and value are views into the fetched answer: they stay valid, and keep all of it in
 * memory for as long as they are kept; copy what is kept for long.
 */
export interface ConsumerRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** Milliseconds since 1970. */
  readonly timestamp: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly RecordHeader[]
}

const NO_HEADERS: readonly RecordHeader[] = Object.freeze([])
const CONTROL_ABORT = 0
/** The CRC has been compared once. */
const CHECKED: OpenOptions = { checkCrc: false }

/** A cursor over a batch's records that starts at the consumer's position. */
export class BatchRecordCursor extends RecordCursor {
  #from = 0

  openFrom(bytes: Uint8Array, position: number, from: number, options: OpenOptions): void {
    this.#from = from
    this.open(bytes, position, options)
  }

  override next(): boolean {
    while (super.next()) if (this.offset >= this.#from) return true
    return false
  }
}

/** One record batch. */
export class ConsumerBatch {
  readonly topic: string
  readonly partition: number
  /** Offset of the batch's first record as stored; the first one that is new may be later, see `startOffset`. */
  readonly baseOffset: number
  readonly lastOffset: number
  /** Records with a smaller offset lie before the consumer's position; `records()` and iteration leave them out. */
  readonly startOffset: number
  /** Records stored in the batch. */
  readonly recordCount: number
  /** Milliseconds since 1970. */
  readonly maxTimestamp: number
  readonly leaderEpoch: number
  /** The whole batch as stored: header, CRC, records, possibly compressed. */
  readonly bytes: Buffer
  readonly #options: OpenOptions

  constructor(state: PartitionState, cursor: BatchCursor, startOffset: number, options: OpenOptions) {
    this.topic = state.topic
    this.partition = state.partition
    this.baseOffset = cursor.baseOffset
    this.lastOffset = cursor.lastOffset
    this.startOffset = Math.max(startOffset, this.baseOffset)
    this.recordCount = cursor.recordCount
    this.maxTimestamp = cursor.maxTimestamp
    this.leaderEpoch = cursor.leaderEpoch
    this.bytes = cursor.bytes.subarray(cursor.position, cursor.position + cursor.size)
    this.#options = options
  }

  /**
   * A cursor over the records: positions in its `bytes`, no object per record. Pass one in to use it again.
   *
   *     const cursor = batch.records()
   *     while (cursor.next()) total += cursor.valueLength
   */
  records(cursor = new BatchRecordCursor()): BatchRecordCursor {
    cursor.openFrom(this.bytes, 0, this.startOffset, this.#options)
    return cursor
  }

  /** The records as objects. */
  *[Symbol.iterator](): Generator<ConsumerRecord> {
    const cursor = this.records()
    while (cursor.next()) yield toRecord(this.topic, this.partition, cursor)
  }
}

export function toRecord(topic: string, partition: number, cursor: RecordCursor): ConsumerRecord {
  return {
    topic,
    partition,
    offset: cursor.offset,
    timestamp: cursor.timestamp,
    key: cursor.key() as Buffer | null,
    value: cursor.value() as Buffer | null,
    headers: cursor.headerCount === 0 ? NO_HEADERS : cursor.headers(),
  }
}

export interface AbortedTransaction {
  readonly producerId: number
  readonly firstOffset: number
}

export class Fetched {
  readonly state: PartitionState
  /** Of the state when it was asked for: after a seek this is stale. */
  readonly revision: number
  /** Offset after the last whole batch; -1 when there is none. */
  readonly endOffset: number
  readonly size: number
  /** Where the first batch begins whose offsets cannot be true; -1: there is none. */
  readonly #misplacedAt: number
  readonly #batches: BatchCursor
  readonly #records = new BatchRecordCursor()
  readonly #options: FetchedOptions
  readonly #aborted: AbortedTransaction[]
  readonly #abortedProducers = new Set<number>()
  #inBatch = false
  /** Damaged bytes were met: nothing behind them is handed out, so that a later poll meets them again. */
  isBroken = false

  constructor(state: PartitionState, bytes: Uint8Array, aborted: readonly AbortedTransaction[], options: FetchedOptions) {
    this.state = state
    this.revision = state.revision
    this.size = bytes.length
    this.#batches = new BatchCursor(bytes)
    this.#options = options
    this.#aborted = [...aborted].sort((a, b) => b.firstOffset - a.firstOffset)
    const { endOffset, misplacedAt } = placesOf(bytes, state)
    this.endOffset = endOffset
    this.#misplacedAt = misplacedAt
  }

  get isStale(): boolean {
    return this.revision !== this.state.revision
  }

  /** The next batch the user may see, or undefined at the end. Does not move the position. */
  nextBatch(): ConsumerBatch | undefined {
    // A batch that was begun record by record: its rest.
    const begun = this.#inBatch && this.#batches.lastOffset >= this.state.position
    this.#inBatch = false
    return this.#guard(() => {
      if (!begun && !this.#advance()) return undefined
      const { bytes, position, size, baseOffset } = this.#batches
      if (this.#options.checkCrc !== false && batchHeader.computeCrc(bytes, position, size) !== batchHeader.crc(bytes, position)) {
        throw new Error(`the record batch at offset ${baseOffset} fails its CRC`)
      }
      return new ConsumerBatch(this.state, this.#batches, this.state.position, CHECKED)
    })
  }

  /** The position moves behind `batch`. */
  took(batch: ConsumerBatch): void {
    this.state.position = batch.lastOffset + 1
    this.state.epoch = batch.leaderEpoch
  }

  /** Goes to the next record the user may see; `record` gives it. */
  next(): boolean {
    return this.#guard(() => this.#next())
  }

  #next(): boolean {
    for (;;) {
      if (this.#inBatch) {
        if (this.#records.next()) return true
        this.#inBatch = false
        this.state.position = Math.max(this.state.position, this.#batches.lastOffset + 1)
      }
      if (!this.#advance()) return false
      this.#records.openFrom(this.#batches.bytes, this.#batches.position, this.state.position, this.#options)
      this.#inBatch = true
    }
  }

  #guard<T>(read: () => T): T {
    try {
      return read()
    } catch (cause) {
      this.isBroken = true
      const { topic, partition, position } = this.state
      throw new KafkaError(errors.CORRUPT_MESSAGE.code, `${topic}-${partition} at offset ${position}`, (cause as Error).message, { cause })
    }
  }

  /** The current record. Moves the position behind it. */
  take(): ConsumerRecord {
    const { state } = this
    const record = toRecord(state.topic, state.partition, this.#records)
    state.position = record.offset + 1
    state.epoch = this.#batches.leaderEpoch
    return record
  }

  /** Everything has been handed out: the position moves behind what was left out too. */
  finish(): void {
    if (this.endOffset > this.state.position) this.state.position = this.endOffset
  }

  #advance(): boolean {
    const batches = this.#batches
    while (batches.next()) {
      if (batches.position === this.#misplacedAt)
        throw new Error(`a record batch says offset ${batches.baseOffset}, which does not fit those around it or the end of the log`)
      const lastOffset = batches.lastOffset
      if (this.#options.isolated) this.#noteAborted(lastOffset)
      if (batches.isControl) {
        if (this.#options.isolated && this.#isAbortMarker()) this.#abortedProducers.delete(batches.producerId)
        continue
      }
      if (lastOffset < this.state.position) continue
      if (this.#options.isolated && batches.isTransactional && this.#abortedProducers.has(batches.producerId)) continue
      return true
    }
    return false
  }

  /** Transactions whose first offset has been reached are under way; they end with their abort marker. */
  #noteAborted(lastOffset: number): void {
    const aborted = this.#aborted
    while (aborted.length > 0 && aborted[aborted.length - 1]!.firstOffset <= lastOffset)
      this.#abortedProducers.add(aborted.pop()!.producerId)
  }

  #isAbortMarker(): boolean {
    const cursor = new RecordCursor()
    cursor.open(this.#batches.bytes, this.#batches.position, this.#options)
    const key = cursor.next() ? cursor.key() : null
    return key !== null && key.length >= 4 && ((key[2]! << 8) | key[3]!) === CONTROL_ABORT
  }
}

export interface FetchedOptions extends OpenOptions {
  /** read_committed. */
  readonly isolated?: boolean
}

/**
 * The offset after the batches, as far as their offsets fit one behind the other and below the end of the log: no checksum covers those. A
 * batch that follows without a gap may lie at the end or beyond: Kafka looks at its high watermark before it reads what it answers.
 */
function placesOf(bytes: Uint8Array, { position, endOffset: limit }: PartitionState): { endOffset: number; misplacedAt: number } {
  const cursor = new BatchCursor(bytes)
  let end = -1
  // Offsets are left out before the batch that came last: it is the wrong one if the next one says so.
  let doubtful: { readonly end: number; readonly at: number } | undefined
  while (cursor.next()) {
    const { baseOffset, lastOffset } = cursor
    const expected = end === -1 ? position : end
    if (baseOffset < end) return { endOffset: doubtful?.end ?? expected, misplacedAt: doubtful?.at ?? cursor.position }
    if (limit >= 0 && baseOffset >= limit && baseOffset > expected) return { endOffset: expected, misplacedAt: cursor.position }
    doubtful = baseOffset > expected ? { end: expected, at: cursor.position } : undefined
    end = lastOffset + 1
  }
  return { endOffset: end, misplacedAt: -1 }
}
