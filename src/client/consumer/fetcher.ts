// Fetches ahead: one request on the way per broker, answers kept per partition until the user takes them. Owns fetch
// sessions and buffers; never calls the user. Runs on the consumer's thread.
//
// A partition is asked for while less than one answer of it waits, so that the next one travels while this one is read.

import { errors } from '../../model/errors.js'
import { ZERO_UUID } from '../../model/topic-partition.js'
import type { FetchResponse } from '../../protocol/schema/fetch.js'
import { apis } from '../../protocol/schema/index.js'
import { backoffMs } from '../cluster/backoff.js'
import { SILENT_AFTER_MS } from '../cluster/broker.js'
import { type Cluster, meansStaleMetadata } from '../cluster/cluster.js'
import { ClientError, isClientError, KafkaError } from '../errors.js'
import { Fetched, type FetchedOptions } from './fetched.js'
import { FetchSession, type FetchTarget } from './fetch-session.js'
import type { ConsumerOptions } from './settings.js'
import type { PartitionState, SubscriptionState } from './subscription.js'

const TOPIC_ID_VERSION = 13
const PREFERRED_REPLICA_MS = 300_000

type PartitionAnswer = FetchResponse['responses'][number]['partitions'][number]

interface Asked {
  readonly state: PartitionState
  readonly revision: number
  readonly offset: number
}

export class Fetcher {
  readonly #cluster: Cluster
  readonly #subscription: SubscriptionState
  readonly #options: ConsumerOptions
  readonly #readOptions: FetchedOptions
  readonly #arrived: () => void
  readonly #sessions = new Map<number, FetchSession>()
  readonly #busy = new Set<number>()
  /** Answers in order of arrival. */
  #buffer: Fetched[] = []
  /** Partitions asked for right now. */
  readonly #onTheWay = new Set<PartitionState>()
  readonly #failures = new Map<number, { count: number; until: number }>()
  #fatal: Error | undefined
  #closed = false

  /** `arrived` is called whenever there may be something new to hand out or to ask for. */
  constructor(cluster: Cluster, subscription: SubscriptionState, options: ConsumerOptions, arrived: () => void) {
    this.#cluster = cluster
    this.#subscription = subscription
    this.#options = options
    this.#arrived = arrived
    this.#readOptions = { checkCrc: options.checkCrcs, isolated: options.isolationLevel === 1 }
  }

