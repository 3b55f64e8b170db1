// API 68, versions 0-1, flexible from 0.
// The new consumer protocol in one request: join, keep alive, reconcile, leave. 1: subscription by regular expression; the member makes
// its own id.

import { array, arrayOf, int16, int32, message, string, struct, uuid } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const consumerGroupHeartbeatRequest = message('ConsumerGroupHeartbeatRequest', '0-1', '0+', {
  groupId: string('0+'),
  memberId: string('0+'),
  memberEpoch: int32('0+'),
  instanceId: string('0+', { nullable: '0+', default: null }),
  rackId: string('0+', { nullable: '0+', default: null }),
  rebalanceTimeoutMs: int32('0+', { default: -1 }),
  subscribedTopicNames: arrayOf('0+', string, { nullable: '0+', default: null }),
  subscribedTopicRegex: string('1+', { nullable: '1+', default: null }),
  serverAssignor: string('0+', { nullable: '0+', default: null }),
  topicPartitions: array('0+', { topicId: uuid('0+'), partitions: arrayOf('0+', int32) }, { nullable: '0+', default: null }),
})
export type ConsumerGroupHeartbeatRequest = MessageOf<typeof consumerGroupHeartbeatRequest>

const topicPartitions = {
  topicId: uuid('0+'),
  partitions: arrayOf('0+', int32),
}

export const consumerGroupHeartbeatResponse = message('ConsumerGroupHeartbeatResponse', '0-1', '0+', {
  throttleTimeMs: int32('0+'),
  errorCode: int16('0+'),
  errorMessage: string('0+', { nullable: '0+', default: null }),
  memberId: string('0+', { nullable: '0+', default: null }),
  memberEpoch: int32('0+'),
  heartbeatIntervalMs: int32('0+'),
  assignment: struct('0+', { topicPartitions: array('0+', topicPartitions) }, { nullable: '0+', default: null }),
})
export type ConsumerGroupHeartbeatResponse = MessageOf<typeof consumerGroupHeartbeatResponse>
