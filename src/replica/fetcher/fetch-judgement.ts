// What a leader has to say to a follower's fetch, as a decision of its replica's state alone: whether the fetch stands (leader? epoch? which life
// of the broker? same history?), and the fields of the answer. Pure; who waits for how long is `fetch-server.ts`'.

import { errors } from '../../model/errors.js'
import type { HostedPartition } from '../hosted-partition.js'
import type { FetchAnswerFields, ReplicaFetchPart } from './messages.js'

/** `live`: the registered life of the follower's broker; undefined: fenced or gone. */
export function judge({ state, log }: HostedPartition, replica: number, part: ReplicaFetchPart, live: bigint | undefined): number {
  const leader = state.checkLeader(part.currentLeaderEpoch)
  if (leader !== errors.NONE.code) return leader
  if (log.failure !== undefined) return errors.KAFKA_STORAGE_ERROR.code
  if (state.follower(replica) === undefined) return errors.NOT_LEADER_OR_FOLLOWER.code
  // An older life of the broker; a newer one than our metadata knows may go on, it only cannot join the ISR yet.
  if (live !== undefined && live >= 0n && part.replicaEpoch >= 0n && part.replicaEpoch < live) return errors.STALE_BROKER_EPOCH.code
  return part.fetchOffset < log.logStartOffset ? errors.OFFSET_OUT_OF_RANGE.code : errors.NONE.code
}

/** What to answer to a follower whose history is not this log's; undefined: it is. */
export function divergence({ log, state }: HostedPartition, part: ReplicaFetchPart): FetchAnswerFields | undefined {
  const bounds = { leaderEpoch: state.leaderEpoch, logStartOffset: log.logStartOffset, logEndOffset: log.writtenOffset }
  const outOfRange = { ...refusal(errors.OFFSET_OUT_OF_RANGE.code), ...bounds }
  // Without an epoch (an empty log, or one from before epochs) only the range can be judged.
  if (part.lastFetchedEpoch < 0) return part.fetchOffset > log.logEndOffset ? outOfRange : undefined
  const end = log.epochEndOffset(part.lastFetchedEpoch)
  if (end.leaderEpoch < 0 || end.endOffset < 0) return outOfRange
  if (end.leaderEpoch === part.lastFetchedEpoch && end.endOffset >= part.fetchOffset) return undefined
  return {
    ...refusal(0),
    ...bounds,
    highWatermark: state.highWatermark,
    divergingEpoch: end.leaderEpoch,
    divergingEndOffset: end.endOffset,
  }
}

/** What stands before so many bytes of records. */
export function answerHead({ log, state }: HostedPartition, recordsSize: number): FetchAnswerFields {
  return {
    errorCode: 0,
    leaderEpoch: state.leaderEpoch,
    highWatermark: state.highWatermark,
    logStartOffset: log.logStartOffset,
    logEndOffset: log.writtenOffset,
    divergingEpoch: -1,
    divergingEndOffset: -1,
    recordsSize,
  }
}

/** Of a partition that is here. */
export function refusalOf({ log, state }: HostedPartition, errorCode: number): FetchAnswerFields {
  return { ...refusal(errorCode), leaderEpoch: state.leaderEpoch, logStartOffset: log.logStartOffset, logEndOffset: log.writtenOffset }
}

export function refusal(errorCode: number): FetchAnswerFields {
  return {
    errorCode,
    leaderEpoch: -1,
    highWatermark: -1,
    logStartOffset: -1,
    logEndOffset: -1,
    divergingEpoch: -1,
    divergingEndOffset: -1,
    recordsSize: 0,
  }
}
