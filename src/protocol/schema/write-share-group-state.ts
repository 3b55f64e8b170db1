// API 85, versions 0-1, flexible from 0.
// Between brokers: from a share partition to the share coordinator. 1: deliveryCompleteCount.

import { array, int16, int32, int64, int8, message, string, uuid } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const writeShareGroupStateRequest = message('WriteShareGroupStateRequest', '0-1', '0+', {
  groupId: string('0+'),
  topics: array('0+', {
    topicId: uuid('0+'),
    partitions: array('0+', {
      partition: int32('0+'),
      stateEpoch: int32('0+'),
      leaderEpoch: int32('0+'),
      startOffset: int64('0+'),
      deliveryCompleteCount: int32('1+', { default: -1 }),
      stateBatches: array('0+', {
        firstOffset: int64('0+'),
        lastOffset: int64('0+'),
        deliveryState: int8('0+'),
        deliveryCount: int16('0+'),
      }),
    }),
  }),
})
export type WriteShareGroupStateRequest = MessageOf<typeof writeShareGroupStateRequest>

export const writeShareGroupStateResponse = message('WriteShareGroupStateResponse', '0-1', '0+', {
  results: array('0+', {
    topicId: uuid('0+'),
    partitions: array('0+', {
      partition: int32('0+'),
      errorCode: int16('0+'),
      errorMessage: string('0+', { nullable: '0+', default: null }),
    }),
  }),
})
export type WriteShareGroupStateResponse = MessageOf<typeof writeShareGroupStateResponse>
