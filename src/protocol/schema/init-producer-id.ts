// API 22, versions 0-6, flexible from 2.
// 3: a producer says which id and epoch it had. 4: may answer PRODUCER_FENCED. 5: may answer TRANSACTION_ABORTABLE. 6, two-phase commit,
// is not stable in Kafka 4.4 and not advertised.

import { bool, int16, int32, int64, message, string } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const initProducerIdRequest = message('InitProducerIdRequest', '0-6', '2+', {
  transactionalId: string('0+', { nullable: '0+' }),
  transactionTimeoutMs: int32('0+'),
  producerId: int64('3+', { default: -1 }),
  producerEpoch: int16('3+', { default: -1 }),
  enable2Pc: bool('6+'),
  keepPreparedTxn: bool('6+'),
})
export type InitProducerIdRequest = MessageOf<typeof initProducerIdRequest>

export const initProducerIdResponse = message('InitProducerIdResponse', '0-6', '2+', {
  throttleTimeMs: int32('0+'),
  errorCode: int16('0+'),
  producerId: int64('0+', { default: -1 }),
  producerEpoch: int16('0+'),
  ongoingTxnProducerId: int64('6+', { default: -1 }),
  ongoingTxnProducerEpoch: int16('6+', { default: -1 }),
})
export type InitProducerIdResponse = MessageOf<typeof initProducerIdResponse>
