// API 90, versions 0-1, flexible from 0.
// 1: lag.

import { array, arrayOf, int16, int32, int64, message, string, uuid } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const describeShareGroupOffsetsRequest = message('DescribeShareGroupOffsetsRequest', '0-1', '0+', {
  groups: array('0+', {
    groupId: string('0+'),
    topics: array('0+', { topicName: string('0+'), partitions: arrayOf('0+', int32) }, { nullable: '0+' }),
  }),
})
export type DescribeShareGroupOffsetsRequest = MessageOf<typeof describeShareGroupOffsetsRequest>

export const describeShareGroupOffsetsResponse = message('DescribeShareGroupOffsetsResponse', '0-1', '0+', {
  throttleTimeMs: int32('0+'),
  groups: array('0+', {
    groupId: string('0+'),
    topics: array('0+', {
      topicName: string('0+'),
      topicId: uuid('0+'),
      partitions: array('0+', {
        partitionIndex: int32('0+'),
        startOffset: int64('0+'),
        leaderEpoch: int32('0+'),
        lag: int64('1+', { default: -1 }),
        errorCode: int16('0+'),
        errorMessage: string('0+', { nullable: '0+', default: null }),
      }),
    }),
    errorCode: int16('0+'),
    errorMessage: string('0+', { nullable: '0+', default: null }),
  }),
})
export type DescribeShareGroupOffsetsResponse = MessageOf<typeof describeShareGroupOffsetsResponse>
