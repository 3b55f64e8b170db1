// API 35, DescribeLogDirs (KIP-113). 2: flexible. 3: top-level error. 4: total and usable bytes. 5: cordoned directories.

import { statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { errors } from '../../model/errors.js'
import type { DescribeLogDirsRequest, DescribeLogDirsResponse } from '../../protocol/schema/describe-log-dirs.js'
import type { LogDescription } from '../../replica/partition-operations.js'
import type { HandlerContext, RequestContext } from './handler.js'

export async function handleDescribeLogDirs(
  request: DescribeLogDirsRequest,
  _context: RequestContext,
  broker: HandlerContext,
): Promise<DescribeLogDirsResponse> {
  const wanted = request.topics && new Map(request.topics.map(({ topic, partitions }) => [topic, new Set(partitions)]))
  const logs = (await broker.services.partitions.describeLogs()).filter((log) => !wanted || wanted.get(log.topic)?.has(log.partition))
  const results = await Promise.all(broker.services.logDirs().map(({ path, failed }) => describe(path, failed, logs)))
  return { throttleTimeMs: 0, errorCode: 0, results }
}

async function describe(path: string, failed: boolean, logs: readonly LogDescription[]) {
  const here = logs.filter((log) => dirname(log.dir) === path)
  const topics = [...new Set(here.map((log) => log.topic))].map((name) => ({
    name,
    partitions: here
      .filter((log) => log.topic === name)
      .map((log) => ({ partitionIndex: log.partition, partitionSize: log.size, offsetLag: log.offsetLag, isFutureKey: log.isFuture })),
  }))
  const space = failed ? undefined : await statfs(path).catch(() => undefined)
  return {
    errorCode: space ? 0 : errors.KAFKA_STORAGE_ERROR.code,
    logDir: path,
    topics: space ? topics : [],
    totalBytes: space ? space.blocks * space.bsize : -1,
    usableBytes: space ? space.bavail * space.bsize : -1,
    isCordoned: false,
  }
}
