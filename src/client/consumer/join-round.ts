// One round in which a member of a classic group comes to its assignment: JoinGroup, the assignment of everybody's partitions when this member
// leads, SyncGroup. It knows who the member is by the coordinator's word; when a round is due is the membership's to say.

import { errors } from '../../model/errors.js'
import type { TopicPartition } from '../../model/topic-partition.js'
import type { JoinGroupResponse } from '../../protocol/schema/join-group.js'
import { apis } from '../../protocol/schema/index.js'
import type { Broker } from '../cluster/broker.js'
import type { Cluster } from '../cluster/cluster.js'
import { KafkaError } from '../errors.js'
import type { AssignorMember, RebalanceProtocol } from './assignors/assignor.js'
import { decodeAssignment, encodeAssignment, encodeSubscription, toAssignorMember } from './group-protocol.js'
import type { ConsumerOptions } from './settings.js'
import type { SubscriptionState } from './subscription.js'

const PROTOCOL_TYPE = 'consumer'
/** JoinGroup waits for the slowest member; the answer may take this much longer. */
const JOIN_EXTRA_MS = 5000

export class JoinRound {
  memberId = ''
  generation = -1
  protocolName: string | null = null
  readonly #groupId: string
  readonly #cluster: Cluster
  readonly #subscription: SubscriptionState
  readonly #options: ConsumerOptions
  readonly #errorOf: (code: number, what: string) => KafkaError
  /** Partition counts the leader assigned by; a change is a reason to rebalance. */
  #assignedCounts: ReadonlyMap<string, number> | undefined
  #joinedTopics = ''

  constructor(
    groupId: string,
    cluster: Cluster,
    subscription: SubscriptionState,
    options: ConsumerOptions,
    errorOf: (code: number, what: string) => KafkaError,
  ) {
    this.#groupId = groupId
    this.#cluster = cluster
    this.#subscription = subscription
    this.#options = options
    this.#errorOf = errorOf
  }

  /** The partitions that this member has from now on. */
  async run(coordinator: Broker, protocol: RebalanceProtocol): Promise<TopicPartition[]> {
    return this.#sync(coordinator, await this.#join(coordinator, protocol))
  }

  /** Why the newest assignment is out of date: another subscription, or, of a leader, other partitions of its topics. Null: it is not. */
  outdated(): string | null {
    if (this.#joinedTopics !== subscriptionKey(this.#subscription)) return 'the subscription changed'
    for (const [topic, count] of this.#assignedCounts ?? []) {
      const now = this.#cluster.metadata.topics.get(topic)
      if (now && now.errorCode === 0 && now.partitions.length !== count) return `topic '${topic}' has ${now.partitions.length} partitions`
    }
    return null
  }

  async #join(coordinator: Broker, protocol: RebalanceProtocol): Promise<JoinGroupResponse> {
    const { sessionTimeoutMs, maxPollIntervalMs, groupInstanceId, assignors, clientRack } = this.#options
    this.#joinedTopics = subscriptionKey(this.#subscription)
    const topics = [...this.#subscription.topics].sort()
    const ownedPartitions = protocol === 'cooperative' ? this.#subscription.list() : []
    const metadata = encodeSubscription({
      topics,
      ownedPartitions,
      generationId: this.generation,
      rack: clientRack === '' ? null : clientRack,
    })
    const answer = await coordinator.request(
      apis.joinGroup,
      {
        groupId: this.#groupId,
        sessionTimeoutMs,
        rebalanceTimeoutMs: maxPollIntervalMs,
        memberId: this.memberId,
        groupInstanceId,
        protocolType: PROTOCOL_TYPE,
        protocols: assignors.map(({ name }) => ({ name, metadata })),
      },
      { timeoutMs: Math.max(maxPollIntervalMs, sessionTimeoutMs) + JOIN_EXTRA_MS, ...this.#staticLimits(5) },
    )
    if (answer.errorCode === errors.MEMBER_ID_REQUIRED.code) this.memberId = answer.memberId
    if (answer.errorCode !== 0) throw this.#errorOf(answer.errorCode, `join of group '${this.#groupId}'`)
    this.memberId = answer.memberId
    this.generation = answer.generationId
    this.protocolName = answer.protocolName
    return answer
  }

  /** Static members need versions that carry the instance id. */
  #staticLimits(minVersion: number): { minVersion?: number; purpose?: string } {
    return this.#options.groupInstanceId === null ? {} : { minVersion, purpose: 'static membership (groupInstanceId)' }
  }

  async #sync(coordinator: Broker, joined: JoinGroupResponse): Promise<TopicPartition[]> {
    const leads = joined.leader === joined.memberId
    const assignments = leads && !joined.skipAssignment ? await this.#assign(joined) : []
    if (!leads) this.#assignedCounts = undefined
    const answer = await coordinator.request(
      apis.syncGroup,
      {
        groupId: this.#groupId,
        generationId: joined.generationId,
        memberId: joined.memberId,
        groupInstanceId: this.#options.groupInstanceId,
        protocolType: PROTOCOL_TYPE,
        protocolName: joined.protocolName,
        assignments,
      },
      { timeoutMs: Math.max(this.#options.maxPollIntervalMs, this.#options.sessionTimeoutMs) + JOIN_EXTRA_MS },
    )
    if (answer.errorCode !== 0) throw this.#errorOf(answer.errorCode, `sync of group '${this.#groupId}'`)
    return decodeAssignment(answer.assignment)
  }

  async #assign(joined: JoinGroupResponse): Promise<{ memberId: string; assignment: Uint8Array }[]> {
    const assignor = this.#options.assignors.find(({ name }) => name === joined.protocolName)
    if (!assignor) throw new KafkaError(errors.INCONSISTENT_GROUP_PROTOCOL.code, `group '${this.#groupId}' chose '${joined.protocolName}'`)
    const members: AssignorMember[] = joined.members.map((member) =>
      toAssignorMember(member.memberId, member.groupInstanceId, member.metadata),
    )
    const topics = new Set(members.flatMap((member) => [...member.topics]))
    this.#cluster.track(topics)
    if ([...topics].some((topic) => !this.#cluster.metadata.topics.has(topic))) await this.#cluster.refresh()
    const counts = new Map<string, number>()
    for (const topic of topics) counts.set(topic, this.#cluster.metadata.topics.get(topic)?.partitions.length ?? 0)
    this.#assignedCounts = counts
    const assignment = assignor.assign(members, counts)
    return members.map(({ memberId }) => ({ memberId, assignment: encodeAssignment(assignment.get(memberId) ?? []) }))
  }
}

function subscriptionKey(subscription: SubscriptionState): string {
  return [...subscription.topics].sort().join(',')
}
