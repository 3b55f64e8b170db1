// API 92, versions 0, flexible from 0.
// Forgets the offsets of topics in a share group.

import { array, int16, int32, message, string, uuid } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const deleteShareGroupOffsetsRequest = message('DeleteShareGroupOffsetsRequest', '0', '0+', {
  groupId: string('0+'),
  topics: array('0+', { topicName: string('0+') }),
})
export type DeleteShareGroupOffsetsRequest = MessageOf<typeof deleteShareGroupOffsetsRequest>

export const deleteShareGroupOffsetsResponse = message('DeleteShareGroupOffsetsResponse', '0', '0+', {
  throttleTimeMs: int32('0+'),
  errorCode: int16('0+'),
  errorMessage: string('0+', { nullable: '0+', default: null }),
  responses: array('0+', {
    topicName: string('0+'),
    topicId: uuid('0+'),
    errorCode: int16('0+'),
    errorMessage: string('0+', { nullable: '0+', default: null }),
  }),
})
export type DeleteShareGroupOffsetsResponse = MessageOf<typeof deleteShareGroupOffsetsResponse>
