// A Produce request as batches make it, and its answers as they are found again. Decides nothing about them. Runs on the producer's thread.

import { ZERO_UUID } from '../../model/topic-partition.js'
import { apis } from '../../protocol/schema/index.js'
import type { ProduceRequest, ProduceResponse } from '../../protocol/schema/produce.js'
import { type Broker, SILENT_AFTER_MS } from '../cluster/broker.js'
import type { ClusterMetadata } from '../cluster/metadata.js'
import { ClientError, KafkaError } from '../errors.js'
import type { DirectResult } from '../transport.js'
import { AckPromise, type ProducerBatch } from './batch.js'
import type { PartitionQueue } from './partition-queue.js'
import type { ProducerOptions } from './settings.js'

/** From this version on a request names topics by id. */
const TOPIC_ID_VERSION = 13
/** First version with tagged fields, which carry our own promise. */
const TAGGED_VERSION = 9
const NO_LEADER = { leaderId: -1, leaderEpoch: -1 } as const

/** What a broker says of one partition. */
export type Answer = ProduceResponse['responses'][number]['partitionResponses'][number]

export interface Sending {
  readonly queue: PartitionQueue
  readonly batch: ProducerBatch
}

/** All under one promise. Without acks nothing is awaited, and the response says nothing. Throws what keeps it from being sent. */
export function produceTo(
  broker: Broker,
  chosen: readonly Sending[],
  options: ProducerOptions,
  metadata: ClusterMetadata,
): Promise<ProduceResponse> {
  const { acks, requestTimeoutMs, compression } = options
  const ack = chosen[0]!.batch.ack
  const topicData = topicDataOf(chosen, compression, metadata)
  const limits = topicData.some(({ topicId }) => topicId === ZERO_UUID) ? { maxVersion: TOPIC_ID_VERSION - 1 } : {}
  const version = broker.versionNow(apis.produce, limits)
  if (version < 0) throw new ClientError('ERR_MILLRACE_DISCONNECTED', `the connection to ${broker.where} is gone`)
  const announced = broker.announcesAckPromise && version >= TAGGED_VERSION
  if (ack === AckPromise.disk && !announced) throw ackRefused(broker.where)
  const request = { acks, timeoutMs: requestTimeoutMs, topicData, millraceAck: announced ? ack : 0 }
  return broker.request(apis.produce, request, { maxVersion: version, expectResponse: acks !== 0, silentAfterMs: SILENT_AFTER_MS })
}

function topicDataOf(
  chosen: readonly Sending[],
  compression: ProducerOptions['compression'],
  { topics }: ClusterMetadata,
): ProduceRequest['topicData'] {
  const byTopic = new Map<string, { index: number; records: Uint8Array }[]>()
  for (const { queue, batch } of chosen) {
    const partition = { index: queue.partition, records: batch.seal(compression) }
    const list = byTopic.get(queue.topic)
    if (list) list.push(partition)
    else byTopic.set(queue.topic, [partition])
  }
  return [...byTopic].map(([name, partitionData]) => ({ name, topicId: topics.get(name)?.id ?? ZERO_UUID, partitionData }))
}

/** By `topic/partition`. */
export function answersIn(response: ProduceResponse, metadata: ClusterMetadata): ReadonlyMap<string, Answer> {
  const answers = new Map<string, Answer>()
  for (const { name, topicId, partitionResponses } of response.responses) {
    const topic = name !== '' ? name : metadata.topicById(topicId)?.name
    if (topic === undefined) continue
    for (const answer of partitionResponses) answers.set(`${topic}/${answer.index}`, answer)
  }
  return answers
}

/** What an engine in this process said, as a broker says it. */
export function answerOf(index: number, result: DirectResult): Answer {
  const { errorCode, errorMessage, baseOffset, logAppendTime, recordErrors } = result
  return {
    index,
    errorCode,
    baseOffset,
    logAppendTimeMs: logAppendTime,
    logStartOffset: -1,
    recordErrors: (recordErrors ?? []).map(({ batchIndex, message }) => ({ batchIndex, batchIndexErrorMessage: message })),
    errorMessage,
    currentLeader: NO_LEADER,
  }
}

export function produceError(queue: PartitionQueue, answer: Answer): KafkaError {
  const first = answer.recordErrors[0]
  const detail = first
    ? `record ${first.batchIndex} of the batch: ${first.batchIndexErrorMessage ?? answer.errorMessage ?? 'refused'}`
    : answer.errorMessage
  return new KafkaError(answer.errorCode, `send to ${queue.topic}-${queue.partition}`, detail)
}

export function ackRefused(where: string): ClientError {
  return new ClientError(
    'ERR_MILLRACE_UNSUPPORTED',
    `ack 'disk' was asked for, but the broker at ${where} does not announce the feature 'millrace.ack' and would ignore it; send without 'ack', or use a broker that has it`,
  )
}
