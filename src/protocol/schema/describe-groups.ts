// API 15, versions 0-6, flexible from 5.
// Classic groups. 3: authorized operations. 4: static members. 6: GROUP_ID_NOT_FOUND with a message, where a group in state Dead was
// answered before.

import { array, arrayOf, bool, bytes, int16, int32, message, string } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const describeGroupsRequest = message('DescribeGroupsRequest', '0-6', '5+', {
  groups: arrayOf('0+', string),
  includeAuthorizedOperations: bool('3+'),
})
export type DescribeGroupsRequest = MessageOf<typeof describeGroupsRequest>

export const describeGroupsResponse = message('DescribeGroupsResponse', '0-6', '5+', {
  throttleTimeMs: int32('1+'),
  groups: array('0+', {
    errorCode: int16('0+'),
    errorMessage: string('6+', { nullable: '6+', default: null }),
    groupId: string('0+'),
    groupState: string('0+'),
    protocolType: string('0+'),
    protocolData: string('0+'),
    members: array('0+', {
      memberId: string('0+'),
      groupInstanceId: string('4+', { nullable: '4+', default: null }),
      clientId: string('0+'),
      clientHost: string('0+'),
      memberMetadata: bytes('0+'),
      memberAssignment: bytes('0+'),
    }),
    authorizedOperations: int32('3+', { default: -2147483648 }),
  }),
})
export type DescribeGroupsResponse = MessageOf<typeof describeGroupsResponse>
