// Turns plans into znode writes. Every write is a `multi` that checks /controller_epoch's version first, so a
// controller that has been succeeded writes nothing more, and stays under 512 KiB. What does not fit in one is a
// sequence whose last step makes the change visible (a topic's `state`, its partition count); what an interrupted
// sequence left is put right by `loader.ts`. No decisions are made here.

import type { MultiOp, MultiResult, ZnodeClient } from '../ensemble/znode-client.js'
import type { PartitionImage, TopicImage } from './image.js'
import { bucketPath, bucketsPath, configPath, CONTROLLER_EPOCH, PARTITIONS_PER_BUCKET, topicPath, type StoredConfigKind } from './paths.js'
import { encodeBucket, encodeConfigs, encodeTopic } from './znode-data.js'
import type { TopicPlan } from './topic-decisions.js'

const MAX_MULTI_BYTES = 512 * 1024
/** Lengths, opcode, version, ACL and flags of one operation, rounded up. */
const OP_OVERHEAD_BYTES = 64

export class MetadataWriter {
  readonly #client: ZnodeClient
  readonly #epochVersion: number

  constructor(client: ZnodeClient, epochVersion: number) {
    this.#client = client
    this.#epochVersion = epochVersion
  }

  /** One fenced multi. `results` are those of `ops`, without the check. */
  async write(ops: readonly MultiOp[]): Promise<MultiResult> {
    const { zxid, results } = await this.#client.multi([{ kind: 'check', path: CONTROLLER_EPOCH, version: this.#epochVersion }, ...ops])
    return { zxid, results: results.slice(1) }
  }

  /** As many multis as the size limit asks for, in order. Resolves with the last one's zxid. */
  async writeAll(ops: readonly MultiOp[]): Promise<bigint> {
    let zxid = 0n
    for (const group of groupsOf(ops)) zxid = (await this.write(group)).zxid
    return zxid
  }

  createTopic(plan: TopicPlan): Promise<bigint> {
    const { topic, configs } = plan
    const node = { topicId: topic.id, partitions: topic.partitions.length }
    const buckets = bucketsOf(topic.partitions).map(([bucket, states]): MultiOp => ({
      kind: 'create',
      path: bucketPath(topic.name, bucket),
      data: encodeBucket(states),
    }))
    const configOps: MultiOp[] =
      configs.size === 0 ? [] : [{ kind: 'create', path: configPath('topic', topic.name), data: encodeConfigs(configs) }]
    const ops = (state: 'creating' | null): MultiOp[] => [
      { kind: 'create', path: topicPath(topic.name), data: encodeTopic({ ...node, state }) },
      { kind: 'create', path: bucketsPath(topic.name), data: null },
      ...buckets,
      ...configOps,
    ]
    if (groupsOf(ops(null)).length === 1) return this.writeAll(ops(null))
    return this.writeAll([
      ...ops('creating'),
      { kind: 'setData', path: topicPath(topic.name), data: encodeTopic({ ...node, state: null }) },
    ])
  }

  /** `added` follow the topic's present partitions. The count in the topic's znode, written last, makes them visible. */
  growTopic(topic: TopicImage, added: readonly PartitionImage[]): Promise<bigint> {
    const all = [...topic.partitions, ...added]
    const firstTouched = Math.floor(topic.partitions.length / PARTITIONS_PER_BUCKET)
    const present = Math.ceil(topic.partitions.length / PARTITIONS_PER_BUCKET)
    const ops = bucketsOf(all)
      .filter(([bucket]) => bucket >= firstTouched)
      .map(([bucket, states]): MultiOp => {
        const path = bucketPath(topic.name, bucket)
        return { kind: bucket < present ? 'setData' : 'create', path, data: encodeBucket(states) }
      })
    ops.push({
      kind: 'setData',
      path: topicPath(topic.name),
      data: encodeTopic({ topicId: topic.id, partitions: all.length, state: null }),
    })
    return this.writeAll(ops)
  }

  /** Rewrites the state of whole topics. Each topic's znodes may be written apart: every bucket stands for itself. */
  updateStates(topics: readonly TopicImage[]): Promise<bigint> {
    return this.writeAll(
      topics.flatMap((topic) =>
        bucketsOf(topic.partitions).map(([bucket, states]): MultiOp => ({
          kind: 'setData',
          path: bucketPath(topic.name, bucket),
          data: encodeBucket(states),
        })),
      ),
    )
  }

  /** The first write of a large deletion marks the topic: from then on it is gone, whoever finishes the work. */
  deleteTopic(name: string, topicId: string, bucketCount: number, hasConfigs: boolean): Promise<bigint> {
    const ops: MultiOp[] = Array.from({ length: bucketCount }, (_, bucket) => ({ kind: 'delete', path: bucketPath(name, bucket) }))
    ops.push({ kind: 'delete', path: bucketsPath(name) })
    if (hasConfigs) ops.push({ kind: 'delete', path: configPath('topic', name) })
    ops.push({ kind: 'delete', path: topicPath(name) })
    if (groupsOf(ops).length === 1) return this.writeAll(ops)
    return this.writeAll([
      { kind: 'setData', path: topicPath(name), data: encodeTopic({ topicId, partitions: 0, state: 'deleting' }) },
      ...ops,
    ])
  }

  /** Replaces the overrides of one resource; `existed` says whether it has a znode now. */
  setConfigs(kind: StoredConfigKind, name: string, values: ReadonlyMap<string, string>, existed: boolean): Promise<bigint> {
    const path = configPath(kind, name)
    if (values.size === 0) return this.writeAll(existed ? [{ kind: 'delete', path }] : [])
    return this.writeAll([{ kind: existed ? 'setData' : 'create', path, data: encodeConfigs(values) }])
  }
}

export function bucketsOf(partitions: readonly PartitionImage[]): [number, readonly PartitionImage[]][] {
  const buckets: [number, readonly PartitionImage[]][] = []
  for (let first = 0; first < partitions.length; first += PARTITIONS_PER_BUCKET) {
    buckets.push([first / PARTITIONS_PER_BUCKET, partitions.slice(first, first + PARTITIONS_PER_BUCKET)])
  }
  return buckets
}

function groupsOf(ops: readonly MultiOp[]): MultiOp[][] {
  const groups: MultiOp[][] = []
  let group: MultiOp[] = []
  let bytes = OP_OVERHEAD_BYTES
  for (const op of ops) {
    const size = OP_OVERHEAD_BYTES + op.path.length + ('data' in op ? (op.data?.length ?? 0) : 0)
    if (group.length > 0 && bytes + size > MAX_MULTI_BYTES) {
      groups.push(group)
      group = []
      bytes = OP_OVERHEAD_BYTES
    }
    group.push(op)
    bytes += size
  }
  if (group.length > 0) groups.push(group)
  return groups
}
