// API 8, versions 2-10, flexible from 8.
// 2 to 4: retention time. 6: leader epochs. 7: static members. 9: also the new consumer protocol, whose member epoch is sent as the
// generation. 10: topic ids instead of names.

import { array, int16, int32, int64, message, string, time64, uuid } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const offsetCommitRequest = message('OffsetCommitRequest', '2-10', '8+', {
  groupId: string('0+'),
  generationIdOrMemberEpoch: int32('1+', { default: -1 }),
  memberId: string('1+'),
  groupInstanceId: string('7+', { nullable: '7+', default: null }),
  retentionTimeMs: time64('2-4', { default: -1 }),
  topics: array('0+', {
    name: string('0-9'),
    topicId: uuid('10+'),
    partitions: array('0+', {
      partitionIndex: int32('0+'),
      committedOffset: int64('0+'),
      committedLeaderEpoch: int32('6+', { default: -1 }),
      committedMetadata: string('0+', { nullable: '0+' }),
    }),
  }),
})
export type OffsetCommitRequest = MessageOf<typeof offsetCommitRequest>

export const offsetCommitResponse = message('OffsetCommitResponse', '2-10', '8+', {
  throttleTimeMs: int32('3+'),
  topics: array('0+', {
    name: string('0-9'),
    topicId: uuid('10+'),
    partitions: array('0+', { partitionIndex: int32('0+'), errorCode: int16('0+') }),
  }),
})
export type OffsetCommitResponse = MessageOf<typeof offsetCommitResponse>
