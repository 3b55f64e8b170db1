// OffsetDelete v0. Topics that do not exist are refused here, the rest goes to the coordinator.

import { errors } from '../../model/errors.js'
import type { OffsetDeleteRequest } from '../../protocol/schema/offset-delete.js'
import { callGroup } from './group-requests.js'
import type { HandlerContext, RequestContext } from './handler.js'

export async function handleOffsetDelete(request: OffsetDeleteRequest, _context: RequestContext, broker: HandlerContext): Promise<object> {
  const { groupId } = request
  const image = broker.image()
  const known = request.topics.filter((topic) => image.topics.has(topic.name))
  const missing = request.topics
    .filter((topic) => !image.topics.has(topic.name))
    .map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode: errors.UNKNOWN_TOPIC_OR_PARTITION.code })),
    }))
  if (known.length === 0) return { errorCode: errors.NONE.code, throttleTimeMs: 0, topics: missing }
  const result = await callGroup(broker, groupId, 'deleteOffsets', {
    groupId,
    topics: known.map(({ name, partitions }) => ({ topic: name, partitions: partitions.map((each) => each.partitionIndex) })),
  })
  if (result.unreached || result.errorCode !== 0) return { errorCode: result.errorCode, throttleTimeMs: 0, topics: [] }
  const deleted = result.topics.map(({ topic, partitions }) => ({
    name: topic,
    partitions: partitions.map(({ partition, errorCode }) => ({ partitionIndex: partition, errorCode })),
  }))
  return { errorCode: errors.NONE.code, throttleTimeMs: 0, topics: [...deleted, ...missing] }
}
