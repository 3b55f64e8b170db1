// API 24, versions 0-5, flexible from 3.
// Brings partitions into a transaction. Up to 3 from clients, about one transaction; from 4 from brokers, about many, which may also only
// verify (verifyOnly). 5: may answer TRANSACTION_ABORTABLE.

import { array, arrayOf, bool, int16, int32, int64, message, string } from './dsl.js'
import type { MessageOf } from './dsl.js'

const addPartitionsToTxnTopic = {
  name: string('0+'),
  partitions: arrayOf('0+', int32),
}

export const addPartitionsToTxnRequest = message('AddPartitionsToTxnRequest', '0-5', '3+', {
  transactions: array('4+', {
    transactionalId: string('4+'),
    producerId: int64('4+'),
    producerEpoch: int16('4+'),
    verifyOnly: bool('4+'),
    topics: array('4+', addPartitionsToTxnTopic),
  }),
  v3AndBelowTransactionalId: string('0-3'),
  v3AndBelowProducerId: int64('0-3'),
  v3AndBelowProducerEpoch: int16('0-3'),
  v3AndBelowTopics: array('0-3', addPartitionsToTxnTopic),
})
export type AddPartitionsToTxnRequest = MessageOf<typeof addPartitionsToTxnRequest>

const addPartitionsToTxnPartitionResult = {
  partitionIndex: int32('0+'),
  partitionErrorCode: int16('0+'),
}

const addPartitionsToTxnTopicResult = {
  name: string('0+'),
  resultsByPartition: array('0+', addPartitionsToTxnPartitionResult),
}

export const addPartitionsToTxnResponse = message('AddPartitionsToTxnResponse', '0-5', '3+', {
  throttleTimeMs: int32('0+'),
  errorCode: int16('4+'),
  resultsByTransaction: array('4+', {
    transactionalId: string('4+'),
    topicResults: array('4+', addPartitionsToTxnTopicResult),
  }),
  resultsByTopicV3AndBelow: array('0-3', addPartitionsToTxnTopicResult),
})
export type AddPartitionsToTxnResponse = MessageOf<typeof addPartitionsToTxnResponse>
