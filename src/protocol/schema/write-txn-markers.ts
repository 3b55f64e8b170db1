// API 27, versions 1-2, flexible from 1.
// Between brokers: from the transaction coordinator to the leaders of partitions. 2: transactionVersion.

import { array, arrayOf, bool, int16, int32, int64, int8, message, string } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const writeTxnMarkersRequest = message('WriteTxnMarkersRequest', '1-2', '1+', {
  markers: array('0+', {
    producerId: int64('0+'),
    producerEpoch: int16('0+'),
    transactionResult: bool('0+'),
    topics: array('0+', { name: string('0+'), partitionIndexes: arrayOf('0+', int32) }),
    coordinatorEpoch: int32('0+'),
    transactionVersion: int8('2+'),
  }),
})
export type WriteTxnMarkersRequest = MessageOf<typeof writeTxnMarkersRequest>

export const writeTxnMarkersResponse = message('WriteTxnMarkersResponse', '1-2', '1+', {
  markers: array('0+', {
    producerId: int64('0+'),
    topics: array('0+', {
      name: string('0+'),
      partitions: array('0+', { partitionIndex: int32('0+'), errorCode: int16('0+') }),
    }),
  }),
})
export type WriteTxnMarkersResponse = MessageOf<typeof writeTxnMarkersResponse>
