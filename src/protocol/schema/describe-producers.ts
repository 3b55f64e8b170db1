// API 61, versions 0, flexible from 0.
// The producers that a partition remembers.

import { array, arrayOf, int16, int32, int64, message, string } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const describeProducersRequest = message('DescribeProducersRequest', '0', '0+', {
  topics: array('0+', { name: string('0+'), partitionIndexes: arrayOf('0+', int32) }),
})
export type DescribeProducersRequest = MessageOf<typeof describeProducersRequest>

export const describeProducersResponse = message('DescribeProducersResponse', '0', '0+', {
  throttleTimeMs: int32('0+'),
  topics: array('0+', {
    name: string('0+'),
    partitions: array('0+', {
      partitionIndex: int32('0+'),
      errorCode: int16('0+'),
      errorMessage: string('0+', { nullable: '0+', default: null }),
      activeProducers: array('0+', {
        producerId: int64('0+'),
        producerEpoch: int32('0+'),
        lastSequence: int32('0+', { default: -1 }),
        lastTimestamp: int64('0+', { default: -1 }),
        coordinatorEpoch: int32('0+'),
        currentTxnStartOffset: int64('0+', { default: -1 }),
      }),
    }),
  }),
})
export type DescribeProducersResponse = MessageOf<typeof describeProducersResponse>
