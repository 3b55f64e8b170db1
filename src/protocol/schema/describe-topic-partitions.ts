// API 75, versions 0, flexible from 0.
// Metadata in pages, by a cursor, with eligible leader replicas.

import { array, arrayOf, bool, int16, int32, message, string, struct, uuid } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const describeTopicPartitionsRequest = message('DescribeTopicPartitionsRequest', '0', '0+', {
  topics: array('0+', { name: string('0+') }),
  responsePartitionLimit: int32('0+', { default: 2000 }),
  cursor: struct('0+', { topicName: string('0+'), partitionIndex: int32('0+') }, { nullable: '0+', default: null }),
})
export type DescribeTopicPartitionsRequest = MessageOf<typeof describeTopicPartitionsRequest>

export const describeTopicPartitionsResponse = message('DescribeTopicPartitionsResponse', '0', '0+', {
  throttleTimeMs: int32('0+'),
  topics: array('0+', {
    errorCode: int16('0+'),
    name: string('0+', { nullable: '0+' }),
    topicId: uuid('0+'),
    isInternal: bool('0+'),
    partitions: array('0+', {
      errorCode: int16('0+'),
      partitionIndex: int32('0+'),
      leaderId: int32('0+'),
      leaderEpoch: int32('0+', { default: -1 }),
      replicaNodes: arrayOf('0+', int32),
      isrNodes: arrayOf('0+', int32),
      eligibleLeaderReplicas: arrayOf('0+', int32, { nullable: '0+', default: null }),
      lastKnownElr: arrayOf('0+', int32, { nullable: '0+', default: null }),
      offlineReplicas: arrayOf('0+', int32),
    }),
    topicAuthorizedOperations: int32('0+', { default: -2147483648 }),
  }),
  nextCursor: struct('0+', { topicName: string('0+'), partitionIndex: int32('0+') }, { nullable: '0+', default: null }),
})
export type DescribeTopicPartitionsResponse = MessageOf<typeof describeTopicPartitionsResponse>
