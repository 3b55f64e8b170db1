// The consumer's public face: subscription, reading, positions, commits. Puts group membership, position look-up, fetcher and the loop of
// a poll together. Runs on the caller's thread; everything the user is told happens inside poll or next().

import { isInternalTopic, type TopicPartition } from '../../model/topic-partition.js'
import { Cluster } from '../cluster/cluster.js'
import { listOffsets, OffsetSpec } from '../cluster/list-offsets.js'
import { ClientError } from '../errors.js'
import { AutoCommit } from './auto-commit.js'
import type { ConsumerBatch, ConsumerRecord } from './fetched.js'
import { Fetcher } from './fetcher.js'
import type { OffsetAndMetadata, OffsetToCommit } from './group-offsets.js'
import { GroupMembership, requireGroup } from './membership.js'
import { PollLoop } from './poll-loop.js'
import { PositionFinder } from './positions.js'
import { type ConsumerOptions as Options, consumerOptions, type ConsumerSettings } from './settings.js'
import { StallWatch } from './stall-watch.js'
import { keyOf, SubscriptionState } from './subscription.js'
import { WakeUp } from './wake-up.js'

export type { ConsumerSettings as ConsumerOptions } from './settings.js'

/**
 * Reads records. One at a time in a process or many; each has one user: polls do not overlap.
 *
 *     const consumer = new Consumer({ bootstrapServers: 'localhost:9092', groupId: 'readers', autoOffsetReset: 'earliest' })
 *     consumer.subscribe({ topics: ['events'] })
 *     for await (const record of consumer) console.log(record.offset, record.value?.toString())
 */
export class Consumer {
  readonly #cluster: Cluster
  readonly #options: Options
  readonly #subscription = new SubscriptionState()
  readonly #fetcher: Fetcher
  readonly #positions: PositionFinder
  readonly #membership: GroupMembership | undefined
  readonly #commits: AutoCommit
  readonly #stalls: StallWatch
  readonly #wakeUp: WakeUp
  readonly #polls: PollLoop
  #closing: Promise<void> | undefined

