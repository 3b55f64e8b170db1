// The door to one partition's log. Owns the partition's directory; the bytes are the addon's, the operations are the
// modules named below, their common memory is log-state.ts. Runs on the partition's owner thread, one caller at a time;
// synchronous but for fsync, recovery and compaction. Never throws for data: refusals are results.

import { appendAsFollower } from './append-follower.js'
import { appendAsLeader, flushStaged } from './append.js'
import { closeLog, deleteLog, renameLog, retireLog } from './closing.js'
import { compactionState, runCompaction } from './compaction/run.js'
import { LogState } from './log-state.js'
import { openState } from './open.js'
import { handOver, lookUp, planRead, readInto, sendTo } from './read.js'
import { abortedTransactionsIn, findMaxTimestamp, findTimestamp } from './reads.js'
import { applyRetention, flushIfDue } from './retention/apply.js'
import { deleteRecordsBefore, truncateFullyAndStartAt, truncateTo } from './truncation.js'
import { closedSegments, keepAside, scrub, verifyBatchAt } from './verify.js'
import type { ScrubPlace, ScrubStep } from './verify.js'
import type { LogError } from './codes.js'
import type { Cleanable } from './compaction/cleanable.js'
import type { CompactionSummary } from './compaction/compactor.js'
import { type LogConfig, promiseOf } from './config.js'
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
  RolledFiles,
  SegmentTransfer,
  TimestampOffset,
} from './types.js'

export { deletedDirName } from './closing.js'
export type { LogConfig } from './config.js'
export type * from './types.js'

export class Log {
  readonly #state: LogState

  static async open(options: LogOptions): Promise<Log> {
    return new Log(new LogState(options, await openState(options)))
  }

  private constructor(state: LogState) {
    this.#state = state
  }

  get topicPartition(): TopicPartition {
    return this.#state.options.topicPartition
  }

  get topicId(): Uuid {
    return this.#state.options.topicId
  }

  get dir(): string {
    return this.#state.dir
  }

  get config(): LogConfig {
    return this.#state.config
  }

  updateConfig(config: LogConfig): void {
    this.#state.config = config
  }

  get logStartOffset(): number {
    return this.#state.logStartOffset
  }

  /** Next offset to be given, staged batches included. */
  get logEndOffset(): number {
    return this.#state.logEndOffset
  }

  /** Below it write(2) has returned: what the `process` promise may acknowledge. */
  get writtenOffset(): number {
    return this.#state.writtenOffset
  }

  /** Below it fsync has returned: what the `disk` promise may acknowledge. */
  get durableOffset(): number {
    return this.#state.flusher.durableOffset
  }

  get recoveryPoint(): number {
    return this.#state.flusher.recoveryPoint
  }

  /** Bytes of all segments, staged ones included. */
  get size(): number {
    return this.#state.segments.totalBytes
  }

  get segmentCount(): number {
    return this.#state.segments.count
  }

  /** True when acknowledgements wait for the disk: `millrace.ack=disk`, or Kafka's flush.messages=1. */
  get acksWaitForDisk(): boolean {
    return promiseOf(this.config) === 'disk'
  }

  /** Set once the log is out of service: EIO or a failed fsync, until it is opened again. */
  get failure(): Error | undefined {
    return this.#state.failure
  }

  /** A moment ago a write found no space, and nothing was written since. */
  get isFull(): boolean {
    return this.#state.isFull
  }

  get quarantined(): readonly QuarantinedRange[] {
    return this.#state.quarantine.ranges
  }

  /** fsyncs of the active segment since this log was opened. */
  get syncCount(): number {
    return this.#state.flusher.syncs
  }

  // ---- appending

