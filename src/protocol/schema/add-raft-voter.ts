// API 80, versions 0-1, flexible from 0.
// Millrace has no Raft quorum. 1: ackWhenCommitted.

import { array, bool, int16, int32, message, string, uint16, uuid } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const addRaftVoterRequest = message('AddRaftVoterRequest', '0-1', '0+', {
  clusterId: string('0+', { nullable: '0+' }),
  timeoutMs: int32('0+'),
  voterId: int32('0+'),
  voterDirectoryId: uuid('0+'),
  listeners: array('0+', { name: string('0+'), host: string('0+'), port: uint16('0+') }),
  ackWhenCommitted: bool('1+', { default: true }),
})
export type AddRaftVoterRequest = MessageOf<typeof addRaftVoterRequest>

export const addRaftVoterResponse = message('AddRaftVoterResponse', '0-1', '0+', {
  throttleTimeMs: int32('0+'),
  errorCode: int16('0+'),
  errorMessage: string('0+', { nullable: '0+' }),
})
export type AddRaftVoterResponse = MessageOf<typeof addRaftVoterResponse>
