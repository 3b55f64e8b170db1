// API 39, versions 1-2, flexible from 2.
// 2: only the encoding.

import { bytes, int16, int32, message, time64 } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const renewDelegationTokenRequest = message('RenewDelegationTokenRequest', '1-2', '2+', {
  hmac: bytes('0+'),
  renewPeriodMs: time64('0+'),
})
export type RenewDelegationTokenRequest = MessageOf<typeof renewDelegationTokenRequest>

export const renewDelegationTokenResponse = message('RenewDelegationTokenResponse', '1-2', '2+', {
  errorCode: int16('0+'),
  expiryTimestampMs: time64('0+'),
  throttleTimeMs: int32('0+'),
})
export type RenewDelegationTokenResponse = MessageOf<typeof renewDelegationTokenResponse>
