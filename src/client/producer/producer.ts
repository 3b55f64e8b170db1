// The producer's public face. Ties accumulator and sender together, holds sends that cannot be taken yet, in order.
// Runs on the caller's thread.

import type { Bytes } from '../../protocol/records/index.js'
import { Cluster } from '../cluster/cluster.js'
import { ClientError } from '../errors.js'
import { Accumulator, Append, type TopicQueues } from './accumulator.js'
import { AckPromise, type RecordHeaders, type RecordMetadata, type Settlement } from './batch.js'
import { ackRefused } from './produce-call.js'
import { Sender } from './sender.js'
import { type ProducerOptions, producerOptions, type ProducerSettings } from './settings.js'

export type { ProducerSettings as ProducerOptions } from './settings.js'

/** Headers as a list (names may repeat) or as an object. */
export type HeadersInput = RecordHeaders | { readonly [name: string]: Bytes }

/** A record to send. Strings are written as UTF-8; a null value is a tombstone on compacted topics. */
export interface ProducerRecord {
  readonly topic: string
  /** Left out: by key, or sticky without one. */
  readonly partition?: number
  readonly key?: Bytes
  readonly value: Bytes
  readonly headers?: HeadersInput
  /** Milliseconds since 1970; default now. */
  readonly timestamp?: number
  /**
   * What the acknowledgement promises: `process` survives the death of the server's process, `disk` loss of power.
   * Left out: as the topic's `millrace.ack` says. A server that does not announce it refuses `disk`.
   */
  readonly ack?: 'process' | 'disk'
}

interface BlockedSend {
  readonly topic: TopicQueues
  readonly record: ProducerRecord
  readonly timestamp: number
  readonly settlement: Settlement
  readonly since: number
}

interface ReadyWaiter {
  readonly topic: string | undefined
  resolve(): void
  reject(error: Error): void
}

/** Records that may share one reading of the clock, if nothing else happens between them. */
const TIME_USES = 64

/**
 * Sends records to a cluster. Safe to share; one per process is usually right.
 *
 *     const producer = new Producer({ bootstrapServers: 'localhost:9092' })
 *     const { offset } = await producer.send({ topic: 'events', key: 'k', value: 'hello' })
 *     await producer.close()
 */
export class Producer {
  readonly #cluster: Cluster
  readonly #options: ProducerOptions
  readonly #accumulator: Accumulator
  readonly #sender: Sender
  #blocked: BlockedSend[] = []
  #waiters: ReadyWaiter[] = []
  /** Flushes that wait until no send is blocked any more. */
  readonly #unblocked: (() => void)[] = []
  #lastTopic: TopicQueues | undefined
  #ackVerified = false
  #ackChecking = false
  readonly #loadingTopics = new Set<string>()
  #pumping = false
  #timeRead = 0
  #timeUses = 0
  #closing: Promise<void> | undefined
  #closed = false

