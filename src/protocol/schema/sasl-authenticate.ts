// API 36, versions 0-2, flexible from 2.
// The bytes of a SASL exchange. 1: how long the session may last.

import { bytes, int16, int64, message, string } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const saslAuthenticateRequest = message('SaslAuthenticateRequest', '0-2', '2+', {
  authBytes: bytes('0+'),
})
export type SaslAuthenticateRequest = MessageOf<typeof saslAuthenticateRequest>

export const saslAuthenticateResponse = message('SaslAuthenticateResponse', '0-2', '2+', {
  errorCode: int16('0+'),
  errorMessage: string('0+', { nullable: '0+' }),
  authBytes: bytes('0+'),
  sessionLifetimeMs: int64('1+'),
})
export type SaslAuthenticateResponse = MessageOf<typeof saslAuthenticateResponse>
