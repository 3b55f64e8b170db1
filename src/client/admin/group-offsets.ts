// What consumer groups have committed: read with lag, set, reset, deleted. Stateless.

import { errors } from '../../model/errors.js'
import type { TopicPartition } from '../../model/topic-partition.js'
import { apis } from '../../protocol/schema/index.js'
import type { Cluster } from '../cluster/cluster.js'
import { listOffsets, OffsetSpec } from '../cluster/list-offsets.js'
import { groupByTopic } from '../consumer/group-protocol.js'
import { ClientError, KafkaError } from '../errors.js'
import { type AdminCallOptions, errorsOf, onCoordinator, throwFirst, timeoutOf } from './requests.js'

const LAST_NAMED_OFFSETS_VERSION = 9
const GROUPED_OFFSETS_VERSION = 8

export interface GroupOffset extends TopicPartition {
  readonly offset: number
  readonly leaderEpoch: number
  readonly metadata: string
  /** Offset after the partition's last record; -1 when the partition is gone or has no leader. */
  readonly endOffset: number
  /** Records not yet committed; -1 when not known. */
  readonly lag: number
}

/** Where `resetOffsets` moves a group: an end, a time in milliseconds, or by a number of records. */
export type ResetTarget =
  | 'earliest'
  | 'latest'
  | { readonly timestamp: number }
  | { readonly shiftBy: number }
  | { readonly offset: number }

interface Committed extends TopicPartition {
  readonly offset: number
  readonly leaderEpoch: number
  readonly metadata: string
}

function committedOffsets(cluster: Cluster, groupId: string, options: AdminCallOptions): Promise<Committed[]> {
  const what = `offsets of group '${groupId}'`
  return onCoordinator(cluster, groupId, what, options, async (broker) => {
    const version = await broker.version(apis.offsetFetch, {
      maxVersion: LAST_NAMED_OFFSETS_VERSION,
      minVersion: 2,
      purpose: 'all offsets of a group',
    })
    const request = version >= GROUPED_OFFSETS_VERSION ? { groups: [{ groupId, topics: null }] } : { groupId, topics: null }
    const answer = await broker.request(apis.offsetFetch, request, { maxVersion: version })
    const group = version >= GROUPED_OFFSETS_VERSION ? answer.groups[0] : answer
    if (!group) throw new KafkaError(-1, what)
    if (group.errorCode !== 0) throw new KafkaError(group.errorCode, what)
    const found: Committed[] = []
    for (const { name, partitions } of group.topics) {
      throwFirst(errorsOf(partitions, ({ partitionIndex }) => `${what}, ${name}-${partitionIndex}`))
      for (const { partitionIndex, committedOffset, committedLeaderEpoch, metadata } of partitions) {
        if (committedOffset < 0) continue
        found.push({
          topic: name,
          partition: partitionIndex,
          offset: committedOffset,
          leaderEpoch: committedLeaderEpoch,
          metadata: metadata ?? '',
        })
      }
    }
    return found.sort((a, b) => (a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1))
  })
}

export async function groupOffsets(cluster: Cluster, groupId: string, options: AdminCallOptions): Promise<GroupOffset[]> {
  const committed = await committedOffsets(cluster, groupId, options)
  cluster.track(committed.map(({ topic }) => topic))
  if (committed.length > 0) await cluster.refresh()
  const alive = committed.filter(({ topic, partition }) => cluster.metadata.leader(topic, partition) >= 0)
  const queries = alive.map(({ topic, partition }) => ({ topic, partition, timestamp: OffsetSpec.latest }))
  const ends = queries.length === 0 ? [] : await listOffsets(cluster, queries, 0, timeoutOf(cluster, options))
  const endOf = new Map(ends.map(({ topic, partition, offset }) => [`${topic}/${partition}`, offset]))
  return committed.map((one) => {
    const endOffset = endOf.get(`${one.topic}/${one.partition}`) ?? -1
    return { ...one, endOffset, lag: endOffset < 0 ? -1 : Math.max(0, endOffset - one.offset) }
  })
}

export interface OffsetToSet extends TopicPartition {
  readonly offset: number
  readonly metadata?: string
}

