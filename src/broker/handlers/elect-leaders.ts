// API 43, ElectLeaders, v0-v2. 1: also unclean elections.

import type { ElectLeadersRequest, ElectLeadersResponse } from '../../protocol/schema/elect-leaders.js'
import { errors } from '../../model/errors.js'
import type { HandlerContext, RequestContext } from './handler.js'
import { rowsByTopic } from './partition-rows.js'

const UNCLEAN = 1

export async function handleElectLeaders(
  request: ElectLeadersRequest,
  _context: RequestContext,
  broker: HandlerContext,
): Promise<ElectLeadersResponse> {
  if (request.electionType < 0 || request.electionType > UNCLEAN) {
    return { throttleTimeMs: 0, errorCode: errors.INVALID_REQUEST.code, replicaElectionResults: [] }
  }
  const asked = request.topicPartitions?.flatMap(({ topic, partitions }) => partitions.map((partition) => ({ topic, partition })))
  const outcomes = await broker.services.controller.electLeaders(request.electionType, asked ?? null)
  return {
    throttleTimeMs: 0,
    errorCode: errors.NONE.code,
    replicaElectionResults: rowsByTopic(outcomes).map(([topic, rows]) => ({
      topic,
      partitionResult: rows.map(({ partition, errorCode, errorMessage }) => ({ partitionId: partition, errorCode, errorMessage })),
    })),
  }
}
