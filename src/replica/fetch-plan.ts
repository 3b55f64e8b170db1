// What one partition has for a client's fetch: which bytes of which file answer it, or why none do. Reads the log and the replication state, changes
// neither, and touches no record. Runs on the partition's owner.

import { errors } from '../model/errors.js'
import type { Log } from '../log/log.js'
import type { AbortedTransaction, ReadPlan } from '../log/types.js'
import type { PartitionState } from './partition/partition-state.js'
import { readReplicaFor } from './partition/read-replica.js'

export interface FetchItem {
  readonly topic: string
  readonly partition: number
  readonly fetchOffset: number
  readonly maxBytes: number
  /** -1: not stated. */
  readonly currentLeaderEpoch: number
  readonly lastFetchedEpoch: number
}

/** Who fetches, and how far it may read. Crosses threads. */
export interface FetchReader {
  readonly readCommitted: boolean
  /** A client that may read from a follower says where it is ('' : anywhere); null: from the leader only (before Fetch 11). */
  readonly rackId: string | null
  /** The node lets clients of a rack read there (replica.selector.class). */
  readonly rackAware: boolean
}

/** What one partition has for a fetch. The bytes themselves are read by whoever holds the socket. */
export interface FetchOutcome {
  readonly errorCode: number
  readonly highWatermark: number
  readonly lastStableOffset: number
  readonly logStartOffset: number
  readonly abortedTransactions: readonly AbortedTransaction[] | null
  readonly plan: ReadPlan | null
  readonly divergingEpoch: { readonly epoch: number; readonly endOffset: number } | null
  /** The replica the client should read from instead; -1: this one. */
  readonly preferredReadReplica: number
}

export function planFetch(
  log: Log,
  state: PartitionState,
  item: FetchItem,
  reader: FetchReader,
  maxBytes: number,
  minOne: boolean,
): FetchOutcome {
  const { readCommitted } = reader
  const refusal = reader.rackId === null ? state.checkLeader(item.currentLeaderEpoch) : state.checkReplica(item.currentLeaderEpoch)
  if (refusal !== errors.NONE.code) return failedFetch(refusal)
  const highWatermark = state.highWatermark
  const lastStableOffset = Math.min(highWatermark, log.lastStableOffset)
  const logStartOffset = log.logStartOffset
  const base = {
    errorCode: 0,
    highWatermark,
    lastStableOffset,
    logStartOffset,
    abortedTransactions: null,
    plan: null,
    divergingEpoch: null,
    preferredReadReplica: -1,
  }
  if (reader.rackAware && reader.rackId !== null && reader.rackId !== '' && state.role === 'leader') {
    const preferredReadReplica = readReplicaFor(state, reader.rackId, item.fetchOffset)
    if (preferredReadReplica !== -1) return { ...base, preferredReadReplica }
  }
  if (item.lastFetchedEpoch >= 0) {
    if (item.fetchOffset < logStartOffset) return failedFetch(errors.OFFSET_OUT_OF_RANGE.code)
    const end = log.epochEndOffset(item.lastFetchedEpoch)
    if (end.leaderEpoch < 0 || end.endOffset < 0) return failedFetch(errors.OFFSET_OUT_OF_RANGE.code)
    if (end.leaderEpoch < item.lastFetchedEpoch || end.endOffset < item.fetchOffset) {
      return { ...base, divergingEpoch: { epoch: end.leaderEpoch, endOffset: end.endOffset } }
    }
  }
  const bound = readCommitted ? lastStableOffset : highWatermark
  const plan = log.planRead(item.fetchOffset, Math.min(maxBytes, item.maxBytes), bound, minOne)
  if (plan.kind === 'error') return failedFetch(plan.errorCode)
  if (!readCommitted) return { ...base, plan: plan.size > 0 ? plan : null }
  return { ...base, plan: plan.size > 0 ? plan : null, abortedTransactions: log.abortedTransactions(item.fetchOffset, bound) }
}

export function failedFetch(errorCode: number): FetchOutcome {
  return {
    errorCode,
    highWatermark: -1,
    lastStableOffset: -1,
    logStartOffset: -1,
    abortedTransactions: null,
    plan: null,
    divergingEpoch: null,
    preferredReadReplica: -1,
  }
}
