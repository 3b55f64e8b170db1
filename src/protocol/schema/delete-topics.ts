// API 20, versions 1-6, flexible from 4.
// 3: may answer TOPIC_DELETION_DISABLED. 5: error messages; may answer THROTTLING_QUOTA_EXCEEDED. 6: topics by id, the list is another
// field.

import { array, arrayOf, int16, int32, message, string, uuid } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const deleteTopicsRequest = message('DeleteTopicsRequest', '1-6', '4+', {
  topics: array('6+', { name: string('6+', { nullable: '6+', default: null }), topicId: uuid('6+') }),
  topicNames: arrayOf('0-5', string),
  timeoutMs: int32('0+'),
})
export type DeleteTopicsRequest = MessageOf<typeof deleteTopicsRequest>

export const deleteTopicsResponse = message('DeleteTopicsResponse', '1-6', '4+', {
  throttleTimeMs: int32('1+'),
  responses: array('0+', {
    name: string('0+', { nullable: '6+' }),
    topicId: uuid('6+'),
    errorCode: int16('0+'),
    errorMessage: string('5+', { nullable: '5+', default: null }),
  }),
})
export type DeleteTopicsResponse = MessageOf<typeof deleteTopicsResponse>
