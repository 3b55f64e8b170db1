// API 42, versions 0-3, flexible from 2.
// 3: an error message for each group.

import { array, arrayOf, int16, int32, message, string } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const deleteGroupsRequest = message('DeleteGroupsRequest', '0-3', '2+', {
  groupsNames: arrayOf('0+', string),
})
export type DeleteGroupsRequest = MessageOf<typeof deleteGroupsRequest>

export const deleteGroupsResponse = message('DeleteGroupsResponse', '0-3', '2+', {
  throttleTimeMs: int32('0+'),
  results: array('0+', {
    groupId: string('0+'),
    errorCode: int16('0+'),
    errorMessage: string('3+', { nullable: '3+', default: null }),
  }),
})
export type DeleteGroupsResponse = MessageOf<typeof deleteGroupsResponse>
