// The memory of one open log and the few steps that all its operations share: what is staged and written, rolling, the
// ways a failed write, read or fsync is taken. The operations themselves are functions over it: append.ts,
// append-follower.ts, read.ts, truncation.ts, retention/apply.ts, compaction/run.ts, closing.ts; log.ts is the door.
//
// Offsets, in order: logStartOffset ≤ writtenOffset ≤ logEndOffset, durableOffset ≤ writtenOffset. Between written and
// end lie staged batches: they have offsets, but write(2) has not seen them, and nobody may be told they are in.

import { dirname } from 'node:path'
import { errorCodeOf, errorText, isFullDisk, LogError } from './codes.js'
import { Flusher } from './flusher.js'
import { native } from './native.js'
import { rollJitter } from './open.js'
import { partitionMetadataPath } from './partition-metadata.js'
import { markSegmentDeleted, removeLater } from './removal.js'
import { Segment } from './segment.js'
import type { FlushHost } from './flusher.js'
import type { CompactionSummary } from './compaction/compactor.js'
import type { LogConfig } from './config.js'
import type { LeaderEpochCache } from './leader-epoch-cache.js'
import type { OpenedState } from './open.js'
import type { ProducerState } from './producer-state/producer-state.js'
import type { SnapshotFiles } from './producer-state/snapshot-files.js'
import type { Quarantine } from './quarantine.js'
import type { SegmentList } from './segment-list.js'
import type { LogOptions } from './types.js'
import type { Env } from '../env/env.js'

const FULL_TOLD_MS = 1000
/** A log that nobody writes to is not taken for full for longer. */
const FULL_LASTS_MS = 10_000

export class LogState {
  readonly options: LogOptions
  readonly env: Env
  readonly addon = native()
  readonly segments: SegmentList
  readonly producers: ProducerState
  readonly snapshots: SnapshotFiles
  readonly epochs: LeaderEpochCache
  readonly quarantine: Quarantine
  readonly flusher: Flusher
  dir: string
  config: LogConfig
  logStartOffset: number
  logEndOffset: number
  writtenOffset: number
  highWatermark: number
  /** Segment that is appended to: segments.active, one look-up less on the hot path. */
  active: Segment
  /** A write failed for want of space: appends are refused until the caller has learned of it from flushStaged. */
  refusedUntilFlush: LogError | undefined
  /** EIO or a failed fsync: out of service until it is opened again. */
  failure: LogError | undefined
  mustRoll: boolean
  closed = false
  lastFlushMs: number
  unflushedRecords = 0
  readonly openedMs: number
  /** Number of the last file that was replaced or cut. */
  generation = 0
  cleanerOffset: number
  compacting: Promise<CompactionSummary | undefined> | undefined
  /** A move of the log copies its files: none is replaced meanwhile. */
  compactionPaused = false
  /** Its directory and who it belongs to are not synced yet. */
  #isNew: boolean
  /** The last write that found no space: when, what was written then, and until when that is not told again. */
  #full = { at: -Infinity, writtenOffset: -1, toldUntil: -Infinity }
  /** The log end that it was opened with, and whether the files beside it were whole then. */
  readonly #opened: { readonly endOffset: number; readonly whole: boolean }

  constructor(options: LogOptions, state: OpenedState) {
    this.options = options
    this.env = options.env
    this.openedMs = options.env.clock.now()
    this.dir = options.dir
    this.config = options.config
    this.segments = state.segments
    this.producers = state.producers
    this.snapshots = state.snapshots
    this.epochs = state.epochs
    this.quarantine = state.quarantine
    this.logStartOffset = state.logStartOffset
    this.logEndOffset = this.writtenOffset = state.nextOffset
    this.highWatermark = state.logStartOffset
    this.active = state.segments.active
    this.mustRoll = state.mustRoll
    this.#isNew = state.isNew
    this.#opened = { endOffset: state.nextOffset, whole: !state.scanned }
    this.lastFlushMs = options.env.clock.now()
    this.cleanerOffset = options.cleanerOffset ?? 0
    this.flusher = new Flusher(this.flushHost(), state.recoveryPoint, state.recoveryPoint)
    // what a killed process left is in the page cache at best: it is synced before it counts as durable
    this.segments.all.forEach((segment, i) => {
      const end = this.segments.endOffsetOf(i, this.logEndOffset)
      if (segment !== this.active && end > state.recoveryPoint) this.flusher.rolled(segment, end)
    })
  }

