// API 51, versions 0, flexible from 0.
// Creates, replaces and removes SCRAM credentials of users.

import { array, bytes, int16, int32, int8, message, string } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const alterUserScramCredentialsRequest = message('AlterUserScramCredentialsRequest', '0', '0+', {
  deletions: array('0+', { name: string('0+'), mechanism: int8('0+') }),
  upsertions: array('0+', {
    name: string('0+'),
    mechanism: int8('0+'),
    iterations: int32('0+'),
    salt: bytes('0+'),
    saltedPassword: bytes('0+'),
  }),
})
export type AlterUserScramCredentialsRequest = MessageOf<typeof alterUserScramCredentialsRequest>

export const alterUserScramCredentialsResponse = message('AlterUserScramCredentialsResponse', '0', '0+', {
  throttleTimeMs: int32('0+'),
  results: array('0+', { user: string('0+'), errorCode: int16('0+'), errorMessage: string('0+', { nullable: '0+' }) }),
})
export type AlterUserScramCredentialsResponse = MessageOf<typeof alterUserScramCredentialsResponse>
