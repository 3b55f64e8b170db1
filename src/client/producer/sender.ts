// Decides which batches go when, one request per broker and promise with many partitions in it, and what becomes of them by the answer: settled,
// sent again, split, or sent under a new producer epoch. Owns no records and no memory; the accumulator does. Runs on the producer's thread,
// never blocks.

import type { Timer } from '../../env/env.js'
import type { ProduceResponse } from '../../protocol/schema/produce.js'
import { errors } from '../../model/errors.js'
import { ZERO_UUID } from '../../model/topic-partition.js'
import { backoffMs } from '../cluster/backoff.js'
import type { Broker } from '../cluster/broker.js'
import { type Cluster, meansStaleMetadata } from '../cluster/cluster.js'
import { ClientError, isRetriable, KafkaError } from '../errors.js'
import type { DirectDoor, DirectResult } from '../transport.js'
import type { Accumulator } from './accumulator.js'
import type { ProducerBatch } from './batch.js'
import { IdentityKeeper } from './identity-keeper.js'
import type { PartitionQueue } from './partition-queue.js'
import { type Answer, answerOf, answersIn, produceError, produceTo, type Sending } from './produce-call.js'
import type { ProducerOptions } from './settings.js'

/** Per partition and per topic in a request, beside the records. */
const PARTITION_OVERHEAD_BYTES = 64

interface DirectAnswer extends Sending {
  /** undefined: the connection ended. */
  readonly result: DirectResult | undefined
}

export class Sender {
  readonly #cluster: Cluster
  readonly #accumulator: Accumulator
  readonly #options: ProducerOptions
  readonly #inFlight = new Map<number, number>()
  readonly #connecting = new Set<number>()
  readonly #identity: IdentityKeeper
  #scheduled = false
  #timer: Timer | undefined
  #timerAt = Infinity
  #closed = false
  /** Answers of a log on this thread, in their order: `onBatch` and promises are told in a turn of their own, not from within an append. */
  #answers: DirectAnswer[] = []
  #refusals = 0

  constructor(cluster: Cluster, accumulator: Accumulator, options: ProducerOptions) {
    this.#cluster = cluster
    this.#accumulator = accumulator
    this.#options = options
    this.#identity = new IdentityKeeper(cluster, accumulator, () => this.wake())
  }

  /** Runs a pass soon: after the current synchronous work, so that records appended together leave together. */
  wake(): void {
    if (this.#scheduled || this.#closed) return
    this.#scheduled = true
    queueMicrotask(() => {
      this.#scheduled = false
      if (!this.#closed) this.#pass()
    })
  }

  /** Makes sure a pass runs `ms` from now at the latest. */
  wakeIn(ms: number): void {
    const at = this.#now() + ms
    if (at >= this.#timerAt || this.#closed) return
    this.#timer?.cancel()
    this.#timerAt = at
    this.#timer = this.#cluster.env.timers.after(Math.max(0, Math.ceil(ms)), () => {
      this.#timerAt = Infinity
      this.#timer = undefined
      if (!this.#closed) this.#pass()
    })
  }

  /**
   * A batch is full. An engine in this process takes it at once, while it is in the cache; another broker with the next pass. Once as many as
   * may be are in flight they are pushed, or a loop of appends would fill all of the buffer before the first of them is written.
   */
  full(queue: PartitionQueue): void {
    if (!this.#closed && this.#refusals === 0 && queue.failures === 0 && (!this.#options.idempotent || this.#identity.current)) {
      const nodeId = this.#cluster.metadata.leader(queue.topic, queue.partition)
      const door = nodeId < 0 ? undefined : this.#doorTo(this.#cluster.broker(nodeId))
      if (door) {
        this.#sendDirect(nodeId, door, queue)
        if (queue.waitingCount > 0) {
          door.push()
          this.#sendDirect(nodeId, door, queue)
        }
        return
      }
    }
    this.wake()
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
    this.#identity.close()
  }

  #now(): number {
    return this.#cluster.env.clock.monotonic()
  }

  #pass(): void {
    this.#settleAnswers()
    const now = this.#now()
    const ready = this.#accumulator.collectReady(now, (dueIn) => this.wakeIn(dueIn))
    if (ready.length === 0) return
    this.#cluster.refreshIfOld()
    if (this.#options.idempotent && !this.#identity.ensure()) return
    const byNode = this.#groupByLeader(ready, now)
    for (const [nodeId, queues] of byNode) {
      const broker = this.#cluster.broker(nodeId)
      if (!broker) this.#cluster.requestRefresh()
      else if (!broker.isConnected) this.#connect(nodeId, broker)
      else {
        const door = this.#doorTo(broker)
        if (door) for (const queue of queues) this.#sendDirect(nodeId, door, queue)
        else this.#sendTo(nodeId, broker, queues)
      }
    }
  }

  /** Without acks there is no answer to give: that stays a request. */
  #doorTo(broker: Broker | undefined): DirectDoor | undefined {
    return this.#options.acks === 0 ? undefined : broker?.directDoor
  }

