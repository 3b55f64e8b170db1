// API 43, versions 0-2, flexible from 2.
// 1: also unclean elections.

import { array, arrayOf, int16, int32, int8, message, string } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const electLeadersRequest = message('ElectLeadersRequest', '0-2', '2+', {
  electionType: int8('1+'),
  topicPartitions: array('0+', { topic: string('0+'), partitions: arrayOf('0+', int32) }, { nullable: '0+' }),
  timeoutMs: int32('0+', { default: 60000 }),
})
export type ElectLeadersRequest = MessageOf<typeof electLeadersRequest>

export const electLeadersResponse = message('ElectLeadersResponse', '0-2', '2+', {
  throttleTimeMs: int32('0+'),
  errorCode: int16('1+'),
  replicaElectionResults: array('0+', {
    topic: string('0+'),
    partitionResult: array('0+', {
      partitionId: int32('0+'),
      errorCode: int16('0+'),
      errorMessage: string('0+', { nullable: '0+' }),
    }),
  }),
})
export type ElectLeadersResponse = MessageOf<typeof electLeadersResponse>
