// API 79, versions 1-2, flexible from 0.
// 2: renewing an acquisition.

import { array, arrayOf, bool, int16, int32, int64, int8, message, string, struct, uuid } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const shareAcknowledgeRequest = message('ShareAcknowledgeRequest', '1-2', '0+', {
  groupId: string('0+', { nullable: '0+', default: null }),
  memberId: string('0+', { nullable: '0+' }),
  shareSessionEpoch: int32('0+'),
  isRenewAck: bool('2+'),
  topics: array('0+', {
    topicId: uuid('0+'),
    partitions: array('0+', {
      partitionIndex: int32('0+'),
      acknowledgementBatches: array('0+', {
        firstOffset: int64('0+'),
        lastOffset: int64('0+'),
        acknowledgeTypes: arrayOf('0+', int8),
      }),
    }),
  }),
})
export type ShareAcknowledgeRequest = MessageOf<typeof shareAcknowledgeRequest>

export const shareAcknowledgeResponse = message('ShareAcknowledgeResponse', '1-2', '0+', {
  throttleTimeMs: int32('0+'),
  errorCode: int16('0+'),
  errorMessage: string('0+', { nullable: '0+', default: null }),
  acquisitionLockTimeoutMs: int32('2+'),
  responses: array('0+', {
    topicId: uuid('0+'),
    partitions: array('0+', {
      partitionIndex: int32('0+'),
      errorCode: int16('0+'),
      errorMessage: string('0+', { nullable: '0+', default: null }),
      currentLeader: struct('0+', { leaderId: int32('0+'), leaderEpoch: int32('0+') }),
    }),
  }),
  nodeEndpoints: array('0+', {
    nodeId: int32('0+'),
    host: string('0+'),
    port: int32('0+'),
    rack: string('0+', { nullable: '0+', default: null }),
  }),
})
export type ShareAcknowledgeResponse = MessageOf<typeof shareAcknowledgeResponse>