  private flushHost(): FlushHost {
    return {
      dir: () => this.dir,
      writtenOffset: () => this.writtenOffset,
      activeSegment: () => this.active,
      snapshotPath: (offset) => this.snapshots.pathOf(offset),
      takeUnsynced: () => this.#takeUnsynced(),
      onSyncFailed: (error) => this.fail(error),
      onRecoveryPoint: () => this.options.onCheckpointDue?.(),
    }
  }

  #takeUnsynced(): string[] {
    const epochs = this.epochs.takeUnsynced()
    const paths = epochs === undefined ? [] : [epochs]
    if (!this.#isNew) return paths
    this.#isNew = false
    return [...paths, partitionMetadataPath(this.dir), dirname(this.dir)]
  }

  /** Nothing was appended, cut or replaced since it was opened, and its files were whole then. */
  get isUntouched(): boolean {
    return this.#opened.whole && this.generation === 0 && this.logEndOffset === this.#opened.endOffset
  }

  /** Below it every transaction is decided: where read_committed ends. */
  get lastStableOffset(): number {
    if (!this.producers.hasUnstable) return this.highWatermark
    const unstable = this.producers.firstUnstableOffset
    return unstable === -1 ? this.highWatermark : Math.min(unstable, this.highWatermark)
  }

  // ---- writing what is staged

  writeStaged(): void {
    if (this.writtenOffset === this.logEndOffset) return
    this.addon.segmentFlush(this.active.handle)
    this.allWritten()
  }

  allWritten(): void {
    this.writtenOffset = this.logEndOffset
    this.producers.commitStaged()
    if (this.unflushedRecords >= this.config.flushMessages) this.flushInBackground()
  }

  flushInBackground(): void {
    this.unflushedRecords = 0
    this.lastFlushMs = this.env.clock.now()
    // a failure poisons the log and is told to its owner there
    this.flusher.sync().catch(() => undefined)
  }

  // ---- failures

  unavailable(): LogError | undefined {
    if (this.failure !== undefined) return this.failure
    if (this.closed) return new LogError('ERR_MILLRACE_CLOSED', `the log of ${this.dir} is closed`)
    return this.refusedUntilFlush
  }

  fail(error: LogError): void {
    if (this.failure !== undefined) return
    this.failure = error
    this.env.logger.error({ dir: this.dir, code: error.code }, `log out of service until it is opened again: ${error.message}`)
    this.options.onFailed?.(error)
  }

  /** The write behind an append failed. The addon has cut the file back to what was written before; so does memory. */
  writeFailed(error: unknown): LogError {
    const code = errorCodeOf(error)
    const failure = new LogError(code, `writing to ${this.dir} failed: ${errorText(error)}`, error)
    const lost = this.logEndOffset - this.writtenOffset
    this.logEndOffset = this.writtenOffset
    this.producers.undoStaged()
    if (isFullDisk(code)) {
      // batches that were staged have been answered with an offset: nobody else gets it before their sender knows
      if (lost > 0) this.refusedUntilFlush = failure
      this.cutToWritten()
      this.foundFull(code, lost)
    } else {
      this.fail(failure)
    }
    return failure
  }

  /** A moment ago a write found no space, and nothing was written since. */
  get isFull(): boolean {
    return this.#full.writtenOffset === this.writtenOffset && this.env.clock.monotonic() - this.#full.at < FULL_LASTS_MS
  }

