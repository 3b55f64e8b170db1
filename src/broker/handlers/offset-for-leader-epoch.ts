// API 23, OffsetForLeaderEpoch (KIP-101, KIP-320). 2: leader epoch fencing. 3: replica id. 4: flexible.

import { errors } from '../../model/errors.js'
import type { OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse } from '../../protocol/schema/offset-for-leader-epoch.js'
import type { HandlerContext, RequestContext } from './handler.js'

export async function handleOffsetForLeaderEpoch(
  request: OffsetForLeaderEpochRequest,
  _context: RequestContext,
  broker: HandlerContext,
): Promise<OffsetForLeaderEpochResponse> {
  const image = broker.image()
  const failed = (errorCode: number) => ({ errorCode, leaderEpoch: -1, endOffset: -1 })
  const topics = await Promise.all(
    request.topics.map(async ({ topic, partitions }) => {
      const count = image.topics.get(topic)?.partitions.length ?? 0
      const exists = (partition: number): boolean => partition >= 0 && partition < count
      const asked = partitions.filter((one) => exists(one.partition)).map((one) => ({ ...one, topic }))
      const answers = await broker.services.partitions.ask('epochEnd', asked, failed)
      let next = 0
      return {
        topic,
        partitions: partitions.map(({ partition }) => ({
          partition,
          ...(exists(partition) ? answers[next++]! : failed(errors.UNKNOWN_TOPIC_OR_PARTITION.code)),
        })),
      }
    }),
  )
  return { throttleTimeMs: 0, topics }
}
