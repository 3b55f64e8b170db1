// API 34, AlterReplicaLogDirs (KIP-113). 2: flexible. A replica that already lies in the named directory is fine; one that would have to
// move is refused for now (KAFKA_STORAGE_ERROR would make tools retry for ever, so the code says what it is: not supported here).

import { dirname } from 'node:path'
import { errors } from '../../model/errors.js'
import type { AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse } from '../../protocol/schema/alter-replica-log-dirs.js'
import type { HandlerContext, RequestContext } from './handler.js'

export async function handleAlterReplicaLogDirs(
  request: AlterReplicaLogDirsRequest,
  _context: RequestContext,
  broker: HandlerContext,
): Promise<AlterReplicaLogDirsResponse> {
  const logs = new Map((await broker.services.partitions.describeLogs()).map((log) => [`${log.topic}-${log.partition}`, log.dir]))
  const paths = new Set(broker.services.logDirs().map(({ path }) => path))
  const byTopic = new Map<string, { partitionIndex: number; errorCode: number }[]>()
  for (const { path, topics } of request.dirs) {
    for (const { name, partitions } of topics) {
      const rows = byTopic.get(name) ?? []
      byTopic.set(name, rows)
      for (const partition of partitions)
        rows.push({ partitionIndex: partition, errorCode: outcome(path, paths, logs.get(`${name}-${partition}`)) })
    }
  }
  return { throttleTimeMs: 0, results: [...byTopic].map(([topicName, partitions]) => ({ topicName, partitions })) }
}

function outcome(path: string, paths: ReadonlySet<string>, current: string | undefined): number {
  if (!path.startsWith('/') || !paths.has(path)) return errors.LOG_DIR_NOT_FOUND.code
  if (current === undefined) return errors.NOT_LEADER_OR_FOLLOWER.code
  return dirname(current) === path ? errors.NONE.code : errors.UNSUPPORTED_VERSION.code
}
