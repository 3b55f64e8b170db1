// API 21, DeleteRecords (KIP-107). 2: flexible. Moves the log start offset of every live replica, and waits for them as long as the request says;
// whole segments below it go at the next retention pass.

import { errors } from '../../model/errors.js'
import { isInternalTopic } from '../../model/topic-partition.js'
import type { DeleteRecordsRequest, DeleteRecordsResponse } from '../../protocol/schema/delete-records.js'
import type { HandlerContext, RequestContext } from './handler.js'

export async function handleDeleteRecords(
  request: DeleteRecordsRequest,
  _context: RequestContext,
  broker: HandlerContext,
): Promise<DeleteRecordsResponse> {
  const image = broker.image()
  const failed = (errorCode: number) => ({ errorCode, lowWatermark: -1 })
  const topics = await Promise.all(
    request.topics.map(async ({ name, partitions }) => {
      const count = image.topics.get(name)?.partitions.length ?? 0
      const refusal = (partition: number): number => {
        if (partition < 0 || partition >= count) return errors.UNKNOWN_TOPIC_OR_PARTITION.code
        return isInternalTopic(name) ? errors.INVALID_TOPIC_EXCEPTION.code : errors.NONE.code
      }
      const refusals = partitions.map(({ partitionIndex }) => refusal(partitionIndex))
      const asked = partitions
        .filter((_, i) => refusals[i] === errors.NONE.code)
        .map(({ partitionIndex, offset }) => ({ topic: name, partition: partitionIndex, offset, timeoutMs: request.timeoutMs }))
      const answers = await broker.services.partitions.ask('deleteRecords', asked, failed)
      let next = 0
      return {
        name,
        partitions: partitions.map(({ partitionIndex }, i) => ({
          partitionIndex,
          ...(refusals[i] === errors.NONE.code ? answers[next++]! : failed(refusals[i]!)),
        })),
      }
    }),
  )
  return { throttleTimeMs: 0, topics }
}
