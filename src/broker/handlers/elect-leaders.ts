// API 43, ElectLeaders, v0-v2. 1: also unclean elections.

import type { ElectLeadersRequest, ElectLeadersResponse } from '../../protocol/schema/elect-leaders.js'
import { isNotControllerError } from '../../controller/no-controller.js'
import { errors } from '../../model/errors.js'
import type { HandlerContext, RequestContext } from './handler.js'
import { rowsByTopic } from '../../model/topic-partition.js'

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
  const { controller } = broker.services
  const outcomes = await controller.electLeaders(request.electionType, asked ?? null).catch((error: unknown) => {
    if (isNotControllerError(error)) return null
    throw error
  })
  if (outcomes === null) return { throttleTimeMs: 0, errorCode: errors.NOT_CONTROLLER.code, replicaElectionResults: [] }
  return {
    throttleTimeMs: 0,
    errorCode: errors.NONE.code,
    replicaElectionResults: rowsByTopic(outcomes).map(([topic, rows]) => ({
      topic,
      partitionResult: rows.map(({ partition, errorCode, errorMessage }) => ({ partitionId: partition, errorCode, errorMessage })),
    })),
  }
}
