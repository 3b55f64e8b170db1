// API 37, versions 0-3, flexible from 2.
// 3: may answer THROTTLING_QUOTA_EXCEEDED.

import { array, arrayOf, bool, int16, int32, message, string } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const createPartitionsRequest = message('CreatePartitionsRequest', '0-3', '2+', {
  topics: array('0+', {
    name: string('0+'),
    count: int32('0+'),
    assignments: array('0+', { brokerIds: arrayOf('0+', int32) }, { nullable: '0+' }),
  }),
  timeoutMs: int32('0+'),
  validateOnly: bool('0+'),
})
export type CreatePartitionsRequest = MessageOf<typeof createPartitionsRequest>

export const createPartitionsResponse = message('CreatePartitionsResponse', '0-3', '2+', {
  throttleTimeMs: int32('0+'),
  results: array('0+', {
    name: string('0+'),
    errorCode: int16('0+'),
    errorMessage: string('0+', { nullable: '0+', default: null }),
  }),
})
export type CreatePartitionsResponse = MessageOf<typeof createPartitionsResponse>
