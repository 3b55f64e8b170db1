// API 50, versions 0, flexible from 0.
// Which SCRAM mechanisms users have; never the secrets.

import { array, int16, int32, int8, message, string } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const describeUserScramCredentialsRequest = message('DescribeUserScramCredentialsRequest', '0', '0+', {
  users: array('0+', { name: string('0+') }, { nullable: '0+' }),
})
export type DescribeUserScramCredentialsRequest = MessageOf<typeof describeUserScramCredentialsRequest>

export const describeUserScramCredentialsResponse = message('DescribeUserScramCredentialsResponse', '0', '0+', {
  throttleTimeMs: int32('0+'),
  errorCode: int16('0+'),
  errorMessage: string('0+', { nullable: '0+' }),
  results: array('0+', {
    user: string('0+'),
    errorCode: int16('0+'),
    errorMessage: string('0+', { nullable: '0+' }),
    credentialInfos: array('0+', { mechanism: int8('0+'), iterations: int32('0+') }),
  }),
})
export type DescribeUserScramCredentialsResponse = MessageOf<typeof describeUserScramCredentialsResponse>
