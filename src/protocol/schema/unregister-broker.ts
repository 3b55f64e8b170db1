// API 64, versions 0, flexible from 0.
// Removes a broker that will not come back.

import { int16, int32, message, string } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const unregisterBrokerRequest = message('UnregisterBrokerRequest', '0', '0+', {
  brokerId: int32('0+'),
})
export type UnregisterBrokerRequest = MessageOf<typeof unregisterBrokerRequest>

export const unregisterBrokerResponse = message('UnregisterBrokerResponse', '0', '0+', {
  throttleTimeMs: int32('0+'),
  errorCode: int16('0+'),
  errorMessage: string('0+', { nullable: '0+' }),
})
export type UnregisterBrokerResponse = MessageOf<typeof unregisterBrokerResponse>
