// API 47, versions 0.
// Forgets offsets of a group. Never became flexible.

import { array, int16, int32, message, string } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const offsetDeleteRequest = message('OffsetDeleteRequest', '0', 'none', {
  groupId: string('0+'),
  topics: array('0+', { name: string('0+'), partitions: array('0+', { partitionIndex: int32('0+') }) }),
})
export type OffsetDeleteRequest = MessageOf<typeof offsetDeleteRequest>

export const offsetDeleteResponse = message('OffsetDeleteResponse', '0', 'none', {
  errorCode: int16('0+'),
  throttleTimeMs: int32('0+'),
  topics: array('0+', {
    name: string('0+'),
    partitions: array('0+', { partitionIndex: int32('0+'), errorCode: int16('0+') }),
  }),
})
export type OffsetDeleteResponse = MessageOf<typeof offsetDeleteResponse>
