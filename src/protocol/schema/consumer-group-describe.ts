// API 69, versions 0-1, flexible from 0.
// Groups of the new consumer protocol. 1: memberType.

import { array, arrayOf, bool, int16, int32, int8, message, string, struct, uuid } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const consumerGroupDescribeRequest = message('ConsumerGroupDescribeRequest', '0-1', '0+', {
  groupIds: arrayOf('0+', string),
  includeAuthorizedOperations: bool('0+'),
})
export type ConsumerGroupDescribeRequest = MessageOf<typeof consumerGroupDescribeRequest>

const topicPartitions = {
  topicId: uuid('0+'),
  topicName: string('0+'),
  partitions: arrayOf('0+', int32),
}

const assignment = {
  topicPartitions: array('0+', topicPartitions),
}

export const consumerGroupDescribeResponse = message('ConsumerGroupDescribeResponse', '0-1', '0+', {
  throttleTimeMs: int32('0+'),
  groups: array('0+', {
    errorCode: int16('0+'),
    errorMessage: string('0+', { nullable: '0+', default: null }),
    groupId: string('0+'),
    groupState: string('0+'),
    groupEpoch: int32('0+'),
    assignmentEpoch: int32('0+'),
    assignorName: string('0+'),
    members: array('0+', {
      memberId: string('0+'),
      instanceId: string('0+', { nullable: '0+', default: null }),
      rackId: string('0+', { nullable: '0+', default: null }),
      memberEpoch: int32('0+'),
      clientId: string('0+'),
      clientHost: string('0+'),
      subscribedTopicNames: arrayOf('0+', string),
      subscribedTopicRegex: string('0+', { nullable: '0+', default: null }),
      assignment: struct('0+', assignment),
      targetAssignment: struct('0+', assignment),
      memberType: int8('1+', { default: -1 }),
    }),
    authorizedOperations: int32('0+', { default: -2147483648 }),
  }),
})
export type ConsumerGroupDescribeResponse = MessageOf<typeof consumerGroupDescribeResponse>