  private foundFull(code: string, lostRecords: number): void {
    const now = this.env.clock.monotonic()
    const isTold = now < this.#full.toldUntil && lostRecords === 0
    this.#full = { at: now, writtenOffset: this.writtenOffset, toldUntil: isTold ? this.#full.toldUntil : now + FULL_TOLD_MS }
    if (isTold) return
    this.env.logger.warn(
      { dir: this.dir, code, lostRecords },
      'no space: the append is refused, reading goes on, writing resumes when there is space',
    )
    this.options.onFull?.()
  }

  /** Memory follows the file. Plans stay good: what was written before is untouched. */
  private cutToWritten(): void {
    try {
      this.active.noteTruncated(this.addon.segmentSize(this.active.handle))
      // an epoch that begins past the end does no harm until the next open cuts it
      unlessFull(() => this.epochs.truncateFromEnd(this.logEndOffset + 1))
    } catch (error) {
      this.fail(new LogError(errorCodeOf(error), `${this.dir}: ${errorText(error)}`, error))
    }
  }

  readFailed(error: unknown): LogError {
    const failure =
      error instanceof LogError ? error : new LogError(errorCodeOf(error), `reading ${this.dir} failed: ${errorText(error)}`, error)
    if (failure.code === 'EIO') this.fail(failure)
    return failure
  }

  // ---- segments

  /** Starts the next segment when the active one has passed segment.ms without an append to notice it. */
  rollIfNeeded(now: number): void {
    if (this.failure !== undefined || this.closed || this.active.size === 0) return
    if (this.active.mustRoll(this.config, 0, this.logEndOffset - 1, this.active.maxTimestamp, now)) this.tryRoll(now)
  }

  /** A roll outside of an append. False: it failed, and what follows from that is done. */
  tryRoll(now: number): boolean {
    try {
      this.roll(now)
      return true
    } catch (error) {
      this.writeFailed(error)
      return false
    }
  }

  /** The epoch is on disk before its first batch. What is staged is written first: a failure here must not orphan it in the addon. */
  beginEpoch(epoch: number, startOffset: number): void {
    this.writeStaged()
    this.epochs.assign(epoch, startOffset)
    this.epochs.write()
  }

  roll(now: number, baseOffset = this.logEndOffset): void {
    this.writeStaged()
    const old = this.active
    if (old.size === 0 && old.baseOffset === baseOffset) {
      old.createdMs = now
      this.mustRoll = false
      return
    }
    this.addon.segmentFlushIndexes(old.handle)
    old.txnIndex.flush()
    this.snapshots.write(baseOffset, this.producers, false)
    const next = new Segment(this.dir, baseOffset, 0, this.config, now)
    next.rollJitterMs = rollJitter({ config: this.config, env: this.env })
    next.activate(this.config)
    this.segments.push(next)
    this.active = next
    this.mustRoll = false
    old.deactivate()
    this.flusher.rolled(old, baseOffset)
  }

  /** The segment's files are renamed now and unlinked after the delay; what belongs to it goes with it. */
  dropSegment(segment: Segment): void {
    this.flusher.forget(segment)
    segment.isActive = false
    const renamed = markSegmentDeleted(segment)
    const snapshot = this.snapshots.markDeleted(segment.baseOffset)
    if (snapshot !== undefined) renamed.push(snapshot)
    unlessFull(() => this.quarantine.forgetSegment(segment.baseOffset))
    removeLater(renamed, this.config.fileDeleteDelayMs, this.env)
  }

  advanceLogStart(offset: number): void {
    if (offset <= this.logStartOffset) return
    this.logStartOffset = offset
    // an epoch that ended below the start does no harm until the next open cuts it
    unlessFull(() => this.epochs.truncateFromStart(offset))
    this.options.onCheckpointDue?.()
  }

  segmentsChanged(): void {
    this.flusher.directoryChanged()
    this.options.onCheckpointDue?.()
  }
}

/** For upkeep of small files that may wait for space. */
function unlessFull(write: () => void): void {
  try {
    write()
  } catch (error) {
    if (!isFullDisk(errorCodeOf(error))) throw error
  }
}
