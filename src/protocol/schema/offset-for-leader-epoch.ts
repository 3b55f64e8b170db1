// API 23, versions 2-4, flexible from 4.
// Where a leader epoch ended. 2: the current leader epoch fences. 3: replicaId, -1 for consumers.

import { array, int16, int32, int64, message, string } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const offsetForLeaderEpochRequest = message('OffsetForLeaderEpochRequest', '2-4', '4+', {
  replicaId: int32('3+', { default: -2 }),
  topics: array('0+', {
    topic: string('0+'),
    partitions: array('0+', {
      partition: int32('0+'),
      currentLeaderEpoch: int32('2+', { default: -1 }),
      leaderEpoch: int32('0+'),
    }),
  }),
})
export type OffsetForLeaderEpochRequest = MessageOf<typeof offsetForLeaderEpochRequest>

export const offsetForLeaderEpochResponse = message('OffsetForLeaderEpochResponse', '2-4', '4+', {
  throttleTimeMs: int32('2+'),
  topics: array('0+', {
    topic: string('0+'),
    partitions: array('0+', {
      errorCode: int16('0+'),
      partition: int32('0+'),
      leaderEpoch: int32('1+', { default: -1 }),
      endOffset: int64('0+', { default: -1 }),
    }),
  }),
})
export type OffsetForLeaderEpochResponse = MessageOf<typeof offsetForLeaderEpochResponse>
