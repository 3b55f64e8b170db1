// API 91, versions 0, flexible from 0.
// Sets where a share group without members starts.

import { array, int16, int32, int64, message, string, uuid } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const alterShareGroupOffsetsRequest = message('AlterShareGroupOffsetsRequest', '0', '0+', {
  groupId: string('0+'),
  topics: array('0+', {
    topicName: string('0+'),
    partitions: array('0+', { partitionIndex: int32('0+'), startOffset: int64('0+') }),
  }),
})
export type AlterShareGroupOffsetsRequest = MessageOf<typeof alterShareGroupOffsetsRequest>

export const alterShareGroupOffsetsResponse = message('AlterShareGroupOffsetsResponse', '0', '0+', {
  throttleTimeMs: int32('0+'),
  errorCode: int16('0+'),
  errorMessage: string('0+', { nullable: '0+', default: null }),
  responses: array('0+', {
    topicName: string('0+'),
    topicId: uuid('0+'),
    partitions: array('0+', {
      partitionIndex: int32('0+'),
      errorCode: int16('0+'),
      errorMessage: string('0+', { nullable: '0+', default: null }),
    }),
  }),
})
export type AlterShareGroupOffsetsResponse = MessageOf<typeof alterShareGroupOffsetsResponse>
