// API 86, versions 0, flexible from 0.
// Between brokers: from the group coordinator to the share coordinator.

import { array, int16, int32, message, string, uuid } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const deleteShareGroupStateRequest = message('DeleteShareGroupStateRequest', '0', '0+', {
  groupId: string('0+'),
  topics: array('0+', { topicId: uuid('0+'), partitions: array('0+', { partition: int32('0+') }) }),
})
export type DeleteShareGroupStateRequest = MessageOf<typeof deleteShareGroupStateRequest>

export const deleteShareGroupStateResponse = message('DeleteShareGroupStateResponse', '0', '0+', {
  results: array('0+', {
    topicId: uuid('0+'),
    partitions: array('0+', {
      partition: int32('0+'),
      errorCode: int16('0+'),
      errorMessage: string('0+', { nullable: '0+', default: null }),
    }),
  }),
})
export type DeleteShareGroupStateResponse = MessageOf<typeof deleteShareGroupStateResponse>
