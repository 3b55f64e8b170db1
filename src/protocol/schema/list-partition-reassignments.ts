// API 46, versions 0, flexible from 0.
// Reassignments under way.

import { array, arrayOf, int16, int32, message, string } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const listPartitionReassignmentsRequest = message('ListPartitionReassignmentsRequest', '0', '0+', {
  timeoutMs: int32('0+', { default: 60000 }),
  topics: array('0+', { name: string('0+'), partitionIndexes: arrayOf('0+', int32) }, { nullable: '0+', default: null }),
})
export type ListPartitionReassignmentsRequest = MessageOf<typeof listPartitionReassignmentsRequest>

export const listPartitionReassignmentsResponse = message('ListPartitionReassignmentsResponse', '0', '0+', {
  throttleTimeMs: int32('0+'),
  errorCode: int16('0+'),
  errorMessage: string('0+', { nullable: '0+' }),
  topics: array('0+', {
    name: string('0+'),
    partitions: array('0+', {
      partitionIndex: int32('0+'),
      replicas: arrayOf('0+', int32),
      addingReplicas: arrayOf('0+', int32),
      removingReplicas: arrayOf('0+', int32),
    }),
  }),
})
export type ListPartitionReassignmentsResponse = MessageOf<typeof listPartitionReassignmentsResponse>
