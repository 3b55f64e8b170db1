// API 46, ListPartitionReassignments, v0: those under way, of all topics or of the partitions named.

import type {
  ListPartitionReassignmentsRequest,
  ListPartitionReassignmentsResponse,
} from '../../protocol/schema/list-partition-reassignments.js'
import { isNotControllerError } from '../../controller/no-controller.js'
import { errors } from '../../model/errors.js'
import type { HandlerContext, RequestContext } from './handler.js'
import { rowsByTopic } from '../../model/topic-partition.js'

export async function handleListPartitionReassignments(
  request: ListPartitionReassignmentsRequest,
  _context: RequestContext,
  broker: HandlerContext,
): Promise<ListPartitionReassignmentsResponse> {
  const asked = request.topics?.flatMap(({ name, partitionIndexes }) => partitionIndexes.map((partition) => ({ topic: name, partition })))
  const { controller } = broker.services
  const found = await controller.listPartitionReassignments(asked ?? null).catch((error: unknown) => {
    if (isNotControllerError(error)) return null
    throw error
  })
  if (found === null) return { throttleTimeMs: 0, errorCode: errors.NOT_CONTROLLER.code, errorMessage: null, topics: [] }
  return {
    throttleTimeMs: 0,
    errorCode: errors.NONE.code,
    errorMessage: null,
    topics: rowsByTopic(found).map(([name, rows]) => ({
      name,
      partitions: rows.map(({ partition, replicas, addingReplicas, removingReplicas }) => ({
        partitionIndex: partition,
        replicas: [...replicas],
        addingReplicas: [...addingReplicas],
        removingReplicas: [...removingReplicas],
      })),
    })),
  }
}
