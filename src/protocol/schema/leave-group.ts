// API 13, versions 0-5, flexible from 4.
// 3: several members at once, static ones too. 5: reason.

import { array, int16, int32, message, string } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const leaveGroupRequest = message('LeaveGroupRequest', '0-5', '4+', {
  groupId: string('0+'),
  memberId: string('0-2'),
  members: array('3+', {
    memberId: string('3+'),
    groupInstanceId: string('3+', { nullable: '3+', default: null }),
    reason: string('5+', { nullable: '5+', default: null }),
  }),
})
export type LeaveGroupRequest = MessageOf<typeof leaveGroupRequest>

export const leaveGroupResponse = message('LeaveGroupResponse', '0-5', '4+', {
  throttleTimeMs: int32('1+'),
  errorCode: int16('0+'),
  members: array('3+', {
    memberId: string('3+'),
    groupInstanceId: string('3+', { nullable: '3+' }),
    errorCode: int16('3+'),
  }),
})
export type LeaveGroupResponse = MessageOf<typeof leaveGroupResponse>
