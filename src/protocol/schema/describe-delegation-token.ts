// API 41, versions 1-3, flexible from 2.
// 3: who asked for the token.

import { array, bytes, int16, int32, message, string, time64 } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const describeDelegationTokenRequest = message('DescribeDelegationTokenRequest', '1-3', '2+', {
  owners: array('0+', { principalType: string('0+'), principalName: string('0+') }, { nullable: '0+' }),
})
export type DescribeDelegationTokenRequest = MessageOf<typeof describeDelegationTokenRequest>

export const describeDelegationTokenResponse = message('DescribeDelegationTokenResponse', '1-3', '2+', {
  errorCode: int16('0+'),
  tokens: array('0+', {
    principalType: string('0+'),
    principalName: string('0+'),
    tokenRequesterPrincipalType: string('3+'),
    tokenRequesterPrincipalName: string('3+'),
    issueTimestamp: time64('0+'),
    expiryTimestamp: time64('0+'),
    maxTimestamp: time64('0+'),
    tokenId: string('0+'),
    hmac: bytes('0+'),
    renewers: array('0+', { principalType: string('0+'), principalName: string('0+') }),
  }),
  throttleTimeMs: int32('0+'),
})
export type DescribeDelegationTokenResponse = MessageOf<typeof describeDelegationTokenResponse>
