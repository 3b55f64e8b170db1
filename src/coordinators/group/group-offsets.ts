// Committed offsets: what a commit, a deletion and an expiry write, and what a fetch answers. Functions of (store, group, input,
// now) that return records and results. OffsetCommit v2-v4 may name its own retention; v9+ knows GROUP_ID_NOT_FOUND.

import { ErrorCode } from '../error-codes.js'
import type { CoordinatorRecord } from '../runtime/coordinator-record.js'
import type { ClassicGroup } from './classic-group.js'
import { validateMember } from './classic-join.js'
import { CONSUMER_PROTOCOL_TYPE } from './consumer-subscription.js'
import type { GroupConfig } from './group-config.js'
import type { GroupStore } from './group-store.js'
import type {
  CommitOffsetsArgument,
  CommitOffsetsResult,
  DeleteOffsetsArgument,
  DeleteOffsetsResult,
  FetchOffsetsArgument,
  FetchOffsetsResult,
  FetchedOffset,
} from './messages.js'
import { offsetRecord, offsetTombstone } from './record-format.js'
import type { OffsetAndMetadata } from './record-format.js'

export interface Written<T> {
  readonly records: readonly CoordinatorRecord[]
  readonly response: T
}

/** 0, or why the group takes no commit from this sender. `undefined`: the group does not exist. */
export function refuseCommit(group: ClassicGroup | undefined, argument: CommitOffsetsArgument): number {
  const { generationId, memberId, groupInstanceId } = argument
  if (group === undefined) {
    if (generationId < 0) return ErrorCode.none
    return argument.groupIdNotFoundKnown ? ErrorCode.groupIdNotFound : ErrorCode.illegalGeneration
  }
  if (group.state === 'Dead') return ErrorCode.coordinatorNotAvailable
  // An admin, or a consumer that assigns its partitions itself.
  if (generationId < 0 && group.state === 'Empty') return ErrorCode.none
  if (generationId >= 0 || memberId !== '' || groupInstanceId !== null) {
    const errorCode = validateMember(group, memberId, groupInstanceId)
    if (errorCode !== ErrorCode.none) return errorCode
    if (generationId !== group.generationId) return ErrorCode.illegalGeneration
  } else if (group.state !== 'Empty') {
    return ErrorCode.unknownMemberId
  }
  // While the leader assigns, nobody owns a partition; before that (PreparingRebalance) members commit what they give up.
  return group.state === 'CompletingRebalance' ? ErrorCode.rebalanceInProgress : ErrorCode.none
}

export function commitOffsets(argument: CommitOffsetsArgument, config: GroupConfig, now: number): Written<CommitOffsetsResult> {
  const records: CoordinatorRecord[] = []
  const expireTimestamp = argument.retentionTimeMs === -1 ? null : now + argument.retentionTimeMs
  const topics = argument.topics.map(({ topic, topicId, partitions }) => ({
    topic,
    partitions: partitions.map(({ partition, offset, leaderEpoch, metadata }) => {
      if ((metadata?.length ?? 0) > config.offsetMetadataMaxBytes) return { partition, errorCode: ErrorCode.offsetMetadataTooLarge }
      const value = { offset, leaderEpoch, metadata: metadata ?? '', commitTimestamp: now, expireTimestamp, topicId }
      records.push(offsetRecord(argument.groupId, topic, partition, value))
      return { partition, errorCode: ErrorCode.none }
    }),
  }))
  return { records, response: { errorCode: ErrorCode.none, topics } }
}

export function fetchOffsets(store: GroupStore, argument: FetchOffsetsArgument): FetchOffsetsResult {
  const stored = store.topicsOf(argument.groupId)
  const wanted = argument.topics ?? [...stored].map(([topic, partitions]) => ({ topic, partitions: [...partitions.keys()] }))
  const topics = wanted.map(({ topic, partitions }) => ({
    topic,
    partitions: partitions.map((partition) => fetched(partition, stored.get(topic)?.get(partition))),
  }))
  return { errorCode: ErrorCode.none, topics }
}

