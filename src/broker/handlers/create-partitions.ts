// API 37, CreatePartitions, v0-v3: one row per topic, in the order asked.

import type { CreatePartitionsRequest, CreatePartitionsResponse } from '../../protocol/schema/create-partitions.js'
import type { HandlerContext, RequestContext } from './handler.js'

export async function handleCreatePartitions(
  request: CreatePartitionsRequest,
  _context: RequestContext,
  broker: HandlerContext,
): Promise<CreatePartitionsResponse> {
  const outcomes = await broker.services.controller.createPartitions(request.topics, request.validateOnly)
  const rows = new Map(outcomes.map((outcome) => [outcome.name, outcome]))
  return { throttleTimeMs: 0, results: [...rows.values()] }
}
