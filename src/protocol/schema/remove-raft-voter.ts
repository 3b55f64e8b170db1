// API 81, versions 0, flexible from 0.
// Millrace has no Raft quorum.

import { int16, int32, message, string, uuid } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const removeRaftVoterRequest = message('RemoveRaftVoterRequest', '0', '0+', {
  clusterId: string('0+', { nullable: '0+' }),
  voterId: int32('0+'),
  voterDirectoryId: uuid('0+'),
})
export type RemoveRaftVoterRequest = MessageOf<typeof removeRaftVoterRequest>

export const removeRaftVoterResponse = message('RemoveRaftVoterResponse', '0', '0+', {
  throttleTimeMs: int32('0+'),
  errorCode: int16('0+'),
  errorMessage: string('0+', { nullable: '0+' }),
})
export type RemoveRaftVoterResponse = MessageOf<typeof removeRaftVoterResponse>
