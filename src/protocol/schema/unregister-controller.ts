// API 94, versions 0, flexible from 0.
// Removes a controller that will not come back.

import { int16, int32, message, string } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const unregisterControllerRequest = message('UnregisterControllerRequest', '0', '0+', {
  controllerId: int32('0+'),
})
export type UnregisterControllerRequest = MessageOf<typeof unregisterControllerRequest>

export const unregisterControllerResponse = message('UnregisterControllerResponse', '0', '0+', {
  throttleTimeMs: int32('0+'),
  errorCode: int16('0+'),
  errorMessage: string('0+', { nullable: '0+' }),
})
export type UnregisterControllerResponse = MessageOf<typeof unregisterControllerResponse>
