// Offsets by time, start or end: one ListOffsets request per leader, with retries of what moved. Shared by consumer and
// admin. Stateless.

import type { TopicPartition } from '../../model/topic-partition.js'
import { apis } from '../../protocol/schema/index.js'
import { KafkaError } from '../errors.js'
import type { Cluster } from './cluster.js'

/** Special values of `timestamp`. */
export const OffsetSpec = { latest: -1, earliest: -2, maxTimestamp: -3 } as const

export interface OffsetQuery extends TopicPartition {
  /** Milliseconds since 1970, or one of OffsetSpec. */
  readonly timestamp: number
}

export interface OffsetAnswer extends TopicPartition {
  /** -1: no such record. */
  readonly offset: number
  /** Milliseconds since 1970; -1 for latest and earliest. */
  readonly timestamp: number
  readonly leaderEpoch: number
  /** Set when the partition could not be asked. */
  readonly error: KafkaError | undefined
}

const MAX_TIMESTAMP_VERSION = 7
const LEADER_NOT_AVAILABLE = 5

/** One attempt: partitions without a leader, or that moved, come back with an error. */
export async function listOffsetsOnce(cluster: Cluster, queries: readonly OffsetQuery[], isolationLevel: number): Promise<OffsetAnswer[]> {
  const byLeader = new Map<number, OffsetQuery[]>()
  for (const query of queries) {
    const leader = cluster.metadata.leader(query.topic, query.partition)
    const list = byLeader.get(leader)
    if (list) list.push(query)
    else byLeader.set(leader, [query])
  }
  const answers = await Promise.all([...byLeader].map(([leader, group]) => askLeader(cluster, leader, group, isolationLevel)))
  return answers.flat()
}

async function askLeader(
  cluster: Cluster,
  leader: number,
  queries: readonly OffsetQuery[],
  isolationLevel: number,
): Promise<OffsetAnswer[]> {
  const broker = leader < 0 ? undefined : cluster.broker(leader)
  if (!broker) return queries.map((query) => failed(query, LEADER_NOT_AVAILABLE))
  const byTopic = new Map<string, { partitionIndex: number; currentLeaderEpoch: number; timestamp: number }[]>()
  for (const { topic, partition, timestamp } of queries) {
    const entry = { partitionIndex: partition, currentLeaderEpoch: cluster.metadata.leaderEpoch(topic, partition), timestamp }
    const list = byTopic.get(topic)
    if (list) list.push(entry)
    else byTopic.set(topic, [entry])
  }
  const needsMax = queries.some(({ timestamp }) => timestamp === OffsetSpec.maxTimestamp)
  const response = await broker.request(
    apis.listOffsets,
    {
      replicaId: -1,
      isolationLevel,
      topics: [...byTopic].map(([name, partitions]) => ({ name, partitions })),
      timeoutMs: cluster.options.requestTimeoutMs,
    },
    needsMax ? { minVersion: MAX_TIMESTAMP_VERSION, purpose: 'the offset of the largest timestamp' } : {},
  )
  const answers: OffsetAnswer[] = []
  for (const { name, partitions } of response.topics) {
    for (const { partitionIndex, errorCode, offset, timestamp, leaderEpoch } of partitions) {
      const error = errorCode === 0 ? undefined : new KafkaError(errorCode, `offsets of ${name}-${partitionIndex}`)
      answers.push({ topic: name, partition: partitionIndex, offset, timestamp, leaderEpoch, error })
    }
  }
  return answers
}

function failed({ topic, partition }: OffsetQuery, code: number): OffsetAnswer {
  return { topic, partition, offset: -1, timestamp: -1, leaderEpoch: -1, error: new KafkaError(code, `offsets of ${topic}-${partition}`) }
}

/** All answers, retried until `timeoutMs`; throws the first error that lasts. */
export async function listOffsets(
  cluster: Cluster,
  queries: readonly OffsetQuery[],
  isolationLevel: number,
  timeoutMs: number,
): Promise<OffsetAnswer[]> {
  const done: OffsetAnswer[] = []
  let left = queries
  await Promise.all([...new Set(queries.map(({ topic }) => topic))].map((topic) => cluster.topic(topic, timeoutMs)))
  await cluster.retry('offsets', timeoutMs, async () => {
    const answers = await listOffsetsOnce(cluster, left, isolationLevel)
    const bad = answers.filter(({ error }) => error !== undefined)
    done.push(...answers.filter(({ error }) => error === undefined))
    const wanted = new Set(bad.map(({ topic, partition }) => `${topic}/${partition}`))
    left = left.filter(({ topic, partition }) => wanted.has(`${topic}/${partition}`))
    if (bad.length > 0) throw bad[0]!.error!
  })
  return done
}
