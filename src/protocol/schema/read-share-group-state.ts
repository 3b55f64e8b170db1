// API 84, versions 0, flexible from 0.
// Between brokers: from a share partition to the share coordinator.

import { array, int16, int32, int64, int8, message, string, uuid } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const readShareGroupStateRequest = message('ReadShareGroupStateRequest', '0', '0+', {
  groupId: string('0+'),
  topics: array('0+', {
    topicId: uuid('0+'),
    partitions: array('0+', { partition: int32('0+'), leaderEpoch: int32('0+') }),
  }),
})
export type ReadShareGroupStateRequest = MessageOf<typeof readShareGroupStateRequest>

export const readShareGroupStateResponse = message('ReadShareGroupStateResponse', '0', '0+', {
  results: array('0+', {
    topicId: uuid('0+'),
    partitions: array('0+', {
      partition: int32('0+'),
      errorCode: int16('0+'),
      errorMessage: string('0+', { nullable: '0+', default: null }),
      stateEpoch: int32('0+'),
      startOffset: int64('0+'),
      stateBatches: array('0+', {
        firstOffset: int64('0+'),
        lastOffset: int64('0+'),
        deliveryState: int8('0+'),
        deliveryCount: int16('0+'),
      }),
    }),
  }),
})
export type ReadShareGroupStateResponse = MessageOf<typeof readShareGroupStateResponse>
