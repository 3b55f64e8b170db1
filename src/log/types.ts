// The shapes that cross the log's door. Plain data; no behaviour.

import type { PoolTask, PoolResult } from './pool-tasks.js'
import type { Env } from '../env/env.js'
import type { TopicPartition, Uuid } from '../model/topic-partition.js'
import type { LogConfig } from './config.js'

/** Who appends: rules for clients are stricter (Kafka's AppendOrigin). */
export type AppendOrigin = 'client' | 'embedded' | 'coordinator'

/** `embedded` is a client in this process, whose batches come without a checksum: the log computes it while it checks all the rest. */
export function isClient(origin: AppendOrigin): boolean {
  return origin !== 'coordinator'
}

export interface RecordError {
  /** Index of the record within its batch. */
  readonly batchIndex: number
  readonly message: string
}

/**
 * The outcome of one append. `errorCode` 0 means staged or written, NOT yet safe to acknowledge: first
 * `flushStaged()` must return 0 or `lastOffset` be below `writtenOffset` (and below `durableOffset` on the disk promise).
 */
export interface AppendResult {
  readonly errorCode: number
  readonly errorMessage: string | null
  readonly recordErrors: readonly RecordError[] | null
  readonly baseOffset: number
  readonly lastOffset: number
  /** -1 unless the topic's timestamp type is LogAppendTime. */
  readonly logAppendTime: number
  readonly logStartOffset: number
  /** The producer sent this batch before: the offsets are the original ones and nothing was written. */
  readonly duplicate: boolean
}

/**
 * A range of batches in one segment file: begins with a whole one, ends within one where `maxBytes` says so (as Kafka's
 * answers do), never past the bound. `size` 0: nothing to read below the bound. Crosses threads.
 */
export interface ReadPlan {
  readonly kind: 'plan'
  readonly dir: string
  readonly segmentBaseOffset: number
  readonly position: number
  readonly size: number
  /** The first batch alone, for callers that must shrink a plan and still deliver one. */
  readonly firstBatchSize: number
  readonly firstBaseOffset: number
  /** The offset that was asked for. */
  readonly offset: number
  /** Changes when the file behind `segmentBaseOffset` is replaced or cut: cached handles of older numbers are stale. */
  readonly generation: number
  /** When its log was opened, ms: a partition that was deleted and made again has the same names for other files. */
  readonly openedMs: number
}

/** Takes ranges of segments, by handle, to where they are moved later. False: not this one. */
export interface SegmentTransfer {
  addSegment(handle: number, position: number, length: number): boolean
}

export interface OffsetError {
  readonly kind: 'error'
  /** OFFSET_OUT_OF_RANGE, CORRUPT_MESSAGE (quarantined range, named in the message) or KAFKA_STORAGE_ERROR. */
  readonly errorCode: number
  readonly errorMessage: string
}

export interface AbortedTransaction {
  readonly producerId: number
  readonly firstOffset: number
}

export interface TimestampOffset {
  readonly timestamp: number
  readonly offset: number
  readonly leaderEpoch: number
}

export interface EpochEndOffset {
  /** -1: the epoch is unknown here. */
  readonly leaderEpoch: number
  readonly endOffset: number
}

/** One row of DescribeProducers. */
export interface ProducerSummary {
  readonly producerId: number
  readonly producerEpoch: number
  readonly lastSequence: number
  readonly lastTimestamp: number
  readonly coordinatorEpoch: number
  /** -1: no open transaction. */
  readonly currentTxnStartOffset: number
}

/** A byte range of a segment that holds no valid batch though valid ones follow. Kept until an operator acts. */
export interface QuarantinedRange {
  readonly segmentBaseOffset: number
  readonly position: number
  readonly size: number
  readonly firstOffset: number
  readonly lastOffset: number
  readonly foundAtMs: number
}

/** What a copy of a log may take file by file. */
export interface RolledFiles {
  readonly dir: string
  readonly firstOffset: number
  readonly segmentOffsets: readonly number[]
  /** The producer state before the first segment, where there is one. */
  readonly snapshotOffset: number | undefined
}

export type RunInPool = <T extends PoolTask>(task: T) => Promise<PoolResult<T>>

export interface LogOptions {
  /** `<data dir>/<topic>-<partition>`; created when missing. */
  readonly dir: string
  readonly topicPartition: TopicPartition
  readonly topicId: Uuid
  readonly config: LogConfig
  readonly env: Env
  /** The data directory was closed cleanly: nothing is scanned. */
  readonly cleanShutdown: boolean
  /** From the data directory's checkpoints; 0 when not named there. */
  readonly recoveryPoint: number
  readonly logStartOffset: number
  /** From the data directory's cleaner-offset-checkpoint; 0 when not named there. */
  readonly cleanerOffset?: number
  readonly runInPool: RunInPool
  /** Told while recovery scans: segments done of all. */
  readonly onProgress?: (done: number, total: number) => void
  /** Told after the recovery point or the log start offset moved: the data directory's checkpoints are due. */
  readonly onCheckpointDue?: () => void
  /** Told once when a failed write, read or fsync took this log out of service. */
  readonly onFailed?: (error: Error) => void
  /** Told while writes find no space, at most once a second. */
  readonly onFull?: () => void
  /** Told of damage that a read came upon, which is quarantined now. */
  readonly onDamaged?: (offset: number, message: string) => void
}
