// API 17, versions 0-1.
// Chooses a mechanism. After 0 the exchange runs in bare frames, after 1 in SaslAuthenticate requests.

import { arrayOf, int16, message, string } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const saslHandshakeRequest = message('SaslHandshakeRequest', '0-1', 'none', {
  mechanism: string('0+'),
})
export type SaslHandshakeRequest = MessageOf<typeof saslHandshakeRequest>

export const saslHandshakeResponse = message('SaslHandshakeResponse', '0-1', 'none', {
  errorCode: int16('0+'),
  mechanisms: arrayOf('0+', string),
})
export type SaslHandshakeResponse = MessageOf<typeof saslHandshakeResponse>
