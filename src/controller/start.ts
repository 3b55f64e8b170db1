// How a controller's life starts: it becomes controller under a new epoch, puts right what its predecessor left
// half done, and gives what this broker leads new epochs after a crash. Each step is fenced and may be repeated.

import type { Env } from '../env/env.js'
import { readIfPresent, type MultiOp, type ZnodeClient } from '../ensemble/znode-client.js'
import { configKey, type TopicImage } from './image.js'
import type { Loaded } from './loader.js'
import type { MetadataWriter } from './metadata-writer.js'
import { afterLeaderCrash } from './partition-state.js'
import { bucketPath, bucketsPath, CLUSTER_ID, configPath, CONTROLLER, CONTROLLER_EPOCH, SKELETON, topicPath } from './paths.js'
import { newTopicId } from './topic-decisions.js'
import { encodeClusterId, encodeController } from './znode-data.js'

export interface Candidate {
  readonly client: ZnodeClient
  readonly env: Env
  readonly brokerId: number
}

/**
 * The election: /controller is an ephemeral of this session, and the epoch's znode moves on in the same multi, so two
 * controllers never share an epoch. The skeleton and the cluster id travel with it on a first start.
 */
export async function elect(options: Candidate): Promise<{ epoch: number; version: number; zxid: bigint }> {
  const { client, env, brokerId } = options
  const ops: MultiOp[] = []
  for (const path of SKELETON) if (!(await client.exists(path))) ops.push({ kind: 'create', path, data: null })
  if (!(await client.exists(CLUSTER_ID))) ops.push({ kind: 'create', path: CLUSTER_ID, data: encodeClusterId(newTopicId(env.random)) })
  const before = await readIfPresent(client, CONTROLLER_EPOCH)
  const epoch = before ? Number(Buffer.from(before.data!).toString('utf8')) + 1 : 1
  const data = Buffer.from(String(epoch))
  if (before) ops.push({ kind: 'setData', path: CONTROLLER_EPOCH, data, version: before.stat.version })
  else ops.push({ kind: 'create', path: CONTROLLER_EPOCH, data })
  ops.push({ kind: 'create', path: CONTROLLER, data: encodeController(brokerId, env.clock.now()), mode: 'ephemeral' })
  const { zxid, results } = await client.multi(ops)
  return { epoch, version: results.at(-2)!.stat!.version, zxid }
}

/** Removes topics that a former controller had begun to create or delete, and buckets of an unfinished increase. */
export async function finishInterrupted({ client, env }: Candidate, writer: MetadataWriter, loaded: Loaded): Promise<void> {
  for (const topic of loaded.unfinished) {
    env.logger.warn({ topic: topic.name }, 'a topic was being created or deleted when the controller stopped: it is removed')
    const ops: MultiOp[] = []
    for (let bucket = 0; bucket < topic.bucketCount; bucket++) {
      const path = bucketPath(topic.name, bucket)
      if (await client.exists(path)) ops.push({ kind: 'delete', path })
    }
    if (topic.hasBuckets) ops.push({ kind: 'delete', path: bucketsPath(topic.name) })
    if (await client.exists(configPath('topic', topic.name))) ops.push({ kind: 'delete', path: configPath('topic', topic.name) })
    ops.push({ kind: 'delete', path: topicPath(topic.name) })
    await writer.writeAll(ops)
    ;(loaded.image.configs as Map<string, unknown>).delete(configKey('topic', topic.name))
  }
  await writer.writeAll(loaded.orphanBuckets.map((path): MultiOp => ({ kind: 'delete', path })))
}

/** Every partition that `broker` leads, under its next leader epoch. */
export async function raiseLeaderEpochs(
  topics: ReadonlyMap<string, TopicImage>,
  broker: number,
  writer: MetadataWriter,
): Promise<ReadonlyMap<string, TopicImage>> {
  const raised: TopicImage[] = []
  for (const topic of topics.values()) {
    if (!topic.partitions.some((state) => state.leader === broker)) continue
    raised.push({ ...topic, partitions: topic.partitions.map((state) => (state.leader === broker ? afterLeaderCrash(state) : state)) })
  }
  await writer.updateStates(raised)
  return new Map([...topics, ...raised.map((topic): [string, TopicImage] => [topic.name, topic])])
}
