// API 0, Produce. 3: record batch v2 only. 5: log start offset. 7: zstd. 8: record errors and message. 9: flexible. 10: current leader.
// 12: KIP-890. 13: topic ids. Versions 0-2 are announced, because librdkafka turns compression off without them, and refused.
// Hot: one pass, no promise, no object per record. The records are views into the receive buffer and are used up before this returns.

import type { TopicImage } from '../../controller/image.js'
import { errors } from '../../model/errors.js'
import type { DirectBatch } from '../../model/direct-batch.js'
import { isInternalTopic, ZERO_UUID } from '../../model/topic-partition.js'
import type { AppendResult } from '../../log/types.js'
import { apis } from '../../protocol/schema/index.js'
import type { ProduceRequest, ProduceResponse } from '../../protocol/schema/produce.js'
import { failedAppend, type AppendTerms } from '../../replica/hosted-partition.js'
import type { ProduceSink } from '../../replica/purgatory/produce-queue.js'
import type { ProduceItem } from '../produce-lane.js'
import { currentLeader, NO_LEADER } from './cluster-view.js'
import type { HandlerContext, RequestContext } from './handler.js'

/** The client id with which Kafka's own admin tools may write to internal topics. */
const ADMIN_CLIENT_ID = '__admin_client'
const MILLRACE_ACK_DISK = 2
/** Bit of the attributes (bytes 21-22 of a batch) that says transactional. */
const TRANSACTIONAL_BIT = 0x10

/** Gathers the results of one request and answers once all are there. */
class ProduceAnswer implements ProduceSink {
  private readonly request: ProduceRequest
  private readonly results: (AppendResult | undefined)[] = []
  private readonly count: number
  private readonly respond: (response: ProduceResponse | null, failed: boolean) => void
  private readonly broker: HandlerContext
  private remaining: number
  private timer: { cancel(): void } | undefined

  constructor(
    request: ProduceRequest,
    count: number,
    broker: HandlerContext,
    respond: (response: ProduceResponse | null, failed: boolean) => void,
  ) {
    this.request = request
    this.count = count
    this.remaining = count
    this.broker = broker
    this.respond = respond
    if (count === 0) this.answer()
  }

  complete(slot: number, result: AppendResult): void {
    if (this.results[slot] !== undefined) return
    this.results[slot] = result
    if (--this.remaining === 0) this.answer()
  }

  /** Kafka's request timeout: what is not answered by then gets REQUEST_TIMED_OUT (the records may be in the log). */
  startTimer(): void {
    if (this.remaining === 0) return
    this.timer = this.broker.env.timers.after(this.request.timeoutMs, () => {
      for (let slot = 0; slot < this.count; slot++) this.complete(slot, failedAppend(errors.REQUEST_TIMED_OUT.code))
    })
  }

  private answer(): void {
    this.timer?.cancel()
    let slot = 0
    let failed = false
    const responses = this.request.topicData.map((topic) => ({
      name: topic.name,
      topicId: topic.topicId,
      partitionResponses: topic.partitionData.map(({ index }) => {
        const result = this.results[slot++]!
        if (result.errorCode !== 0) failed = true
        return this.partitionResponse(topic.name, index, result)
      }),
    }))
    if (this.request.acks === 0) this.respond(null, failed)
    else this.respond({ responses, throttleTimeMs: 0, nodeEndpoints: [] }, false)
  }

  private partitionResponse(topic: string, index: number, result: AppendResult) {
    return {
      index,
      errorCode: result.errorCode,
      baseOffset: result.baseOffset,
      logAppendTimeMs: result.logAppendTime,
      logStartOffset: result.logStartOffset,
      recordErrors: (result.recordErrors ?? []).map(({ batchIndex, message }) => ({ batchIndex, batchIndexErrorMessage: message })),
      errorMessage: result.errorMessage,
      currentLeader: result.errorCode === errors.NOT_LEADER_OR_FOLLOWER.code ? currentLeader(this.broker.image(), topic, index) : NO_LEADER,
    }
  }
}

function isTransactional(records: Uint8Array): boolean {
  return records.length > 22 && records[16] === 2 && (records[22]! & TRANSACTIONAL_BIT) !== 0
}

