// What a client knows about a cluster: an immutable snapshot made from a Metadata answer and the one before it. Pure.

import type { Uuid } from '../../model/topic-partition.js'
import { ZERO_UUID } from '../../model/topic-partition.js'
import type { MetadataResponse } from '../../protocol/schema/metadata.js'
import type { BrokerAddress } from '../transport.js'

export interface PartitionMetadata {
  readonly partition: number
  /** -1 while there is none. */
  readonly leader: number
  /** -1 when the broker is too old to say. */
  readonly leaderEpoch: number
  readonly replicas: readonly number[]
  readonly isr: readonly number[]
  readonly offline: readonly number[]
  readonly errorCode: number
}

export interface TopicMetadata {
  readonly name: string
  /** Zero for brokers older than topic ids. */
  readonly id: Uuid
  readonly isInternal: boolean
  readonly errorCode: number
  /** By partition number, without holes. */
  readonly partitions: readonly PartitionMetadata[]
  /** Partitions that have a leader now. */
  readonly available: readonly number[]
}

export interface BrokerMetadata extends BrokerAddress {
  readonly rack: string | null
}

export class ClusterMetadata {
  static readonly EMPTY = new ClusterMetadata(null, -1, new Map(), new Map())

  readonly clusterId: string | null
  readonly controllerId: number
  readonly brokers: ReadonlyMap<number, BrokerMetadata>
  readonly topics: ReadonlyMap<string, TopicMetadata>
  readonly #byId: ReadonlyMap<Uuid, TopicMetadata>

  constructor(
    clusterId: string | null,
    controllerId: number,
    brokers: ReadonlyMap<number, BrokerMetadata>,
    topics: ReadonlyMap<string, TopicMetadata>,
  ) {
    this.clusterId = clusterId
    this.controllerId = controllerId
    this.brokers = brokers
    this.topics = topics
    const byId = new Map<Uuid, TopicMetadata>()
    for (const topic of topics.values()) if (topic.id !== ZERO_UUID) byId.set(topic.id, topic)
    this.#byId = byId
  }

  topicById(id: Uuid): TopicMetadata | undefined {
    return this.#byId.get(id)
  }

  /** Leader's node id, -1 when unknown. */
  leader(topic: string, partition: number): number {
    return this.topics.get(topic)?.partitions[partition]?.leader ?? -1
  }

  leaderEpoch(topic: string, partition: number): number {
    return this.topics.get(topic)?.partitions[partition]?.leaderEpoch ?? -1
  }

  /**
   * The snapshot after `response`. With `partial` topics that were not asked for stay. A partition whose leader epoch
   * is older than the known one keeps what is known: the broker that answered lags behind (same topic id only).
   */
  updated(response: MetadataResponse, partial: boolean): ClusterMetadata {
    const brokers = new Map<number, BrokerMetadata>()
    for (const { nodeId, host, port, rack } of response.brokers) brokers.set(nodeId, { nodeId, host, port, rack })
    const topics = new Map<string, TopicMetadata>(partial ? this.topics : [])
    for (const topic of response.topics) {
      const name = topic.name ?? this.#byId.get(topic.topicId)?.name
      if (name === undefined) continue
      topics.set(name, topicFrom(name, topic, this.topics.get(name)))
    }
    return new ClusterMetadata(response.clusterId, response.controllerId, brokers, topics)
  }

  /** The snapshot with leaders that a Produce or Fetch answer told us about (KIP-951). */
  withLeader(topic: string, partition: number, leader: number, leaderEpoch: number, endpoints: readonly BrokerMetadata[]): ClusterMetadata {
    const known = this.topics.get(topic)
    const before = known?.partitions[partition]
    if (!known || !before || leaderEpoch <= before.leaderEpoch || leader < 0) return this
    const brokers = new Map(this.brokers)
    for (const endpoint of endpoints) brokers.set(endpoint.nodeId, endpoint)
    if (!brokers.has(leader)) return this
    const partitions = known.partitions.map((p) => (p.partition === partition ? { ...p, leader, leaderEpoch } : p))
    const topics = new Map(this.topics)
    topics.set(topic, { ...known, partitions, available: availableOf(partitions) })
    return new ClusterMetadata(this.clusterId, this.controllerId, brokers, topics)
  }
}

function topicFrom(name: string, topic: MetadataResponse['topics'][number], before: TopicMetadata | undefined): TopicMetadata {
  const comparable = before?.id === topic.topicId ? before : undefined
  const partitions: PartitionMetadata[] = []
  for (const p of topic.partitions) {
    const old = comparable?.partitions[p.partitionIndex]
    partitions[p.partitionIndex] =
      old && p.leaderEpoch >= 0 && old.leaderEpoch > p.leaderEpoch
        ? old
        : {
            partition: p.partitionIndex,
            leader: p.leaderId,
            leaderEpoch: p.leaderEpoch,
            replicas: p.replicaNodes,
            isr: p.isrNodes,
            offline: p.offlineReplicas,
            errorCode: p.errorCode,
          }
  }
  for (let i = 0; i < partitions.length; i++) {
    partitions[i] ??= { partition: i, leader: -1, leaderEpoch: -1, replicas: [], isr: [], offline: [], errorCode: 5 }
  }
  return {
    name,
    id: topic.topicId,
    isInternal: topic.isInternal,
    errorCode: topic.errorCode,
    partitions,
    available: availableOf(partitions),
  }
}

function availableOf(partitions: readonly PartitionMetadata[]): number[] {
  return partitions.filter((p) => p.leader >= 0).map((p) => p.partition)
}
