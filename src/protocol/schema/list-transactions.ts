// API 66, versions 0-2, flexible from 0.
// 1: by duration. 2: by a pattern of transactional ids.

import { array, arrayOf, int16, int32, int64, message, string, time64 } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const listTransactionsRequest = message('ListTransactionsRequest', '0-2', '0+', {
  stateFilters: arrayOf('0+', string),
  producerIdFilters: arrayOf('0+', int64),
  durationFilter: time64('1+', { default: -1 }),
  transactionalIdPattern: string('2+', { nullable: '2+', default: null }),
})
export type ListTransactionsRequest = MessageOf<typeof listTransactionsRequest>

export const listTransactionsResponse = message('ListTransactionsResponse', '0-2', '0+', {
  throttleTimeMs: int32('0+'),
  errorCode: int16('0+'),
  unknownStateFilters: arrayOf('0+', string),
  transactionStates: array('0+', { transactionalId: string('0+'), producerId: int64('0+'), transactionState: string('0+') }),
})
export type ListTransactionsResponse = MessageOf<typeof listTransactionsResponse>
