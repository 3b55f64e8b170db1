// API 44, versions 0-1, flexible from 1.
// Operation 0 sets, 1 deletes, 2 appends, 3 subtracts.

import { array, bool, int16, int32, int8, message, string } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const incrementalAlterConfigsRequest = message('IncrementalAlterConfigsRequest', '0-1', '1+', {
  resources: array('0+', {
    resourceType: int8('0+'),
    resourceName: string('0+'),
    configs: array('0+', { name: string('0+'), configOperation: int8('0+'), value: string('0+', { nullable: '0+' }) }),
  }),
  validateOnly: bool('0+'),
})
export type IncrementalAlterConfigsRequest = MessageOf<typeof incrementalAlterConfigsRequest>

export const incrementalAlterConfigsResponse = message('IncrementalAlterConfigsResponse', '0-1', '1+', {
  throttleTimeMs: int32('0+'),
  responses: array('0+', {
    errorCode: int16('0+'),
    errorMessage: string('0+', { nullable: '0+' }),
    resourceType: int8('0+'),
    resourceName: string('0+'),
  }),
})
export type IncrementalAlterConfigsResponse = MessageOf<typeof incrementalAlterConfigsResponse>
