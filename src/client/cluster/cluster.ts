// A client's view of one cluster: the metadata snapshot, who leads and who coordinates what, what is tried again. Shared
// by producer, consumer and admin of one client object; its connections are in connections.ts.

import type { Env } from '../../env/env.js'
import { realEnv } from '../../env/real.js'
import type { BodyOf } from '../../protocol/codec/codec.js'
import type { MessageOf } from '../../protocol/schema/dsl.js'
import { type Api, apis } from '../../protocol/schema/index.js'
import { ClientError, isClientError, isRetriable, KafkaError } from '../errors.js'
import { TcpTransport } from '../tcp-transport.js'
import type { Transport } from '../transport.js'
import { backoffMs, KeepAlive, sleep } from './backoff.js'
import { type Broker, type BrokerOptions, type RequestOptions, SILENT_AGAIN_MS } from './broker.js'
import { Connections } from './connections.js'
import { firstAnswer } from './first-answer.js'
import { type BrokerMetadata, ClusterMetadata, type TopicMetadata } from './metadata.js'
import { CLIENT_DEFAULTS, type ClientSettings, integerSetting } from './settings.js'

const UNKNOWN_TOPIC_OR_PARTITION = 3
const LEADER_NOT_AVAILABLE = 5

/** After these the cached leader, coordinator or topic id may be wrong. */
const STALE_METADATA: ReadonlySet<number> = new Set([3, 5, 6, 9, 13, 56, 72, 74, 75, 76, 100, 103])

export function meansStaleMetadata(code: number): boolean {
  return STALE_METADATA.has(code)
}

export type CoordinatorKind = 'group' | 'transaction'

interface Common extends BrokerOptions {
  readonly defaultApiTimeoutMs: number
  readonly retryBackoffMs: number
  readonly retryBackoffMaxMs: number
  readonly metadataMaxAgeMs: number
}

export class Cluster {
  readonly env: Env
  readonly keepAlive = new KeepAlive()
  readonly options: Common
  readonly #connections: Connections
  readonly #topics = new Set<string>()
  readonly #listeners = new Set<(metadata: ClusterMetadata) => void>()
  /** Whether asking about a missing topic may create it (if the broker is set so). */
  allowAutoTopicCreation = false
  /** Pattern subscriptions need every topic. */
  wantAllTopics = false
  #metadata = ClusterMetadata.EMPTY
  #fetchedAt = -Infinity
  #attemptedAt = -Infinity
  #failures = 0
  #refreshing: Promise<void> | undefined
  #coveredTopics = -1
  /** Bumped when topics are added, so that an answer under way is known not to cover them. */
  #wanted = 0
  #closed = false

  constructor(settings: ClientSettings) {
    this.env = settings.env ?? realEnv()
    const whole = (name: Exclude<keyof typeof CLIENT_DEFAULTS, 'clientId'>, min: number): number =>
      integerSetting(name, settings[name], CLIENT_DEFAULTS[name], min, 0x7fffffff)
    this.options = {
      clientId: settings.clientId ?? CLIENT_DEFAULTS.clientId,
      requestTimeoutMs: whole('requestTimeoutMs', 1),
      defaultApiTimeoutMs: whole('defaultApiTimeoutMs', 1),
      retryBackoffMs: whole('retryBackoffMs', 0),
      retryBackoffMaxMs: whole('retryBackoffMaxMs', 0),
      reconnectBackoffMs: whole('reconnectBackoffMs', 0),
      reconnectBackoffMaxMs: whole('reconnectBackoffMaxMs', 0),
      socketConnectionSetupTimeoutMs: whole('socketConnectionSetupTimeoutMs', 1),
      metadataMaxAgeMs: whole('metadataMaxAgeMs', 100),
    }
    const { transport, bootstrapServers, tls = false } = settings
    if (transport === undefined && bootstrapServers === undefined) {
      throw new ClientError('ERR_MILLRACE_SETTING', "bootstrapServers is missing; give e.g. { bootstrapServers: 'localhost:9092' }")
    }
    const used: Transport = transport ?? new TcpTransport({ bootstrapServers: bootstrapServers!, tls })
    this.#connections = new Connections(used, transport === undefined, this.env, this.options, this.keepAlive, () => this.#silent())
  }

  get metadata(): ClusterMetadata {
    return this.#metadata
  }

  get isClosed(): boolean {
    return this.#closed
  }

