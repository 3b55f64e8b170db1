// The admin client's public face: one method per task, each with its own request. Keeps connections, no state. Runs on
// the caller's thread.
//
// Every method retries what can be retried until `timeoutMs` (default: the setting defaultApiTimeoutMs) and throws a
// KafkaError with the broker's code otherwise; of several failures the first, with the others in its `cause`.

import type { TopicPartition } from '../../model/topic-partition.js'
import { Cluster } from '../cluster/cluster.js'
import { listOffsets, OffsetSpec } from '../cluster/list-offsets.js'
import { checkNames, type ClientSettings } from '../cluster/settings.js'
import * as info from './cluster-info.js'
import * as configs from './configs.js'
import * as groupOffsets from './group-offsets.js'
import * as groups from './groups.js'
import * as replicas from './replicas.js'
import { type AdminCallOptions, type ChangeOptions, timeoutOf } from './requests.js'
import * as topics from './topics.js'

export type AdminSettings = ClientSettings
export type { AdminSettings as AdminOptions }

/**
 * Manages topics, settings and groups.
 *
 *     const admin = new Admin({ bootstrapServers: 'localhost:9092' })
 *     await admin.createTopics([{ name: 'events', partitions: 12 }])
 *     await admin.close()
 */
export class Admin {
  readonly #cluster: Cluster

  constructor(settings: AdminSettings) {
    checkNames(settings, [])
    this.#cluster = new Cluster(settings)
  }

  // ---- topics

