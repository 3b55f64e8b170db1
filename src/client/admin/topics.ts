// Topics: list, describe, create, delete, grow, and records deleted from their front. Stateless.

import { errors } from '../../model/errors.js'
import type { TopicPartition } from '../../model/topic-partition.js'
import type { MetadataResponse } from '../../protocol/schema/metadata.js'
import { apis } from '../../protocol/schema/index.js'
import type { Cluster } from '../cluster/cluster.js'
import { KafkaError } from '../errors.js'
import { groupByTopic } from '../consumer/group-protocol.js'
import { type AdminCallOptions, type ChangeOptions, errorsOf, onAny, onController, throwFirst, timeoutOf } from './requests.js'

export interface NewTopic {
  readonly name: string
  /** Left out: the broker's `num.partitions`. */
  readonly partitions?: number
  /** Left out: the broker's `default.replication.factor`. */
  readonly replicationFactor?: number
  /** Broker ids per partition, in place of the two counts. */
  readonly assignments?: readonly (readonly number[])[]
  /** Settings under Kafka's names. */
  readonly configs?: Readonly<Record<string, string | number | boolean>>
}

export interface CreatedTopic {
  readonly name: string
  readonly id: string
  /** -1 when the broker does not say. */
  readonly partitions: number
  readonly replicationFactor: number
}

export interface TopicListing {
  readonly name: string
  readonly id: string
  readonly isInternal: boolean
  readonly partitionCount: number
}

export interface TopicDescription {
  readonly name: string
  readonly id: string
  readonly isInternal: boolean
  readonly partitions: readonly {
    readonly partition: number
    /** -1 without one. */
    readonly leader: number
    readonly leaderEpoch: number
    readonly replicas: readonly number[]
    readonly isr: readonly number[]
    readonly offline: readonly number[]
  }[]
}

export async function createTopics(cluster: Cluster, topics: readonly NewTopic[], options: ChangeOptions): Promise<CreatedTopic[]> {
  const request = {
    topics: topics.map(({ name, partitions = -1, replicationFactor = -1, assignments, configs = {} }) => ({
      name,
      numPartitions: assignments ? -1 : partitions,
      replicationFactor: assignments ? -1 : replicationFactor,
      assignments: (assignments ?? []).map((brokerIds, partitionIndex) => ({ partitionIndex, brokerIds })),
      configs: Object.entries(configs).map(([config, value]) => ({ name: config, value: String(value) })),
    })),
    timeoutMs: timeoutOf(cluster, options),
    validateOnly: options.validateOnly ?? false,
  }
  // Brokers before version 4 know no "as the broker says".
  const usesDefaults = topics.some(
    ({ partitions, replicationFactor, assignments }) => !assignments && (partitions === undefined || replicationFactor === undefined),
  )
  const limits = usesDefaults ? { minVersion: 4, purpose: "the broker's default partitions and replicationFactor; give both" } : {}
  return onController(cluster, 'createTopics', options, async (broker) => {
    const answer = await broker.request(apis.createTopics, request, limits)
    throwFirst(errorsOf(answer.topics, ({ name }) => `create topic '${name}'`))
    return answer.topics.map(({ name, topicId, numPartitions, replicationFactor }) => ({
      name,
      id: topicId,
      partitions: numPartitions,
      replicationFactor,
    }))
  })
}

export async function deleteTopics(cluster: Cluster, names: readonly string[], options: AdminCallOptions): Promise<void> {
  const request = { topics: names.map((name) => ({ name })), topicNames: names, timeoutMs: timeoutOf(cluster, options) }
  await onController(cluster, 'deleteTopics', options, async (broker) => {
    const answer = await broker.request(apis.deleteTopics, request)
    throwFirst(errorsOf(answer.responses, ({ name }) => `delete topic '${name}'`))
  })
}

export async function createPartitions(cluster: Cluster, counts: Readonly<Record<string, number>>, options: ChangeOptions): Promise<void> {
  const topics = Object.entries(counts).map(([name, count]) => ({ name, count, assignments: null }))
  const request = { topics, timeoutMs: timeoutOf(cluster, options), validateOnly: options.validateOnly ?? false }
  await onController(cluster, 'createPartitions', options, async (broker) => {
    const answer = await broker.request(apis.createPartitions, request)
    throwFirst(errorsOf(answer.results, ({ name }) => `grow topic '${name}' to ${counts[name]} partitions`))
  })
}

