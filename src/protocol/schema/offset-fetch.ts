// API 9, versions 1-10, flexible from 6.
// 2: null topics mean all; an error for the group. 5: leader epochs. 7: requireStable. 8: several groups at once, in other fields. 9:
// member id and epoch. 10: topic ids instead of names.

import { array, arrayOf, bool, int16, int32, int64, message, string, uuid } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const offsetFetchRequest = message('OffsetFetchRequest', '1-10', '6+', {
  groupId: string('0-7'),
  topics: array('0-7', { name: string('0-7'), partitionIndexes: arrayOf('0-7', int32) }, { nullable: '2-7' }),
  groups: array('8+', {
    groupId: string('8+'),
    memberId: string('9+', { nullable: '9+', default: null }),
    memberEpoch: int32('9+', { default: -1 }),
    topics: array('8+', { name: string('8-9'), topicId: uuid('10+'), partitionIndexes: arrayOf('8+', int32) }, { nullable: '8+' }),
  }),
  requireStable: bool('7+'),
})
export type OffsetFetchRequest = MessageOf<typeof offsetFetchRequest>

export const offsetFetchResponse = message('OffsetFetchResponse', '1-10', '6+', {
  throttleTimeMs: int32('3+'),
  topics: array('0-7', {
    name: string('0-7'),
    partitions: array('0-7', {
      partitionIndex: int32('0-7'),
      committedOffset: int64('0-7'),
      committedLeaderEpoch: int32('5-7', { default: -1 }),
      metadata: string('0-7', { nullable: '0-7' }),
      errorCode: int16('0-7'),
    }),
  }),
  errorCode: int16('2-7'),
  groups: array('8+', {
    groupId: string('8+'),
    topics: array('8+', {
      name: string('8-9'),
      topicId: uuid('10+'),
      partitions: array('8+', {
        partitionIndex: int32('8+'),
        committedOffset: int64('8+'),
        committedLeaderEpoch: int32('8+', { default: -1 }),
        metadata: string('8+', { nullable: '8+' }),
        errorCode: int16('8+'),
      }),
    }),
    errorCode: int16('8+'),
  }),
})
export type OffsetFetchResponse = MessageOf<typeof offsetFetchResponse>
