// What a cluster says of itself, asked until it is as a test needs it. Waiting has a limit and says what it waited for.

import { setTimeout as pause } from 'node:timers/promises'
import { isCode } from '../../../src/client/errors.js'
import { Admin, type NewTopic } from '../../../src/client/index.js'
import { errors } from '../../../src/model/errors.js'
import { ZERO_UUID } from '../../../src/model/topic-partition.js'
import { apis } from '../../../src/protocol/schema/index.js'
import { patience } from '../../support/patience.js'
import { ask } from './ask.js'
import type { TestCluster } from './nodes.js'

const AGAIN_MS = 50
const METADATA_VERSION = 12

/** Asks again until the answer is there (not null). Errors count as "not yet"; the last one is the cause when time runs out. */
export async function eventually<T>(what: string, limitMs: number, ask: () => Promise<T | null>): Promise<T> {
  const left = patience(limitMs)
  let cause: unknown
  while (left() > 0) {
    try {
      const answer = await ask()
      if (answer !== null) return answer
    } catch (error) {
      cause = error
    }
    await pause(AGAIN_MS)
  }
  throw new Error(`waited ${limitMs} ms in vain: ${what}`, { cause })
}

export async function withAdmin<T>(bootstrap: string, use: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = new Admin({ bootstrapServers: bootstrap, requestTimeoutMs: 3000, defaultApiTimeoutMs: 10_000 })
  try {
    return await use(admin)
  } finally {
    await admin.close()
  }
}

/** Makes a topic that nobody else makes: if it is there already, an attempt before this one made it, whose answer came too late. */
export function makeTopic(bootstrap: string, topic: NewTopic, limitMs: number): Promise<true> {
  return withAdmin(bootstrap, (admin) =>
    eventually<true>(`topic ${topic.name} is made`, limitMs, async () => {
      await admin.createTopics([topic]).catch((error: unknown) => {
        if (!isCode(error, errors.TOPIC_ALREADY_EXISTS.code)) throw error
      })
      return true
    }),
  )
}

export function leaderOf(bootstrap: string, topic: string, partition: number): Promise<number> {
  return withAdmin(bootstrap, async (admin) => (await admin.describeTopics([topic]))[0]!.partitions[partition]!.leader)
}

/** A broker of Kafka's names any broker as the controller, so that clients spread; who it is says the quorum. */
export function controllerOf({ system, bootstrap }: TestCluster): Promise<number> {
  return withAdmin(bootstrap, async (admin) =>
    system === 'kafka' ? (await admin.describeQuorum()).leaderId : (await admin.describeCluster()).controllerId,
  )
}

interface Partition {
  readonly partitionIndex: number
  readonly leaderId: number
  readonly leaderEpoch: number
  readonly isrNodes: readonly number[]
  readonly replicaNodes: readonly number[]
}

/** What one node says of the topic, its partitions in order. */
async function partitionsAt(address: string, topic: string): Promise<readonly Partition[]> {
  const request = { topics: [{ topicId: ZERO_UUID, name: topic }], allowAutoTopicCreation: false, includeTopicAuthorizedOperations: false }
  const { topics } = await ask(address, apis.metadata, METADATA_VERSION, { ...request, includeClusterAuthorizedOperations: false })
  return topics[0]!.partitions.toSorted((a, b) => a.partitionIndex - b.partitionIndex)
}

const ledBy = (partitions: readonly Partition[]): string =>
  partitions.map(({ partitionIndex, leaderId, leaderEpoch }) => `${partitionIndex}:${leaderId}@${leaderEpoch}`).join(' ')

/** Leader and epoch of each partition, as one node says; a text to compare with another. */
export async function leadersAt(address: string, topic: string): Promise<string> {
  return ledBy(await partitionsAt(address, topic))
}

/** Null: not all replicas are in sync. */
async function inSyncAt(address: string, topic: string): Promise<string | null> {
  const partitions = await partitionsAt(address, topic)
  const whole = partitions.every(({ leaderId, isrNodes, replicaNodes }) => leaderId >= 0 && isrNodes.length === replicaNodes.length)
  return whole && partitions.length > 0 ? ledBy(partitions) : null
}

/** Every node says of every partition of the topic that all its replicas are in sync, and all name the same leaders. */
export function allInSync(nodes: readonly string[], topic: string, limitMs: number): Promise<true> {
  return eventually(`all replicas of ${topic} in sync, on every node`, limitMs, async () => {
    const said = await Promise.all(nodes.map((address) => inSyncAt(address, topic)))
    return said[0] !== null && said.every((each) => each === said[0]) ? true : null
  })
}