export async function alterGroupOffsets(
  cluster: Cluster,
  groupId: string,
  offsets: readonly OffsetToSet[],
  options: AdminCallOptions,
): Promise<void> {
  if (offsets.length === 0) return
  const byKey = new Map(offsets.map((one) => [`${one.topic}/${one.partition}`, one]))
  const topics = [...groupByTopic(offsets)].map(([name, partitions]) => ({
    name,
    partitions: partitions.map((partitionIndex) => {
      const { offset, metadata } = byKey.get(`${name}/${partitionIndex}`)!
      return { partitionIndex, committedOffset: offset, committedMetadata: metadata ?? '' }
    }),
  }))
  await onCoordinator(cluster, groupId, `set offsets of group '${groupId}'`, options, async (broker) => {
    const answer = await broker.request(apis.offsetCommit, { groupId, topics }, { maxVersion: LAST_NAMED_OFFSETS_VERSION })
    for (const { name, partitions } of answer.topics) {
      throwFirst(
        errorsOf(partitions, ({ partitionIndex }) => `set offset of ${name}-${partitionIndex} for group '${groupId}'`).map((error) =>
          error.code === errors.UNKNOWN_MEMBER_ID.code || error.code === errors.ILLEGAL_GENERATION.code
            ? new KafkaError(errors.NON_EMPTY_GROUP.code, `set offsets of group '${groupId}'`)
            : error,
        ),
      )
    }
  })
}

export async function resetOffsets(
  cluster: Cluster,
  groupId: string,
  target: ResetTarget,
  options: AdminCallOptions & {
    readonly partitions?: readonly TopicPartition[]
    readonly topics?: readonly string[]
    readonly dryRun?: boolean
  },
): Promise<OffsetToSet[]> {
  const timeoutMs = timeoutOf(cluster, options)
  const committed = await committedOffsets(cluster, groupId, options)
  const partitions = options.partitions ?? (options.topics ? await allPartitions(cluster, options.topics, timeoutMs) : committed)
  const ask = (timestamp: number): Promise<Map<string, number>> => ends(cluster, partitions, timestamp, timeoutMs)
  const [first, last] = await Promise.all([ask(OffsetSpec.earliest), ask(OffsetSpec.latest)])
  const timed = typeof target === 'object' && 'timestamp' in target ? await ask(target.timestamp) : undefined
  const current = new Map(committed.map(({ topic, partition, offset }) => [`${topic}/${partition}`, offset]))
  const offsets = partitions.map(({ topic, partition }) => {
    const key = `${topic}/${partition}`
    const [from, to] = [first.get(key)!, last.get(key)!]
    let wanted: number
    if (target === 'earliest') wanted = from
    else if (target === 'latest') wanted = to
    else if ('timestamp' in target) wanted = timed!.get(key)! < 0 ? to : timed!.get(key)!
    else if ('offset' in target) wanted = target.offset
    else {
      const at = current.get(key)
      if (at === undefined)
        throw new ClientError('ERR_MILLRACE_ARGUMENT', `shiftBy: group '${groupId}' has no offset for ${topic}-${partition}`)
      wanted = at + target.shiftBy
    }
    return { topic, partition, offset: Math.min(to, Math.max(from, wanted)) }
  })
  if (options.dryRun !== true) await alterGroupOffsets(cluster, groupId, offsets, options)
  return offsets
}

async function allPartitions(cluster: Cluster, topics: readonly string[], timeoutMs: number): Promise<TopicPartition[]> {
  const found = await Promise.all(topics.map((topic) => cluster.topic(topic, timeoutMs)))
  return found.flatMap(({ name, partitions }) => partitions.map(({ partition }) => ({ topic: name, partition })))
}

async function ends(
  cluster: Cluster,
  partitions: readonly TopicPartition[],
  timestamp: number,
  timeoutMs: number,
): Promise<Map<string, number>> {
  const answers = await listOffsets(
    cluster,
    partitions.map(({ topic, partition }) => ({ topic, partition, timestamp })),
    0,
    timeoutMs,
  )
  return new Map(answers.map(({ topic, partition, offset }) => [`${topic}/${partition}`, offset]))
}

export async function deleteGroupOffsets(
  cluster: Cluster,
  groupId: string,
  partitions: readonly TopicPartition[],
  options: AdminCallOptions,
): Promise<void> {
  const topics = [...groupByTopic(partitions)].map(([name, indexes]) => ({
    name,
    partitions: indexes.map((partitionIndex) => ({ partitionIndex })),
  }))
  await onCoordinator(cluster, groupId, `delete offsets of group '${groupId}'`, options, async (broker) => {
    const answer = await broker.request(apis.offsetDelete, { groupId, topics })
    if (answer.errorCode !== 0) throw new KafkaError(answer.errorCode, `delete offsets of group '${groupId}'`)
    for (const { name, partitions: rows } of answer.topics)
      throwFirst(errorsOf(rows, ({ partitionIndex }) => `delete offset of ${name}-${partitionIndex}`))
  })
}
