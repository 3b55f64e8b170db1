// API 12, versions 0-4, flexible from 4.
// 3: static members.

import { int16, int32, message, string } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const heartbeatRequest = message('HeartbeatRequest', '0-4', '4+', {
  groupId: string('0+'),
  generationId: int32('0+'),
  memberId: string('0+'),
  groupInstanceId: string('3+', { nullable: '3+', default: null }),
})
export type HeartbeatRequest = MessageOf<typeof heartbeatRequest>

export const heartbeatResponse = message('HeartbeatResponse', '0-4', '4+', {
  throttleTimeMs: int32('1+'),
  errorCode: int16('0+'),
})
export type HeartbeatResponse = MessageOf<typeof heartbeatResponse>
