// What a group has committed, written and read by one of its members, or by a consumer that only borrows the group's name.

import type { TopicPartition } from '../../model/topic-partition.js'
import { apis } from '../../protocol/schema/index.js'
import type { Broker } from '../cluster/broker.js'
import type { Cluster } from '../cluster/cluster.js'
import { KafkaError } from '../errors.js'
import type { GroupCoordinator } from './group-coordinator.js'
import { groupByTopic } from './group-protocol.js'
import { keyOf } from './subscription.js'

/** OffsetCommit and OffsetFetch name topics by id from version 10. */
const LAST_NAMED_OFFSETS_VERSION = 9
/** OffsetFetch asks for several groups from version 8, and for stable offsets from version 7. */
const GROUPED_OFFSETS_VERSION = 8
const STABLE_OFFSETS_VERSION = 7

export interface OffsetAndMetadata {
  readonly offset: number
  readonly leaderEpoch?: number
  readonly metadata?: string
}

export interface OffsetToCommit extends TopicPartition, OffsetAndMetadata {}

/** Who commits, and who hears what the coordinator says of that. */
export interface Committer {
  readonly memberId: string
  /** -1 outside of the group. */
  readonly generationId: number
  readonly groupInstanceId: string | null
  /** A commit of one partition was refused. */
  commitRefused(code: number): void
  /** The error of a request that the group refused. */
  groupError(code: number, what: string): KafkaError
}

export class GroupOffsets {
  readonly #cluster: Cluster
  readonly #coordinator: GroupCoordinator
  readonly #committer: Committer

  constructor(cluster: Cluster, coordinator: GroupCoordinator, committer: Committer) {
    this.#cluster = cluster
    this.#coordinator = coordinator
    this.#committer = committer
  }

  /** Commits, retrying what can be retried until `timeoutMs`. */
  async commit(offsets: readonly OffsetToCommit[], timeoutMs: number): Promise<void> {
    if (offsets.length === 0) return
    await this.#cluster.retry(`commit of group '${this.#groupId}'`, timeoutMs, () =>
      this.#coordinator.with((broker) => this.#commitOnce(broker, offsets)),
    )
  }

  /** Committed offsets; partitions without one are left out. */
  async committed(partitions: readonly TopicPartition[], timeoutMs: number): Promise<OffsetToCommit[]> {
    if (partitions.length === 0) return []
    return this.#cluster.retry(`committed offsets of group '${this.#groupId}'`, timeoutMs, () =>
      this.#coordinator.with((broker) => this.#committedOnce(broker, partitions)),
    )
  }

  get #groupId(): string {
    return this.#coordinator.groupId
  }

  async #commitOnce(coordinator: Broker, offsets: readonly OffsetToCommit[]): Promise<void> {
    const byPartition = new Map(offsets.map((one) => [keyOf(one.topic, one.partition), one]))
    const topics = [...groupByTopic(offsets)].map(([name, partitions]) => ({
      name,
      partitions: partitions.map((partitionIndex) => {
        const { offset, leaderEpoch, metadata } = byPartition.get(keyOf(name, partitionIndex))!
        return { partitionIndex, committedOffset: offset, committedLeaderEpoch: leaderEpoch ?? -1, committedMetadata: metadata ?? '' }
      }),
    }))
    const { generationId, memberId, groupInstanceId } = this.#committer
    const answer = await coordinator.request(
      apis.offsetCommit,
      {
        groupId: this.#groupId,
        generationIdOrMemberEpoch: generationId,
        memberId: generationId < 0 ? '' : memberId,
        groupInstanceId,
        topics,
      },
      { maxVersion: LAST_NAMED_OFFSETS_VERSION },
    )
    for (const topic of answer.topics) {
      for (const { partitionIndex, errorCode } of topic.partitions) {
        if (errorCode === 0) continue
        this.#committer.commitRefused(errorCode)
        throw new KafkaError(errorCode, `commit of ${topic.name}-${partitionIndex} for group '${this.#groupId}'`)
      }
    }
  }

  async #committedOnce(coordinator: Broker, partitions: readonly TopicPartition[]): Promise<OffsetToCommit[]> {
    const groupId = this.#groupId
    const topics = [...groupByTopic(partitions)].map(([name, partitionIndexes]) => ({ name, partitionIndexes }))
    const version = await coordinator.version(apis.offsetFetch, { maxVersion: LAST_NAMED_OFFSETS_VERSION })
    const requireStable = version >= STABLE_OFFSETS_VERSION
    const grouped = version >= GROUPED_OFFSETS_VERSION
    const request = grouped ? { groups: [{ groupId, topics }], requireStable } : { groupId, topics, requireStable }
    const answer = await coordinator.request(apis.offsetFetch, request, { maxVersion: version })
    const group = grouped ? answer.groups[0] : answer
    if (!group) throw new KafkaError(-1, `committed offsets of group '${groupId}'`)
    if (group.errorCode !== 0) throw this.#committer.groupError(group.errorCode, `committed offsets of group '${groupId}'`)
    const found: OffsetToCommit[] = []
    for (const topic of group.topics) {
      for (const { partitionIndex, committedOffset, committedLeaderEpoch, metadata, errorCode } of topic.partitions) {
        if (errorCode !== 0) throw new KafkaError(errorCode, `committed offset of ${topic.name}-${partitionIndex}`)
        if (committedOffset < 0) continue
        found.push({
          topic: topic.name,
          partition: partitionIndex,
          offset: committedOffset,
          leaderEpoch: committedLeaderEpoch,
          metadata: metadata ?? '',
        })
      }
    }
    return found
  }
}
