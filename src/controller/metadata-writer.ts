// Turns plans into znode writes. Every write is a `multi` that checks /controller_epoch's version first, so a
// controller that has been succeeded writes nothing more, and stays under 512 KiB. A znode that is replaced is
// replaced at the version last seen, so no write can take effect twice or late. What does not fit in one multi is a
// sequence whose last step makes the change visible (a topic's `state`, its partition count), or whose steps each
// stand for themselves (buckets); what an interrupted sequence left, the next controller puts right. No decisions
// are made here.
//
// An answer that was lost leaves the fate of a multi open. Then the session is waited for, the member catches up, and
// the first znode of the multi tells whether it took effect; if not, it is sent again. Never without looking.

import type { Env } from '../env/env.js'
import { ZkCode } from '../ensemble/tree/codes.js'
import { isZnodeError, readIfPresent, ZnodeError, type MultiOp, type ZnodeClient } from '../ensemble/znode-client.js'
import type { PartitionImage, TopicImage } from './image.js'
import type { UnfinishedTopic } from './metadata-nodes.js'
import type { TopicUpdate } from './partition-plans.js'
import { bucketPath, bucketsPath, configPath, CONTROLLER_EPOCH, PARTITIONS_PER_BUCKET, topicPath, type StoredConfigKind } from './paths.js'
import type { TopicPlan } from './topic-decisions.js'
import { encodeBucket, encodeConfigs, encodeTopic } from './znode-data.js'

const MAX_MULTI_BYTES = 512 * 1024
/** Lengths, opcode, version, ACL and flags of one operation, rounded up. */
const OP_OVERHEAD_BYTES = 64

/** The epoch moved on: somebody else is controller. Nothing was written. */
export class FencedError extends Error {
  readonly code = 'ERR_MILLRACE_CONTROLLER_FENCED'
}

export interface MetadataWriterOptions {
  readonly client: ZnodeClient
  readonly env: Env
  /** Version of /controller_epoch under which this controller was elected. */
  readonly epochVersion: number
  /** Version of a znode as last seen; undefined: no such znode. */
  versionOf(path: string): number | undefined
}

export class MetadataWriter {
  readonly #client: ZnodeClient
  readonly #env: Env
  readonly #epochVersion: number
  readonly #versionOf: (path: string) => number | undefined

  constructor({ client, env, epochVersion, versionOf }: MetadataWriterOptions) {
    this.#client = client
    this.#env = env
    this.#epochVersion = epochVersion
    this.#versionOf = versionOf
  }

  /** One fenced multi. Resolves with its zxid. */
  async write(ops: readonly MultiOp[]): Promise<bigint> {
    for (;;) {
      try {
        const { zxid } = await this.#client.multi([{ kind: 'check', path: CONTROLLER_EPOCH, version: this.#epochVersion }, ...ops])
        return zxid
      } catch (error) {
        if (isFenced(error)) throw new FencedError('the controller epoch has moved on', { cause: error })
        if (!isZnodeError(error, ZkCode.connectionLoss)) throw error
        const zxid = await this.#fateOf(ops[0]!, error)
        if (zxid !== null) return zxid
      }
    }
  }

