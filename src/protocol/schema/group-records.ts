// Keys and values of the records of classic groups in __consumer_offsets. Key and value open with an int16 which is not part of the
// tables: in a key it is the record type (see groupRecordTypes), in a value its version.

import { array, bytes, int32, int64, message, string, uuid } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const offsetCommitKey = message('OffsetCommitKey', '0', 'none', {
  group: string('0'),
  topic: string('0'),
  partition: int32('0'),
})
export type OffsetCommitKey = MessageOf<typeof offsetCommitKey>

export const offsetCommitValue = message('OffsetCommitValue', '0-4', '4+', {
  offset: int64('0+'),
  leaderEpoch: int32('3+', { default: -1 }),
  metadata: string('0+'),
  commitTimestamp: int64('0+'),
  expireTimestamp: int64('1', { default: -1 }),
  topicId: uuid('4+', { tag: 0 }),
})
export type OffsetCommitValue = MessageOf<typeof offsetCommitValue>

export const legacyOffsetCommitKey = message('LegacyOffsetCommitKey', '0', 'none', {
  group: string('0'),
  topic: string('0'),
  partition: int32('0'),
})
export type LegacyOffsetCommitKey = MessageOf<typeof legacyOffsetCommitKey>

export const legacyOffsetCommitValue = message('LegacyOffsetCommitValue', '0', 'none', {
  offset: int64('0'),
  metadata: string('0'),
  commitTimestamp: int64('0'),
})
export type LegacyOffsetCommitValue = MessageOf<typeof legacyOffsetCommitValue>

export const groupMetadataKey = message('GroupMetadataKey', '0', 'none', {
  group: string('0'),
})
export type GroupMetadataKey = MessageOf<typeof groupMetadataKey>

const memberMetadata = {
  memberId: string('0+'),
  groupInstanceId: string('3+', { nullable: '3+', default: null }),
  clientId: string('0+'),
  clientHost: string('0+'),
  rebalanceTimeout: int32('1+', { default: -1 }),
  sessionTimeout: int32('0+'),
  subscription: bytes('0+'),
  assignment: bytes('0+'),
}

export const groupMetadataValue = message('GroupMetadataValue', '0-4', '4+', {
  protocolType: string('0+'),
  generation: int32('0+'),
  protocol: string('0+', { nullable: '0+' }),
  leader: string('0+', { nullable: '0+' }),
  currentStateTimestamp: int64('2+', { default: -1 }),
  members: array('0+', memberMetadata),
})
export type GroupMetadataValue = MessageOf<typeof groupMetadataValue>

/** The int16 that opens a key. 0 and 1 are both offset commits: 0 is what brokers before 0.9 wrote. */
export const groupRecordTypes = { legacyOffsetCommit: 0, offsetCommit: 1, groupMetadata: 2 } as const
