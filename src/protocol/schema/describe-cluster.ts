// API 60, versions 0-2, flexible from 0.
// 1: brokers or controllers (endpointType). 2: fenced brokers.

import { array, bool, int16, int32, int8, message, string } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const describeClusterRequest = message('DescribeClusterRequest', '0-2', '0+', {
  includeClusterAuthorizedOperations: bool('0+'),
  endpointType: int8('1+', { default: 1 }),
  includeFencedBrokers: bool('2+'),
})
export type DescribeClusterRequest = MessageOf<typeof describeClusterRequest>

export const describeClusterResponse = message('DescribeClusterResponse', '0-2', '0+', {
  throttleTimeMs: int32('0+'),
  errorCode: int16('0+'),
  errorMessage: string('0+', { nullable: '0+', default: null }),
  endpointType: int8('1+', { default: 1 }),
  clusterId: string('0+'),
  controllerId: int32('0+', { default: -1 }),
  brokers: array('0+', {
    brokerId: int32('0+'),
    host: string('0+'),
    port: int32('0+'),
    rack: string('0+', { nullable: '0+', default: null }),
    isFenced: bool('2+'),
  }),
  clusterAuthorizedOperations: int32('0+', { default: -2147483648 }),
})
export type DescribeClusterResponse = MessageOf<typeof describeClusterResponse>
