// API 45, versions 0-1, flexible from 0.
// 1: allowReplicationFactorChange.

import { array, arrayOf, bool, int16, int32, message, string } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const alterPartitionReassignmentsRequest = message('AlterPartitionReassignmentsRequest', '0-1', '0+', {
  timeoutMs: int32('0+', { default: 60000 }),
  allowReplicationFactorChange: bool('1+', { default: true }),
  topics: array('0+', {
    name: string('0+'),
    partitions: array('0+', {
      partitionIndex: int32('0+'),
      replicas: arrayOf('0+', int32, { nullable: '0+', default: null }),
    }),
  }),
})
export type AlterPartitionReassignmentsRequest = MessageOf<typeof alterPartitionReassignmentsRequest>

export const alterPartitionReassignmentsResponse = message('AlterPartitionReassignmentsResponse', '0-1', '0+', {
  throttleTimeMs: int32('0+'),
  allowReplicationFactorChange: bool('1+', { default: true }),
  errorCode: int16('0+'),
  errorMessage: string('0+', { nullable: '0+' }),
  responses: array('0+', {
    name: string('0+'),
    partitions: array('0+', {
      partitionIndex: int32('0+'),
      errorCode: int16('0+'),
      errorMessage: string('0+', { nullable: '0+' }),
    }),
  }),
})
export type AlterPartitionReassignmentsResponse = MessageOf<typeof alterPartitionReassignmentsResponse>
