// OffsetCommit v2-v10. 2-4: the request may name a retention; 6: leader epoch; 7: group.instance.id; 9: GROUP_ID_NOT_FOUND for an
// unknown group; 10: topics by id. Topics and partitions that do not exist are refused here, the rest goes to the coordinator.

import type { TopicImage } from '../../controller/image.js'
import { errors } from '../../model/errors.js'
import { ZERO_UUID } from '../../model/topic-partition.js'
import type { OffsetCommitRequest } from '../../protocol/schema/offset-commit.js'
import { callGroup } from './group-requests.js'
import type { HandlerContext, RequestContext } from './handler.js'

type RequestTopic = OffsetCommitRequest['topics'][number]
type RequestPartition = RequestTopic['partitions'][number]

export async function handleOffsetCommit(request: OffsetCommitRequest, context: RequestContext, broker: HandlerContext): Promise<object> {
  const topics = request.topics.map((topic) => splitTopic(topic, context.version, broker))
  const accepted = topics.filter((topic) => topic.accepted.length > 0)
  if (accepted.length > 0) {
    const result = await callGroup(broker, request.groupId, 'commitOffsets', {
      groupId: request.groupId,
      generationId: request.generationIdOrMemberEpoch,
      memberId: request.memberId,
      groupInstanceId: request.groupInstanceId,
      retentionTimeMs: context.version <= 4 ? request.retentionTimeMs : -1,
      groupIdNotFoundKnown: context.version >= 9,
      topics: accepted.map((topic) => ({ topic: topic.name, topicId: topic.topicId, partitions: topic.accepted.map(toCommit) })),
    })
    const outcomes = result.unreached || result.errorCode !== 0 ? [] : result.topics
    // The shard answers in the order it was asked.
    accepted.forEach((topic, topicIndex) =>
      topic.accepted.forEach((partition, index) => {
        const errorCode = outcomes[topicIndex]?.partitions[index]?.errorCode ?? result.errorCode
        topic.errorCodes.set(partition.partitionIndex, errorCode)
      }),
    )
  }
  return { throttleTimeMs: 0, topics: topics.map(toResponse) }
}

interface SplitTopic {
  readonly request: RequestTopic
  readonly name: string
  readonly topicId: string
  readonly accepted: readonly RequestPartition[]
  /** Partition index → outcome. */
  readonly errorCodes: Map<number, number>
}

function splitTopic(request: RequestTopic, version: number, broker: HandlerContext): SplitTopic {
  const image = broker.image()
  const name = version >= 10 ? image.topicNames.get(request.topicId) : request.name
  const topic: TopicImage | undefined = name === undefined ? undefined : image.topics.get(name)
  const missing = name === undefined ? errors.UNKNOWN_TOPIC_ID.code : errors.UNKNOWN_TOPIC_OR_PARTITION.code
  const errorCodes = new Map<number, number>()
  const accepted = request.partitions.filter((partition) => {
    const exists = topic?.partitions[partition.partitionIndex] !== undefined
    if (!exists) errorCodes.set(partition.partitionIndex, missing)
    return exists
  })
  return { request, name: name ?? '', topicId: topic?.id ?? ZERO_UUID, accepted, errorCodes }
}

function toCommit(partition: RequestPartition): { partition: number; offset: number; leaderEpoch: number; metadata: string | null } {
  return {
    partition: partition.partitionIndex,
    offset: partition.committedOffset,
    leaderEpoch: partition.committedLeaderEpoch,
    metadata: partition.committedMetadata,
  }
}

function toResponse(topic: SplitTopic): object {
  return {
    name: topic.request.name,
    topicId: topic.request.topicId,
    partitions: topic.request.partitions.map(({ partitionIndex }) => ({
      partitionIndex,
      errorCode: topic.errorCodes.get(partitionIndex) ?? errors.UNKNOWN_SERVER_ERROR.code,
    })),
  }
}
