// API 65, versions 0, flexible from 0.
// State of transactions by their transactional ids.

import { array, arrayOf, int16, int32, int64, message, string } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const describeTransactionsRequest = message('DescribeTransactionsRequest', '0', '0+', {
  transactionalIds: arrayOf('0+', string),
})
export type DescribeTransactionsRequest = MessageOf<typeof describeTransactionsRequest>

export const describeTransactionsResponse = message('DescribeTransactionsResponse', '0', '0+', {
  throttleTimeMs: int32('0+'),
  transactionStates: array('0+', {
    errorCode: int16('0+'),
    transactionalId: string('0+'),
    transactionState: string('0+'),
    transactionTimeoutMs: int32('0+'),
    transactionStartTimeMs: int64('0+'),
    producerId: int64('0+'),
    producerEpoch: int16('0+'),
    topics: array('0+', { topic: string('0+'), partitions: arrayOf('0+', int32) }),
  }),
})
export type DescribeTransactionsResponse = MessageOf<typeof describeTransactionsResponse>
