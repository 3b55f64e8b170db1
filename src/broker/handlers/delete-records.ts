// API 21, DeleteRecords (KIP-107). 2: flexible. Moves the log start offset; whole segments below it go at the next retention pass.

import { errors } from '../../model/errors.js'
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
      const exists = (partition: number): boolean => partition >= 0 && partition < count
      const asked = partitions
        .filter((one) => exists(one.partitionIndex))
        .map(({ partitionIndex, offset }) => ({ topic: name, partition: partitionIndex, offset }))
      const answers = await broker.services.partitions.ask('deleteRecords', asked, failed)
      let next = 0
      return {
        name,
        partitions: partitions.map(({ partitionIndex }) => ({
          partitionIndex,
          ...(exists(partitionIndex) ? answers[next++]! : failed(errors.UNKNOWN_TOPIC_OR_PARTITION.code)),
        })),
      }
    }),
  )
  return { throttleTimeMs: 0, topics }
}
