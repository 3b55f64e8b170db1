// API 74, versions 0-1, flexible from 0.
// 0: only client metrics resources (it was called ListClientMetricsResources). 1: by resource types, none meaning all.

import { array, arrayOf, int16, int32, int8, message, string } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const listConfigResourcesRequest = message('ListConfigResourcesRequest', '0-1', '0+', {
  resourceTypes: arrayOf('1+', int8),
})
export type ListConfigResourcesRequest = MessageOf<typeof listConfigResourcesRequest>

export const listConfigResourcesResponse = message('ListConfigResourcesResponse', '0-1', '0+', {
  throttleTimeMs: int32('0+'),
  errorCode: int16('0+'),
  configResources: array('0+', { resourceName: string('0+'), resourceType: int8('1+', { default: 16 }) }),
})
export type ListConfigResourcesResponse = MessageOf<typeof listConfigResourcesResponse>
