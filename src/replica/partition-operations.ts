// What can be asked of one hosted partition besides produce and fetch. Each is a plain function over plain data, because the question may
// come from another thread. Runs on the partition's owner.

import { errors } from '../model/errors.js'
import type { HostedPartition } from './hosted-partition.js'
import type { DeleteRecordsAnswer } from './purgatory/delete-queue.js'
import type { ReplicaManager } from './replica-manager.js'

/** ListOffsets' special timestamps (KIP-79, KIP-734, KIP-405, KIP-1005). */
const LATEST = -1
const EARLIEST = -2
const MAX_TIMESTAMP = -3
const EARLIEST_LOCAL = -4
const LATEST_TIERED = -5
const EARLIEST_PENDING_UPLOAD = -6

export interface PartitionQuestion {
  readonly topic: string
  readonly partition: number
}

export interface ListOffsetsQuestion extends PartitionQuestion {
  readonly timestamp: number
  readonly currentLeaderEpoch: number
  readonly readCommitted: boolean
}

export interface ListOffsetsAnswer {
  readonly errorCode: number
  readonly timestamp: number
  readonly offset: number
  readonly leaderEpoch: number
}

export interface EpochEndQuestion extends PartitionQuestion {
  readonly currentLeaderEpoch: number
  readonly leaderEpoch: number
}

export interface EpochEndAnswer {
  readonly errorCode: number
  readonly leaderEpoch: number
  readonly endOffset: number
}

export interface DeleteRecordsQuestion extends PartitionQuestion {
  /** -1: up to the high watermark. */
  readonly offset: number
  /** How long the other replicas may take. */
  readonly timeoutMs: number
}

export interface LogDescription {
  readonly topic: string
  readonly partition: number
  /** The partition's directory. */
  readonly dir: string
  readonly size: number
  /** Behind the replica whose place it shall take; 0 for a replica that is in place. */
  readonly offsetLag: number
  readonly isFuture: boolean
}

export function listOffsets(manager: ReplicaManager, question: ListOffsetsQuestion): ListOffsetsAnswer {
  const hosted = manager.find(question.topic, question.partition)
  if (!hosted) return noOffset(manager.missingCode(question.topic, question.partition))
  const leader = hosted.state.checkLeader(question.currentLeaderEpoch)
  if (leader !== errors.NONE.code) return noOffset(leader)
  const { log, state } = hosted
  const epoch = state.leaderEpoch
  const bound = question.readCommitted ? Math.min(state.highWatermark, log.lastStableOffset) : state.highWatermark
  switch (question.timestamp) {
    case LATEST:
      if (state.isBehindItsEpoch) return noOffset(errors.OFFSET_NOT_AVAILABLE.code)
      return { errorCode: 0, timestamp: -1, offset: bound, leaderEpoch: epoch }
    case EARLIEST:
    case EARLIEST_LOCAL:
      return { errorCode: 0, timestamp: -1, offset: log.logStartOffset, leaderEpoch: log.epochFor(log.logStartOffset) }
    case LATEST_TIERED:
    case EARLIEST_PENDING_UPLOAD:
      // Nothing is tiered here: Kafka answers offset -1 for a log without remote storage.
      return { errorCode: 0, timestamp: -1, offset: -1, leaderEpoch: -1 }
    case MAX_TIMESTAMP:
      return found(log.offsetForMaxTimestamp(), state.highWatermark, state.isBehindItsEpoch)
    default:
      if (question.timestamp < 0) return noOffset(errors.UNSUPPORTED_VERSION.code)
      return found(log.offsetForTimestamp(question.timestamp), bound, state.isBehindItsEpoch)
  }
}

/** A hit that nobody may read yet is none; unless an earlier leader may have shown it. */
function found(
  hit: { timestamp: number; offset: number; leaderEpoch: number } | null,
  bound: number,
  isBehind: boolean,
): ListOffsetsAnswer {
  if (hit === null || hit.offset < 0) return noOffset(errors.NONE.code)
  if (hit.offset >= bound) return noOffset(isBehind ? errors.OFFSET_NOT_AVAILABLE.code : errors.NONE.code)
  return { errorCode: 0, timestamp: hit.timestamp, offset: hit.offset, leaderEpoch: hit.leaderEpoch }
}

function noOffset(errorCode: number): ListOffsetsAnswer {
  return { errorCode, timestamp: -1, offset: -1, leaderEpoch: -1 }
}

export function epochEnd(manager: ReplicaManager, question: EpochEndQuestion): EpochEndAnswer {
  const hosted = manager.find(question.topic, question.partition)
  if (!hosted) return { errorCode: manager.missingCode(question.topic, question.partition), leaderEpoch: -1, endOffset: -1 }
  const leader = hosted.state.checkLeader(question.currentLeaderEpoch)
  if (leader !== errors.NONE.code) return { errorCode: leader, leaderEpoch: -1, endOffset: -1 }
  const end = hosted.log.epochEndOffset(question.leaderEpoch)
  return { errorCode: 0, leaderEpoch: end.leaderEpoch, endOffset: end.endOffset }
}

export function deleteRecords(
  manager: ReplicaManager,
  question: DeleteRecordsQuestion,
): DeleteRecordsAnswer | Promise<DeleteRecordsAnswer> {
  const hosted = manager.find(question.topic, question.partition)
  if (!hosted) return { errorCode: manager.missingCode(question.topic, question.partition), lowWatermark: -1 }
  const refusal = refuseDelete(hosted, question.offset)
  if (refusal !== errors.NONE.code) return { errorCode: refusal, lowWatermark: -1 }
  const offset = question.offset === -1 ? hosted.state.highWatermark : question.offset
  return hosted.deleteRecords(offset, question.timeoutMs, manager.timers)
}

function refuseDelete(hosted: HostedPartition, offset: number): number {
  const leader = hosted.state.checkLeader(-1)
  if (leader !== errors.NONE.code) return leader
  const { cleanupPolicy } = hosted.log.config
  if (cleanupPolicy.compact && !cleanupPolicy.delete) return errors.POLICY_VIOLATION.code
  if (offset < -1 || offset > hosted.state.highWatermark) return errors.OFFSET_OUT_OF_RANGE.code
  return errors.NONE.code
}

export function describeLogs(manager: ReplicaManager): LogDescription[] {
  const rows: LogDescription[] = []
  for (const { topic, partition, log } of manager.all()) {
    rows.push({ topic, partition, dir: log.dir, size: log.size, offsetLag: 0, isFuture: false })
    const future = manager.futureOf(topic, partition)
    if (!future) continue
    const offsetLag = Math.max(0, log.logEndOffset - future.logEndOffset)
    rows.push({ topic, partition, dir: future.dir, size: future.size, offsetLag, isFuture: true })
  }
  return rows
}
