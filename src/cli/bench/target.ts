// The cluster under load, for what a benchmark must know and do before and after: versions, leaders, a topic of its own. Control requests only.

import { hostname } from 'node:os'
import { apis, type Api } from '../../protocol/schema/index.js'
import { parseAddresses } from '../../client/tcp-transport.js'
import { errorName } from '../../model/errors.js'
import { CliError, notFound } from '../errors.js'
import { RawConnection, type Address } from './raw-connection.js'

/** Versions in which topics go by name in Produce and Fetch, which is all that pre-encoded requests need. */
const LAST_VERSION_BY_NAME = { produce: 12, fetch: 12, metadata: 12 } as const

export interface ServerInfo {
  /** `Millrace` or `Kafka-compatible`: servers do not say their name, so a feature that only Millrace announces tells. */
  readonly kind: string
  readonly clusterId: string | null
  readonly brokers: number
  readonly apis: number
  readonly produceVersion: number
  readonly fetchVersion: number
  readonly features: Readonly<Record<string, string>>
}

export interface Leader {
  readonly address: Address
  readonly partitions: readonly number[]
}

export class Target {
  readonly bootstrap: readonly Address[]
  readonly info: ServerInfo
  readonly #control: RawConnection
  readonly #versions: ReadonlyMap<number, number>

  private constructor(bootstrap: readonly Address[], control: RawConnection, versions: ReadonlyMap<number, number>, info: ServerInfo) {
    this.bootstrap = bootstrap
    this.#control = control
    this.#versions = versions
    this.info = info
  }

  static async open(servers: string | readonly string[]): Promise<Target> {
    const bootstrap = parseAddresses(servers)
    const control = await firstOpen(bootstrap)
    const answer = await control.call(apis.apiVersions, 3, { clientSoftwareName: 'millrace-bench', clientSoftwareVersion: '1' })
    const ranges = answer.errorCode === 0 ? answer : await control.call(apis.apiVersions, 0, {})
    const versions = new Map(ranges.apiKeys.map((range) => [range.apiKey, range.maxVersion]))
    const draft = new Target(bootstrap, control, versions, EMPTY_INFO)
    const metadata = await control.call(apis.metadata, draft.versionOf(apis.metadata, LAST_VERSION_BY_NAME.metadata), { topics: [] })
    const features = ranges.supportedFeatures.map((feature) => [feature.name, `${feature.minVersion}-${feature.maxVersion}`] as const)
    return new Target(bootstrap, control, versions, {
      kind: features.some(([name]) => name.startsWith('millrace.')) ? 'Millrace' : 'Kafka-compatible',
      clusterId: metadata.clusterId,
      brokers: metadata.brokers.length,
      apis: ranges.apiKeys.length,
      produceVersion: draft.produceVersion,
      fetchVersion: draft.fetchVersion,
      features: Object.fromEntries(features),
    })
  }

  get produceVersion(): number {
    return this.versionOf(apis.produce, LAST_VERSION_BY_NAME.produce)
  }

  get fetchVersion(): number {
    return this.versionOf(apis.fetch, LAST_VERSION_BY_NAME.fetch)
  }

  versionOf(api: Api, limit = 32767): number {
    const server = this.#versions.get(api.key)
    if (server === undefined) throw new CliError(`the server does not serve API ${api.key}`)
    const version = Math.min(server, api.maxVersion, limit)
    if (version < api.minVersion)
      throw new CliError(`the server speaks API ${api.key} up to version ${server}, and ${api.minVersion} is the oldest used here`)
    return version
  }

