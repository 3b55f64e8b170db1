// API 83, versions 0, flexible from 0.
// Between brokers: from the group coordinator to the share coordinator.

import { array, int16, int32, int64, message, string, uuid } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const initializeShareGroupStateRequest = message('InitializeShareGroupStateRequest', '0', '0+', {
  groupId: string('0+'),
  topics: array('0+', {
    topicId: uuid('0+'),
    partitions: array('0+', { partition: int32('0+'), stateEpoch: int32('0+'), startOffset: int64('0+') }),
  }),
})
export type InitializeShareGroupStateRequest = MessageOf<typeof initializeShareGroupStateRequest>

export const initializeShareGroupStateResponse = message('InitializeShareGroupStateResponse', '0', '0+', {
  results: array('0+', {
    topicId: uuid('0+'),
    partitions: array('0+', {
      partition: int32('0+'),
      errorCode: int16('0+'),
      errorMessage: string('0+', { nullable: '0+', default: null }),
    }),
  }),
})
export type InitializeShareGroupStateResponse = MessageOf<typeof initializeShareGroupStateResponse>
