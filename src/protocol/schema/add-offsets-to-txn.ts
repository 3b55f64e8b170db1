// API 25, versions 0-4, flexible from 3.
// Announces that a transaction will commit offsets of a group. 2: may answer PRODUCER_FENCED. 4: may answer TRANSACTION_ABORTABLE.

import { int16, int32, int64, message, string } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const addOffsetsToTxnRequest = message('AddOffsetsToTxnRequest', '0-4', '3+', {
  transactionalId: string('0+'),
  producerId: int64('0+'),
  producerEpoch: int16('0+'),
  groupId: string('0+'),
})
export type AddOffsetsToTxnRequest = MessageOf<typeof addOffsetsToTxnRequest>

export const addOffsetsToTxnResponse = message('AddOffsetsToTxnResponse', '0-4', '3+', {
  throttleTimeMs: int32('0+'),
  errorCode: int16('0+'),
})
export type AddOffsetsToTxnResponse = MessageOf<typeof addOffsetsToTxnResponse>
