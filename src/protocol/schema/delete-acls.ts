// API 31, versions 1-3, flexible from 2.
// 1: pattern types. 3: resources of type user.

import { array, int16, int32, int8, message, string } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const deleteAclsRequest = message('DeleteAclsRequest', '1-3', '2+', {
  filters: array('0+', {
    resourceTypeFilter: int8('0+'),
    resourceNameFilter: string('0+', { nullable: '0+' }),
    patternTypeFilter: int8('1+', { default: 3 }),
    principalFilter: string('0+', { nullable: '0+' }),
    hostFilter: string('0+', { nullable: '0+' }),
    operation: int8('0+'),
    permissionType: int8('0+'),
  }),
})
export type DeleteAclsRequest = MessageOf<typeof deleteAclsRequest>

export const deleteAclsResponse = message('DeleteAclsResponse', '1-3', '2+', {
  throttleTimeMs: int32('0+'),
  filterResults: array('0+', {
    errorCode: int16('0+'),
    errorMessage: string('0+', { nullable: '0+' }),
    matchingAcls: array('0+', {
      errorCode: int16('0+'),
      errorMessage: string('0+', { nullable: '0+' }),
      resourceType: int8('0+'),
      resourceName: string('0+'),
      patternType: int8('1+', { default: 3 }),
      principal: string('0+'),
      host: string('0+'),
      operation: int8('0+'),
      permissionType: int8('0+'),
    }),
  }),
})
export type DeleteAclsResponse = MessageOf<typeof deleteAclsResponse>
