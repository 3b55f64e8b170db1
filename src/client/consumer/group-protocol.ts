// The bytes members of a classic consumer group exchange through the coordinator: subscriptions (JoinGroup metadata)
// and assignments (SyncGroup). The coordinator does not read them; other people's clients do. Pure.
//
// A reader takes what it knows and ignores what follows, so the highest version is always written.

import type { TopicPartition } from '../../model/topic-partition.js'
import { decodeVersioned, encodeVersioned } from '../../protocol/codec/index.js'
import { consumerProtocolAssignment, consumerProtocolSubscription } from '../../protocol/schema/consumer-protocol.js'
import type { AssignorMember } from './assignors/assignor.js'

const VERSION = 3

export interface MemberSubscription {
  readonly topics: readonly string[]
  readonly ownedPartitions: readonly TopicPartition[]
  readonly generationId: number
  readonly rack: string | null
}

export function groupByTopic(list: readonly TopicPartition[]): Map<string, number[]> {
  const byTopic = new Map<string, number[]>()
  for (const { topic, partition } of list) {
    const partitions = byTopic.get(topic)
    if (partitions) partitions.push(partition)
    else byTopic.set(topic, [partition])
  }
  return byTopic
}

export function encodeSubscription(subscription: MemberSubscription): Uint8Array {
  // Java's cooperative-sticky reads the generation from the user data of members that know no version 2.
  const userData = new Uint8Array(4)
  new DataView(userData.buffer).setInt32(0, subscription.generationId)
  return encodeVersioned(consumerProtocolSubscription, VERSION, {
    topics: subscription.topics,
    userData,
    ownedPartitions: toTopics(subscription.ownedPartitions),
    generationId: subscription.generationId,
    rackId: subscription.rack,
  })
}

/** Reads any version; what an older one lacks is empty, -1 or null. */
export function decodeSubscription(bytes: Uint8Array): MemberSubscription {
  const { topics, ownedPartitions, generationId, rackId } = decodeVersioned(consumerProtocolSubscription, bytes)
  return { topics, ownedPartitions: fromTopics(ownedPartitions), generationId, rack: rackId }
}

export function encodeAssignment(partitions: readonly TopicPartition[]): Uint8Array {
  return encodeVersioned(consumerProtocolAssignment, VERSION, { assignedPartitions: toTopics(partitions) })
}

/** An empty answer is an empty assignment: coordinators send it to members the leader left out. */
export function decodeAssignment(bytes: Uint8Array): TopicPartition[] {
  return bytes.length === 0 ? [] : fromTopics(decodeVersioned(consumerProtocolAssignment, bytes).assignedPartitions)
}

export function toAssignorMember(memberId: string, groupInstanceId: string | null, metadata: Uint8Array): AssignorMember {
  const { topics, ownedPartitions, generationId } = decodeSubscription(metadata)
  return { memberId, groupInstanceId, topics, ownedPartitions, generationId }
}

function toTopics(list: readonly TopicPartition[]): { topic: string; partitions: number[] }[] {
  return [...groupByTopic(list)].map(([topic, partitions]) => ({ topic, partitions }))
}

function fromTopics(list: readonly { readonly topic: string; readonly partitions: readonly number[] }[]): TopicPartition[] {
  return list.flatMap(({ topic, partitions }) => partitions.map((partition) => ({ topic, partition })))
}
