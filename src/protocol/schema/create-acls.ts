// API 30, versions 1-3, flexible from 2.
// 1: pattern types. 3: resources of type user.

import { array, int16, int32, int8, message, string } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const createAclsRequest = message('CreateAclsRequest', '1-3', '2+', {
  creations: array('0+', {
    resourceType: int8('0+'),
    resourceName: string('0+'),
    resourcePatternType: int8('1+', { default: 3 }),
    principal: string('0+'),
    host: string('0+'),
    operation: int8('0+'),
    permissionType: int8('0+'),
  }),
})
export type CreateAclsRequest = MessageOf<typeof createAclsRequest>

export const createAclsResponse = message('CreateAclsResponse', '1-3', '2+', {
  throttleTimeMs: int32('0+'),
  results: array('0+', { errorCode: int16('0+'), errorMessage: string('0+', { nullable: '0+' }) }),
})
export type CreateAclsResponse = MessageOf<typeof createAclsResponse>
