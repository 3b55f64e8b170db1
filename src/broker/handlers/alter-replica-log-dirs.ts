// API 34, AlterReplicaLogDirs (KIP-113). 2: flexible. Answers when the moves have begun; DescribeLogDirs tells how far they are.

import type { AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse } from '../../protocol/schema/alter-replica-log-dirs.js'
import type { MoveRequest } from '../../replica/log-moves.js'
import type { HandlerContext, RequestContext } from './handler.js'

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
  const byTopic = new Map<string, { partitionIndex: number; errorCode: number }[]>()
  moves.forEach(({ topic, partition }, i) => {
    const rows = byTopic.get(topic) ?? []
    byTopic.set(topic, rows)
    rows.push({ partitionIndex: partition, errorCode: codes[i]! })
  })
  return { throttleTimeMs: 0, results: [...byTopic].map(([topicName, partitions]) => ({ topicName, partitions })) }
}
