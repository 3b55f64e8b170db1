// One partition's log: what may be appended, where it goes, what may be read, what is durable. Owns the partition's
// directory; the bytes are the addon's. Runs on the partition's owner thread, one caller at a time; synchronous but for
// fsync, recovery and compaction. Never throws for data: refusals are results.
//
// Offsets, in order: logStartOffset ≤ durableOffset ≤ writtenOffset ≤ logEndOffset. Between the last two lie staged
// batches: they have offsets, but write(2) has not seen them, and nobody may be told they are in.

import { renameSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { At, Attribute, endTransactionMarker, int16At, int32At, int64At, LOG_OVERHEAD } from './batch-header.js'
import { Code, errorCodeOf, errorText, isFullDisk, LogError } from './codes.js'
import { cleanableOf, compact } from './compaction/compactor.js'
import { compressionLevel, targetCodec } from './config.js'
import { syncDirNow } from './files.js'
import { Flusher } from './flusher.js'
import { native, PlanOut, VerifyFlag, VerifyOut } from './native.js'
import { openState, rollJitter } from './open.js'
import { DUPLICATE } from './producer-state/producer-state.js'
import { noteAborted, rebuildProducerState } from './producer-state/rebuild.js'
import { describeRange } from './quarantine.js'
import { abortedTransactionsIn, findMaxTimestamp, findTimestamp, withEpoch } from './reads.js'
import { logFileSize } from './recovery.js'
import { markSegmentDeleted, removeLater } from './removal.js'
import { expiredSegments } from './retention/retention.js'
import { Segment } from './segment.js'
import { assertPlanned } from './segment-reader.js'
import { framingError, headerError, replicatedBatchError, sizeError, verdictRefusal } from './validation.js'
import type { Cleanable } from './compaction/cleanable.js'
import type { CompactionHost, CompactionSummary } from './compaction/compactor.js'
import type { LogConfig } from './config.js'
import type { LeaderEpochCache } from './leader-epoch-cache.js'
import type { OpenedState } from './open.js'
import type { ProducerState } from './producer-state/producer-state.js'
import type { SnapshotFiles } from './producer-state/snapshot-files.js'
import type { Quarantine } from './quarantine.js'
import type { SegmentFacts } from './retention/retention.js'
import type { SegmentList } from './segment-list.js'
import type { Refusal } from './validation.js'
import type { Env } from '../env/env.js'
import type { TopicPartition, Uuid } from '../model/topic-partition.js'
import type {
  AbortedTransaction,
  AppendOrigin,
  AppendResult,
  EpochEndOffset,
  LogOptions,
  OffsetError,
  ProducerSummary,
  QuarantinedRange,
  ReadPlan,
  TimestampOffset,
} from './types.js'

export type { LogConfig } from './config.js'
export type * from './types.js'

const NO_MARKER = { controlType: -1, coordinatorEpoch: -1 } as const

/** Shared by all logs of a thread: filled and read within one call. */
const verified = new Float64Array(VerifyOut.length)
const planned = new Float64Array(PlanOut.length)

export class Log {
  readonly topicPartition: TopicPartition
  readonly topicId: Uuid
  readonly #options: LogOptions
  readonly #env: Env
  readonly #addon = native()
  readonly #segments: SegmentList
  readonly #producers: ProducerState
  readonly #snapshots: SnapshotFiles
  readonly #epochs: LeaderEpochCache
  readonly #quarantine: Quarantine
  readonly #flusher: Flusher
  #dir: string
  #config: LogConfig
  #logStartOffset: number
  #logEndOffset: number
  #writtenOffset: number
  #highWatermark: number
  /** Segment that is appended to: segments.active, one look-up less on the hot path. */
  #active: Segment
  /** A write failed for want of space: appends are refused until the caller has learned of it from flushStaged. */
  #refusedUntilFlush: LogError | undefined
  /** EIO or a failed fsync: out of service until it is opened again. */
  #failure: LogError | undefined
  #mustRoll: boolean
  #closed = false
  #lastFlushMs: number
  #unflushedRecords = 0
  #generation = 0
  #cleanerOffset: number
  #compacting: Promise<CompactionSummary | undefined> | undefined

  static async open(options: LogOptions): Promise<Log> {
    return new Log(options, await openState(options))
  }

  private constructor(options: LogOptions, state: OpenedState) {
    this.#options = options
    this.#env = options.env
    this.topicPartition = options.topicPartition
    this.topicId = options.topicId
    this.#dir = options.dir
    this.#config = options.config
    this.#segments = state.segments
    this.#producers = state.producers
    this.#snapshots = state.snapshots
    this.#epochs = state.epochs
    this.#quarantine = state.quarantine
    this.#logStartOffset = state.logStartOffset
    this.#logEndOffset = this.#writtenOffset = state.nextOffset
    this.#highWatermark = state.logStartOffset
    this.#active = state.segments.active
    this.#mustRoll = state.mustRoll
    this.#lastFlushMs = options.env.clock.now()
    this.#cleanerOffset = options.cleanerOffset ?? 0
    this.#flusher = new Flusher(this.#flushHost(), state.recoveryPoint, state.recoveryPoint)
    // what a killed process left is in the page cache at best: it is synced before it counts as durable
    this.#segments.all.forEach((segment, i) => {
      const end = this.#segments.endOffsetOf(i, this.#logEndOffset)
      if (segment !== this.#active && end > state.recoveryPoint) this.#flusher.rolled(segment, end)
    })
  }

  #flushHost(): ConstructorParameters<typeof Flusher>[0] {
    const log = this
    return {
      get dir() {
        return log.#dir
      },
      get writtenOffset() {
        return log.#writtenOffset
      },
      activeSegment: () => log.#active,
      snapshotPath: (offset) => log.#snapshots.pathOf(offset),
      onSyncFailed: (error) => log.#fail(error),
      onRecoveryPoint: () => log.#options.onCheckpointDue?.(),
    }
  }

  get dir(): string {
    return this.#dir
  }

  get config(): LogConfig {
    return this.#config
  }

  get logStartOffset(): number {
    return this.#logStartOffset
  }

  /** Next offset to be given, staged batches included. */
  get logEndOffset(): number {
    return this.#logEndOffset
  }

  /** Below it write(2) has returned: what the `process` promise may acknowledge. */
  get writtenOffset(): number {
    return this.#writtenOffset
  }

  /** Below it fsync has returned: what the `disk` promise may acknowledge. */
  get durableOffset(): number {
    return this.#flusher.durableOffset
  }

  get recoveryPoint(): number {
    return this.#flusher.recoveryPoint
  }

  /** Bytes of all segments, staged ones included. */
  get size(): number {
    return this.#segments.totalBytes
  }

  get segmentCount(): number {
    return this.#segments.count
  }

  get highWatermark(): number {
    return this.#highWatermark
  }

  /** True when acknowledgements wait for the disk: `millrace.ack=disk`, or Kafka's flush.messages=1. */
  get acksWaitForDisk(): boolean {
    return this.#config.ack === 'disk' || this.#config.flushMessages <= 1
  }

  /** Set once the log is out of service. */
  get failure(): Error | undefined {
    return this.#failure
  }

  get quarantined(): readonly QuarantinedRange[] {
    return this.#quarantine.ranges
  }

  /** fsyncs of the active segment since this log was opened. */
  get syncCount(): number {
    return this.#flusher.syncs
  }

  // ---- appending

  /** Takes one produced batch. `records` is the log's until the call returns: header fields are patched in place. */
  appendAsLeader(records: Uint8Array, leaderEpoch: number, origin: AppendOrigin, requestVersion: number): AppendResult {
    const unavailable = this.#unavailable()
    if (unavailable !== undefined) return this.#refuseOperational(unavailable)
    const framing = framingError(records, requestVersion)
    if (framing !== undefined) return this.#refuse(framing)
    const config = this.#config
    const size = int32At(records, At.batchLength) + LOG_OVERHEAD
    const tooLong = origin === 'client' ? headerError(records, size, config.maxMessageBytes) : sizeError(size, config.maxMessageBytes)
    if (tooLong !== undefined) return this.#refuse(tooLong)

    const now = this.#env.clock.now()
    const createTime = config.messageTimestampType === 'CreateTime'
    const min = now - config.messageTimestampBeforeMaxMs
    const max = now + config.messageTimestampAfterMaxMs
    const fromClient = origin === 'client'
    const flags =
      (config.cleanupPolicy.compact && fromClient ? VerifyFlag.requireKey : 0) | (fromClient ? VerifyFlag.fromClient : 0) | (createTime ? VerifyFlag.checkTimestamps : 0)
    const verdict = this.#addon.verifyBatch(records, 0, size, flags, min, max, config.maxDecompressedBytes, verified)
    if (verdict !== 0) return this.#refuse(verdictRefusal(verdict, records, verified[VerifyOut.failedIndex]!, { min, max }, config.maxDecompressedBytes))

    const maxTimestamp = createTime ? verified[VerifyOut.maxTimestamp]! : now
    return this.#appendVerified(records, size, leaderEpoch, origin, maxTimestamp, createTime ? -1 : now, now)
  }

  /** The batch is sound: producer state, codec, roll, bytes, bookkeeping, in this order. */
  #appendVerified(
    records: Uint8Array,
    size: number,
    leaderEpoch: number,
    origin: AppendOrigin,
    maxTimestamp: number,
    logAppendTime: number,
    now: number,
  ): AppendResult {
    const attributes = records[At.attributes + 1]!
    const producerId = int64At(records, At.producerId)
    const lastOffsetDelta = int32At(records, At.lastOffsetDelta)
    const isControl = (attributes & Attribute.control) !== 0
    const marker = isControl ? (endTransactionMarker(records, 0, size) ?? NO_MARKER) : NO_MARKER
    if (producerId >= 0) {
      const code = isControl
        ? this.#producers.checkMarker(producerId, int16At(records, At.producerEpoch), marker.coordinatorEpoch)
        : this.#producers.check(
            producerId,
            int16At(records, At.producerEpoch),
            int32At(records, At.baseSequence),
            lastOffsetDelta,
            (attributes & Attribute.transactional) !== 0,
            origin,
          )
      if (code === DUPLICATE) return this.#duplicate()
      if (code !== Code.none) return this.#refuse(this.#producerRefusal(code, records))
    }
    let bytes = records
    const target = targetCodec(this.#config.compressionType)
    if (target !== -1 && target !== (attributes & Attribute.codecMask) && !isControl) {
      const recompressed = this.#recompress(records, size, target)
      if ('code' in recompressed) return this.#refuse(recompressed)
      bytes = recompressed
    }
    const length = bytes === records ? size : bytes.length
    try {
      if (length > this.#config.segmentBytes) return this.#refuse(listTooLarge(length, this.#config.segmentBytes))
      const baseOffset = this.#logEndOffset
      const lastOffset = baseOffset + lastOffsetDelta
      if (this.#mustRoll || this.#active.mustRoll(this.#config, length, lastOffset, maxTimestamp, now)) this.#roll(now)
      if (leaderEpoch > this.#epochs.latestEpoch) this.#epochs.assign(leaderEpoch, baseOffset)
      const staged = this.#addon.segmentAppend(this.#active.handle, bytes, 0, length, baseOffset, leaderEpoch, logAppendTime, maxTimestamp, lastOffset)
      this.#booked(length, lastOffset, maxTimestamp, staged)
      if (producerId >= 0) this.#applyProducer(records, producerId, baseOffset, lastOffset, maxTimestamp, isControl, marker, staged > 0)
      return {
        errorCode: Code.none,
        errorMessage: null,
        recordErrors: null,
        baseOffset,
        lastOffset,
        logAppendTime,
        logStartOffset: this.#logStartOffset,
        duplicate: false,
      }
    } catch (error) {
      return this.#refuseOperational(this.#writeFailed(error))
    }
  }

  #recompress(records: Uint8Array, size: number, codec: number): Uint8Array | Refusal {
    try {
      const bytes = this.#addon.recompressBatch(records, 0, size, codec, compressionLevel(this.#config, codec), this.#config.maxDecompressedBytes)
      return sizeError(bytes.length, this.#config.maxMessageBytes) ?? bytes
    } catch (error) {
      return { code: Code.corruptMessage, message: `the batch cannot be recompressed for compression.type=${this.#config.compressionType}: ${errorText(error)}`, recordErrors: null }
    }
  }

  /** Copies batches as another replica stored them: offsets and epochs are theirs. */
  appendAsFollower(records: Uint8Array): AppendResult {
    const unavailable = this.#unavailable()
    if (unavailable !== undefined) return this.#refuseOperational(unavailable)
    const first = records.length >= LOG_OVERHEAD ? int64At(records, At.baseOffset) : -1
    let at = 0
    while (records.length - at > LOG_OVERHEAD) {
      const size = int32At(records, at + At.batchLength) + LOG_OVERHEAD
      if (at + size > records.length) break // a fetch answer may end within a batch
      const wrong = replicatedBatchError(records, at)
      if (wrong !== undefined) return this.#refuse(wrong)
      const failed = this.#appendReplicated(records, at, size)
      if (failed !== undefined) return failed
      at += size
    }
    const baseOffset = at === 0 ? -1 : first
    return { errorCode: Code.none, errorMessage: null, recordErrors: null, baseOffset, lastOffset: this.#logEndOffset - 1, logAppendTime: -1, logStartOffset: this.#logStartOffset, duplicate: false }
  }

  #appendReplicated(records: Uint8Array, at: number, size: number): AppendResult | undefined {
    const baseOffset = int64At(records, at + At.baseOffset)
    const lastOffset = baseOffset + int32At(records, at + At.lastOffsetDelta)
    if (baseOffset < this.#logEndOffset) {
      return this.#refuse({ code: Code.corruptMessage, message: `a replicated batch begins at ${baseOffset}, the log ends at ${this.#logEndOffset}`, recordErrors: null })
    }
    const maxTimestamp = int64At(records, at + At.maxTimestamp)
    const leaderEpoch = int32At(records, at + At.leaderEpoch)
    const isControl = (records[at + At.attributes + 1]! & Attribute.control) !== 0
    const now = this.#env.clock.now()
    try {
      if (this.#mustRoll || this.#active.mustRoll(this.#config, size, lastOffset, maxTimestamp, now)) this.#roll(now, baseOffset)
      if (leaderEpoch > this.#epochs.latestEpoch) this.#epochs.assign(leaderEpoch, baseOffset)
      const staged = this.#addon.segmentAppend(this.#active.handle, records, at, size, -1, leaderEpoch, -1, maxTimestamp, lastOffset)
      this.#booked(size, lastOffset, maxTimestamp, staged)
      const producerId = int64At(records, at + At.producerId)
      if (producerId >= 0) {
        const batch = at === 0 ? records : records.subarray(at, at + size)
        const marker = isControl ? (endTransactionMarker(batch, 0, size) ?? NO_MARKER) : NO_MARKER
        this.#applyProducer(batch, producerId, baseOffset, lastOffset, maxTimestamp, isControl, marker, staged > 0)
      }
      return undefined
    } catch (error) {
      return this.#refuseOperational(this.#writeFailed(error))
    }
  }

  #booked(bytes: number, lastOffset: number, maxTimestamp: number, staged: number): void {
    this.#active.noteAppend(bytes, maxTimestamp)
    this.#unflushedRecords += lastOffset + 1 - this.#logEndOffset
    this.#logEndOffset = lastOffset + 1
    if (staged === 0) this.#allWritten()
  }

  #applyProducer(
    records: Uint8Array,
    producerId: number,
    baseOffset: number,
    lastOffset: number,
    maxTimestamp: number,
    isControl: boolean,
    marker: { readonly controlType: number; readonly coordinatorEpoch: number },
    staged: boolean,
  ): void {
    const epoch = int16At(records, At.producerEpoch)
    if (!isControl) {
      const transactional = (records[At.attributes + 1]! & Attribute.transactional) !== 0
      this.#producers.applyData(producerId, epoch, int32At(records, At.baseSequence), baseOffset, lastOffset, maxTimestamp, transactional, staged)
      return
    }
    if (marker.controlType !== 0 && marker.controlType !== 1) return
    // a marker ends a transaction for good: its bytes are written before anything says so
    if (staged) this.#writeStaged()
    const completed = this.#producers.applyMarker(producerId, epoch, marker.coordinatorEpoch, marker.controlType === 0, baseOffset, maxTimestamp)
    if (completed?.aborted) noteAborted(this.#active, this.#producers, completed)
  }

  /**
   * write(2) of everything staged. 0: all appends since the last call are written. Otherwise KAFKA_STORAGE_ERROR: those
   * whose `lastOffset` is not below `writtenOffset` are lost and their offsets will be given again.
   */
  flushStaged(): number {
    if (this.#failure !== undefined) return Code.kafkaStorageError
    if (this.#refusedUntilFlush !== undefined) {
      this.#refusedUntilFlush = undefined
      return Code.kafkaStorageError
    }
    if (this.#writtenOffset === this.#logEndOffset) return Code.none
    try {
      this.#writeStaged()
    } catch (error) {
      this.#writeFailed(error)
      this.#refusedUntilFlush = undefined
      return Code.kafkaStorageError
    }
    return Code.none
  }

  #writeStaged(): void {
    if (this.#writtenOffset === this.#logEndOffset) return
    this.#addon.segmentFlush(this.#active.handle)
    this.#allWritten()
  }

  #allWritten(): void {
    this.#writtenOffset = this.#logEndOffset
    this.#producers.commitStaged()
    if (this.#unflushedRecords >= this.#config.flushMessages) this.#flushInBackground()
  }

  #flushInBackground(): void {
    this.#unflushedRecords = 0
    this.#lastFlushMs = this.#env.clock.now()
    // a failure poisons the log and is told to its owner there
    this.#flusher.sync().catch(() => undefined)
  }

  /** Resolves with the durable offset, at least what was written when this was called. At most one fsync is in flight. */
  async sync(): Promise<number> {
    if (this.#failure !== undefined) throw this.#failure
    return this.#flusher.sync()
  }

  /** The write behind an append failed. The addon has cut the file back to what was written before; so does memory. */
  #writeFailed(error: unknown): LogError {
    const code = errorCodeOf(error)
    const failure = new LogError(code, `writing to ${this.#dir} failed: ${errorText(error)}`, error)
    const lost = this.#logEndOffset - this.#writtenOffset
    this.#logEndOffset = this.#writtenOffset
    this.#producers.undoStaged()
    if (isFullDisk(code)) {
      this.#refusedUntilFlush = failure
      this.#resyncActive()
      this.#env.logger.warn({ dir: this.#dir, code, lostRecords: lost }, 'no space: the append is refused, reading goes on, writing resumes when there is space')
    } else {
      this.#fail(failure)
    }
    return failure
  }

  /** After a cut: the segment's own numbers again. */
  #resyncActive(): void {
    try {
      this.#epochs.truncateFromEnd(this.#logEndOffset + 1)
      this.#active.noteTruncated(this.#addon.segmentSize(this.#active.handle))
      this.#segmentsChanged()
    } catch (error) {
      // the checkpoint of epochs needs space too: an epoch that begins past the end is harmless and is cut on open
      if (!isFullDisk(errorCodeOf(error))) this.#fail(new LogError(errorCodeOf(error), `${this.#dir}: ${errorText(error)}`, error))
    }
  }

  #unavailable(): LogError | undefined {
    if (this.#failure !== undefined) return this.#failure
    if (this.#closed) return new LogError('ERR_MILLRACE_CLOSED', `the log of ${this.#dir} is closed`)
    return this.#refusedUntilFlush
  }

  #fail(error: LogError): void {
    if (this.#failure !== undefined) return
    this.#failure = error
    this.#env.logger.error({ dir: this.#dir, code: error.code }, `log out of service until it is opened again: ${error.message}`)
    this.#options.onFailed?.(error)
  }

  #refuse(refusal: Refusal): AppendResult {
    return {
      errorCode: refusal.code,
      errorMessage: refusal.message,
      recordErrors: refusal.recordErrors,
      baseOffset: -1,
      lastOffset: -1,
      logAppendTime: -1,
      logStartOffset: this.#logStartOffset,
      duplicate: false,
    }
  }

  #refuseOperational(error: LogError): AppendResult {
    return this.#refuse({ code: Code.kafkaStorageError, message: error.message, recordErrors: null })
  }

  #duplicate(): AppendResult {
    const producers = this.#producers
    return {
      errorCode: Code.none,
      errorMessage: null,
      recordErrors: null,
      baseOffset: producers.duplicateBaseOffset,
      lastOffset: producers.duplicateLastOffset,
      logAppendTime: this.#config.messageTimestampType === 'LogAppendTime' ? producers.duplicateTimestamp : -1,
      logStartOffset: this.#logStartOffset,
      duplicate: true,
    }
  }

  #producerRefusal(code: number, records: Uint8Array): Refusal {
    const producerId = int64At(records, At.producerId)
    const epoch = int16At(records, At.producerEpoch)
    const known = this.#producers.get(producerId)
    const said = `producer ${producerId} epoch ${epoch} sequence ${int32At(records, At.baseSequence)}`
    const expected = `the log has epoch ${known?.epoch ?? -1}, last sequence ${known?.lastSequence ?? -1}`
    const why =
      code === Code.outOfOrderSequenceNumber ? 'out of order' : code === Code.invalidProducerEpoch ? 'a newer epoch has taken over' : 'not allowed in the current transaction state'
    return { code, message: `${said}: ${why}; ${expected}`, recordErrors: null }
  }

  // ---- rolling

  /** Starts the next segment when the active one has passed segment.ms without an append to notice it. */
  rollIfNeeded(now: number): void {
    if (this.#failure !== undefined || this.#closed || this.#active.size === 0) return
    if (this.#active.mustRoll(this.#config, 0, this.#logEndOffset - 1, this.#active.maxTimestamp, now)) this.#roll(now)
  }

  #roll(now: number, baseOffset = this.#logEndOffset): void {
    this.#writeStaged()
    const old = this.#active
    if (old.size === 0 && old.baseOffset === baseOffset) {
      old.createdMs = now
      this.#mustRoll = false
      return
    }
    this.#addon.segmentFlushIndexes(old.handle)
    this.#snapshots.write(baseOffset, this.#producers, false)
    const next = new Segment(this.#dir, baseOffset, 0, this.#config, now)
    next.rollJitterMs = rollJitter({ config: this.#config, env: this.#env })
    next.activate(this.#config)
    this.#segments.push(next)
    this.#active = next
    this.#mustRoll = false
    old.deactivate()
    this.#flusher.rolled(old, baseOffset)
  }

  // ---- reading

  /** Where the batches from `offset` on lie, below `upperBound` (exclusive). Whole batches of one segment; the bytes are read by the caller. */
  planRead(offset: number, maxBytes: number, upperBound: number, minOne: boolean): ReadPlan | OffsetError {
    if (this.#failure !== undefined) return storageError(this.#failure)
    if (offset < this.#logStartOffset || offset > this.#logEndOffset) {
      return { kind: 'error', errorCode: Code.offsetOutOfRange, errorMessage: `offset ${offset} is outside [${this.#logStartOffset}, ${this.#logEndOffset}]` }
    }
    let bound = upperBound < this.#writtenOffset ? upperBound : this.#writtenOffset
    if (offset >= bound) return this.#emptyPlan(offset)
    if (!this.#quarantine.isEmpty) {
      const corrupt = this.#quarantine.at(offset)
      if (corrupt) return { kind: 'error', errorCode: Code.corruptMessage, errorMessage: describeRange(this.#dir, corrupt) }
      bound = Math.min(bound, this.#quarantine.after(offset)?.firstOffset ?? bound)
    }
    try {
      for (let i = Math.max(this.#segments.floorIndex(offset), 0); i < this.#segments.count; i++) {
        const segment = this.#segments.at(i)
        if (segment.baseOffset >= bound) break
        this.#addon.segmentReadPlan(segment.readHandle(), offset, bound, maxBytes, minOne, planned)
        if (planned[PlanOut.position]! < 0) continue
        return {
          kind: 'plan',
          dir: this.#dir,
          segmentBaseOffset: segment.baseOffset,
          position: planned[PlanOut.position]!,
          size: planned[PlanOut.size]!,
          firstBatchSize: planned[PlanOut.firstBatchSize]!,
          offset,
          generation: segment.generation,
        }
      }
      return this.#emptyPlan(offset)
    } catch (error) {
      return storageError(this.#readFailed(error))
    }
  }

  #emptyPlan(offset: number): ReadPlan {
    return { kind: 'plan', dir: this.#dir, segmentBaseOffset: this.#active.baseOffset, position: 0, size: 0, firstBatchSize: 0, offset, generation: this.#active.generation }
  }

  /** Reads a plan on this thread, or `length` bytes of it from `skip` on. Returns the bytes copied. Throws LogError. */
  readInto(plan: ReadPlan, target: Uint8Array, at: number, skip = 0, length: number = plan.size): number {
    if (this.#failure !== undefined) throw this.#failure
    if (length === 0) return 0
    const index = this.#segments.floorIndex(plan.segmentBaseOffset)
    const segment = index === -1 ? undefined : this.#segments.at(index)
    if (segment === undefined || segment.baseOffset !== plan.segmentBaseOffset || segment.generation !== plan.generation) {
      throw new LogError('ERR_MILLRACE_STALE_PLAN', `segment ${plan.segmentBaseOffset} of ${this.#dir} changed since the read was planned: plan again`)
    }
    try {
      const size = this.#addon.segmentRead(segment.readHandle(), plan.position + skip, length, target, at)
      if (skip === 0) assertPlanned(plan, target, at, size)
      return size
    } catch (error) {
      throw this.#readFailed(error)
    }
  }

  #readFailed(error: unknown): LogError {
    const failure = error instanceof LogError ? error : new LogError(errorCodeOf(error), `reading ${this.#dir} failed: ${errorText(error)}`, error)
    if (failure.code === 'EIO') this.#fail(failure)
    return failure
  }

  /** What a read on another thread met: an EIO takes the log out of service. */
  reportReadError(error: LogError): void {
    this.#readFailed(error)
  }

  /** Aborted transactions that overlap [from, to). */
  abortedTransactions(from: number, to: number): AbortedTransaction[] {
    return abortedTransactionsIn(this.#segments, from, to)
  }

  /** The first offset whose record's timestamp is at or after `timestamp`; offset -1 when there is none. Throws LogError. */
  offsetForTimestamp(timestamp: number): TimestampOffset {
    return this.#lookUp(() => findTimestamp(this.#segments, this.#logStartOffset, timestamp, this.#config.maxDecompressedBytes))
  }

  offsetForMaxTimestamp(): TimestampOffset {
    return this.#lookUp(() => findMaxTimestamp(this.#segments, this.#config.maxDecompressedBytes))
  }

  #lookUp(find: () => TimestampOffset): TimestampOffset {
    if (this.#failure !== undefined) throw this.#failure
    try {
      this.#writeStaged()
      return withEpoch(find(), this.#epochs)
    } catch (error) {
      throw this.#readFailed(error)
    }
  }

  // ---- epochs, watermarks, producers

  get latestEpoch(): number {
    return this.#epochs.latestEpoch
  }

  /** Epoch of the record at `offset`; -1 unknown. */
  epochFor(offset: number): number {
    return this.#epochs.epochFor(offset)
  }

  epochEndOffset(epoch: number): EpochEndOffset {
    return this.#epochs.endOffsetFor(epoch, this.#logEndOffset)
  }

  /** A partition leader notes where its epoch begins when it takes over, before its first append. Throws on a failed write. */
  assignEpochStart(epoch: number): void {
    this.#epochs.assign(epoch, this.#logEndOffset)
  }

  /** Told by the replica; bounds retention, DeleteRecords and the last stable offset. */
  updateHighWatermark(highWatermark: number): void {
    this.#highWatermark = Math.min(highWatermark, this.#logEndOffset)
    if (this.#producers.hasUnstable) this.#producers.onHighWatermark(this.#highWatermark)
  }

  /** Below it every transaction is decided: where read_committed ends. */
  get lastStableOffset(): number {
    if (!this.#producers.hasUnstable) return this.#highWatermark
    const unstable = this.#producers.firstUnstableOffset
    return unstable === -1 ? this.#highWatermark : Math.min(unstable, this.#highWatermark)
  }

  producerStates(): ProducerSummary[] {
    return this.#producers.summaries()
  }

  // ---- cutting

  /** Drops every batch that holds an offset at or above `offset`, and everything memory knew of them. */
  truncateTo(offset: number): void {
    if (this.#failure !== undefined) throw this.#failure
    if (offset >= this.#logEndOffset) return
    this.#writeStaged()
    if (offset <= this.#segments.first.baseOffset) {
      this.truncateFullyAndStartAt(offset)
      return
    }
    const index = this.#segments.floorIndex(offset)
    const dropped = this.#segments.all.slice(index + 1)
    for (const segment of dropped) this.#dropSegment(segment)
    this.#segments.reset(this.#segments.all.slice(0, index + 1))
    const active = this.#segments.active
    if (!active.isActive) active.activate(this.#config)
    this.#active = active
    const size = this.#addon.segmentTruncate(active.handle, offset)
    active.noteTruncated(size)
    active.generation = ++this.#generation
    active.txnIndex.truncateTo(offset)
    this.#endsAt(offset)
    this.#snapshots.removeAbove(offset)
    this.#reloadProducers(offset)
    this.#segmentsChanged()
  }

  /** Drops everything; the log begins and ends at `offset`. */
  truncateFullyAndStartAt(offset: number): void {
    if (this.#failure !== undefined) throw this.#failure
    for (const segment of this.#segments.all) this.#dropSegment(segment)
    this.#snapshots.removeAll()
    const segment = new Segment(this.#dir, offset, 0, this.#config, this.#env.clock.now())
    segment.generation = ++this.#generation
    segment.activate(this.#config)
    this.#segments.reset([segment])
    this.#active = segment
    this.#mustRoll = false
    this.#epochs.clear()
    this.#producers.restore([])
    this.#endsAt(offset)
    this.#logStartOffset = offset
    this.#flusher.onStartedAt(offset)
    this.#segmentsChanged()
  }

  #endsAt(offset: number): void {
    this.#logEndOffset = this.#writtenOffset = offset
    this.#highWatermark = Math.min(this.#highWatermark, offset)
    this.#logStartOffset = Math.min(this.#logStartOffset, offset)
    this.#epochs.truncateFromEnd(offset)
    this.#flusher.onTruncated(offset)
  }

  #reloadProducers(endOffset: number): void {
    if (this.#producers.isEmpty) return
    rebuildProducerState({
      segments: this.#segments.all,
      snapshots: this.#snapshots,
      state: this.#producers,
      snapshotFloor: endOffset,
      endOffset,
      logStartOffset: this.#logStartOffset,
      reports: new Map(),
    })
  }

  #segmentsChanged(): void {
    this.#flusher.directoryChanged()
    this.#options.onCheckpointDue?.()
  }

  /** The segment's files are renamed now and unlinked after the delay; what belongs to it goes with it. */
  #dropSegment(segment: Segment): void {
    this.#flusher.forget(segment)
    segment.isActive = false
    const renamed = markSegmentDeleted(segment)
    const snapshot = this.#snapshots.markDeleted(segment.baseOffset)
    if (snapshot !== undefined) renamed.push(snapshot)
    this.#quarantine.forgetSegment(segment.baseOffset)
    removeLater(renamed, this.#config.fileDeleteDelayMs, this.#env)
  }

  /**
   * DeleteRecords: moves the log start; -1 means the high watermark. Returns the new low watermark or
   * OFFSET_OUT_OF_RANGE. Files go by retention once they lie wholly below.
   */
  deleteRecordsBefore(offset: number): { readonly errorCode: number; readonly lowWatermark: number } {
    if (this.#failure !== undefined) return { errorCode: Code.kafkaStorageError, lowWatermark: -1 }
    const target = offset === -1 ? this.#highWatermark : offset
    if (target < 0 || target > this.#highWatermark) return { errorCode: Code.offsetOutOfRange, lowWatermark: -1 }
    this.#advanceLogStart(target)
    return { errorCode: Code.none, lowWatermark: this.#logStartOffset }
  }

  #advanceLogStart(offset: number): void {
    if (offset <= this.#logStartOffset) return
    this.#logStartOffset = offset
    this.#epochs.truncateFromStart(offset)
    this.#options.onCheckpointDue?.()
  }

  // ---- retention and upkeep

  /** Applies retention, time-driven rolls and flushes, and forgets silent producers. Returns the segments deleted. */
  applyRetention(now: number): number {
    if (this.#failure !== undefined || this.#closed) return 0
    this.#producers.expire(now, this.#config.producerIdExpirationMs)
    const facts = this.#segments.all.map((segment, i) => this.#factsOf(segment, i))
    const { count, reasons } = expiredSegments(facts, {
      deletes: this.#config.cleanupPolicy.delete,
      retentionMs: this.#config.retentionMs,
      retentionBytes: this.#config.retentionBytes,
      logStartOffset: this.#logStartOffset,
      highWatermark: this.#highWatermark,
      now,
    })
    if (count === 0) return 0
    try {
      // all have expired: an empty segment takes over first, the log keeps its end offset
      if (count === this.#segments.count) this.#roll(now)
    } catch (error) {
      this.#writeFailed(error)
      return 0
    }
    const gone = this.#segments.all.slice(0, count)
    // the new start is known BEFORE the files go
    this.#advanceLogStart(this.#segments.at(count).baseOffset)
    for (const segment of gone) this.#dropSegment(segment)
    this.#segments.reset(this.#segments.all.slice(count))
    this.#env.logger.info({ dir: this.#dir, segments: count, reasons, logStartOffset: this.#logStartOffset }, 'segments passed their retention and were deleted')
    return count
  }

  #factsOf(segment: Segment, index: number): SegmentFacts {
    return {
      baseOffset: segment.baseOffset,
      endOffset: this.#segments.endOffsetOf(index, this.#logEndOffset),
      size: segment.size,
      retentionTimestamp: () => segment.retentionTimestamp,
      isActive: segment === this.#active,
    }
  }

  /** flush.ms: starts a background fsync when the last one is too long ago. */
  flushIfDue(now: number): void {
    if (this.#failure !== undefined || this.#closed || this.durableOffset >= this.#writtenOffset) return
    if (now - this.#lastFlushMs >= this.#config.flushMs) this.#flushInBackground()
  }

  // ---- compaction

  /** First offset compaction has not seen yet; kept in the data directory's cleaner-offset-checkpoint. */
  get cleanerOffset(): number {
    return this.#cleanerOffset
  }

  /** Share of compactable bytes that are dirty, and whether a run is due. undefined: not a compacted topic, or out of service. */
  compactionState(now: number): Cleanable | undefined {
    if (!this.#config.cleanupPolicy.compact || this.#failure !== undefined || this.#closed || !this.#quarantine.isEmpty) return undefined
    return cleanableOf(this.#compactionHost(), this.#cleanerOffset, now)
  }

  /** Runs one compaction when it is due (or `force`); at most one at a time. Resolves with what it did, or undefined. */
  async compact(now: number, force = false): Promise<CompactionSummary | undefined> {
    const part = this.compactionState(now)
    if (part === undefined || this.#compacting || !(part.isDue || (force && part.firstUncleanableOffset > this.#logStartOffset))) return undefined
    this.#compacting = compact(this.#compactionHost(), part, now)
    try {
      const summary = await this.#compacting
      if (summary !== undefined) {
        this.#cleanerOffset = summary.cleanedUpTo
        this.#options.onCheckpointDue?.()
      }
      return summary
    } finally {
      this.#compacting = undefined
    }
  }

  #compactionHost(): CompactionHost {
    const log = this
    return {
      dir: this.#dir,
      env: this.#env,
      config: this.#config,
      get segments() {
        return log.#segments.all
      },
      producers: this.#producers,
      logStartOffset: this.#logStartOffset,
      settledOffset: Math.min(this.lastStableOffset, this.recoveryPoint),
      runInPool: this.#options.runInPool,
      replaceSegments: (replaced, made, deleted) => this.#replaceSegments(replaced, made, deleted),
      isOpen: () => !this.#closed && this.#failure === undefined,
    }
  }

  #replaceSegments(replaced: readonly Segment[], made: { readonly baseOffset: number; readonly maxTimestamp: number }, deleted: readonly string[]): void {
    const segment = new Segment(this.#dir, made.baseOffset, logFileSize(this.#dir, made.baseOffset), this.#config, this.#env.clock.now())
    segment.generation = ++this.#generation
    segment.maxTimestamp = made.maxTimestamp
    const all = this.#segments.all
    const from = all.indexOf(replaced[0]!)
    this.#segments.reset([...all.slice(0, from), segment, ...all.slice(from + replaced.length)])
    for (const old of replaced.slice(1)) this.#snapshots.forget(old.baseOffset)
    removeLater(deleted, this.#config.fileDeleteDelayMs, this.#env)
  }

  updateConfig(config: LogConfig): void {
    this.#config = config
  }

  // ---- the end

  /** `clean`: everything written, synced and snapshotted, so that the next open scans nothing. */
  async close(clean: boolean): Promise<void> {
    if (this.#closed) return
    try {
      if (clean && this.#failure === undefined) {
        this.#writeStaged()
        await this.#flusher.sync()
        await this.#flusher.idle()
        this.#addon.segmentFlushIndexes(this.#active.handle)
        await this.#addon.segmentSync(this.#active.handle, true)
        this.#snapshots.write(this.#logEndOffset, this.#producers, true)
      }
    } finally {
      this.#closed = true
      await this.#flusher.idle()
      // a pass in flight notices that the log is closed and discards its work
      await this.#compacting?.catch(() => undefined)
      for (const segment of this.#segments.all) this.#release(segment)
    }
  }

  /** Closing writes indexes, which may fail where the disk does; recovery rebuilds them. */
  #release(segment: Segment): void {
    try {
      segment.closeHandle()
    } catch (error) {
      this.#env.logger.warn({ dir: this.#dir, segment: segment.baseOffset, code: errorCodeOf(error) }, `closing a segment failed: ${errorText(error)}`)
    }
  }

  /** Renames the directory as Kafka does, at once; its content is removed after file.delete.delay.ms. */
  async delete(): Promise<void> {
    await this.close(false)
    const target = join(dirname(this.#dir), deletedDirName(basename(this.#dir), this.#env.random.bytes(16)))
    renameSync(this.#dir, target)
    syncDirNow(dirname(this.#dir))
    this.#dir = target
    removeLater([target], this.#config.fileDeleteDelayMs, this.#env)
  }
}

/** `<topic>-<partition>.<uuid hex>-delete`, cut so that it stays a legal file name. */
export function deletedDirName(name: string, id: Uint8Array): string {
  const suffix = `.${Buffer.from(id).toString('hex')}-delete`
  return name.slice(0, 255 - suffix.length) + suffix
}

function storageError(error: LogError): OffsetError {
  return { kind: 'error', errorCode: Code.kafkaStorageError, errorMessage: error.message }
}

function listTooLarge(size: number, segmentBytes: number): Refusal {
  return { code: Code.recordListTooLarge, message: `a batch of ${size} bytes does not fit a segment of segment.bytes=${segmentBytes}`, recordErrors: null }
}
