// API 45, AlterPartitionReassignments, v0-v1. 1: whether the number of replicas may change.

import type {
  AlterPartitionReassignmentsRequest,
  AlterPartitionReassignmentsResponse,
} from '../../protocol/schema/alter-partition-reassignments.js'
import { errors } from '../../model/errors.js'
import type { HandlerContext, RequestContext } from './handler.js'
import { rowsByTopic } from '../../model/topic-partition.js'

export async function handleAlterPartitionReassignments(
  request: AlterPartitionReassignmentsRequest,
  _context: RequestContext,
  broker: HandlerContext,
): Promise<AlterPartitionReassignmentsResponse> {
  const specs = request.topics.flatMap(({ name, partitions }) =>
    partitions.map(({ partitionIndex, replicas }) => ({ topic: name, partition: partitionIndex, replicas })),
  )
  const outcomes = await broker.services.controller.alterPartitionReassignments(specs, request.allowReplicationFactorChange)
  return {
    throttleTimeMs: 0,
    allowReplicationFactorChange: request.allowReplicationFactorChange,
    errorCode: errors.NONE.code,
    errorMessage: null,
    responses: rowsByTopic(outcomes).map(([name, rows]) => ({
      name,
      partitions: rows.map(({ partition, errorCode, errorMessage }) => ({ partitionIndex: partition, errorCode, errorMessage })),
    })),
  }
}