export async function listTopics(
  cluster: Cluster,
  options: AdminCallOptions & { readonly includeInternal?: boolean },
): Promise<TopicListing[]> {
  const answer = await onAny(cluster, 'listTopics', options, (broker) =>
    broker.request(apis.metadata, { topics: null, allowAutoTopicCreation: false }),
  )
  return answer.topics
    .filter(({ isInternal }) => options.includeInternal === true || !isInternal)
    .map(({ name, topicId, isInternal, partitions }) => ({ name: name ?? '', id: topicId, isInternal, partitionCount: partitions.length }))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}

export async function describeTopics(cluster: Cluster, names: readonly string[], options: AdminCallOptions): Promise<TopicDescription[]> {
  const request = { topics: names.map((name) => ({ name })), allowAutoTopicCreation: false }
  const found = await onAny(cluster, 'describeTopics', options, async (broker) => (await broker.request(apis.metadata, request)).topics)
  const problems = found.filter(({ errorCode }) => errorCode !== 0 && errorCode !== errors.LEADER_NOT_AVAILABLE.code)
  throwFirst(errorsOf(problems, ({ name }) => `describe topic '${name}'`))
  const byName = new Map(found.map((topic) => [topic.name, topic]))
  return names.map((name) => description(name, byName.get(name)))
}

function description(name: string, topic: MetadataResponse['topics'][number] | undefined): TopicDescription {
  if (!topic) throw new KafkaError(errors.UNKNOWN_TOPIC_OR_PARTITION.code, `describe topic '${name}'`)
  const partitions = [...topic.partitions].sort((a, b) => a.partitionIndex - b.partitionIndex)
  return {
    name,
    id: topic.topicId,
    isInternal: topic.isInternal,
    partitions: partitions.map((p) => ({
      partition: p.partitionIndex,
      leader: p.leaderId,
      leaderEpoch: p.leaderEpoch,
      replicas: p.replicaNodes,
      isr: p.isrNodes,
      offline: p.offlineReplicas,
    })),
  }
}

export interface RecordsToDelete extends TopicPartition {
  /** Everything before it goes; -1: everything there is. */
  readonly offset: number
}

/** Asks each leader for its partitions; returns the new first offsets. */
export async function deleteRecords(
  cluster: Cluster,
  wanted: readonly RecordsToDelete[],
  options: AdminCallOptions,
): Promise<{ topic: string; partition: number; offset: number }[]> {
  const timeoutMs = timeoutOf(cluster, options)
  const offsets = new Map(wanted.map(({ topic, partition, offset }) => [`${topic}/${partition}`, offset]))
  await Promise.all([...new Set(wanted.map(({ topic }) => topic))].map((topic) => cluster.topic(topic, timeoutMs)))
  return cluster.retry('deleteRecords', timeoutMs, async () => {
    const byLeader = new Map<number, TopicPartition[]>()
    for (const one of wanted) {
      const leader = cluster.metadata.leader(one.topic, one.partition)
      if (leader < 0) throw new KafkaError(errors.LEADER_NOT_AVAILABLE.code, `delete records of ${one.topic}-${one.partition}`)
      byLeader.set(leader, [...(byLeader.get(leader) ?? []), one])
    }
    const answers = await Promise.all(
      [...byLeader].map(([leader, partitions]) => deleteOnLeader(cluster, leader, partitions, offsets, timeoutMs)),
    )
    return answers.flat()
  })
}

async function deleteOnLeader(
  cluster: Cluster,
  leader: number,
  partitions: readonly TopicPartition[],
  offsets: ReadonlyMap<string, number>,
  timeoutMs: number,
): Promise<{ topic: string; partition: number; offset: number }[]> {
  const topics = [...groupByTopic(partitions)].map(([name, indexes]) => ({
    name,
    partitions: indexes.map((partitionIndex) => ({ partitionIndex, offset: offsets.get(`${name}/${partitionIndex}`)! })),
  }))
  const answer = await cluster.requireBroker(leader).request(apis.deleteRecords, { topics, timeoutMs })
  return answer.topics.flatMap(({ name, partitions: rows }) => {
    throwFirst(errorsOf(rows, ({ partitionIndex }) => `delete records of ${name}-${partitionIndex}`))
    return rows.map(({ partitionIndex, lowWatermark }) => ({ topic: name, partition: partitionIndex, offset: lowWatermark }))
  })
}