  /** The next answer with something in it that is assigned, current and not paused. It stays first until `drop`ped. */
  current(): Fetched | undefined {
    if (this.#fatal) {
      const error = this.#fatal
      this.#fatal = undefined
      throw error
    }
    for (let i = 0; i < this.#buffer.length; i++) {
      const fetched = this.#buffer[i]!
      if (this.#isGone(fetched)) this.#buffer.splice(i--, 1)
      else if (!fetched.state.paused) return fetched
    }
    return undefined
  }

  /** `fetched` has been handed out to its end. */
  drop(fetched: Fetched): void {
    fetched.finish()
    const at = this.#buffer.indexOf(fetched)
    if (at >= 0) this.#buffer.splice(at, 1)
  }

  close(): void {
    this.#closed = true
    this.#buffer = []
  }

  /** Asks every idle broker for the partitions that can take more. Returns how many milliseconds until one may be asked again; Infinity: none waits. */
  sendFetches(): number {
    if (this.#closed) return Infinity
    const now = this.#cluster.env.clock.monotonic()
    const byNode = new Map<number, { targets: FetchTarget[]; asked: Asked[] }>()
    let retryIn = Infinity
    for (const state of this.#subscription.all()) {
      if (state.paused || state.position < 0 || this.#onTheWay.has(state)) continue
      if (state.backoffUntil > now) {
        retryIn = Math.min(retryIn, state.backoffUntil - now)
        continue
      }
      const offset = this.#offsetToAsk(state)
      if (offset < 0) continue
      const node = this.#nodeFor(state, now)
      if (node < 0) {
        state.lastError = errors.LEADER_NOT_AVAILABLE.name
        this.#cluster.requestRefresh()
        retryIn = Math.min(retryIn, this.#cluster.options.retryBackoffMs)
        continue
      }
      const pause = (this.#failures.get(node)?.until ?? 0) - now
      if (pause > 0) {
        retryIn = Math.min(retryIn, pause)
        continue
      }
      if (this.#busy.has(node)) continue
      let group = byNode.get(node)
      if (!group) byNode.set(node, (group = { targets: [], asked: [] }))
      group.targets.push(this.#target(state, offset))
      group.asked.push({ state, revision: state.revision, offset })
    }
    for (const [node, { targets, asked }] of byNode) this.#fetch(node, targets, asked)
    return retryIn
  }

  /** Where the next fetch of the partition starts; -1 while a whole answer still waits behind the one being read. */
  #offsetToAsk(state: PartitionState): number {
    let waiting = 0
    let end = state.position
    for (const fetched of this.#buffer) {
      if (fetched.state !== state || fetched.isStale || fetched.isBroken) continue
      waiting++
      end = Math.max(end, fetched.endOffset)
    }
    return waiting > 1 ? -1 : end
  }

  #target(state: PartitionState, fetchOffset: number): FetchTarget {
    const { topic, partition } = state
    const metadata = this.#cluster.metadata
    return {
      topic,
      topicId: metadata.topics.get(topic)?.id ?? ZERO_UUID,
      partition,
      currentLeaderEpoch: metadata.leaderEpoch(topic, partition),
      fetchOffset,
      partitionMaxBytes: this.#options.maxPartitionFetchBytes,
    }
  }

  #nodeFor(state: PartitionState, now: number): number {
    if (state.preferredReplica >= 0) {
      if (state.preferredUntil > now && this.#cluster.metadata.brokers.has(state.preferredReplica)) return state.preferredReplica
      state.preferredReplica = -1
    }
    return this.#cluster.metadata.leader(state.topic, state.partition)
  }

  #fetch(node: number, targets: readonly FetchTarget[], asked: readonly Asked[]): void {
    this.#busy.add(node)
    for (const { state } of asked) this.#onTheWay.add(state)
    this.#exchange(node, targets, asked)
      .then(() => this.#failures.delete(node))
      .catch((error: unknown) => this.#failed(node, asked, error as Error))
      .finally(() => {
        this.#busy.delete(node)
        for (const { state } of asked) this.#onTheWay.delete(state)
        if (!this.#closed) this.#arrived()
      })
  }

  async #exchange(node: number, targets: readonly FetchTarget[], asked: readonly Asked[]): Promise<void> {
    const broker = this.#cluster.requireBroker(node)
    const { fetchMaxWaitMs, fetchMinBytes, fetchMaxBytes, isolationLevel, clientRack } = this.#options
    const maxVersion = targets.every(({ topicId }) => topicId !== ZERO_UUID) ? 32767 : TOPIC_ID_VERSION - 1
    const version = await broker.version(apis.fetch, { maxVersion })
    let session = this.#sessions.get(node)
    if (!session) this.#sessions.set(node, (session = new FetchSession()))
    const { sessionId, sessionEpoch, topics, forgottenTopicsData } = session.build(targets)
    const request = {
      maxWaitMs: fetchMaxWaitMs,
      minBytes: fetchMinBytes,
      maxBytes: fetchMaxBytes,
      isolationLevel,
      sessionId,
      sessionEpoch,
      topics,
      forgottenTopicsData,
      rackId: clientRack,
    }
    const timeoutMs = fetchMaxWaitMs + this.#cluster.options.requestTimeoutMs
    const silentAfterMs = fetchMaxWaitMs + SILENT_AFTER_MS
    const response = await broker.request(apis.fetch, request, { maxVersion: version, timeoutMs, silentAfterMs })
    if (response.errorCode !== 0) {
      session.reset()
      if (isSessionError(response.errorCode)) return
      throw new KafkaError(response.errorCode, `fetch from broker ${node}`)
    }
    session.answered(response.sessionId)
    this.#take(response, asked)
  }

  #take(response: FetchResponse, asked: readonly Asked[]): void {
    const byKey = new Map(asked.map((one) => [`${one.state.topic}/${one.state.partition}`, one]))
    for (const { topic, topicId, partitions } of response.responses) {
      const name = topic !== '' ? topic : this.#cluster.metadata.topicById(topicId)?.name
      for (const answer of partitions) {
        const one = byKey.get(`${name}/${answer.partitionIndex}`)
        const { leaderId, leaderEpoch } = answer.currentLeader
        if (name !== undefined && leaderId >= 0) {
          this.#cluster.learnLeader(name, answer.partitionIndex, leaderId, leaderEpoch, response.nodeEndpoints)
        }
        if (!one || one.revision !== one.state.revision) continue
        if (answer.errorCode === 0) this.#accept(one, answer)
        else this.#refused(one, answer)
      }
    }
  }

  #accept({ state }: Asked, answer: PartitionAnswer): void {
    state.lastError = undefined
    state.logStartOffset = answer.logStartOffset
    state.endOffset = this.#options.isolationLevel === 1 && answer.lastStableOffset >= 0 ? answer.lastStableOffset : answer.highWatermark
    if (answer.preferredReadReplica >= 0) {
      state.preferredReplica = answer.preferredReadReplica
      state.preferredUntil = this.#cluster.env.clock.monotonic() + PREFERRED_REPLICA_MS
    }
    if (answer.records === null || answer.records.length === 0) return
    try {
      const fetched = new Fetched(state, answer.records, answer.abortedTransactions ?? [], this.#readOptions)
      if (fetched.endOffset >= 0) this.#buffer.push(fetched)
    } catch (cause) {
      this.#fatal = new KafkaError(
        errors.CORRUPT_MESSAGE.code,
        `${state.topic}-${state.partition} at offset ${state.position}`,
        (cause as Error).message,
        { cause },
      )
    }
  }

  #refused({ state, offset }: Asked, answer: PartitionAnswer): void {
    const code = answer.errorCode
    const error = new KafkaError(code, `fetch of ${state.topic}-${state.partition} at offset ${offset}`)
    state.lastError = error.name
    if (code === errors.OFFSET_OUT_OF_RANGE.code) {
      this.#outOfRange(state, offset, error)
      return
    }
    if (code === errors.TOPIC_AUTHORIZATION_FAILED.code || code === errors.CORRUPT_MESSAGE.code) {
      this.#fatal = error
      state.backoffUntil = this.#cluster.env.clock.monotonic() + this.#cluster.options.retryBackoffMaxMs
      return
    }
    if (meansStaleMetadata(code)) {
      state.preferredReplica = -1
      this.#cluster.requestRefresh()
    }
    state.backoffUntil = this.#cluster.env.clock.monotonic() + this.#cluster.options.retryBackoffMs
  }

  #outOfRange(state: PartitionState, offset: number, error: KafkaError): void {
    if (state.preferredReplica >= 0) {
      // The follower lags; its leader knows better.
      state.preferredReplica = -1
      return
    }
    const policy = this.#options.autoOffsetReset
    if (policy === 'none') {
      this.#fatal = error
      state.backoffUntil = this.#cluster.env.clock.monotonic() + this.#cluster.options.retryBackoffMaxMs
      return
    }
    // What was read ahead is still good: reset only what the user reached.
    if (offset !== state.position) return
    state.position = -1
    state.reset = policy
    state.revision++
  }

  #failed(node: number, asked: readonly Asked[], error: Error): void {
    this.#sessions.get(node)?.reset()
    if (this.#closed) return
    if (error instanceof ClientError && error.code === 'ERR_MILLRACE_UNSUPPORTED') this.#fatal = error
    const count = (this.#failures.get(node)?.count ?? 0) + 1
    const { retryBackoffMs, retryBackoffMaxMs } = this.#cluster.options
    const until = this.#cluster.env.clock.monotonic() + backoffMs(count, retryBackoffMs, retryBackoffMaxMs, this.#cluster.env.random.next())
    this.#failures.set(node, { count, until })
    for (const { state } of asked) {
      state.lastError = isClientError(error) ? error.message : error.name
      state.preferredReplica = -1
    }
    this.#cluster.requestRefresh()
  }

  #isGone(fetched: Fetched): boolean {
    const { state } = fetched
    return fetched.isStale || fetched.isBroken || this.#subscription.get(state.topic, state.partition) !== state
  }
}

function isSessionError(code: number): boolean {
  return (
    code === errors.FETCH_SESSION_ID_NOT_FOUND.code ||
    code === errors.INVALID_FETCH_SESSION_EPOCH.code ||
    code === errors.FETCH_SESSION_TOPIC_ID_ERROR.code
  )
}
