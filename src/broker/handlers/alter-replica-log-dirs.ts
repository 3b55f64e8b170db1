// API 34, AlterReplicaLogDirs (KIP-113). 2: flexible. Answers when the moves have begun; DescribeLogDirs tells how far they are.

import type { AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse } from '../../protocol/schema/alter-replica-log-dirs.js'
import type { MoveRequest } from '../../replica/log-moves.js'
import type { HandlerContext, RequestContext } from './handler.js'
import { rowsByTopic } from '../../model/topic-partition.js'

export async function handleAlterReplicaLogDirs(
  request: AlterReplicaLogDirsRequest,
  _context: RequestContext,
  broker: HandlerContext,
): Promise<AlterReplicaLogDirsResponse> {
  const moves: MoveRequest[] = []
  for (const { path, topics } of request.dirs) {
    for (const { name, partitions } of topics) for (const partition of partitions) moves.push({ topic: name, partition, target: path })
  }
  const codes = await broker.services.moveReplicas(moves)
  return {
    throttleTimeMs: 0,
    results: rowsByTopic(moves.map(({ topic, partition }, i) => ({ topic, partitionIndex: partition, errorCode: codes[i]! }))).map(
      ([topicName, rows]) => ({ topicName, partitions: rows.map(({ partitionIndex, errorCode }) => ({ partitionIndex, errorCode })) }),
    ),
  }
}
