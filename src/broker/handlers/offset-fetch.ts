// OffsetFetch v1-v10. 2: null topics = all, top-level error; 5: leader epoch; 7: requireStable; 8: several groups; 9: member id and
// epoch (of the newer group protocol, unused by classic groups); 10: topics by id.

import type { FetchOffsetsResult } from '../../coordinators/group/messages.js'
import type { MetadataImage } from '../../controller/image.js'
import { errors } from '../../model/errors.js'
import { ZERO_UUID } from '../../model/topic-partition.js'
import type { OffsetFetchRequest } from '../../protocol/schema/offset-fetch.js'
import { callGroup } from './group-requests.js'
import type { HandlerContext, RequestContext } from './handler.js'

interface WantedTopic {
  readonly name: string
  readonly topicId: string
  readonly partitionIndexes: readonly number[]
}

interface GroupAnswer {
  readonly groupId: string
  readonly errorCode: number
  readonly topics: readonly { readonly name: string; readonly topicId: string; readonly partitions: readonly object[] }[]
}

export async function handleOffsetFetch(request: OffsetFetchRequest, context: RequestContext, broker: HandlerContext): Promise<object> {
  const { version } = context
  const { requireStable } = request
  if (version >= 8) {
    const groups = request.groups.map((group) =>
      version >= 10
        ? fetchByIds(broker, group.groupId, group.topics, requireStable)
        : fetchByNames(broker, group.groupId, group.topics, requireStable),
    )
    return { throttleTimeMs: 0, groups: await Promise.all(groups) }
  }
  const wanted = request.topics?.map((topic) => ({ ...topic, topicId: ZERO_UUID })) ?? null
  const { errorCode, topics } = await fetchByNames(broker, request.groupId, wanted, requireStable)
  if (version >= 2 || errorCode === errors.NONE.code) return { throttleTimeMs: 0, errorCode, topics }
  // Version 1 has no place for an error but the partitions.
  return { topics: (wanted ?? []).map((topic) => failed(topic, errorCode)) }
}

async function fetchByNames(
  broker: HandlerContext,
  groupId: string,
  wanted: readonly WantedTopic[] | null,
  requireStable: boolean,
): Promise<GroupAnswer> {
  const topics = wanted?.map(({ name, partitionIndexes }) => ({ topic: name, partitions: partitionIndexes })) ?? null
  const result = await callGroup(broker, groupId, 'fetchOffsets', { groupId, topics, requireStable })
  if (result.unreached || result.errorCode !== 0) return { groupId, errorCode: result.errorCode, topics: [] }
  return { groupId, errorCode: 0, topics: result.topics.map((topic) => toTopic(topic, topic.topic, ZERO_UUID)) }
}

async function fetchByIds(
  broker: HandlerContext,
  groupId: string,
  wanted: readonly WantedTopic[] | null,
  requireStable: boolean,
): Promise<GroupAnswer> {
  const image = broker.image()
  const unknown = wanted?.filter((topic) => !image.topicNames.has(topic.topicId)) ?? []
  const known = wanted?.filter((topic) => image.topicNames.has(topic.topicId)) ?? null
  const topics =
    known?.map(({ topicId, partitionIndexes }) => ({ topic: image.topicNames.get(topicId)!, partitions: partitionIndexes })) ?? null
  const result = await callGroup(broker, groupId, 'fetchOffsets', { groupId, topics, requireStable })
  if (result.unreached || result.errorCode !== 0) return { groupId, errorCode: result.errorCode, topics: [] }
  const found = result.topics.flatMap((topic) => withId(image, topic))
  return { groupId, errorCode: 0, topics: [...found, ...unknown.map((topic) => failed(topic, errors.UNKNOWN_TOPIC_ID.code))] }
}

/** A topic that was deleted has no id to be named by: it is left out. */
function withId(image: MetadataImage, topic: FetchOffsetsResult['topics'][number]): GroupAnswer['topics'] {
  const id = image.topics.get(topic.topic)?.id
  return id === undefined ? [] : [toTopic(topic, topic.topic, id)]
}

function toTopic(topic: FetchOffsetsResult['topics'][number], name: string, topicId: string): GroupAnswer['topics'][number] {
  return {
    name,
    topicId,
    partitions: topic.partitions.map(({ partition, offset, leaderEpoch, metadata, errorCode }) => ({
      partitionIndex: partition,
      committedOffset: offset,
      committedLeaderEpoch: leaderEpoch,
      metadata,
      errorCode,
    })),
  }
}

function failed(topic: WantedTopic, errorCode: number): GroupAnswer['topics'][number] {
  return {
    name: topic.name,
    topicId: topic.topicId,
    partitions: topic.partitionIndexes.map((partitionIndex) => ({
      partitionIndex,
      committedOffset: -1,
      committedLeaderEpoch: -1,
      metadata: '',
      errorCode,
    })),
  }
}
