// Reads the whole metadata out of the znodes when a controller starts: the image, and the sequences of writes that
// a former controller did not finish. One read per topic and per 256 partitions. Writes nothing.

import type { ZnodeClient } from '../ensemble/znode-client.js'
import { configKey, emptyImage, type BrokerImage, type MetadataImage, type PartitionImage, type TopicImage } from './image.js'
import {
  BROKER_IDS,
  brokerPath,
  bucketPath,
  bucketsPath,
  CLUSTER_ID,
  configFolder,
  decodeEntity,
  STORED_CONFIG_KINDS,
  TOPICS,
  topicPath,
} from './paths.js'
import { decodeBroker, decodeBucket, decodeClusterId, decodeConfigs, decodeTopic } from './znode-data.js'

export interface UnfinishedTopic {
  readonly name: string
  readonly topicId: string
  readonly bucketCount: number
  readonly hasBuckets: boolean
}

export interface Loaded {
  readonly image: MetadataImage
  /** Neither created nor deleted to the end: to be removed. */
  readonly unfinished: readonly UnfinishedTopic[]
  /** Buckets beyond their topic's partition count, left by an increase that was not finished. */
  readonly orphanBuckets: readonly string[]
}

interface LoadedTopic {
  readonly topic: TopicImage | null
  readonly unfinished: UnfinishedTopic | null
  readonly orphans: readonly string[]
}

export async function loadMetadata(client: ZnodeClient): Promise<Loaded> {
  const clusterId = decodeClusterId((await client.getData(CLUSTER_ID)).data)
  const { names } = await client.getChildren(TOPICS)
  const loaded = await Promise.all(names.sort().map((name) => loadTopic(client, name)))
  const topics = loaded.flatMap(({ topic }) => (topic ? [topic] : []))
  const image: MetadataImage = {
    ...emptyImage(clusterId),
    brokers: new Map((await loadBrokers(client)).map((broker) => [broker.id, broker])),
    topics: new Map(topics.map((topic) => [topic.name, topic])),
    topicNames: new Map(topics.map((topic) => [topic.id, topic.name])),
    configs: new Map(await loadConfigs(client)),
  }
  return {
    image,
    unfinished: loaded.flatMap(({ unfinished }) => (unfinished ? [unfinished] : [])),
    orphanBuckets: loaded.flatMap(({ orphans }) => orphans),
  }
}

async function loadTopic(client: ZnodeClient, name: string): Promise<LoadedTopic> {
  const node = decodeTopic((await client.getData(topicPath(name))).data)
  const hasBuckets = (await client.exists(bucketsPath(name))) !== null
  const buckets = hasBuckets ? (await client.getChildren(bucketsPath(name))).names.map(Number).sort((a, b) => a - b) : []
  if (node.state) {
    return { topic: null, unfinished: { name, topicId: node.topicId, bucketCount: (buckets.at(-1) ?? -1) + 1, hasBuckets }, orphans: [] }
  }
  const partitions: PartitionImage[] = []
  const orphans: string[] = []
  for (const bucket of buckets) {
    if (partitions.length >= node.partitions) orphans.push(bucketPath(name, bucket))
    else partitions.push(...decodeBucket((await client.getData(bucketPath(name, bucket))).data, bucket))
  }
  if (partitions.length < node.partitions) {
    throw new Error(`the metadata of topic ${name} names ${node.partitions} partitions, its state has ${partitions.length}`)
  }
  return { topic: { name, id: node.topicId, partitions: partitions.slice(0, node.partitions) }, unfinished: null, orphans }
}

async function loadBrokers(client: ZnodeClient): Promise<BrokerImage[]> {
  const { names } = await client.getChildren(BROKER_IDS)
  return Promise.all(
    names.map(async (name) => {
      const { data, stat } = await client.getData(brokerPath(Number(name)))
      return decodeBroker(Number(name), data, stat.czxid)
    }),
  )
}

async function loadConfigs(client: ZnodeClient): Promise<[string, ReadonlyMap<string, string>][]> {
  const entries: [string, ReadonlyMap<string, string>][] = []
  for (const kind of STORED_CONFIG_KINDS) {
    const folder = configFolder(kind)
    for (const name of (await client.getChildren(folder)).names) {
      const { data } = await client.getData(`${folder}/${name}`)
      entries.push([configKey(kind, decodeEntity(name)), decodeConfigs(data)])
    }
  }
  return entries
}
