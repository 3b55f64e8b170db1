// API 40, versions 1-2, flexible from 2.
// A negative period expires the token at once.

import { bytes, int16, int32, message, time64 } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const expireDelegationTokenRequest = message('ExpireDelegationTokenRequest', '1-2', '2+', {
  hmac: bytes('0+'),
  expiryTimePeriodMs: time64('0+'),
})
export type ExpireDelegationTokenRequest = MessageOf<typeof expireDelegationTokenRequest>

export const expireDelegationTokenResponse = message('ExpireDelegationTokenResponse', '1-2', '2+', {
  errorCode: int16('0+'),
  expiryTimestampMs: time64('0+'),
  throttleTimeMs: int32('0+'),
})
export type ExpireDelegationTokenResponse = MessageOf<typeof expireDelegationTokenResponse>