  /** Partitions of a topic by the broker that leads them; waits until every one has a leader. */
  async leaders(topic: string, partitions?: number): Promise<Leader[]> {
    const deadline = Date.now() + 20_000
    for (;;) {
      const version = this.versionOf(apis.metadata, LAST_VERSION_BY_NAME.metadata)
      const answer = await this.#control.call(apis.metadata, version, { topics: [{ name: topic }], allowAutoTopicCreation: false })
      const found = answer.topics[0]
      const led = found?.partitions.filter((partition) => partition.errorCode === 0 && partition.leaderId >= 0) ?? []
      if (
        found &&
        found.errorCode === 0 &&
        led.length > 0 &&
        led.length === found.partitions.length &&
        (partitions === undefined || led.length >= partitions)
      ) {
        const brokers = new Map(answer.brokers.map((broker) => [broker.nodeId, broker]))
        const byBroker = new Map<number, number[]>()
        for (const { leaderId, partitionIndex } of led) byBroker.set(leaderId, [...(byBroker.get(leaderId) ?? []), partitionIndex])
        const leaders = [...byBroker].map(([id, list]) => ({ address: brokers.get(id)!, partitions: list.sort((a, b) => a - b) }))
        if (leaders.every((leader) => leader.address))
          return leaders.map(({ address: { host, port }, partitions: list }) => ({ address: { host, port }, partitions: list }))
      }
      if (found && found.errorCode === 3 && partitions === undefined) throw notFound(`topic ${topic} does not exist`)
      if (Date.now() > deadline)
        throw new CliError(`topic ${topic} has partitions without a leader`, undefined, 'millrace topics describe shows which')
      await pause(25)
    }
  }

  async createTopic(topic: string, partitions: number, replicas: number, configs: Readonly<Record<string, string>> = {}): Promise<void> {
    const body = {
      topics: [
        {
          name: topic,
          numPartitions: partitions,
          replicationFactor: replicas,
          assignments: [],
          configs: Object.entries(configs).map(([name, value]) => ({ name, value })),
        },
      ],
      timeoutMs: 30_000,
      validateOnly: false,
    }
    const answer = await this.#control.call(apis.createTopics, this.versionOf(apis.createTopics, 7), body)
    const { errorCode, errorMessage } = answer.topics[0]!
    if (errorCode !== 0) throw new CliError(`cannot create topic ${topic}: ${errorMessage ?? errorName(errorCode)}`)
    await this.leaders(topic, partitions)
    await this.#settled(topic)
  }

  async deleteTopic(topic: string): Promise<void> {
    const answer = await this.#control.call(apis.deleteTopics, this.versionOf(apis.deleteTopics, 5), {
      topicNames: [topic],
      timeoutMs: 30_000,
    })
    const code = answer.responses[0]?.errorCode ?? 0
    if (code !== 0) throw new CliError(`cannot delete topic ${topic}: ${errorName(code)}`)
  }

  /** First or end offsets by partition. */
  async offsets(topic: string, leader: Leader, at: 'earliest' | 'latest'): Promise<Map<number, number>> {
    const connection = await RawConnection.connect(leader.address)
    try {
      const version = this.versionOf(apis.listOffsets, 6)
      const timestamp = at === 'earliest' ? -2 : -1
      const body = {
        replicaId: -1,
        isolationLevel: 0,
        topics: [
          { name: topic, partitions: leader.partitions.map((partitionIndex) => ({ partitionIndex, currentLeaderEpoch: -1, timestamp })) },
        ],
      }
      const answer = await connection.call(apis.listOffsets, version, body)
      const offsets = new Map<number, number>()
      for (const partition of answer.topics[0]?.partitions ?? []) {
        if (partition.errorCode !== 0)
          throw new CliError(`partition ${partition.partitionIndex} of ${topic}: ${errorName(partition.errorCode)}`)
        offsets.set(partition.partitionIndex, Number(partition.offset))
      }
      return offsets
    } finally {
      connection.close()
    }
  }

  close(): void {
    this.#control.close()
  }

  /** A leader named in metadata may need a moment before it answers. */
  async #settled(topic: string): Promise<void> {
    const deadline = Date.now() + 20_000
    for (;;) {
      try {
        for (const leader of await this.leaders(topic)) await this.offsets(topic, leader, 'latest')
        return
      } catch (error) {
        if (Date.now() > deadline) throw error
        await pause(25)
      }
    }
  }
}

const EMPTY_INFO: ServerInfo = { kind: '', clusterId: null, brokers: 0, apis: 0, produceVersion: 0, fetchVersion: 0, features: {} }

async function firstOpen(addresses: readonly Address[]): Promise<RawConnection> {
  let failure: unknown
  for (const address of addresses) {
    try {
      return await RawConnection.connect(address)
    } catch (error) {
      failure = error
    }
  }
  throw failure
}

let topicCount = 0

export function topicName(): string {
  return `millrace-bench-${hostname()
    .replace(/[^A-Za-z0-9._-]/g, '-')
    .slice(0, 40)}-${process.pid}-${Date.now().toString(36)}-${++topicCount}`
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
