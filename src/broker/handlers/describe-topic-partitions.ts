// API 75, DescribeTopicPartitions, v0: partitions page by page, topics in order of their names.

import type { MetadataImage, TopicImage } from '../../controller/image.js'
import { topicNameProblem } from '../../controller/topic-names.js'
import { errors } from '../../model/errors.js'
import { isInternalTopic, ZERO_UUID } from '../../model/topic-partition.js'
import type { DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse } from '../../protocol/schema/describe-topic-partitions.js'
import { ALL_TOPIC_OPERATIONS, NO_AUTHORIZED_OPERATIONS, partitionRow } from './cluster-view.js'
import type { HandlerContext, RequestContext } from './handler.js'

type TopicRow = DescribeTopicPartitionsResponse['topics'][number]

export function handleDescribeTopicPartitions(
  request: DescribeTopicPartitionsRequest,
  _context: RequestContext,
  broker: HandlerContext,
): DescribeTopicPartitionsResponse {
  const image = broker.image()
  const named = [...new Set(request.topics.map(({ name }) => name))]
  if (!isValidCursor(request, named)) {
    const topics = named.map((name) => errorRow(name, errors.INVALID_REQUEST.code))
    return { throttleTimeMs: 0, topics, nextCursor: null }
  }
  const all = named.length === 0
  const { cursor } = request
  const names = (all ? [...image.topics.keys()] : named).sort(byCodeUnits).filter((name) => !cursor || name >= cursor.topicName)
  const atMost = broker.services.configs.getNumber('max.request.partition.size.limit')
  return page(names, request, image, Math.max(1, Math.min(atMost, request.responsePartitionLimit)), all)
}

function isValidCursor({ cursor }: DescribeTopicPartitionsRequest, named: readonly string[]): boolean {
  return cursor === null || (cursor.partitionIndex >= 0 && (named.length === 0 || named.includes(cursor.topicName)))
}

function page(
  names: readonly string[],
  request: DescribeTopicPartitionsRequest,
  image: MetadataImage,
  limit: number,
  all: boolean,
): DescribeTopicPartitionsResponse {
  const topics: TopicRow[] = []
  let left = limit
  for (const name of names) {
    if (left === 0) return { throttleTimeMs: 0, topics, nextCursor: { topicName: name, partitionIndex: 0 } }
    const topic = image.topics.get(name)
    if (!topic) {
      if (!all)
        topics.push(errorRow(name, topicNameProblem(name) ? errors.INVALID_TOPIC_EXCEPTION.code : errors.UNKNOWN_TOPIC_OR_PARTITION.code))
      continue
    }
    const first = request.cursor?.topicName === name ? request.cursor.partitionIndex : 0
    const row = topicRow(topic, image, first, left)
    topics.push(row)
    left -= row.partitions.length
    const next = first + row.partitions.length
    if (next < topic.partitions.length) return { throttleTimeMs: 0, topics, nextCursor: { topicName: name, partitionIndex: next } }
  }
  return { throttleTimeMs: 0, topics, nextCursor: null }
}

function topicRow(topic: TopicImage, image: MetadataImage, first: number, limit: number): TopicRow {
  const states = topic.partitions.slice(first, first + limit)
  return {
    errorCode: errors.NONE.code,
    name: topic.name,
    topicId: topic.id,
    isInternal: isInternalTopic(topic.name),
    partitions: states.map((state) => ({ ...partitionRow(state, image), eligibleLeaderReplicas: [], lastKnownElr: [] })),
    topicAuthorizedOperations: ALL_TOPIC_OPERATIONS,
  }
}

function errorRow(name: string, errorCode: number): TopicRow {
  return {
    errorCode,
    name,
    topicId: ZERO_UUID,
    isInternal: isInternalTopic(name),
    partitions: [],
    topicAuthorizedOperations: NO_AUTHORIZED_OPERATIONS,
  }
}

function byCodeUnits(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
