// API 38, versions 1-3, flexible from 2.
// 3: a token for another owner.

import { array, bytes, int16, int32, message, string, time64 } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const createDelegationTokenRequest = message('CreateDelegationTokenRequest', '1-3', '2+', {
  ownerPrincipalType: string('3+', { nullable: '3+' }),
  ownerPrincipalName: string('3+', { nullable: '3+' }),
  renewers: array('0+', { principalType: string('0+'), principalName: string('0+') }),
  maxLifetimeMs: time64('0+'),
})
export type CreateDelegationTokenRequest = MessageOf<typeof createDelegationTokenRequest>

export const createDelegationTokenResponse = message('CreateDelegationTokenResponse', '1-3', '2+', {
  errorCode: int16('0+'),
  principalType: string('0+'),
  principalName: string('0+'),
  tokenRequesterPrincipalType: string('3+'),
  tokenRequesterPrincipalName: string('3+'),
  issueTimestampMs: time64('0+'),
  expiryTimestampMs: time64('0+'),
  maxTimestampMs: time64('0+'),
  tokenId: string('0+'),
  hmac: bytes('0+'),
  throttleTimeMs: int32('0+'),
})
export type CreateDelegationTokenResponse = MessageOf<typeof createDelegationTokenResponse>
