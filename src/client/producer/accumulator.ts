// Where records wait: topics, their partition queues, the memory all batches share, and the sends that could not be
// taken yet. Decides which partitions are due; never touches the network. Runs on the producer's thread.

import type { Env } from '../../env/env.js'
import type { ClusterMetadata, TopicMetadata } from '../cluster/metadata.js'
import { ClientError } from '../errors.js'
import { BatchBuilder, type Bytes, packRecords, type PackRecords } from '../../protocol/records/index.js'
import {
  AckPromise,
  packedBound,
  ProducerBatch,
  RECORD_OVERHEAD_BYTES,
  recordBytesBound,
  type RecordHeaders,
  type Settlement,
} from './batch.js'
import { partitionForKey } from './murmur2.js'
import { PartitionQueue } from './partition-queue.js'
import type { ProducerOptions } from './settings.js'
import { StickyChoice } from './sticky-partitioner.js'

/** What happened to a record offered to `append`. */
export const Append = { taken: 0, noMetadata: 1, full: 2 } as const
export type Append = (typeof Append)[keyof typeof Append]

/** A topic's part of the accumulator. */
export interface TopicQueues {
  readonly name: string
  metadata: TopicMetadata | undefined
  readonly queues: (PartitionQueue | undefined)[]
  readonly sticky: StickyChoice
}

interface FlushWaiter {
  readonly remaining: Set<ProducerBatch>
  resolve(): void
}

export interface AccumulatorHooks {
  /** A batch of this partition is full. */
  full(queue: PartitionQueue): void
  /** Something may be sendable now. */
  wake(): void
  wakeIn(ms: number): void
  /** Memory came free. */
  freed(): void
  /** There is something, or nothing more, to send or to wait for. */
  busy(busy: boolean): void
}

export class Accumulator {
  readonly #env: Env
  readonly #options: ProducerOptions
  readonly #pack: PackRecords
  readonly #topics = new Map<string, TopicQueues>()
  /** Queues that hold anything, sent or not. */
  readonly #active = new Set<PartitionQueue>()
  readonly #flushes = new Set<FlushWaiter>()
  #hooks: AccumulatorHooks | undefined
  #usedBytes = 0
  #nextOrder = 0
  #turn = 0
  #lastFailure: Error | undefined
  /** Where the last record went, as long as the next one may go there by `appendNext`: what was asked for, and the open batch. */
  #lastTopic: TopicQueues | undefined
  #lastPartition = -1
  #lastQueue: PartitionQueue | undefined
  #lastBatch: ProducerBatch | undefined
  /** Builders of `batchSize` bytes to be used again, up to `bufferMemory`: fresh memory costs page faults. */
  readonly #free: BatchBuilder[] = []

  constructor(env: Env, options: ProducerOptions, pack: PackRecords = packRecords) {
    this.#env = env
    this.#pack = pack
    this.#options = options
  }

  connect(hooks: AccumulatorHooks): void {
    this.#hooks = hooks
  }

  get usedBytes(): number {
    return this.#usedBytes
  }