  /** Takes one produced batch. `records` is the log's until the call returns: header fields are patched in place. */
  appendAsLeader(records: Uint8Array, leaderEpoch: number, origin: AppendOrigin, requestVersion: number): AppendResult {
    return appendAsLeader(this.#state, records, leaderEpoch, origin, requestVersion)
  }

  /** Copies batches as another replica stored them: offsets and epochs are theirs. `isChecked`: `checkReplicated` has passed these very bytes. */
  appendAsFollower(records: Uint8Array, isChecked = false): AppendResult {
    return appendAsFollower(this.#state, records, isChecked)
  }

  /**
   * write(2) of everything staged. 0: all appends since the last call are written. Otherwise KAFKA_STORAGE_ERROR: those
   * whose `lastOffset` is not below `writtenOffset` are lost and their offsets will be given again.
   */
  flushStaged(): number {
    return flushStaged(this.#state)
  }

  /** Resolves with the durable offset, at least what was written when this was called. At most one fsync is in flight. */
  async sync(): Promise<number> {
    if (this.#state.failure !== undefined) throw this.#state.failure
    return this.#state.flusher.sync()
  }

  // ---- reading

  /** Where the batches from `offset` on lie, below `upperBound` (exclusive), in one segment; the bytes are read by the caller. */
  planRead(offset: number, maxBytes: number, upperBound: number, minOne: boolean): ReadPlan | OffsetError {
    return planRead(this.#state, offset, maxBytes, upperBound, minOne)
  }

  /** Reads a plan on this thread, or `length` bytes of it from `skip` on. Returns the bytes copied. Throws LogError. */
  readInto(plan: ReadPlan, target: Uint8Array, at: number, skip = 0, length: number = plan.size): number {
    return readInto(this.#state, plan, target, at, skip, length)
  }

  /** Sends `length` bytes of a plan, from `skip` on, straight to a socket. Returns the bytes moved; 0: read and write them instead. Throws LogError. */
  sendTo(plan: ReadPlan, skip: number, length: number, descriptor: number): number {
    return sendTo(this.#state, plan, skip, length, descriptor)
  }

  /** As `sendTo`, for a thread that moves the range later. False: read and write it instead. */
  handOver(plan: ReadPlan, skip: number, length: number, transfer: SegmentTransfer): boolean {
    return handOver(this.#state, plan, skip, length, transfer)
  }

  /** What a read on another thread met: an EIO takes the log out of service. */
  reportReadError(error: LogError): void {
    this.#state.readFailed(error)
  }

  /** Aborted transactions that overlap [from, to). */
  abortedTransactions(from: number, to: number): AbortedTransaction[] {
    return abortedTransactionsIn(this.#state.segments, from, to)
  }

  /** The first offset whose record's timestamp is at or after `timestamp`; offset -1 when there is none. Throws LogError. */
  offsetForTimestamp(timestamp: number): TimestampOffset {
    const { segments, logStartOffset, config } = this.#state
    return lookUp(this.#state, () => findTimestamp(segments, logStartOffset, timestamp, config.maxDecompressedBytes))
  }

  offsetForMaxTimestamp(): TimestampOffset {
    const { segments, config } = this.#state
    return lookUp(this.#state, () => findMaxTimestamp(segments, config.maxDecompressedBytes))
  }

  // ---- epochs, watermarks, producers

  get latestEpoch(): number {
    return this.#state.epochs.latestEpoch
  }

  /** Epoch of the record at `offset`; -1 unknown. */
  epochFor(offset: number): number {
    return this.#state.epochs.epochFor(offset)
  }

  epochEndOffset(epoch: number): EpochEndOffset {
    return this.#state.epochs.endOffsetFor(epoch, this.logEndOffset)
  }

  /** A partition leader notes where its epoch begins when it takes over, before its first append. Throws on a failed write. */
  assignEpochStart(epoch: number): void {
    this.#state.epochs.assign(epoch, this.logEndOffset, this.#state.segments.totalBytes === 0)
  }

  get highWatermark(): number {
    return this.#state.highWatermark
  }

  /** Told by the replica; bounds retention, DeleteRecords and the last stable offset. */
  updateHighWatermark(highWatermark: number): void {
    const state = this.#state
    state.highWatermark = Math.min(highWatermark, state.logEndOffset)
    if (state.producers.hasUnstable) state.producers.onHighWatermark(state.highWatermark)
  }

  /** Below it every transaction is decided: where read_committed ends. */
  get lastStableOffset(): number {
    return this.#state.lastStableOffset
  }

  producerStates(): ProducerSummary[] {
    return this.#state.producers.summaries()
  }

  /** A follower takes over its leader's log start (DeleteRecords, retention there). Beyond its own end nothing of it is left to keep. */
  raiseLogStart(offset: number): void {
    if (offset > this.logEndOffset) truncateFullyAndStartAt(this.#state, offset)
    else this.#state.advanceLogStart(offset)
  }

  // ---- cutting

  /** Drops every batch that holds an offset at or above `offset`, and everything memory knew of them. */
  truncateTo(offset: number): void {
    truncateTo(this.#state, offset)
  }

  /** Drops everything; the log begins and ends at `offset`. */
  truncateFullyAndStartAt(offset: number): void {
    truncateFullyAndStartAt(this.#state, offset)
  }

  /** DeleteRecords: moves the log start; -1 means the high watermark. Files go by retention once they lie wholly below. */
  deleteRecordsBefore(offset: number): { readonly errorCode: number; readonly lowWatermark: number } {
    return deleteRecordsBefore(this.#state, offset)
  }

  // ---- damage

  /** What is wrong with the batch that holds `offset`, which is quarantined then; undefined: it is sound. Throws LogError when it cannot be read. */
  verifyBatchAt(offset: number): string | undefined {
    return verifyBatchAt(this.#state, offset)
  }

  closedSegments(): { readonly baseOffset: number; readonly size: number }[] {
    return closedSegments(this.#state)
  }

  /** Checks part of a closed segment on the pool; what is wrong is quarantined and named. */
  async scrub(baseOffset: number, from: ScrubPlace, maxBytes: number): Promise<ScrubStep> {
    return scrub(this.#state, baseOffset, from, maxBytes)
  }

  /** Keeps copies of the segments from `offset` on as `<base>.log.damaged-<n>`, before they are cut. */
  async keepAside(offset: number): Promise<void> {
    await keepAside(this.#state, offset)
  }

  // ---- upkeep, called by the owner from time to time

  /** Applies retention and forgets silent producers. Returns the segments deleted. */
  applyRetention(now: number): number {
    return applyRetention(this.#state, now)
  }

  /** Starts the next segment when the active one has passed segment.ms without an append to notice it. */
  rollIfNeeded(now: number): void {
    this.#state.rollIfNeeded(now)
  }

  /** flush.ms: starts a background fsync when the last one is too long ago. */
  flushIfDue(now: number): void {
    flushIfDue(this.#state, now)
  }

  /** First offset compaction has not seen yet; kept in the data directory's cleaner-offset-checkpoint. */
  get cleanerOffset(): number {
    return this.#state.cleanerOffset
  }

  /** Share of compactable bytes that are dirty, and whether a run is due. undefined: not a compacted topic, or out of service. */
  compactionState(now: number): Cleanable | undefined {
    return compactionState(this.#state, now)
  }

  /** Runs one compaction when it is due (or `force`); at most one at a time. Resolves with what it did, or undefined. */
  async compact(now: number, force = false): Promise<CompactionSummary | undefined> {
    return runCompaction(this.#state, now, force)
  }

  // ---- moving to another data directory

  /** Files that no append touches any more: rolled segments with what belongs to them. */
  rolledFiles(): RolledFiles {
    const { segments, snapshots, active, dir } = this.#state
    const rolled = segments.all.filter((segment) => segment !== active)
    return {
      dir,
      firstOffset: segments.first.baseOffset,
      segmentOffsets: rolled.map((segment) => segment.baseOffset),
      snapshotOffset: snapshots.offsets.includes(segments.first.baseOffset) ? segments.first.baseOffset : undefined,
    }
  }

  /** While paused no file is replaced by compaction. Resolves when none is being replaced. */
  async pauseCompaction(paused: boolean): Promise<void> {
    this.#state.compactionPaused = paused
    if (paused) await this.#state.compacting?.catch(() => undefined)
  }

  /** Grows when a file was cut or replaced. */
  get generation(): number {
    return this.#state.generation
  }

  /** A sync is in flight or queued. */
  get isSyncing(): boolean {
    return this.#state.flusher.isBusy
  }

  /** Gives the directory another name in the same parent; appends go on under it. Only while `isSyncing` is false. */
  rename(name: string): void {
    renameLog(this.#state, name, true)
  }

  /** Another log took this one's place: its directory is renamed as a deleted one; readers may finish until it is removed. */
  retire(): void {
    retireLog(this.#state)
  }

  /** The log start of the replica this one is a copy of. */
  advanceLogStart(offset: number): void {
    this.#state.advanceLogStart(offset)
  }

  // ---- the end

  /** `clean`: everything written, synced and snapshotted, so that the next open scans nothing. */
  async close(clean: boolean): Promise<void> {
    await closeLog(this.#state, clean)
  }

  /** Renames the directory as Kafka does, at once; its content is removed after file.delete.delay.ms. Resolves with the directory to sync. */
  delete(): Promise<string> {
    return deleteLog(this.#state)
  }
}