  /** Called after every change of the snapshot. Returns a function that ends it. */
  onMetadata(listener: (metadata: ClusterMetadata) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Keeps `topics` in the snapshot from the next refresh on. */
  track(topics: Iterable<string>): void {
    for (const topic of topics) {
      if (this.#topics.has(topic)) continue
      this.#topics.add(topic)
      this.#wanted++
    }
  }

  /** Takes a fresh snapshot if the current one is older than `metadataMaxAgeMs`; errors are left to the next use. */
  refreshIfOld(): void {
    if (this.#closed || this.env.clock.monotonic() - this.#fetchedAt < this.options.metadataMaxAgeMs) return
    this.refresh().catch(() => {})
  }

  /** Something failed in a way that says the snapshot is old. Coalesced and paced; errors are left to the next use. */
  requestRefresh(): void {
    if (this.#closed) return
    this.refresh().catch(() => {})
  }

  /** Many requests may be waiting for one broker, and each says so. */
  #silent(): void {
    if (this.env.clock.monotonic() - this.#attemptedAt >= SILENT_AGAIN_MS) this.requestRefresh()
  }

  /** A snapshot that covers everything tracked when this was called. Tries every broker once. */
  async refresh(): Promise<void> {
    const wanted = this.#wanted
    const running = this.#refreshing
    if (running) {
      await running
      if (this.#coveredTopics >= wanted) return
    }
    this.#refreshing ??= this.#refreshOnce().finally(() => (this.#refreshing = undefined))
    await this.#refreshing
  }

  /**
   * The topic, waiting until it exists and its partitions are known. Fails with the broker's reason when it cannot
   * exist, with a timeout otherwise.
   */
  async topic(name: string, timeoutMs = this.options.defaultApiTimeoutMs): Promise<TopicMetadata> {
    const known = this.#metadata.topics.get(name)
    if (known && known.errorCode === 0 && known.partitions.length > 0) return known
    this.track([name])
    return this.retry(`metadata of topic '${name}'`, timeoutMs, async () => {
      await this.refresh()
      const topic = this.#metadata.topics.get(name)
      const code = topic === undefined ? UNKNOWN_TOPIC_OR_PARTITION : topic.errorCode
      if (code !== 0) throw new KafkaError(code, `topic '${name}'`)
      if (topic!.partitions.length === 0) throw new KafkaError(LEADER_NOT_AVAILABLE, `topic '${name}'`)
      return topic!
    })
  }

  /** Takes over a leader named by a broker's answer (KIP-951); harmless when it is not news. */
  learnLeader(topic: string, partition: number, leader: number, leaderEpoch: number, endpoints: readonly BrokerMetadata[]): void {
    const next = this.#metadata.withLeader(topic, partition, leader, leaderEpoch, endpoints)
    if (next !== this.#metadata) this.#install(next)
  }

  /** The broker of that id, or undefined when the snapshot does not name it. */
  broker(nodeId: number): Broker | undefined {
    const address = this.#metadata.brokers.get(nodeId)
    return address && this.#connections.broker(address)
  }

  requireBroker(nodeId: number): Broker {
    const broker = this.broker(nodeId)
    if (!broker) throw new KafkaError(8, `broker ${nodeId} is not among the cluster's brokers`)
    return broker
  }

  /** The least busy broker, connected ones first. Fetches metadata when nothing is known yet. */
  async anyBroker(): Promise<Broker> {
    if (this.#metadata.brokers.size === 0) await this.refresh()
    return this.#candidates()[0]!
  }

  async controller(): Promise<Broker> {
    if (this.#metadata.brokers.size === 0) await this.refresh()
    return this.broker(this.#metadata.controllerId) ?? this.anyBroker()
  }

  async requestAny<A extends Api>(api: A, input: BodyOf<A['request']>, options: RequestOptions = {}): Promise<MessageOf<A['response']>> {
    return (await this.anyBroker()).request(api, input, options)
  }

  /** Asks who coordinates `key`. One attempt. */
  async findCoordinator(kind: CoordinatorKind, key: string): Promise<Broker> {
    const keyType = kind === 'group' ? 0 : 1
    const asked = await this.anyBroker()
    const version = await asked.version(apis.findCoordinator)
    const answer = await asked.request(apis.findCoordinator, version >= 4 ? { keyType, coordinatorKeys: [key] } : { keyType, key }, {
      maxVersion: version,
    })
    const found = version >= 4 ? answer.coordinators[0] : answer
    if (!found) throw new KafkaError(-1, `coordinator of ${kind} '${key}'`)
    if (found.errorCode !== 0) throw new KafkaError(found.errorCode, `coordinator of ${kind} '${key}'`, found.errorMessage)
    const { nodeId, host, port } = found
    if (!this.#metadata.brokers.has(nodeId)) {
      const brokers = new Map(this.#metadata.brokers).set(nodeId, { nodeId, host, port, rack: null })
      this.#metadata = new ClusterMetadata(this.#metadata.clusterId, this.#metadata.controllerId, brokers, this.#metadata.topics)
    }
    // A connection of its own: a fetch that waits must not delay heartbeats behind it.
    return this.#connections.side({ nodeId, host, port }, 'coordinator')
  }

  /** Another connection to the same broker, for requests whose answers are held back. */
  sideConnection(broker: Broker, purpose: string): Broker {
    return this.#connections.side(broker.address, purpose)
  }

  /** Repeats `attempt` while it fails retriably, with pauses, until `timeoutMs` have passed. */
  async retry<T>(what: string, timeoutMs: number, attempt: (leftMs: number) => Promise<T>): Promise<T> {
    const start = this.env.clock.monotonic()
    const { retryBackoffMs, retryBackoffMaxMs } = this.options
    this.keepAlive.hold()
    try {
      for (let failures = 1; ; failures++) {
        try {
          return await attempt(Math.max(1, timeoutMs - (this.env.clock.monotonic() - start)))
        } catch (error) {
          if (this.#closed) throw new ClientError('ERR_MILLRACE_CLOSED', `${what}: the client was closed`, { cause: error })
          if (!isRetriable(error)) throw error
          if (isClientError(error) || (error instanceof KafkaError && STALE_METADATA.has(error.code))) this.requestRefresh()
          const pause = backoffMs(failures, retryBackoffMs, retryBackoffMaxMs, this.env.random.next())
          if (this.env.clock.monotonic() - start + pause >= timeoutMs) {
            throw new ClientError('ERR_MILLRACE_TIMEOUT', `${what}: not done within ${timeoutMs} ms; last: ${(error as Error).message}`, {
              cause: error,
            })
          }
          await sleep(this.env, pause)
        }
      }
    } finally {
      this.keepAlive.release()
    }
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#connections.close()
    this.keepAlive.close()
    this.#listeners.clear()
  }

  /** Known brokers, best first, then the bootstrap addresses. */
  #candidates(): Broker[] {
    return this.#connections.candidates(this.#metadata.brokers.values())
  }

  async #refreshOnce(): Promise<void> {
    const { retryBackoffMs, retryBackoffMaxMs } = this.options
    const spacing =
      this.#failures === 0 ? retryBackoffMs : backoffMs(this.#failures, retryBackoffMs, retryBackoffMaxMs, this.env.random.next())
    const wait = this.#coveredTopics < this.#wanted && this.#failures === 0 ? 0 : this.#attemptedAt + spacing - this.env.clock.monotonic()
    if (wait > 0) await sleep(this.env, wait)
    const wanted = this.#wanted
    this.#attemptedAt = this.env.clock.monotonic()
    const topics = this.wantAllTopics ? null : [...this.#topics].map((name) => ({ name }))
    const request = { topics, allowAutoTopicCreation: this.allowAutoTopicCreation }
    try {
      const answer = await firstAnswer(this.#candidates(), this.env.timers, async (broker) => {
        if (this.#closed) throw new ClientError('ERR_MILLRACE_CLOSED', 'the client is closed')
        const answered = await broker.request(apis.metadata, request)
        if (answered.brokers.length === 0) throw new KafkaError(8, `${broker.where} names no broker`)
        return answered
      })
      this.#install(this.#metadata.updated(answer, false))
      this.#fetchedAt = this.env.clock.monotonic()
      this.#coveredTopics = wanted
      this.#failures = 0
      this.#connections.releaseBootstrap()
    } catch (error) {
      this.#failures++
      throw error
    }
  }

  #install(metadata: ClusterMetadata): void {
    this.#metadata = metadata
    this.#connections.keepOnly((nodeId) => metadata.brokers.has(nodeId))
    for (const listener of this.#listeners) listener(metadata)
  }
}