function fetched(partition: number, value: OffsetAndMetadata | undefined): FetchedOffset {
  if (value === undefined) return { partition, offset: -1, leaderEpoch: -1, metadata: '', errorCode: ErrorCode.none }
  return { partition, offset: value.offset, leaderEpoch: value.leaderEpoch, metadata: value.metadata, errorCode: ErrorCode.none }
}

/** 0, or why the group's offsets may not be deleted at all. */
export function refuseOffsetDeletion(group: ClassicGroup | undefined): number {
  if (group === undefined || group.state === 'Dead') return ErrorCode.groupIdNotFound
  if (group.state === 'Empty' || group.protocolType === CONSUMER_PROTOCOL_TYPE) return ErrorCode.none
  return ErrorCode.nonEmptyGroup
}

export function deleteOffsets(store: GroupStore, group: ClassicGroup, argument: DeleteOffsetsArgument): Written<DeleteOffsetsResult> {
  const records: CoordinatorRecord[] = []
  const topics = argument.topics.map(({ topic, partitions }) => {
    const subscribed = group.subscribedTopics?.has(topic) === true
    return {
      topic,
      partitions: partitions.map((partition) => {
        if (subscribed) return { partition, errorCode: ErrorCode.groupSubscribedToTopic }
        if (store.offset(argument.groupId, topic, partition) !== undefined)
          records.push(offsetTombstone(argument.groupId, topic, partition))
        return { partition, errorCode: ErrorCode.none }
      }),
    }
  })
  return { records, response: { errorCode: ErrorCode.none, topics } }
}

export function tombstonesOfGroup(store: GroupStore, groupId: string): CoordinatorRecord[] {
  const records: CoordinatorRecord[] = []
  for (const [topic, partitions] of store.topicsOf(groupId)) {
    for (const partition of partitions.keys()) records.push(offsetTombstone(groupId, topic, partition))
  }
  return records
}

export function tombstonesOfTopics(store: GroupStore, names: readonly string[]): CoordinatorRecord[] {
  const records: CoordinatorRecord[] = []
  for (const [groupId, topics] of store.offsets) {
    for (const name of names) {
      for (const partition of topics.get(name)?.keys() ?? []) records.push(offsetTombstone(groupId, name, partition))
    }
  }
  return records
}

/**
 * KIP-211: offsets age from the moment the group became empty; in a stable consumer group only those of topics nobody reads
 * any more, and in groups that only commit, from the commit on. `emptied`: nothing is left afterwards.
 */
export function expiredOffsets(
  store: GroupStore,
  group: ClassicGroup,
  retentionMs: number,
  now: number,
): { records: CoordinatorRecord[]; emptied: boolean } {
  const base = expiryBase(group)
  const records: CoordinatorRecord[] = []
  let emptied = true
  for (const [topic, partitions] of store.topicsOf(group.groupId)) {
    const inUse = group.subscribedTopics?.has(topic) === true
    for (const [partition, value] of partitions) {
      if (base !== undefined && !inUse && isExpired(value, base(value), retentionMs, now))
        records.push(offsetTombstone(group.groupId, topic, partition))
      else emptied = false
    }
  }
  return { records, emptied }
}

function expiryBase(group: ClassicGroup): ((value: OffsetAndMetadata) => number) | undefined {
  if (group.protocolType === null) return (value) => value.commitTimestamp
  if (group.state === 'Empty') return () => group.stateTimestamp
  const knowsTopics = group.protocolType === CONSUMER_PROTOCOL_TYPE && group.subscribedTopics !== null
  return knowsTopics && group.state === 'Stable' ? (value) => value.commitTimestamp : undefined
}

function isExpired(value: OffsetAndMetadata, base: number, retentionMs: number, now: number): boolean {
  if (value.expireTimestamp !== null) return now >= value.expireTimestamp
  return now - base >= retentionMs
}