  /** What of one partition may be sent, batch by batch, without a request around it. */
  #sendDirect(nodeId: number, door: DirectDoor, queue: PartitionQueue): void {
    const { acks, requestTimeoutMs: timeoutMs, compression, idempotent, maxInFlight } = this.#options
    const { clientId } = this.#cluster.options
    const { topic, partition } = queue
    while (this.#refusals === 0 && (this.#inFlight.get(nodeId) ?? 0) < maxInFlight) {
      if (queue.wantsNewEpoch) this.#identity.raise(queue)
      if (idempotent && !this.#identity.current) return
      const batch = queue.next(this.#identity.current)
      if (!batch) return
      const records = batch.sealDirect(compression)
      queue.sent(batch)
      this.#inFlight.set(nodeId, (this.#inFlight.get(nodeId) ?? 0) + 1)
      const topicId = this.#cluster.metadata.topics.get(topic)?.id ?? ZERO_UUID
      const call = { topic, topicId, partition, records, acks, millraceAck: batch.ack, timeoutMs, clientId }
      door.produce(call, (result) => this.#directAnswered(nodeId, queue, batch, result))
    }
  }

  #directAnswered(nodeId: number, queue: PartitionQueue, batch: ProducerBatch, result: DirectResult | undefined): void {
    this.#inFlight.set(nodeId, this.#inFlight.get(nodeId)! - 1)
    if (result?.errorCode === errors.NONE.code) {
      queue.answered(batch)
      this.#accumulator.releaseBuilder(batch)
    }
    // Nothing follows a refused batch before it is decided what becomes of it.
    else this.#refusals++
    this.#answers.push({ queue, batch, result })
    this.wake()
  }

  #settleAnswers(): void {
    if (this.#answers.length === 0) return
    const answers = this.#answers
    this.#answers = []
    this.#refusals = 0
    let settled = 0
    try {
      while (settled < answers.length) {
        const { queue, batch, result } = answers[settled++]!
        if (result === undefined) this.#failed([{ queue, batch }], connectionEnded())
        else this.#settle(queue, batch, answerOf(queue.partition, result))
      }
    } finally {
      // An `onBatch` that throws costs nobody else the answer.
      if (settled < answers.length) {
        this.#answers.unshift(...answers.slice(settled))
        this.wake()
      }
    }
  }

  #groupByLeader(queues: readonly PartitionQueue[], now: number): Map<number, PartitionQueue[]> {
    const byNode = new Map<number, PartitionQueue[]>()
    for (const queue of queues) {
      if (queue.notBefore > now) {
        this.wakeIn(queue.notBefore - now)
        continue
      }
      const leader = this.#cluster.metadata.leader(queue.topic, queue.partition)
      if (leader < 0) {
        this.#cluster.requestRefresh()
        this.wakeIn(this.#cluster.options.retryBackoffMs)
        continue
      }
      const list = byNode.get(leader)
      if (list) list.push(queue)
      else byNode.set(leader, [queue])
    }
    return byNode
  }

  #connect(nodeId: number, broker: Broker): void {
    if (this.#connecting.has(nodeId)) return
    this.#connecting.add(nodeId)
    broker
      .connected()
      .catch((error: unknown) => {
        this.#accumulator.noteFailure(error as Error)
        this.#cluster.requestRefresh()
      })
      .finally(() => {
        this.#connecting.delete(nodeId)
        this.wake()
      })
  }

  /** Requests until the broker has enough in flight or nothing may be sent. */
  #sendTo(nodeId: number, broker: Broker, queues: readonly PartitionQueue[]): void {
    while ((this.#inFlight.get(nodeId) ?? 0) < this.#options.maxInFlight) {
      const chosen = this.#choose(queues)
      if (chosen.length === 0) return
      this.#send(nodeId, broker, chosen)
    }
  }

  /** One batch per partition, all under one promise, up to `maxRequestSize`. Takes them out of their queues. */
  #choose(queues: readonly PartitionQueue[]): Sending[] {
    const chosen: Sending[] = []
    let size = 0
    for (const queue of queues) {
      if (queue.wantsNewEpoch) this.#identity.raise(queue)
      const batch = queue.next(this.#identity.current)
      if (!batch) continue
      if (chosen.length > 0 && batch.ack !== chosen[0]!.batch.ack) continue
      const bytes = batch.seal(this.#options.compression).length + PARTITION_OVERHEAD_BYTES
      if (chosen.length > 0 && size + bytes > this.#options.maxRequestSize) continue
      size += bytes
      queue.sent(batch)
      chosen.push({ queue, batch })
    }
    return chosen
  }

  #send(nodeId: number, broker: Broker, chosen: readonly Sending[]): void {
    this.#inFlight.set(nodeId, (this.#inFlight.get(nodeId) ?? 0) + 1)
    this.#exchange(broker, chosen)
      .catch((error: unknown) => this.#failed(chosen, error as Error))
      .finally(() => {
        this.#inFlight.set(nodeId, this.#inFlight.get(nodeId)! - 1)
        this.wake()
      })
  }

  async #exchange(broker: Broker, chosen: readonly Sending[]): Promise<void> {
    const response = await produceTo(broker, chosen, this.#options, this.#cluster.metadata)
    if (this.#options.acks === 0) for (const { queue, batch } of chosen) this.#succeed(queue, batch, -1, -1)
    else this.#answered(broker.address.nodeId, chosen, response)
  }

  #answered(nodeId: number, chosen: readonly Sending[], response: ProduceResponse): void {
    const answers = answersIn(response, this.#cluster.metadata)
    for (const { queue, batch } of chosen) {
      const answer = answers.get(`${queue.topic}/${queue.partition}`)
      if (!answer) {
        // The topic's id changed between asking and answering.
        this.#cluster.requestRefresh()
        this.#retryOrFail(queue, batch, new KafkaError(errors.UNKNOWN_TOPIC_ID.code, `send to ${queue.topic}-${queue.partition}`), false)
        continue
      }
      const { leaderId, leaderEpoch } = answer.currentLeader
      if (leaderId >= 0) this.#cluster.learnLeader(queue.topic, queue.partition, leaderId, leaderEpoch, response.nodeEndpoints)
      this.#settle(queue, batch, answer)
      // It leads no more, and who does is known (KIP-951): there is nothing to wait for.
      if (answer.errorCode === errors.NOT_LEADER_OR_FOLLOWER.code && this.#isElsewhere(queue, nodeId)) queue.notBefore = 0
    }
  }

  #isElsewhere({ topic, partition }: PartitionQueue, nodeId: number): boolean {
    const leader = this.#cluster.metadata.leader(topic, partition)
    return leader >= 0 && leader !== nodeId
  }

  #settle(queue: PartitionQueue, batch: ProducerBatch, answer: Answer): void {
    const code = answer.errorCode
    if (code === errors.NONE.code || (code === errors.DUPLICATE_SEQUENCE_NUMBER.code && batch.sequence >= 0)) {
      this.#succeed(queue, batch, answer.baseOffset, answer.logAppendTimeMs)
      return
    }
    const error = produceError(queue, answer)
    if ((code === errors.MESSAGE_TOO_LARGE.code || code === errors.RECORD_LIST_TOO_LARGE.code) && batch.recordCount > 1) {
      this.#split(queue, batch, error)
      return
    }
    if (batch.sequence >= 0 && isSequenceError(code)) {
      // Behind an older batch that has to be sent again this is expected. As the oldest it is the broker's real
      // view: it lost the producer's state, and the batch goes under a new epoch. Unless it took a younger one
      // already: then this one may be written, and another epoch could write it twice.
      if (queue.isOvertaken(batch)) this.#giveUp(queue, batch, error)
      else {
        if (queue.isOldest(batch)) queue.wantReset()
        this.#retryOrFail(queue, batch, error, true)
      }
      return
    }
    if (code === errors.INVALID_PRODUCER_EPOCH.code && batch.sequence >= 0) {
      this.#identity.forget()
      queue.wantReset()
      this.#retryOrFail(queue, batch, error, true)
      return
    }
    if (meansStaleMetadata(code)) this.#cluster.requestRefresh()
    this.#retryOrFail(queue, batch, error, error.retriable)
  }

  #succeed(queue: PartitionQueue, batch: ProducerBatch, baseOffset: number, logAppendTimeMs: number): void {
    queue.failures = 0
    queue.accepted(batch)
    this.#accumulator.complete(queue, batch, baseOffset, logAppendTimeMs, undefined)
  }

  #split(queue: PartitionQueue, batch: ProducerBatch, error: Error): void {
    try {
      queue.replace(batch, this.#accumulator.split(batch))
    } catch (cause) {
      this.#giveUp(queue, batch, new AggregateError([error, cause], error.message))
    }
  }

  /** The request failed as a whole: the connection ended, time ran out, or it could not be encoded. */
  #failed(chosen: readonly Sending[], error: Error): void {
    this.#cluster.requestRefresh()
    for (const { queue, batch } of chosen) this.#retryOrFail(queue, batch, error, isRetriable(error))
  }

  #retryOrFail(queue: PartitionQueue, batch: ProducerBatch, error: Error, retriable: boolean): void {
    batch.lastError = error
    const now = this.#now()
    if (!retriable || batch.attempts > this.#options.retries || now >= batch.deadline) {
      this.#giveUp(queue, batch, retriable && now >= batch.deadline ? this.#accumulator.expiry(queue, batch) : error)
      return
    }
    const { retryBackoffMs, retryBackoffMaxMs } = this.#cluster.options
    // Batches that were out together fail together: that is one failure, and one pause.
    if (now >= queue.notBefore) {
      queue.failures++
      queue.notBefore = now + backoffMs(queue.failures, retryBackoffMs, retryBackoffMaxMs, this.#cluster.env.random.next())
    }
    queue.requeue(batch)
  }

  #giveUp(queue: PartitionQueue, batch: ProducerBatch, error: Error): void {
    if (batch.sequence >= 0) queue.wantReset()
    this.#accumulator.complete(queue, batch, -1, -1, error)
  }
}

function connectionEnded(): ClientError {
  return new ClientError('ERR_MILLRACE_DISCONNECTED', 'the connection to the embedded broker ended')
}

function isSequenceError(code: number): boolean {
  return code === errors.OUT_OF_ORDER_SEQUENCE_NUMBER.code || code === errors.UNKNOWN_PRODUCER_ID.code
}
