// API 76, versions 1, flexible from 0.
// Membership of a share group in one request.

import { array, arrayOf, int16, int32, message, string, struct, uuid } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const shareGroupHeartbeatRequest = message('ShareGroupHeartbeatRequest', '1', '0+', {
  groupId: string('0+'),
  memberId: string('0+'),
  memberEpoch: int32('0+'),
  rackId: string('0+', { nullable: '0+', default: null }),
  subscribedTopicNames: arrayOf('0+', string, { nullable: '0+', default: null }),
})
export type ShareGroupHeartbeatRequest = MessageOf<typeof shareGroupHeartbeatRequest>

const topicPartitions = {
  topicId: uuid('0+'),
  partitions: arrayOf('0+', int32),
}

export const shareGroupHeartbeatResponse = message('ShareGroupHeartbeatResponse', '1', '0+', {
  throttleTimeMs: int32('0+'),
  errorCode: int16('0+'),
  errorMessage: string('0+', { nullable: '0+', default: null }),
  memberId: string('0+', { nullable: '0+', default: null }),
  memberEpoch: int32('0+'),
  heartbeatIntervalMs: int32('0+'),
  assignment: struct('0+', { topicPartitions: array('0+', topicPartitions) }, { nullable: '0+', default: null }),
})
export type ShareGroupHeartbeatResponse = MessageOf<typeof shareGroupHeartbeatResponse>
