// API 19, versions 2-7, flexible from 5.
// 4: partitions and replication factor may be -1 for the defaults. 5: the answer holds counts and settings. 6: may answer
// THROTTLING_QUOTA_EXCEEDED. 7: the answer holds the topic id.

import { array, arrayOf, bool, int16, int32, int8, message, string, uuid } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const createTopicsRequest = message('CreateTopicsRequest', '2-7', '5+', {
  topics: array('0+', {
    name: string('0+'),
    numPartitions: int32('0+'),
    replicationFactor: int16('0+'),
    assignments: array('0+', { partitionIndex: int32('0+'), brokerIds: arrayOf('0+', int32) }),
    configs: array('0+', { name: string('0+'), value: string('0+', { nullable: '0+' }) }),
  }),
  timeoutMs: int32('0+', { default: 60000 }),
  validateOnly: bool('1+'),
})
export type CreateTopicsRequest = MessageOf<typeof createTopicsRequest>

export const createTopicsResponse = message('CreateTopicsResponse', '2-7', '5+', {
  throttleTimeMs: int32('2+'),
  topics: array('0+', {
    name: string('0+'),
    topicId: uuid('7+'),
    errorCode: int16('0+'),
    errorMessage: string('1+', { nullable: '0+' }),
    topicConfigErrorCode: int16('5+', { tag: 0 }),
    numPartitions: int32('5+', { default: -1 }),
    replicationFactor: int16('5+', { default: -1 }),
    configs: array(
      '5+',
      {
        name: string('5+'),
        value: string('5+', { nullable: '5+' }),
        readOnly: bool('5+'),
        configSource: int8('5+', { default: -1 }),
        isSensitive: bool('5+'),
      },
      { nullable: '5+' },
    ),
  }),
})
export type CreateTopicsResponse = MessageOf<typeof createTopicsResponse>