  /**
   * Creates topics; fails with TOPIC_ALREADY_EXISTS if one does.
   *
   *     await admin.createTopics([{ name: 'events', partitions: 12, configs: { 'retention.ms': 3600000 } }])
   */
  createTopics(newTopics: readonly topics.NewTopic[], options: ChangeOptions = {}): Promise<topics.CreatedTopic[]> {
    return topics.createTopics(this.#cluster, newTopics, options)
  }

  /** Deletes topics with their records: `await admin.deleteTopics(['events'])`. */
  deleteTopics(names: readonly string[], options: AdminCallOptions = {}): Promise<void> {
    return topics.deleteTopics(this.#cluster, names, options)
  }

  /** All topics, without Kafka's internal ones unless asked for: `await admin.listTopics()`. */
  listTopics(options: AdminCallOptions & { readonly includeInternal?: boolean } = {}): Promise<topics.TopicListing[]> {
    return topics.listTopics(this.#cluster, options)
  }

  /**
   * Partitions, leaders and replicas of topics; fails with UNKNOWN_TOPIC_OR_PARTITION if one does not exist.
   *
   *     const [events] = await admin.describeTopics(['events'])
   */
  describeTopics(names: readonly string[], options: AdminCallOptions = {}): Promise<topics.TopicDescription[]> {
    return topics.describeTopics(this.#cluster, names, options)
  }

  /** Raises partition counts (they cannot shrink): `await admin.createPartitions({ events: 24 })`. */
  createPartitions(counts: Readonly<Record<string, number>>, options: ChangeOptions = {}): Promise<void> {
    return topics.createPartitions(this.#cluster, counts, options)
  }

  /**
   * Deletes what lies before an offset (-1: everything there is). Returns the new first offsets.
   *
   *     await admin.deleteRecords([{ topic: 'events', partition: 0, offset: 1000 }])
   */
  deleteRecords(
    wanted: readonly topics.RecordsToDelete[],
    options: AdminCallOptions = {},
  ): Promise<{ topic: string; partition: number; offset: number }[]> {
    return topics.deleteRecords(this.#cluster, wanted, options)
  }

  /**
   * Offsets by `earliest`, `latest` (after the last record), `maxTimestamp`, or the first at or after a time in
   * milliseconds; -1 where there is none.
   *
   *     await admin.listOffsets([{ topic: 'events', partition: 0, at: 'latest' }])
   */
  async listOffsets(
    queries: readonly { readonly topic: string; readonly partition: number; readonly at: keyof typeof OffsetSpec | number }[],
    options: AdminCallOptions & { readonly isolationLevel?: 'read_uncommitted' | 'read_committed' } = {},
  ): Promise<{ topic: string; partition: number; offset: number; timestamp: number; leaderEpoch: number }[]> {
    const asked = queries.map(({ topic, partition, at }) => ({ topic, partition, timestamp: typeof at === 'number' ? at : OffsetSpec[at] }))
    const level = options.isolationLevel === 'read_committed' ? 1 : 0
    const answers = await listOffsets(this.#cluster, asked, level, timeoutOf(this.#cluster, options))
    const byKey = new Map(answers.map((answer) => [`${answer.topic}/${answer.partition}`, answer]))
    return queries.map(({ topic, partition }) => {
      const { offset, timestamp, leaderEpoch } = byKey.get(`${topic}/${partition}`)!
      return { topic, partition, offset, timestamp, leaderEpoch }
    })
  }

  // ---- settings

  /**
   * Effective settings with their sources.
   *
   *     const [{ entries }] = await admin.describeConfigs([{ type: 'topic', name: 'events' }])
   */
  describeConfigs(
    resources: readonly configs.ConfigResource[],
    options: configs.DescribeConfigsOptions = {},
  ): Promise<configs.ConfigDescription[]> {
    return configs.describeConfigs(this.#cluster, resources, options)
  }

  /**
   * Changes single settings and leaves the others.
   *
   *     await admin.incrementalAlterConfigs([{ type: 'topic', name: 'events', changes: [{ name: 'retention.ms', value: 60000 }] }])
   */
  incrementalAlterConfigs(resources: readonly configs.ConfigResourceChange[], options: ChangeOptions = {}): Promise<void> {
    return configs.incrementalAlterConfigs(this.#cluster, resources, options)
  }

  /**
   * Replaces ALL overrides of a resource; for brokers too old for `incrementalAlterConfigs` (before Kafka 2.3).
   *
   *     await admin.alterConfigs({ type: 'topic', name: 'events' }, { 'retention.ms': 60000 })
   */
  alterConfigs(
    resource: configs.ConfigResource,
    values: Readonly<Record<string, string | number | boolean>>,
    options: ChangeOptions = {},
  ): Promise<void> {
    return configs.alterConfigs(this.#cluster, resource, values, options)
  }

  // ---- groups

  /** All groups of all brokers: `await admin.listGroups({ states: ['Stable'] })`. */
  listGroups(
    options: AdminCallOptions & { readonly states?: readonly string[]; readonly types?: readonly string[] } = {},
  ): Promise<groups.GroupListing[]> {
    return groups.listGroups(this.#cluster, options)
  }

  /**
   * State, members and their partitions; fails with GROUP_ID_NOT_FOUND if one does not exist.
   *
   *     const [readers] = await admin.describeGroups(['readers'])
   */
  describeGroups(groupIds: readonly string[], options: AdminCallOptions = {}): Promise<groups.GroupDescription[]> {
    return Promise.all(groupIds.map((groupId) => groups.describeGroup(this.#cluster, groupId, options)))
  }

  /** Deletes groups without members, with their offsets: `await admin.deleteGroups(['readers'])`. */
  deleteGroups(groupIds: readonly string[], options: AdminCallOptions = {}): Promise<void> {
    return groups.deleteGroups(this.#cluster, groupIds, options)
  }

  /** Committed offsets of a group, with the lag: `for (const { topic, partition, lag } of await admin.groupOffsets('readers')) …`. */
  groupOffsets(groupId: string, options: AdminCallOptions = {}): Promise<groupOffsets.GroupOffset[]> {
    return groupOffsets.groupOffsets(this.#cluster, groupId, options)
  }

  /**
   * Sets offsets of a group without members; fails with NON_EMPTY_GROUP otherwise.
   *
   *     await admin.alterGroupOffsets('readers', [{ topic: 'events', partition: 0, offset: 42 }])
   */
  alterGroupOffsets(groupId: string, offsets: readonly groupOffsets.OffsetToSet[], options: AdminCallOptions = {}): Promise<void> {
    return groupOffsets.alterGroupOffsets(this.#cluster, groupId, offsets, options)
  }

  /**
   * Moves a group without members: on `partitions`, on whole `topics`, or on all it has offsets for. Kept within what the
   * partitions hold. Returns what was (`dryRun`: would be) set.
   *
   *     await admin.resetOffsets('readers', { timestamp: Date.parse('2025-01-01') }, { topics: ['events'] })
   */
  resetOffsets(
    groupId: string,
    target: groupOffsets.ResetTarget,
    options: AdminCallOptions & {
      readonly partitions?: readonly TopicPartition[]
      readonly topics?: readonly string[]
      readonly dryRun?: boolean
    } = {},
  ): Promise<groupOffsets.OffsetToSet[]> {
    return groupOffsets.resetOffsets(this.#cluster, groupId, target, options)
  }

  /** Forgets offsets of a group: `await admin.deleteGroupOffsets('readers', [{ topic: 'events', partition: 0 }])`. */
  deleteGroupOffsets(groupId: string, partitions: readonly TopicPartition[], options: AdminCallOptions = {}): Promise<void> {
    return groupOffsets.deleteGroupOffsets(this.#cluster, groupId, partitions, options)
  }

  // ---- the cluster

  /** Its id, controller and brokers: `const { brokers } = await admin.describeCluster()`. */
  describeCluster(options: AdminCallOptions = {}): Promise<info.ClusterDescription> {
    return info.describeCluster(this.#cluster, options)
  }

  /** Sizes of partitions in the brokers' log directories: `await admin.describeLogDirs({ nodeIds: [1] })`. */
  describeLogDirs(options: AdminCallOptions & { readonly nodeIds?: readonly number[] } = {}): Promise<info.LogDirDescription[]> {
    return info.describeLogDirs(this.#cluster, options)
  }

  /**
   * Moves partitions to other brokers, or (`replicas: null`) takes a move back that is under way. Resolves when the move has begun.
   *
   *     await admin.alterPartitionReassignments([{ topic: 'events', partition: 0, replicas: [2, 3, 4] }])
   */
  alterPartitionReassignments(wanted: readonly replicas.ReplicaAssignment[], options: AdminCallOptions = {}): Promise<void> {
    return replicas.alterPartitionReassignments(this.#cluster, wanted, options)
  }

  /** Moves under way, of all partitions or of some: `await admin.listPartitionReassignments()`. */
  listPartitionReassignments(
    partitions: readonly TopicPartition[] | null = null,
    options: AdminCallOptions = {},
  ): Promise<replicas.Reassignment[]> {
    return replicas.listPartitionReassignments(this.#cluster, partitions, options)
  }

  /**
   * Elects the preferred leaders, or (`unclean`) any live replica where none in sync is left: that may lose records. Null:
   * all partitions. Returns those whose leader changed.
   *
   *     await admin.electLeaders('preferred', [{ topic: 'events', partition: 0 }])
   */
  electLeaders(
    kind: 'preferred' | 'unclean',
    partitions: readonly TopicPartition[] | null,
    options: AdminCallOptions = {},
  ): Promise<TopicPartition[]> {
    return replicas.electLeaders(this.#cluster, kind, partitions, options)
  }

  /** Who keeps the metadata, and how far each is: `const { leaderId, voters } = await admin.describeQuorum()`. */
  describeQuorum(options: AdminCallOptions = {}): Promise<replicas.QuorumDescription> {
    return replicas.describeQuorum(this.#cluster, options)
  }

  /** Forgets a broker that will not come back: `await admin.unregisterBroker(3)`. */
  unregisterBroker(brokerId: number, options: AdminCallOptions = {}): Promise<void> {
    return replicas.unregisterBroker(this.#cluster, brokerId, options)
  }

  /** Ends the connections: `await admin.close()`. */
  async close(): Promise<void> {
    this.#cluster.close()
  }

  /** Async disposal: `await using admin = new Admin(…)`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
