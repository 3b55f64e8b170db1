// API 14, versions 0-5, flexible from 4.
// 3: static members. 5: protocol type and name must be the group's.

import { array, bytes, int16, int32, message, string } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const syncGroupRequest = message('SyncGroupRequest', '0-5', '4+', {
  groupId: string('0+'),
  generationId: int32('0+'),
  memberId: string('0+'),
  groupInstanceId: string('3+', { nullable: '3+', default: null }),
  protocolType: string('5+', { nullable: '5+', default: null }),
  protocolName: string('5+', { nullable: '5+', default: null }),
  assignments: array('0+', { memberId: string('0+'), assignment: bytes('0+') }),
})
export type SyncGroupRequest = MessageOf<typeof syncGroupRequest>

export const syncGroupResponse = message('SyncGroupResponse', '0-5', '4+', {
  throttleTimeMs: int32('1+'),
  errorCode: int16('0+'),
  protocolType: string('5+', { nullable: '5+', default: null }),
  protocolName: string('5+', { nullable: '5+', default: null }),
  assignment: bytes('0+'),
})
export type SyncGroupResponse = MessageOf<typeof syncGroupResponse>
