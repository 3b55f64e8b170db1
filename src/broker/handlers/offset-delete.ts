// OffsetDelete v0. Topics and partitions that do not exist are refused here, the rest goes to the coordinator.

import { errors } from '../../model/errors.js'
import { partitionDirName } from '../../model/topic-partition.js'
import type { OffsetDeleteRequest } from '../../protocol/schema/offset-delete.js'
import { callGroup } from './group-requests.js'
import type { HandlerContext, RequestContext } from './handler.js'

export async function handleOffsetDelete(request: OffsetDeleteRequest, _context: RequestContext, broker: HandlerContext): Promise<object> {
  const { groupId } = request
  const image = broker.image()
  const exists = (topic: string, partition: number) => image.topics.get(topic)?.partitions[partition] !== undefined
  const known = request.topics
    .map(({ name, partitions }) => ({
      topic: name,
      partitions: partitions.map((each) => each.partitionIndex).filter((each) => exists(name, each)),
    }))
    .filter((topic) => topic.partitions.length > 0)
  const outcomes = new Map<string, number>()
  // Asked even when nothing is left to delete: an unknown group is told so first.
  const result = await callGroup(broker, groupId, 'deleteOffsets', { groupId, topics: known })
  if (result.unreached || result.errorCode !== 0) return { errorCode: result.errorCode, throttleTimeMs: 0, topics: [] }
  for (const { topic, partitions } of result.topics) {
    for (const { partition, errorCode } of partitions) outcomes.set(partitionDirName(topic, partition), errorCode)
  }
  const topics = request.topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map(({ partitionIndex }) => ({
      partitionIndex,
      errorCode: outcomes.get(partitionDirName(name, partitionIndex)) ?? errors.UNKNOWN_TOPIC_OR_PARTITION.code,
    })),
  }))
  return { errorCode: errors.NONE.code, throttleTimeMs: 0, topics }
}