  /** The zxid at which a multi that began with `op` took effect; null: it did not. */
  async #fateOf(op: MultiOp, lost: ZnodeError): Promise<bigint | null> {
    await connected(this.#client, lost)
    await this.#client.sync('/')
    const epoch = await this.#client.exists(CONTROLLER_EPOCH)
    const node = await readIfPresent(this.#client, op.path)
    if (op.kind === 'delete') {
      if (node) return this.#fencedOrNot(epoch?.version)
      const parent = await this.#client.exists(op.path.slice(0, op.path.lastIndexOf('/')))
      return parent?.pzxid ?? 0n
    }
    const expected = op.kind === 'create' ? 0 : (op.version ?? -1) + 1
    const written = node !== null && op.kind !== 'check' && node.stat.version === expected && isSameData(node.data, op.data)
    if (written) return node.stat.mzxid
    return this.#fencedOrNot(epoch?.version)
  }

  #fencedOrNot(epochVersion: number | undefined): null {
    if (epochVersion !== this.#epochVersion) throw new FencedError('the controller epoch has moved on')
    this.#env.logger.info({}, 'a metadata write whose answer was lost had no effect; it is sent again')
    return null
  }

  /** As many multis as the size limit asks for, in order. Resolves with the last one's zxid. */
  async writeAll(ops: readonly MultiOp[]): Promise<bigint> {
    let zxid = 0n
    for (const group of groupsOf(ops)) zxid = await this.write(group)
    return zxid
  }

  /** Replaces a znode at the version last seen, or creates it. */
  put(path: string, data: Uint8Array): MultiOp {
    const version = this.#versionOf(path)
    return version === undefined ? { kind: 'create', path, data } : { kind: 'setData', path, data, version }
  }

  createTopic(plan: TopicPlan): Promise<bigint> {
    const { topic, configs } = plan
    const node = { topicId: topic.id, partitions: topic.partitions.length, alwaysSynced: topic.alwaysSynced }
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
      { kind: 'setData', path: topicPath(topic.name), data: encodeTopic({ ...node, state: null }), version: 0 },
    ])
  }

  /** `added` follow the topic's present partitions. The count in the topic's znode, written last, makes them visible. */
  growTopic(topic: TopicImage, added: readonly PartitionImage[]): Promise<bigint> {
    const all = [...topic.partitions, ...added]
    const firstTouched = Math.floor(topic.partitions.length / PARTITIONS_PER_BUCKET)
    const ops = bucketsOf(all)
      .filter(([bucket]) => bucket >= firstTouched)
      .map(([bucket, states]) => this.put(bucketPath(topic.name, bucket), encodeBucket(states)))
    ops.push(this.#topicOp(topic, all.length, topic.alwaysSynced))
    return this.writeAll(ops)
  }

  /** From now on some of it may be acknowledged, or have been, before it is on a disk. */
  notAlwaysSyncedOp(topic: TopicImage): MultiOp {
    return this.#topicOp(topic, topic.partitions.length, false)
  }

  #topicOp({ name, id }: TopicImage, partitions: number, alwaysSynced: boolean): MultiOp {
    return this.put(topicPath(name), encodeTopic({ topicId: id, partitions, state: null, alwaysSynced }))
  }

  /** The buckets in which `updates` change something. Each stands for itself. */
  bucketOps(updates: readonly TopicUpdate[]): MultiOp[] {
    return updates.flatMap(({ topic, states }) => {
      const partitions = topic.partitions.slice()
      for (const state of states) partitions[state.partition] = state
      const touched = new Set(states.map((state) => Math.floor(state.partition / PARTITIONS_PER_BUCKET)))
      return [...touched].map((bucket) => {
        const first = bucket * PARTITIONS_PER_BUCKET
        return this.put(bucketPath(topic.name, bucket), encodeBucket(partitions.slice(first, first + PARTITIONS_PER_BUCKET)))
      })
    })
  }

  /** The first write of a large deletion marks the topic: from then on it is gone, whoever finishes the work. */
  deleteTopic(name: string, topicId: string, bucketCount: number, hasConfigs: boolean): Promise<bigint> {
    const ops = this.#removalOf(
      name,
      Array.from({ length: bucketCount }, (_, bucket) => bucket),
      true,
      hasConfigs,
    )
    if (groupsOf(ops).length === 1) return this.writeAll(ops)
    const marked = this.put(topicPath(name), encodeTopic({ topicId, partitions: 0, state: 'deleting', alwaysSynced: false }))
    return this.writeAll([marked, ...ops])
  }

  /** Ends what a former controller began: topics half created or half deleted, buckets that no topic counts. */
  async removeLeftovers(topics: readonly UnfinishedTopic[], buckets: readonly string[]): Promise<bigint> {
    const ops = topics.flatMap(({ name, buckets: present }) => {
      const hasFolder = this.#versionOf(bucketsPath(name)) !== undefined
      return this.#removalOf(name, present, hasFolder, this.#versionOf(configPath('topic', name)) !== undefined)
    })
    return this.writeAll([...ops, ...buckets.map((path): MultiOp => ({ kind: 'delete', path }))])
  }

  #removalOf(name: string, buckets: readonly number[], hasFolder: boolean, hasConfigs: boolean): MultiOp[] {
    const ops: MultiOp[] = buckets.map((bucket) => ({ kind: 'delete', path: bucketPath(name, bucket) }))
    if (hasFolder) ops.push({ kind: 'delete', path: bucketsPath(name) })
    if (hasConfigs) ops.push({ kind: 'delete', path: configPath('topic', name) })
    ops.push({ kind: 'delete', path: topicPath(name) })
    return ops
  }

  /** Replaces the overrides of one resource. */
  configOps(kind: StoredConfigKind, name: string, values: ReadonlyMap<string, string>): MultiOp[] {
    const path = configPath(kind, name)
    if (values.size > 0) return [this.put(path, encodeConfigs(values))]
    return this.#versionOf(path) === undefined ? [] : [{ kind: 'delete', path }]
  }
}

/** Settles when the session is connected again; rejects with `lost` when it ended. */
export function connected(client: ZnodeClient, lost: Error): Promise<void> {
  if (client.state === 'connected') return Promise.resolve()
  return new Promise((resolve, reject) => {
    const decide = (): void => {
      if (client.state === 'suspended') return
      stop()
      if (client.state === 'connected') resolve()
      else reject(lost)
    }
    const stop = client.onState(decide)
    decide()
  })
}

/** The check of the epoch failed: it is the first operation. */
function isFenced(error: unknown): boolean {
  if (!(error instanceof ZnodeError)) return false
  if (error.zkCode !== ZkCode.badVersion && error.zkCode !== ZkCode.noNode) return false
  return error.results.length === 0 || error.results[0]!.code !== ZkCode.ok
}

function isSameData(a: Uint8Array | null, b: Uint8Array | null): boolean {
  if (a === null || b === null) return (a?.length ?? 0) === (b?.length ?? 0)
  return Buffer.compare(a, b) === 0
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
