// API 0, versions 3-13, flexible from 9.
// Versions 0 to 2 are advertised and refused (see codec/api-versions.ts). 3: transactional id; format v2 only. 5: log start offset. 7:
// zstd allowed. 8: which records were at fault. 10: the new leader and where it is. 11: may answer TRANSACTION_ABORTABLE. 12: a partition
// joins the transaction by being written to. 13: topic ids instead of names.

import { array, int16, int32, int64, int8, message, records, string, struct, uuid } from './dsl.js'
import type { MessageOf } from './dsl.js'

/**
 * Millrace's own tagged field, per request: what an acknowledgement promises. 0: as the topic's `millrace.ack` says, 1: `process`, 2: `disk`.
 * Kafka gives out tags from 0 upwards one at a time, so that 20000 is never reached; a broker that does not know the tag skips it, which is
 * why a client sends it only to a server whose ApiVersions answer lists `millrace.ack` among its supported features (see api-versions.ts).
 */
export const MILLRACE_ACK_TAG = 20000

export const produceRequest = message('ProduceRequest', '3-13', '9+', {
  transactionalId: string('3+', { nullable: '3+', default: null }),
  acks: int16('0+'),
  timeoutMs: int32('0+'),
  topicData: array('0+', {
    name: string('0-12'),
    topicId: uuid('13+'),
    partitionData: array('0+', { index: int32('0+'), records: records('0+', { nullable: '0+' }) }),
  }),
  millraceAck: int8('9+', { tag: MILLRACE_ACK_TAG }),
})
export type ProduceRequest = MessageOf<typeof produceRequest>

export const produceResponse = message('ProduceResponse', '3-13', '9+', {
  responses: array('0+', {
    name: string('0-12'),
    topicId: uuid('13+'),
    partitionResponses: array('0+', {
      index: int32('0+'),
      errorCode: int16('0+'),
      baseOffset: int64('0+'),
      logAppendTimeMs: int64('2+', { default: -1 }),
      logStartOffset: int64('5+', { default: -1 }),
      recordErrors: array('8+', {
        batchIndex: int32('8+'),
        batchIndexErrorMessage: string('8+', { nullable: '8+', default: null }),
      }),
      errorMessage: string('8+', { nullable: '8+', default: null }),
      currentLeader: struct('10+', { leaderId: int32('10+', { default: -1 }), leaderEpoch: int32('10+', { default: -1 }) }, { tag: 0 }),
    }),
  }),
  throttleTimeMs: int32('1+'),
  nodeEndpoints: array(
    '10+',
    {
      nodeId: int32('10+'),
      host: string('10+'),
      port: int32('10+'),
      rack: string('10+', { nullable: '10+', default: null }),
    },
    { tag: 0 },
  ),
})
export type ProduceResponse = MessageOf<typeof produceResponse>
