// API 19, CreateTopics, v2-v7. 5: the new topic's partition count and settings come back. 7: its id.

import type { CreateTopicOutcome } from '../../controller/controller-api.js'
import { errors } from '../../model/errors.js'
import type { CreateTopicsRequest, CreateTopicsResponse } from '../../protocol/schema/create-topics.js'
import type { HandlerContext, RequestContext } from './handler.js'

type Asked = CreateTopicsRequest['topics'][number]
type Row = CreateTopicsResponse['topics'][number]

const DYNAMIC_TOPIC_CONFIG = 1

export async function handleCreateTopics(
  request: CreateTopicsRequest,
  _context: RequestContext,
  broker: HandlerContext,
): Promise<CreateTopicsResponse> {
  const outcomes = await broker.services.controller.createTopics(request.topics, request.validateOnly)
  const rows = new Map<string, Row>()
  // A name that was given twice has one row, saying so.
  outcomes.forEach((outcome, i) => rows.set(outcome.name, rowOf(outcome, request.topics[i]!, broker)))
  return { throttleTimeMs: 0, topics: [...rows.values()] }
}

function rowOf(outcome: CreateTopicOutcome, asked: Asked, broker: HandlerContext): Row {
  const { name, topicId, errorCode, errorMessage, numPartitions, replicationFactor } = outcome
  const configs = errorCode === errors.NONE.code ? settingsOf(asked, broker) : []
  return { name, topicId, errorCode, errorMessage, topicConfigErrorCode: 0, numPartitions, replicationFactor, configs }
}

/** The settings the topic has, or with validateOnly would have. */
function settingsOf(asked: Asked, broker: HandlerContext): NonNullable<Row['configs']> {
  const given = new Map(asked.configs.map(({ name, value }) => [name, value]))
  return broker.services.configs.describe('topic', asked.name).map(({ name, value, readOnly, source, isSensitive }) => ({
    name,
    value: given.has(name) && !isSensitive ? given.get(name)! : value,
    readOnly,
    configSource: given.has(name) ? DYNAMIC_TOPIC_CONFIG : source,
    isSensitive,
  }))
}
