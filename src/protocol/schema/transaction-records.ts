// Keys and values of the records in __transaction_state. Both open with an int16 version which is not part of the tables.

import { array, arrayOf, int16, int32, int64, int8, message, string } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const transactionLogKey = message('TransactionLogKey', '0', 'none', {
  transactionalId: string('0'),
})
export type TransactionLogKey = MessageOf<typeof transactionLogKey>

export const transactionLogValue = message('TransactionLogValue', '0-1', '1+', {
  producerId: int64('0+'),
  previousProducerId: int64('1+', { default: -1, tag: 0 }),
  nextProducerId: int64('1+', { default: -1, tag: 1 }),
  producerEpoch: int16('0+'),
  nextProducerEpoch: int16('1+', { default: -1, tag: 3 }),
  transactionTimeoutMs: int32('0+'),
  transactionStatus: int8('0+'),
  transactionPartitions: array('0+', { topic: string('0+'), partitionIds: arrayOf('0+', int32) }, { nullable: '0+' }),
  transactionLastUpdateTimestampMs: int64('0+'),
  transactionStartTimestampMs: int64('0+'),
  clientTransactionVersion: int16('1+', { tag: 2 }),
})
export type TransactionLogValue = MessageOf<typeof transactionLogValue>
