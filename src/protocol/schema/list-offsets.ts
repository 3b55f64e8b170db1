// API 2, versions 1-11, flexible from 6.
// Timestamp -1 latest, -2 earliest, and: from 7 -3 the largest timestamp, from 8 -4 the earliest on this disk, from 9 -5 the latest
// tiered, from 11 -6 the earliest that waits for upload. 2: isolation level. 4: leader epochs. 10: a timeout.

import { array, int16, int32, int64, int8, message, string, time64 } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const listOffsetsRequest = message('ListOffsetsRequest', '1-11', '6+', {
  replicaId: int32('0+'),
  isolationLevel: int8('2+'),
  topics: array('0+', {
    name: string('0+'),
    partitions: array('0+', {
      partitionIndex: int32('0+'),
      currentLeaderEpoch: int32('4+', { default: -1 }),
      timestamp: time64('0+'),
    }),
  }),
  timeoutMs: int32('10+'),
})
export type ListOffsetsRequest = MessageOf<typeof listOffsetsRequest>

export const listOffsetsResponse = message('ListOffsetsResponse', '1-11', '6+', {
  throttleTimeMs: int32('2+'),
  topics: array('0+', {
    name: string('0+'),
    partitions: array('0+', {
      partitionIndex: int32('0+'),
      errorCode: int16('0+'),
      timestamp: int64('1+', { default: -1 }),
      offset: int64('1+', { default: -1 }),
      leaderEpoch: int32('4+', { default: -1 }),
    }),
  }),
})
export type ListOffsetsResponse = MessageOf<typeof listOffsetsResponse>