  get hasUnsent(): boolean {
    for (const queue of this.#active) if (queue.hasUnsent) return true
    return false
  }

  get isEmpty(): boolean {
    return this.#active.size === 0
  }

  topic(name: string, metadata: ClusterMetadata): TopicQueues {
    let topic = this.#topics.get(name)
    if (!topic) {
      topic = { name, metadata: usable(metadata.topics.get(name)), queues: [], sticky: new StickyChoice(this.#env.random) }
      this.#topics.set(name, topic)
    }
    return topic
  }

  /** Takes over a new snapshot. A topic that vanished keeps what is known: its batches fail with the broker's reason. */
  updateMetadata(metadata: ClusterMetadata): void {
    for (const topic of this.#topics.values()) topic.metadata = usable(metadata.topics.get(topic.name)) ?? topic.metadata
  }

  /**
   * Most records of a bulk load: bytes alone, for the topic and partition of the one before, with room in its batch. Does then what `append`
   * would, and else nothing: it is for `append` to look.
   */
  appendNext(topic: TopicQueues, partition: number, value: Uint8Array, timestamp: number): boolean {
    const batch = this.#lastBatch
    if (batch === undefined || partition !== this.#lastPartition || topic !== this.#lastTopic || this.#lastQueue!.open !== batch)
      return false
    if (partition >= 0) return batch.tryAppendValue(timestamp, value)
    const { available, partitions } = topic.metadata!
    if (topic.sticky.current(available, partitions.length) !== batch.partition || !batch.tryAppendValue(timestamp, value)) return false
    topic.sticky.took(RECORD_OVERHEAD_BYTES + value.length, this.#options.batchSize, available, partitions.length)
    return true
  }

  /** The next record goes the long way. */
  forgetLast(): void {
    this.#lastBatch = undefined
  }

  /**
   * Writes a record into its partition's open batch. `partition` -1: chosen by key, or sticky without one.
   * Throws when the record can never be sent.
   */
  append(
    topic: TopicQueues,
    partition: number,
    key: Bytes,
    value: Bytes,
    headers: RecordHeaders | undefined,
    timestamp: number,
    ack: AckPromise,
    settlement: Settlement | undefined,
  ): Append {
    const { metadata } = topic
    if (metadata === undefined) return Append.noMetadata
    const count = metadata.partitions.length
    const bound = recordBytesBound(key, value, headers)
    if (bound > this.#options.maxRequestSize) throw tooLarge(topic.name, bound, 'maxRequestSize', this.#options.maxRequestSize)
    const chosen = partition >= 0 ? partition : this.#choose(topic, key, count)
    const queue = this.#queue(topic, chosen, count)
    let batch = queue.open
    if (batch !== undefined && (batch.ack !== ack || !batch.hasRoom(bound))) {
      queue.closeOpen()
      this.#hooks!.full(queue)
      batch = undefined
    }
    if (batch === undefined) {
      const opened = this.#open(queue, bound, ack)
      if (opened === undefined) return Append.full
      batch = opened
    }
    batch.append(timestamp, key, value, headers, settlement)
    this.#remember(topic, partition, key, queue, batch)
    if (partition < 0 && key === null) topic.sticky.took(bound, this.#options.batchSize, metadata.available, count)
    if (batch.isFull(this.#options.batchSize)) {
      queue.closeOpen()
      this.#hooks!.full(queue)
    }
    return Append.taken
  }

  /**
   * Writes a column of values into batches, value i being values[offsets[i], offsets[i + 1]), from value `from` on. Returns the first that was
   * not taken: there is no metadata or no memory. Throws, with nothing taken, when the offsets are wrong or a value can never be sent.
   */
  appendPacked(topic: TopicQueues, partition: number, values: Uint8Array, offsets: Int32Array, from: number, timestamp: number): number {
    const { metadata } = topic
    checkOffsets(topic.name, values, offsets, from, this.#options.maxRequestSize)
    if (metadata === undefined) return from
    const count = metadata.partitions.length
    let next = from
    while (next < offsets.length - 1) {
      const queue = this.#queue(topic, partition >= 0 ? partition : this.#choose(topic, null, count), count)
      const bound = packedBound(offsets, next)
      if (queue.open !== undefined && (queue.open.ack !== AckPromise.topic || !queue.open.hasRoom(bound))) {
        queue.closeOpen()
        this.#hooks!.full(queue)
      }
      const batch = queue.open ?? this.#open(queue, bound, AckPromise.topic)
      if (batch === undefined) return next
      const before = batch.sizeBytes
      next = batch.appendPacked(this.#pack, timestamp, values, offsets, next)
      if (partition < 0) topic.sticky.took(batch.sizeBytes - before, this.#options.batchSize, metadata.available, count)
      if (next < offsets.length - 1 || batch.isFull(this.#options.batchSize)) {
        queue.closeOpen()
        this.#hooks!.full(queue)
      }
    }
    return next
  }

  /** Not where each record has to be looked at: a key or a partitioner chooses, another promise, one large record, a limit below a batch's size. */
  #remember(topic: TopicQueues, partition: number, key: Bytes, queue: PartitionQueue, batch: ProducerBatch): void {
    const { batchSize, maxRequestSize, partitioner } = this.#options
    const chosen = partition >= 0 || (key === null && partitioner === undefined)
    const plain = batch.ack === AckPromise.topic && batch.memoryBytes === batchSize && batchSize <= maxRequestSize
    this.#lastTopic = topic
    this.#lastPartition = partition
    this.#lastQueue = queue
    this.#lastBatch = chosen && plain ? batch : undefined
  }

  #queue(topic: TopicQueues, partition: number, count: number): PartitionQueue {
    if (partition >= count) {
      throw new ClientError(
        'ERR_MILLRACE_ARGUMENT',
        `partition ${partition} of topic '${topic.name}' does not exist; it has ${count} (0 to ${count - 1})`,
      )
    }
    return (topic.queues[partition] ??= new PartitionQueue(topic.name, partition))
  }

  #choose(topic: TopicQueues, key: Bytes, count: number): number {
    const { partitioner } = this.#options
    if (partitioner) return partitioner(topic.name, typeof key === 'string' ? Buffer.from(key) : key, count)
    return key === null ? topic.sticky.current(topic.metadata!.available, count) : partitionForKey(key, count)
  }

  #open(queue: PartitionQueue, firstRecordBytes: number, ack: AckPromise): ProducerBatch | undefined {
    const capacity = ProducerBatch.capacityFor(firstRecordBytes, this.#options.batchSize)
    if (this.#usedBytes + capacity > this.#options.bufferMemory) {
      if (capacity > this.#options.bufferMemory) throw tooLarge(queue.topic, capacity, 'bufferMemory', this.#options.bufferMemory)
      this.closeAllOpen()
      return undefined
    }
    const now = this.#env.clock.monotonic()
    const builder = capacity === this.#options.batchSize ? this.#free.pop() : undefined
    const deadline = now + this.#options.deliveryTimeoutMs
    const batch = new ProducerBatch(queue.topic, queue.partition, this.#nextOrder++, capacity, now, deadline, ack, builder)
    this.#usedBytes += capacity
    queue.open = batch
    if (this.#active.size === 0) this.#hooks!.busy(true)
    this.#active.add(queue)
    if (this.#options.lingerMs === 0) this.#hooks!.wake()
    else this.#hooks!.wakeIn(this.#options.lingerMs)
    return batch
  }

  /** Queues with a batch to send. Closes open batches that have waited `lingerMs`, tells when the next one will have. */
  collectReady(now: number, dueIn: (ms: number) => void): PartitionQueue[] {
    this.expire(now)
    const ready: PartitionQueue[] = []
    for (const queue of this.#active) {
      const { open } = queue
      if (open) {
        const left = open.createdAt + this.#options.lingerMs - now
        if (left <= 0.5) queue.closeOpen()
        else dueIn(left)
      }
      const head = queue.unsent()[0]
      if (!head) continue
      ready.push(queue)
      dueIn(Math.max(1, head.deadline - now))
    }
    // Another one first each time, so that a full request does not always leave the same partitions out.
    if (ready.length > 1) {
      const from = this.#turn++ % ready.length
      if (from > 0) return [...ready.slice(from), ...ready.slice(0, from)]
    }
    return ready
  }

  /** Gives up on waiting batches past their delivery time. What is in flight is decided by its answer. */
  expire(now: number): void {
    for (const queue of this.#active) {
      while (queue.waitingCount > 0) {
        const batch = queue.unsent()[0]!
        if (batch.deadline > now) break
        // Sent before: the broker may have it. Its sequence is lost either way.
        if (batch.sequence >= 0) queue.wantReset()
        this.complete(queue, batch, -1, -1, this.expiry(queue, batch))
      }
    }
  }

  expiry(queue: PartitionQueue, batch: ProducerBatch): ClientError {
    const cause = batch.lastError ?? this.#lastFailure
    const why = cause ? `; last: ${cause.message}` : ''
    return new ClientError(
      'ERR_MILLRACE_TIMEOUT',
      `${batch.recordCount} records for ${queue.topic}-${queue.partition} were not delivered within ${this.#options.deliveryTimeoutMs} ms (deliveryTimeoutMs)${why}`,
      cause ? { cause } : undefined,
    )
  }

  /** Remembered to explain a later expiry. */
  noteFailure(error: Error): void {
    this.#lastFailure = error
  }

  complete(queue: PartitionQueue, batch: ProducerBatch, baseOffset: number, logAppendTimeMs: number, error: Error | undefined): void {
    queue.done(batch)
    if (queue.isEmpty && this.#active.delete(queue) && this.#active.size === 0) this.#hooks!.busy(false)
    this.#usedBytes -= batch.memoryBytes
    batch.settle(baseOffset, logAppendTimeMs, error)
    const { onBatch } = this.#options
    if (onBatch)
      onBatch({ topic: queue.topic, partition: queue.partition, baseOffset, recordCount: batch.recordCount, logAppendTimeMs, error })
    for (const flush of this.#flushes) {
      if (!flush.remaining.delete(batch) || flush.remaining.size > 0) continue
      this.#flushes.delete(flush)
      flush.resolve()
    }
    this.releaseBuilder(batch)
    this.#hooks!.freed()
  }

  /** Nobody reads the batch any more: the next one is built in its memory, which is still in the cache when that happens at once. */
  releaseBuilder(batch: ProducerBatch): void {
    const builder = batch.releaseBuilder()
    if (
      !builder ||
      batch.memoryBytes !== this.#options.batchSize ||
      (this.#free.length + 1) * batch.memoryBytes > this.#options.bufferMemory
    )
      return
    builder.reset()
    this.#free.push(builder)
  }

  /** The batch in two halves that share its place, its promises and its sequence numbers. */
  split(batch: ProducerBatch): ProducerBatch[] {
    const parts = batch.split()
    this.#usedBytes -= batch.memoryBytes
    for (const part of parts) this.#usedBytes += part.memoryBytes
    for (const flush of this.#flushes) {
      if (!flush.remaining.delete(batch)) continue
      for (const part of parts) flush.remaining.add(part)
    }
    return parts
  }

  get hasSpace(): boolean {
    return this.#usedBytes + this.#options.batchSize <= this.#options.bufferMemory
  }

  /** Out of memory there is no point in lingering. */
  closeAllOpenIfFull(): void {
    if (!this.hasSpace) this.closeAllOpen()
  }

  closeAllOpen(): void {
    for (const queue of this.#active) queue.closeOpen()
    this.#hooks!.wake()
  }

  /** Resolves when everything appended before has been answered, well or badly. */
  flush(): Promise<void> {
    this.closeAllOpen()
    const remaining = new Set<ProducerBatch>()
    for (const queue of this.#active) for (const batch of queue.outstanding()) remaining.add(batch)
    if (remaining.size === 0) return Promise.resolve()
    return new Promise((resolve) => this.#flushes.add({ remaining, resolve }))
  }

  failAll(error: Error): void {
    // A list of its own: `onBatch` may append meanwhile, and that is not to fail.
    const queues = [...this.#active]
    for (const queue of queues) for (const batch of queue.outstanding()) this.complete(queue, batch, -1, -1, error)
  }
}

function usable(topic: TopicMetadata | undefined): TopicMetadata | undefined {
  return topic !== undefined && topic.errorCode === 0 && topic.partitions.length > 0 ? topic : undefined
}

/** Offsets that lie within the values, and values that can be sent. */
function checkOffsets(topic: string, values: Uint8Array, offsets: Int32Array, from: number, maxRequestSize: number): void {
  if (!(offsets instanceof Int32Array) || !Number.isInteger(from) || from < 0 || from > Math.max(0, offsets.length - 1)) {
    throw new ClientError(
      'ERR_MILLRACE_ARGUMENT',
      `a column needs an Int32Array of offsets, one more than values, and 'from' one of the values; got ${offsets?.length} offsets, from ${from}`,
    )
  }
  let largest = 0
  let sound = offsets.length === 0 || offsets[from]! >= 0
  for (let i = from + 1; i < offsets.length; i++) {
    const size = offsets[i]! - offsets[i - 1]!
    if (size < 0) sound = false
    if (size > largest) largest = size
  }
  if (!sound || (offsets.length > 0 && offsets[offsets.length - 1]! > values.length)) {
    throw new ClientError('ERR_MILLRACE_ARGUMENT', `offsets must not fall, and lie within the ${values.length} bytes of values`)
  }
  if (largest + RECORD_OVERHEAD_BYTES > maxRequestSize)
    throw tooLarge(topic, largest + RECORD_OVERHEAD_BYTES, 'maxRequestSize', maxRequestSize)
}

function tooLarge(topic: string, bytes: number, setting: string, limit: number): ClientError {
  return new ClientError(
    'ERR_MILLRACE_RECORD_TOO_LARGE',
    `a record for topic '${topic}' takes ${bytes} bytes, ${setting} allows ${limit}; raise ${setting} or send less`,
  )
}