  constructor(settings: ProducerSettings) {
    this.#options = producerOptions(settings)
    this.#cluster = new Cluster(settings)
    this.#cluster.allowAutoTopicCreation = true
    this.#accumulator = new Accumulator(this.#cluster.env, this.#options, settings.transport?.packRecords)
    this.#sender = new Sender(this.#cluster, this.#accumulator, this.#options)
    this.#accumulator.connect({
      wake: () => this.#sender.wake(),
      full: (queue) => this.#sender.full(queue),
      wakeIn: (ms) => this.#sender.wakeIn(ms),
      freed: () => this.#pump(),
      busy: (busy) => (busy ? this.#cluster.keepAlive.hold() : this.#cluster.keepAlive.release()),
    })
    this.#cluster.onMetadata((metadata) => {
      this.#accumulator.updateMetadata(metadata)
      this.#sender.wake()
      this.#pump()
    })
  }

  /**
   * Sends one record; resolves when it is acknowledged as `acks` and `ack` say. Sends to one partition keep their order.
   *
   *     await producer.send({ topic: 'events', key: 'user-1', value: JSON.stringify({ at: 1 }), headers: { v: '1' } })
   */
  send(record: ProducerRecord): Promise<RecordMetadata> {
    return new Promise((resolve, reject) => {
      this.#checkOpen()
      const topic = this.#topic(record.topic)
      const timestamp = record.timestamp ?? this.#cluster.env.clock.now()
      const settlement = { resolve, reject }
      if (this.#blocked.length > 0 || !this.#offer(topic, record, timestamp, settlement))
        this.#block({ topic, record, timestamp, settlement })
    })
  }

  /**
   * The hot path: writes the record into its partition's batch and makes nothing else. False: it was NOT taken, because
   * the topic is not known yet or the buffer is full; await `ready(topic)` and append it again. What became of batches
   * is told by the setting `onBatch`.
   *
   *     while (!producer.append('events', -1, null, value)) await producer.ready('events')
   *
   * `partition` -1: by key, or sticky. `timestamp` in milliseconds, default now.
   */
  append(topic: string, partition: number, key: Bytes, value: Bytes, headers?: RecordHeaders, timestamp?: number): boolean {
    const last = this.#lastTopic
    if (last !== undefined && last.name === topic && key === null && headers === undefined && value !== null && typeof value !== 'string') {
      if (this.#accumulator.appendNext(last, partition, value, timestamp ?? this.#time())) return true
    }
    return this.#append(topic, partition, key, value, headers, timestamp)
  }

  #append(topic: string, partition: number, key: Bytes, value: Bytes, headers?: RecordHeaders, timestamp?: number): boolean {
    this.#checkOpen()
    const queues = this.#lastTopic?.name === topic ? this.#lastTopic : (this.#lastTopic = this.#topic(topic))
    if (this.#blocked.length > 0) return false
    const at = timestamp ?? this.#time()
    return this.#accumulator.append(queues, partition, key, value, headers, at, AckPromise.topic, undefined) === Append.taken
  }

  /**
   * Appends a whole column: values without keys that lie one behind the other in `values`, value i from `offsets[i]` to `offsets[i + 1]` (as in
   * Arrow; one offset more than values). Begins with value `from` and returns the first that was NOT taken, for the reasons of `append`; all
   * were when that is their number. They are copied. A quicker `append` for data that is in memory as columns.
   *
   *     for (let i = 0; (i = producer.appendColumn('events', 0, values, offsets, i)) < count; ) await producer.ready('events')
   *
   * `partition` -1: sticky, a batch after the other. `timestamp` in milliseconds for all, default now.
   */
  appendColumn(topic: string, partition: number, values: Uint8Array, offsets: Int32Array, from = 0, timestamp?: number): number {
    this.#checkOpen()
    const queues = this.#topic(topic)
    if (this.#blocked.length > 0) return from
    return this.#accumulator.appendPacked(queues, partition, values, offsets, from, timestamp ?? this.#cluster.env.clock.now())
  }

  /**
   * Resolves when `append` can take a record again, and the partitions of `topic` are known where one is given.
   *
   *     await producer.ready('events')
   */
  ready(topic?: string): Promise<void> {
    this.#checkOpen()
    if (topic !== undefined) this.#loadTopic(this.#topic(topic))
    return new Promise((resolve, reject) => {
      this.#waiters.push({ topic, resolve, reject })
      this.#accumulator.closeAllOpenIfFull()
      this.#pump()
    })
  }

  /**
   * Partition numbers of a topic, created if the broker creates topics by itself.
   *
   *     const partitions = await producer.partitionsFor('events')
   */
  async partitionsFor(topic: string): Promise<number[]> {
    this.#checkOpen()
    const metadata = await this.#cluster.topic(topic, this.#options.maxBlockMs)
    return metadata.partitions.map((p) => p.partition)
  }

  /**
   * Sends everything that waits now, without lingering, and resolves when all of it is answered, well or badly.
   *
   *     for (const line of lines) producer.append('events', -1, null, line)
   *     await producer.flush()
   */
  async flush(): Promise<void> {
    const release = this.#hold()
    try {
      while (this.#blocked.length > 0) await new Promise<void>((resolve) => this.#unblocked.push(resolve))
      await this.#accumulator.flush()
    } finally {
      release()
    }
  }

  /**
   * Flushes, then ends the connections. What is not answered within `timeoutMs` (default: deliveryTimeoutMs) fails.
   *
   *     await producer.close()
   */
  close(timeoutMs = this.#options.deliveryTimeoutMs): Promise<void> {
    this.#closing ??= this.#close(timeoutMs)
    return this.#closing
  }

  async #close(timeoutMs: number): Promise<void> {
    this.#closed = true
    this.#accumulator.forgetLast()
    if (!this.#accumulator.isEmpty || this.#blocked.length > 0) {
      const late = new ClientError('ERR_MILLRACE_TIMEOUT', `close: not everything was answered within ${timeoutMs} ms`)
      const timer = this.#cluster.env.timers.after(timeoutMs, () => {
        this.#failBlocked(() => late)
        this.#accumulator.failAll(late)
      })
      await this.flush()
      timer.cancel()
    }
    this.#sender.close()
    this.#cluster.close()
    const closed = new ClientError('ERR_MILLRACE_CLOSED', 'the producer was closed')
    for (const waiter of this.#waiters.splice(0)) waiter.reject(closed)
  }

  /** Async disposal: `await using producer = new Producer(…)`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** The clock, read once for records that are appended together: reading it costs a tenth of an append. */
  #time(): number {
    if (this.#timeUses > 0) {
      this.#timeUses--
      return this.#timeRead
    }
    if (this.#timeRead === 0) {
      queueMicrotask(() => {
        this.#timeUses = 0
        this.#timeRead = 0
      })
    }
    this.#timeUses = TIME_USES
    return (this.#timeRead = this.#cluster.env.clock.now())
  }

  #topic(name: string): TopicQueues {
    const topic = this.#accumulator.topic(name, this.#cluster.metadata)
    if (topic.metadata === undefined) this.#loadTopic(topic)
    return topic
  }

  /** Asks for a topic's metadata once; failure ends the sends that wait for it. */
  #loadTopic(topic: TopicQueues): void {
    if (topic.metadata !== undefined || this.#loadingTopics.has(topic.name)) return
    this.#loadingTopics.add(topic.name)
    this.#cluster
      .topic(topic.name, this.#options.maxBlockMs)
      .then(() => this.#accumulator.updateMetadata(this.#cluster.metadata))
      .catch((error: unknown) => this.#failTopic(topic.name, error as Error))
      .finally(() => {
        this.#loadingTopics.delete(topic.name)
        this.#pump()
      })
  }

  #failTopic(topic: string, error: Error): void {
    this.#failBlocked((blocked) => (blocked.topic.name === topic ? error : undefined))
    const waiters = this.#waiters
    this.#waiters = waiters.filter((waiter) => waiter.topic !== topic)
    for (const waiter of waiters) if (waiter.topic === topic) waiter.reject(error)
  }

  /** True when the record was taken or failed for good. */
  #offer(topic: TopicQueues, record: ProducerRecord, timestamp: number, settlement: Settlement): boolean {
    if (record.ack === 'disk' && !this.#ackVerified) {
      this.#verifyAck()
      return false
    }
    try {
      const { partition = -1, key = null, value, headers } = record
      const ack = record.ack === undefined ? AckPromise.topic : AckPromise[record.ack]
      return this.#accumulator.append(topic, partition, key, value, headersOf(headers), timestamp, ack, settlement) === Append.taken
    } catch (error) {
      settlement.reject(error as Error)
      return true
    }
  }

  #block(blocked: Omit<BlockedSend, 'since'>): void {
    if (this.#blocked.length === 0) this.#cluster.keepAlive.hold()
    this.#accumulator.forgetLast()
    this.#blocked.push({ ...blocked, since: this.#cluster.env.clock.monotonic() })
    this.#loadTopic(blocked.topic)
    this.#cluster.env.timers.after(this.#options.maxBlockMs + 1, () => this.#expireBlocked())
  }

  #expireBlocked(): void {
    const before = this.#cluster.env.clock.monotonic() - this.#options.maxBlockMs
    this.#failBlocked(({ since, topic }) => {
      if (since > before) return undefined
      const why = topic.metadata ? `the buffer is full (bufferMemory ${this.#options.bufferMemory})` : `topic '${topic.name}' is not known`
      return new ClientError('ERR_MILLRACE_TIMEOUT', `send: ${why} after ${this.#options.maxBlockMs} ms (maxBlockMs)`)
    })
  }

  /** Rejects the blocked sends for which `errorFor` gives an error. */
  #failBlocked(errorFor: (blocked: BlockedSend) => Error | undefined): void {
    if (this.#blocked.length === 0) return
    const kept: BlockedSend[] = []
    for (const blocked of this.#blocked) {
      const error = errorFor(blocked)
      if (error) blocked.settlement.reject(error)
      else kept.push(blocked)
    }
    this.#keepBlocked(kept)
    this.#pump()
  }

  /** Takes blocked sends in order as far as it goes, then lets `ready` waiters on. */
  #pump(): void {
    if (this.#pumping || (this.#blocked.length === 0 && this.#waiters.length === 0)) return
    this.#pumping = true
    queueMicrotask(() => {
      this.#pumping = false
      this.#admit()
      if (this.#blocked.length === 0 && this.#accumulator.hasSpace) this.#releaseWaiters()
    })
  }

  #admit(): void {
    if (this.#blocked.length === 0) return
    // A topic that waits holds up its own sends only, lack of memory all of them.
    const stuck = new Set<TopicQueues>()
    const kept: BlockedSend[] = []
    for (const blocked of this.#blocked) {
      const { topic, record, timestamp, settlement } = blocked
      if (stuck.has(topic) || !this.#offer(topic, record, timestamp, settlement)) {
        stuck.add(topic)
        kept.push(blocked)
      }
    }
    this.#keepBlocked(kept)
  }

  #releaseWaiters(): void {
    const kept: ReadyWaiter[] = []
    for (const waiter of this.#waiters) {
      if (waiter.topic !== undefined && this.#accumulator.topic(waiter.topic, this.#cluster.metadata).metadata === undefined)
        kept.push(waiter)
      else waiter.resolve()
    }
    this.#waiters = kept
  }

  /** The list of blocked sends shrank to `kept`. */
  #keepBlocked(kept: BlockedSend[]): void {
    this.#blocked = kept
    if (kept.length > 0) {
      this.#accumulator.forgetLast()
      return
    }
    this.#cluster.keepAlive.release()
    for (const resolve of this.#unblocked.splice(0)) resolve()
  }

  #verifyAck(): void {
    if (this.#ackChecking) return
    this.#ackChecking = true
    this.#cluster
      .retry("ack 'disk'", this.#options.maxBlockMs, async () => {
        const broker = await this.#cluster.anyBroker()
        if (!(await broker.readsAckPromise())) throw ackRefused(broker.where)
      })
      .then(() => {
        this.#ackVerified = true
      })
      .catch((error: unknown) => this.#failBlocked(({ record }) => (record.ack === 'disk' ? (error as Error) : undefined)))
      .finally(() => {
        this.#ackChecking = false
        this.#pump()
      })
  }

  #hold(): () => void {
    this.#cluster.keepAlive.hold()
    return () => this.#cluster.keepAlive.release()
  }

  #checkOpen(): void {
    if (this.#closed) throw new ClientError('ERR_MILLRACE_CLOSED', 'the producer is closed')
  }
}

function headersOf(headers: HeadersInput | undefined): RecordHeaders | undefined {
  if (headers === undefined || Array.isArray(headers)) return headers as RecordHeaders | undefined
  return Object.entries(headers as { readonly [name: string]: Bytes }).map(([key, value]) => ({ key, value }))
}
