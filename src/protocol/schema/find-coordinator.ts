// API 10, versions 0-6, flexible from 3.
// 1: keyType (0 group, 1 transaction, 2 share). 4: many keys at once. 5: may answer TRANSACTION_ABORTABLE. 6: share groups, by
// groupId:topicId:partition.

import { array, arrayOf, int16, int32, int8, message, string } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const findCoordinatorRequest = message('FindCoordinatorRequest', '0-6', '3+', {
  key: string('0-3'),
  keyType: int8('1+'),
  coordinatorKeys: arrayOf('4+', string),
})
export type FindCoordinatorRequest = MessageOf<typeof findCoordinatorRequest>

export const findCoordinatorResponse = message('FindCoordinatorResponse', '0-6', '3+', {
  throttleTimeMs: int32('1+'),
  errorCode: int16('0-3'),
  errorMessage: string('1-3', { nullable: '1-3' }),
  nodeId: int32('0-3'),
  host: string('0-3'),
  port: int32('0-3'),
  coordinators: array('4+', {
    key: string('4+'),
    nodeId: int32('4+'),
    host: string('4+'),
    port: int32('4+'),
    errorCode: int16('4+'),
    errorMessage: string('4+', { nullable: '4+' }),
  }),
})
export type FindCoordinatorResponse = MessageOf<typeof findCoordinatorResponse>
