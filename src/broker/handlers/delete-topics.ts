// API 20, DeleteTopics, v1-v6. 3: TOPIC_DELETION_DISABLED. 5: error messages. 6: by name or by id.

import { errors } from '../../model/errors.js'
import type { DeleteTopicsRequest, DeleteTopicsResponse } from '../../protocol/schema/delete-topics.js'
import type { HandlerContext, RequestContext } from './handler.js'

export async function handleDeleteTopics(
  request: DeleteTopicsRequest,
  context: RequestContext,
  broker: HandlerContext,
): Promise<DeleteTopicsResponse> {
  const asked = context.version >= 6 ? request.topics : request.topicNames.map((name) => ({ name, topicId: null }))
  const outcomes = await broker.services.controller.deleteTopics(asked)
  const rows = new Map<string, (typeof outcomes)[number]>()
  for (const outcome of outcomes) {
    const disabled = outcome.errorCode === errors.TOPIC_DELETION_DISABLED.code && context.version < 3
    // A topic that was named twice has one row, saying so.
    rows.set(`${outcome.name} ${outcome.topicId}`, disabled ? { ...outcome, errorCode: errors.INVALID_REQUEST.code } : outcome)
  }
  return { throttleTimeMs: 0, responses: [...rows.values()] }
}
