// API 16, versions 0-5, flexible from 3.
// 4: by states. 5: by types.

import { array, arrayOf, int16, int32, message, string } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const listGroupsRequest = message('ListGroupsRequest', '0-5', '3+', {
  statesFilter: arrayOf('4+', string),
  typesFilter: arrayOf('5+', string),
})
export type ListGroupsRequest = MessageOf<typeof listGroupsRequest>

export const listGroupsResponse = message('ListGroupsResponse', '0-5', '3+', {
  throttleTimeMs: int32('1+'),
  errorCode: int16('0+'),
  groups: array('0+', {
    groupId: string('0+'),
    protocolType: string('0+'),
    groupState: string('4+'),
    groupType: string('5+'),
  }),
})
export type ListGroupsResponse = MessageOf<typeof listGroupsResponse>
