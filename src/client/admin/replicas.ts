// Where replicas are and who leads: reassignments, elections, the quorum behind the metadata, brokers that will not come
// back. Stateless.

import { rowsByTopic, type TopicPartition } from '../../model/topic-partition.js'
import { errors } from '../../model/errors.js'
import { apis } from '../../protocol/schema/index.js'
import type { Cluster } from '../cluster/cluster.js'
import { groupByTopic } from '../consumer/group-protocol.js'
import { KafkaError } from '../errors.js'
import { type AdminCallOptions, errorsOf, onAny, onController, throwFirst, timeoutOf } from './requests.js'

export interface ReplicaAssignment extends TopicPartition {
  /** Broker ids, the preferred leader first; null cancels a reassignment under way. */
  readonly replicas: readonly number[] | null
}

export interface Reassignment extends TopicPartition {
  /** All that hold a copy now or are to hold one. */
  readonly replicas: readonly number[]
  readonly addingReplicas: readonly number[]
  readonly removingReplicas: readonly number[]
}

export interface QuorumMember {
  readonly nodeId: number
  /** Of its metadata log. */
  readonly logEndOffset: number
  /** Milliseconds since the epoch; -1 unknown. */
  readonly lastFetchTimestamp: number
  readonly lastCaughtUpTimestamp: number
}

export interface QuorumDescription {
  readonly leaderId: number
  readonly leaderEpoch: number
  readonly highWatermark: number
  readonly voters: readonly QuorumMember[]
  readonly observers: readonly QuorumMember[]
}

export async function alterPartitionReassignments(
  cluster: Cluster,
  wanted: readonly ReplicaAssignment[],
  options: AdminCallOptions,
): Promise<void> {
  const topics = rowsByTopic(wanted).map(([name, rows]) => ({
    name,
    partitions: rows.map(({ partition, replicas }) => ({ partitionIndex: partition, replicas })),
  }))
  const request = { timeoutMs: timeoutOf(cluster, options), topics }
  await onController(cluster, 'alterPartitionReassignments', options, async (broker) => {
    const answer = await broker.request(apis.alterPartitionReassignments, request)
    if (answer.errorCode !== 0) throw new KafkaError(answer.errorCode, 'alterPartitionReassignments', answer.errorMessage)
    throwFirst(
      answer.responses.flatMap(({ name, partitions }) =>
        errorsOf(partitions, ({ partitionIndex }) => `reassign ${name}-${partitionIndex}`),
      ),
    )
  })
}

export function listPartitionReassignments(
  cluster: Cluster,
  partitions: readonly TopicPartition[] | null,
  options: AdminCallOptions,
): Promise<Reassignment[]> {
  const topics = partitions ? [...groupByTopic(partitions)].map(([name, partitionIndexes]) => ({ name, partitionIndexes })) : null
  return onController(cluster, 'listPartitionReassignments', options, async (broker) => {
    const answer = await broker.request(apis.listPartitionReassignments, { timeoutMs: timeoutOf(cluster, options), topics })
    if (answer.errorCode !== 0) throw new KafkaError(answer.errorCode, 'listPartitionReassignments', answer.errorMessage)
    return answer.topics.flatMap(({ name, partitions: rows }) =>
      rows.map(({ partitionIndex, replicas, addingReplicas, removingReplicas }) => ({
        topic: name,
        partition: partitionIndex,
        replicas,
        addingReplicas,
        removingReplicas,
      })),
    )
  })
}

const PREFERRED = 0
const UNCLEAN = 1

/** Partitions that already had the leader asked for are no error, and not in the result. */
export function electLeaders(
  cluster: Cluster,
  kind: 'preferred' | 'unclean',
  partitions: readonly TopicPartition[] | null,
  options: AdminCallOptions,
): Promise<TopicPartition[]> {
  const topicPartitions = partitions ? [...groupByTopic(partitions)].map(([topic, indexes]) => ({ topic, partitions: indexes })) : null
  const request = {
    electionType: kind === 'preferred' ? PREFERRED : UNCLEAN,
    topicPartitions,
    timeoutMs: timeoutOf(cluster, options),
  }
  return onController(cluster, 'electLeaders', options, async (broker) => {
    const answer = await broker.request(
      apis.electLeaders,
      request,
      kind === 'unclean' ? { minVersion: 1, purpose: 'unclean elections' } : {},
    )
    if (answer.errorCode !== 0) throw new KafkaError(answer.errorCode, 'electLeaders')
    const rows = answer.replicaElectionResults.flatMap(({ topic, partitionResult }) => partitionResult.map((row) => ({ topic, ...row })))
    const failed = rows.filter(({ errorCode }) => errorCode !== errors.ELECTION_NOT_NEEDED.code)
    throwFirst(errorsOf(failed, ({ topic, partitionId }) => `elect a leader of ${topic}-${partitionId}`))
    return rows.filter(({ errorCode }) => errorCode === 0).map(({ topic, partitionId }) => ({ topic, partition: partitionId }))
  })
}

const METADATA_TOPIC = '__cluster_metadata'

export function describeQuorum(cluster: Cluster, options: AdminCallOptions): Promise<QuorumDescription> {
  return onAny(cluster, 'describeQuorum', options, async (broker) => {
    const answer = await broker.request(apis.describeQuorum, {
      topics: [{ topicName: METADATA_TOPIC, partitions: [{ partitionIndex: 0 }] }],
    })
    if (answer.errorCode !== 0) throw new KafkaError(answer.errorCode, 'describeQuorum', answer.errorMessage)
    const [row] = answer.topics.flatMap(({ partitions }) => partitions)
    if (!row || row.errorCode !== 0)
      throw new KafkaError(row?.errorCode ?? errors.UNKNOWN_TOPIC_OR_PARTITION.code, 'describeQuorum', row?.errorMessage)
    const member = (state: (typeof row.currentVoters)[number]): QuorumMember => ({
      nodeId: state.replicaId,
      logEndOffset: state.logEndOffset,
      lastFetchTimestamp: state.lastFetchTimestamp,
      lastCaughtUpTimestamp: state.lastCaughtUpTimestamp,
    })
    return {
      leaderId: row.leaderId,
      leaderEpoch: row.leaderEpoch,
      highWatermark: row.highWatermark,
      voters: row.currentVoters.map(member),
      observers: row.observers.map(member),
    }
  })
}

export async function unregisterBroker(cluster: Cluster, brokerId: number, options: AdminCallOptions): Promise<void> {
  await onController(cluster, 'unregisterBroker', options, async (broker) => {
    const answer = await broker.request(apis.unregisterBroker, { brokerId })
    if (answer.errorCode !== 0) throw new KafkaError(answer.errorCode, `unregister broker ${brokerId}`, answer.errorMessage)
  })
}