/** What is refused before a partition is asked; 0: nothing. */
function refusalOf(
  known: TopicImage | undefined,
  byId: boolean,
  index: number,
  records: Uint8Array | null,
  acks: number,
  clientId: string | null,
  transactionalId: string | null,
): number {
  if (acks !== -1 && acks !== 0 && acks !== 1) return errors.INVALID_REQUIRED_ACKS.code
  if (known === undefined) return byId ? errors.UNKNOWN_TOPIC_ID.code : errors.UNKNOWN_TOPIC_OR_PARTITION.code
  if (index < 0 || index >= known.partitions.length) return errors.UNKNOWN_TOPIC_OR_PARTITION.code
  if (isInternalTopic(known.name) && clientId !== ADMIN_CLIENT_ID) return errors.INVALID_TOPIC_EXCEPTION.code
  if (records === null || records.length === 0) return errors.INVALID_RECORD.code
  // Without a transaction coordinator nothing would ever end such a transaction, and readers would wait for it for ever.
  if (isTransactional(records))
    return transactionalId === null ? errors.TRANSACTIONAL_ID_AUTHORIZATION_FAILED.code : errors.INVALID_TXN_STATE.code
  return 0
}

/** `respond(null, failed)`: acks 0; `failed` closes the connection, as Kafka does, because there is no other way to say so. */
export function handleProduce(
  request: ProduceRequest,
  context: RequestContext,
  broker: HandlerContext,
  respond: (response: ProduceResponse | null, failed: boolean) => void,
): void {
  let count = 0
  for (const topic of request.topicData) count += topic.partitionData.length
  const answer = new ProduceAnswer(request, count, broker, respond)
  if (count === 0) return
  const terms: AppendTerms = {
    acks: request.acks,
    disk: request.millraceAck === MILLRACE_ACK_DISK,
    apiVersion: context.version,
    origin: 'client',
  }
  const image = broker.image()
  const { partitions } = broker.services
  const forward = new Map<number, ProduceItem[]>()
  let slot = 0
  for (const topicData of request.topicData) {
    const byId = context.version >= 13
    const topic = byId ? image.topicNames.get(topicData.topicId) : topicData.name
    const known = topic === undefined ? undefined : image.topics.get(topic)
    for (const { index, records } of topicData.partitionData) {
      const refusal = refusalOf(known, byId, index, records, request.acks, context.clientId, request.transactionalId)
      if (refusal !== 0) answer.complete(slot, failedAppend(refusal))
      else partitions.produce({ topic: known!.name, partition: index, records: records!, slot }, terms, answer, forward)
      slot++
    }
  }
  let here = count
  for (const [owner, items] of forward) {
    here -= items.length
    context.affinity?.asked(owner, items.length)
    partitions.forwardProduce(owner, items, terms, answer)
  }
  context.affinity?.asked(partitions.worker, here)
  answer.startTimer()
}

class DirectAnswer implements ProduceSink {
  private done: ((result: AppendResult) => void) | undefined
  private timer: { cancel(): void } | undefined

  constructor(done: (result: AppendResult) => void) {
    this.done = done
  }

  complete(_slot: number, result: AppendResult): void {
    const { done } = this
    if (done === undefined) return
    this.done = undefined
    this.timer?.cancel()
    done(result)
  }

  startTimer(broker: HandlerContext, timeoutMs: number): void {
    if (this.done === undefined) return
    this.timer = broker.env.timers.after(timeoutMs, () => this.complete(0, failedAppend(errors.REQUEST_TIMED_OUT.code)))
  }
}

/** The same checks and the same way into the log as a request of one batch, without the request. `done`: before this returns, or later. */
export function produceDirect(batch: DirectBatch, broker: HandlerContext, done: (result: AppendResult) => void): void {
  const answer = new DirectAnswer(done)
  const image = broker.image()
  const byId = batch.topicId !== ZERO_UUID
  const topic = byId ? image.topicNames.get(batch.topicId) : batch.topic
  const known = topic === undefined ? undefined : image.topics.get(topic)
  const refusal = refusalOf(known, byId, batch.partition, batch.records, batch.acks, batch.clientId, null)
  if (refusal !== 0) {
    answer.complete(0, failedAppend(refusal))
    return
  }
  const terms: AppendTerms = {
    acks: batch.acks,
    disk: batch.millraceAck === MILLRACE_ACK_DISK,
    apiVersion: apis.produce.maxVersion,
    origin: 'embedded',
  }
  const { partitions } = broker.services
  const forward = new Map<number, ProduceItem[]>()
  partitions.produce({ topic: known!.name, partition: batch.partition, records: batch.records, slot: 0 }, terms, answer, forward)
  for (const [owner, items] of forward) partitions.forwardProduce(owner, items, terms, answer)
  answer.startTimer(broker, batch.timeoutMs)
}
