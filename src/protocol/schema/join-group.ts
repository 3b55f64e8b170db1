// API 11, versions 0-9, flexible from 6.
// 1: rebalance timeout. 4: a new member is sent back once with the id it has been given (MEMBER_ID_REQUIRED). 5: static members. 7: the
// answer holds the protocol type. 8: reason. 9: the answer may tell the leader to skip the assignment.

import { array, bool, bytes, int16, int32, message, string } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const joinGroupRequest = message('JoinGroupRequest', '0-9', '6+', {
  groupId: string('0+'),
  sessionTimeoutMs: int32('0+'),
  rebalanceTimeoutMs: int32('1+', { default: -1 }),
  memberId: string('0+'),
  groupInstanceId: string('5+', { nullable: '5+', default: null }),
  protocolType: string('0+'),
  protocols: array('0+', { name: string('0+'), metadata: bytes('0+') }),
  reason: string('8+', { nullable: '8+', default: null }),
})
export type JoinGroupRequest = MessageOf<typeof joinGroupRequest>

export const joinGroupResponse = message('JoinGroupResponse', '0-9', '6+', {
  throttleTimeMs: int32('2+'),
  errorCode: int16('0+'),
  generationId: int32('0+', { default: -1 }),
  protocolType: string('7+', { nullable: '7+', default: null }),
  protocolName: string('0+', { nullable: '7+' }),
  leader: string('0+'),
  skipAssignment: bool('9+'),
  memberId: string('0+'),
  members: array('0+', {
    memberId: string('0+'),
    groupInstanceId: string('5+', { nullable: '5+', default: null }),
    metadata: bytes('0+'),
  }),
})
export type JoinGroupResponse = MessageOf<typeof joinGroupResponse>
