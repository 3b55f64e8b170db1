// API 2, ListOffsets. 1: one offset by timestamp. 2: isolation level. 4: leader epochs. 5: OFFSET_NOT_AVAILABLE. 7: max timestamp (-3). 8: earliest local (-4).
// 9: latest tiered (-5). 10: timeout. 11: earliest pending upload (-6).

import { errors } from '../../model/errors.js'
import type { ListOffsetsRequest, ListOffsetsResponse } from '../../protocol/schema/list-offsets.js'
import type { ListOffsetsAnswer } from '../../replica/partition-operations.js'
import type { HandlerContext, RequestContext } from './handler.js'

/** The version that brought each special timestamp below -2. */
const SPECIAL_SINCE: ReadonlyMap<number, number> = new Map([
  [-3, 7],
  [-4, 8],
  [-5, 9],
  [-6, 11],
])

export async function handleListOffsets(
  request: ListOffsetsRequest,
  context: RequestContext,
  broker: HandlerContext,
): Promise<ListOffsetsResponse> {
  const image = broker.image()
  const readCommitted = request.isolationLevel === 1
  const failed = (errorCode: number) => ({ errorCode, timestamp: -1, offset: -1, leaderEpoch: -1 })
  const topics = await Promise.all(
    request.topics.map(async ({ name, partitions: asListed }) => {
      const count = image.topics.get(name)?.partitions.length ?? 0
      // A partition that is listed twice is refused, once.
      const partitions = asListed.filter((one, i) => asListed.findIndex((other) => other.partitionIndex === one.partitionIndex) === i)
      const duplicated = new Set(
        asListed
          .filter((one) => asListed.some((other) => other !== one && other.partitionIndex === one.partitionIndex))
          .map((one) => one.partitionIndex),
      )
      const refusals = partitions.map(({ partitionIndex, timestamp }) => {
        if (duplicated.has(partitionIndex)) return errors.INVALID_REQUEST.code
        if (partitionIndex < 0 || partitionIndex >= count) return errors.UNKNOWN_TOPIC_OR_PARTITION.code
        return timestamp < -2 && context.version < (SPECIAL_SINCE.get(timestamp) ?? Infinity) ? errors.UNSUPPORTED_VERSION.code : 0
      })
      const asked = partitions
        .filter((_, i) => refusals[i] === 0)
        .map(({ partitionIndex, timestamp, currentLeaderEpoch }) => ({
          topic: name,
          partition: partitionIndex,
          timestamp,
          currentLeaderEpoch,
          readCommitted,
        }))
      const answers = (await broker.services.partitions.ask('listOffsets', asked, failed)).map((answer) =>
        forVersion(context.version, answer),
      )
      let next = 0
      return {
        name,
        partitions: partitions.map(({ partitionIndex }, i) => ({
          partitionIndex,
          ...(refusals[i] === 0 ? answers[next++]! : failed(refusals[i]!)),
        })),
      }
    }),
  )
  return { throttleTimeMs: 0, topics }
}

/** The error for an offset that is not known yet after an election (KIP-207); clients from before know another one to try again after. */
function forVersion(version: number, answer: ListOffsetsAnswer): ListOffsetsAnswer {
  const isNew = answer.errorCode === errors.OFFSET_NOT_AVAILABLE.code
  return isNew && version < 5 ? { ...answer, errorCode: errors.LEADER_NOT_AVAILABLE.code } : answer
}
