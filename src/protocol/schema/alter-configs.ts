// API 33, versions 0-2, flexible from 2.
// Replaces all settings of a resource; IncrementalAlterConfigs is what clients should use.

import { array, bool, int16, int32, int8, message, string } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const alterConfigsRequest = message('AlterConfigsRequest', '0-2', '2+', {
  resources: array('0+', {
    resourceType: int8('0+'),
    resourceName: string('0+'),
    configs: array('0+', { name: string('0+'), value: string('0+', { nullable: '0+' }) }),
  }),
  validateOnly: bool('0+'),
})
export type AlterConfigsRequest = MessageOf<typeof alterConfigsRequest>

export const alterConfigsResponse = message('AlterConfigsResponse', '0-2', '2+', {
  throttleTimeMs: int32('0+'),
  responses: array('0+', {
    errorCode: int16('0+'),
    errorMessage: string('0+', { nullable: '0+' }),
    resourceType: int8('0+'),
    resourceName: string('0+'),
  }),
})
export type AlterConfigsResponse = MessageOf<typeof alterConfigsResponse>
