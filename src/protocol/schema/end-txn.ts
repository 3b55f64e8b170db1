// API 26, versions 0-5, flexible from 3.
// Commits or aborts. 2: may answer PRODUCER_FENCED. 4: may answer TRANSACTION_ABORTABLE. 5: the producer epoch grows with every
// transaction, and the answer holds the new one.

import { bool, int16, int32, int64, message, string } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const endTxnRequest = message('EndTxnRequest', '0-5', '3+', {
  transactionalId: string('0+'),
  producerId: int64('0+'),
  producerEpoch: int16('0+'),
  committed: bool('0+'),
})
export type EndTxnRequest = MessageOf<typeof endTxnRequest>

export const endTxnResponse = message('EndTxnResponse', '0-5', '3+', {
  throttleTimeMs: int32('0+'),
  errorCode: int16('0+'),
  producerId: int64('5+', { default: -1 }),
  producerEpoch: int16('5+', { default: -1 }),
})
export type EndTxnResponse = MessageOf<typeof endTxnResponse>