  constructor(settings: ConsumerSettings) {
    this.#options = consumerOptions(settings)
    this.#cluster = new Cluster(settings)
    this.#cluster.allowAutoTopicCreation = this.#options.allowAutoCreateTopics
    this.#wakeUp = new WakeUp(this.#cluster.env)
    const wake = (): void => this.#wakeUp.wake()
    this.#fetcher = new Fetcher(this.#cluster, this.#subscription, this.#options, wake)
    if (this.#options.groupId !== undefined) {
      const hooks = { wake, beforeRevoke: () => this.#commits.beforeRevoke() }
      this.#membership = new GroupMembership(this.#options.groupId, this.#cluster, this.#subscription, this.#options, hooks)
    }
    this.#positions = new PositionFinder(this.#cluster, this.#subscription, this.#options, this.#membership, wake)
    this.#commits = new AutoCommit(this.#cluster, this.#subscription, this.#options, this.#membership?.offsets)
    this.#stalls = new StallWatch(this.#cluster, this.#subscription, this.#options, () => this.#membership?.status)
    this.#polls = new PollLoop({
      cluster: this.#cluster,
      options: this.#options,
      subscription: this.#subscription,
      fetcher: this.#fetcher,
      positions: this.#positions,
      membership: this.#membership,
      commits: this.#commits,
      stalls: this.#stalls,
      wakeUp: this.#wakeUp,
    })
    this.#cluster.onMetadata(() => this.#metadataChanged())
  }

  // ---- what to read

  /**
   * Reads these topics as a member of the group, or all topics that match a pattern, also later ones.
   *
   *     consumer.subscribe({ topics: ['events', 'clicks'] })
   *     consumer.subscribe({ pattern: /^metrics\./ })
   */
  subscribe(what: { readonly topics: readonly string[] } | { readonly pattern: RegExp }): void {
    this.#checkOpen()
    requireGroup(this.#membership, 'subscribe')
    if ('pattern' in what) {
      this.#subscription.subscribe(undefined, what.pattern)
      this.#cluster.wantAllTopics = true
      this.#metadataChanged()
    } else {
      this.#subscription.subscribe(what.topics, undefined)
      this.#cluster.wantAllTopics = false
      this.#cluster.track(what.topics)
    }
    this.#wakeUp.wake()
  }

  /**
   * Reads exactly these partitions, without group membership. Offsets may still be committed with a `groupId`.
   *
   *     consumer.assign([{ topic: 'events', partition: 0, offset: 100 }])
   */
  assign(partitions: readonly { readonly topic: string; readonly partition: number; readonly offset?: number }[]): void {
    this.#checkOpen()
    this.#subscription.assignByHand(partitions, this.#now())
    this.#cluster.track(partitions.map(({ topic }) => topic))
    this.#stalls.progress()
    this.#wakeUp.wake()
  }

  /** Reads nothing any more; leaves the group. */
  async unsubscribe(): Promise<void> {
    this.#checkOpen()
    await this.#membership?.leave('the consumer unsubscribed')
    this.#subscription.unsubscribe()
    this.#cluster.wantAllTopics = false
  }

  /** The partitions this consumer reads now. */
  assignment(): TopicPartition[] {
    return this.#subscription.list()
  }

  /** This member's id in its group, once joined; else empty. */
  get memberId(): string {
    return this.#membership?.memberId ?? ''
  }

  // ---- reading

  /**
   * Up to `maxPollRecords` records, waiting up to `timeoutMs` milliseconds for the first; empty when there is none. The
   * records of the poll before count as consumed.
   *
   *     for (const record of await consumer.poll(1000)) handle(record)
   */
  async poll(timeoutMs: number): Promise<ConsumerRecord[]> {
    const records = await this.#polls.until(this.#now() + timeoutMs, () => this.#polls.takeRecords())
    return records ?? []
  }

  /** Records one by one, until the consumer is closed. A record counts as consumed once the next one is asked for. */
  async *[Symbol.asyncIterator](): AsyncGenerator<ConsumerRecord, void, void> {
    for (;;) {
      const fetched = await this.#polls.until(Infinity, () => this.#polls.nextFetched())
      if (!fetched) return
      let left = this.#options.maxPollRecords
      do {
        yield fetched.take()
        if (this.#polls.closed) return
      } while (--left > 0 && this.#polls.mayGoOn(fetched) && fetched.next())
    }
  }

  /**
   * Record batches as they are stored, until the consumer is closed; the fastest way to read. A batch counts as consumed
   * once the next one is asked for.
   *
   *     for await (const batch of consumer.batches()) {
   *       const cursor = batch.records()
   *       while (cursor.next()) bytes += cursor.valueLength
   *     }
   */
  async *batches(): AsyncGenerator<ConsumerBatch, void, void> {
    for (;;) {
      const batch = await this.#polls.until(Infinity, () => this.#polls.nextBatch())
      if (!batch) return
      yield batch
    }
  }

  /**
   * One batch, or undefined after `timeoutMs` milliseconds without any.
   *
   *     const batch = await consumer.pollBatch(1000)
   */
  pollBatch(timeoutMs: number): Promise<ConsumerBatch | undefined> {
    return this.#polls.until(this.#now() + timeoutMs, () => this.#polls.nextBatch())
  }

  // ---- positions

  /**
   * The next record read from the partition is the one at `offset`, or the first after it.
   *
   *     consumer.seek({ topic: 'events', partition: 0, offset: 42 })
   */
  seek(to: { readonly topic: string; readonly partition: number; readonly offset: number }): void {
    this.#subscription.seek(to.topic, to.partition, to.offset)
    this.#wakeUp.wake()
  }

  /** Goes to the first record kept, in these partitions or in all assigned ones: `consumer.seekToBeginning()`. */
  seekToBeginning(partitions: readonly TopicPartition[] = this.assignment()): void {
    for (const { topic, partition } of partitions) this.#subscription.seekByReset(topic, partition, 'earliest')
    this.#wakeUp.wake()
  }

  /** Goes behind the last record, in these partitions or in all assigned ones: `consumer.seekToEnd()`. */
  seekToEnd(partitions: readonly TopicPartition[] = this.assignment()): void {
    for (const { topic, partition } of partitions) this.#subscription.seekByReset(topic, partition, 'latest')
    this.#wakeUp.wake()
  }

  /**
   * Offset of the next record to be read; looked up when it is not known yet, within `timeoutMs` milliseconds.
   *
   *     const next = await consumer.position({ topic: 'events', partition: 0 })
   */
  async position(of: TopicPartition, timeoutMs = this.#cluster.options.defaultApiTimeoutMs): Promise<number> {
    const deadline = this.#now() + timeoutMs
    for (;;) {
      const state = this.#subscription.require(of.topic, of.partition)
      if (state.position >= 0) return state.position
      const left = deadline - this.#now()
      if (left <= 0)
        throw new ClientError(
          'ERR_MILLRACE_TIMEOUT',
          `position of ${of.topic}-${of.partition}: not known after ${timeoutMs} ms; ${state.lastError ?? ''}`,
        )
      const retryIn = this.#positions.find()
      await this.#wakeUp.wait(Math.min(left, retryIn))
    }
  }

  /**
   * For each partition the first offset whose record's timestamp is at or after `timestamp` (milliseconds); undefined
   * where there is none.
   *
   *     const [start] = await consumer.offsetsForTimes([{ topic: 'events', partition: 0, timestamp: Date.now() - 3600_000 }])
   */
  async offsetsForTimes(
    queries: readonly { readonly topic: string; readonly partition: number; readonly timestamp: number }[],
  ): Promise<({ topic: string; partition: number; offset: number; timestamp: number } | undefined)[]> {
    const found = await this.#listOffsets(queries)
    return queries.map(({ topic, partition }) => {
      const answer = found.get(keyOf(topic, partition))
      return answer && answer.offset >= 0 ? { topic, partition, offset: answer.offset, timestamp: answer.timestamp } : undefined
    })
  }

  /** First offsets kept: `await consumer.beginningOffsets([{ topic: 'events', partition: 0 }])`. */
  async beginningOffsets(partitions: readonly TopicPartition[]): Promise<{ topic: string; partition: number; offset: number }[]> {
    return this.#ends(partitions, OffsetSpec.earliest)
  }

  /** Offsets after the last record that may be read: `await consumer.endOffsets([{ topic: 'events', partition: 0 }])`. */
  async endOffsets(partitions: readonly TopicPartition[]): Promise<{ topic: string; partition: number; offset: number }[]> {
    return this.#ends(partitions, OffsetSpec.latest)
  }

  async #ends(partitions: readonly TopicPartition[], timestamp: number): Promise<{ topic: string; partition: number; offset: number }[]> {
    const found = await this.#listOffsets(partitions.map(({ topic, partition }) => ({ topic, partition, timestamp })))
    return partitions.map(({ topic, partition }) => ({ topic, partition, offset: found.get(keyOf(topic, partition))!.offset }))
  }

  async #listOffsets(
    queries: readonly { topic: string; partition: number; timestamp: number }[],
  ): Promise<Map<string, { offset: number; timestamp: number }>> {
    this.#checkOpen()
    const answers = await listOffsets(this.#cluster, queries, this.#options.isolationLevel, this.#cluster.options.defaultApiTimeoutMs)
    return new Map(answers.map((answer) => [keyOf(answer.topic, answer.partition), answer]))
  }

  // ---- pause

  /** Polls return nothing from these partitions until `resume`; what was fetched is kept: `consumer.pause([{ topic, partition }])`. */
  pause(partitions: readonly TopicPartition[]): void {
    for (const { topic, partition } of partitions) this.#subscription.require(topic, partition).paused = true
  }

  /** Ends `pause`: `consumer.resume(consumer.paused())`. */
  resume(partitions: readonly TopicPartition[]): void {
    for (const { topic, partition } of partitions) this.#subscription.require(topic, partition).paused = false
    this.#wakeUp.wake()
  }

  paused(): TopicPartition[] {
    return [...this.#subscription.all()].filter((state) => state.paused).map(({ topic, partition }) => ({ topic, partition }))
  }

  // ---- commits

  /**
   * Commits these offsets (of the NEXT record to read), or the current positions. Await it to be sure; without awaiting
   * it is asynchronous, but a rejection must be handled.
   *
   *     await consumer.commit()
   *     await consumer.commit([{ topic: 'events', partition: 0, offset: record.offset + 1 }])
   */
  async commit(offsets?: readonly OffsetToCommit[]): Promise<void> {
    this.#checkOpen()
    const membership = requireGroup(this.#membership, 'commit')
    const committing = offsets ?? this.#commits.consumed()
    await membership.offsets.commit(committing, this.#cluster.options.defaultApiTimeoutMs)
    this.#commits.noteCommitted(committing)
  }

  /**
   * What the group has committed; undefined where it has nothing.
   *
   *     const [committed] = await consumer.committed([{ topic: 'events', partition: 0 }])
   */
  async committed(partitions: readonly TopicPartition[]): Promise<(OffsetAndMetadata | undefined)[]> {
    this.#checkOpen()
    const membership = requireGroup(this.#membership, 'committed')
    const found = await membership.offsets.committed(partitions, this.#cluster.options.defaultApiTimeoutMs)
    const byKey = new Map(found.map((one) => [keyOf(one.topic, one.partition), one]))
    return partitions.map(({ topic, partition }) => byKey.get(keyOf(topic, partition)))
  }

  /**
   * Partition numbers of a topic.
   *
   *     const partitions = await consumer.partitionsFor('events')
   */
  async partitionsFor(topic: string): Promise<number[]> {
    this.#checkOpen()
    return (await this.#cluster.topic(topic)).partitions.map((p) => p.partition)
  }

  /**
   * Commits (where it commits by itself, trying for `timeoutMs` milliseconds), leaves the group and ends the connections.
   * A loop over the consumer ends.
   *
   *     await consumer.close()
   */
  close(timeoutMs = 30_000): Promise<void> {
    this.#commits.hurry(timeoutMs)
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#polls.close()
    this.#stalls.stop()
    try {
      await this.#membership?.leave('the consumer was closed')
      if (this.#subscription.kind === 'assigned') await this.#commits.beforeRevoke()
    } finally {
      this.#membership?.close()
      this.#fetcher.close()
      this.#cluster.close()
    }
  }

  /** Async disposal: `await using consumer = new Consumer(…)`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #metadataChanged(): void {
    const topics = this.#cluster.metadata.topics
    const changed = this.#subscription.matchPattern(
      [...topics.keys()],
      (topic) => this.#options.excludeInternalTopics && (isInternalTopic(topic) || topics.get(topic)!.isInternal),
    )
    if (changed) this.#membership?.requestRejoin('topics that match the pattern changed')
    this.#wakeUp.wake()
  }

  #now(): number {
    return this.#cluster.env.clock.monotonic()
  }

  #checkOpen(): void {
    if (this.#polls.closed) throw new ClientError('ERR_MILLRACE_CLOSED', 'the consumer is closed')
  }
}
