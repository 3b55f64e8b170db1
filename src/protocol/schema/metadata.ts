// API 3, versions 0-13, flexible from 9.
// In 0 an empty list of topics means all of them; from 1 null does, and empty means none. 4: allowAutoTopicCreation. 5: offline replicas.
// 7: leader epochs. 8: authorized operations. 10: topic ids, which may be asked for from 12. 11: those of the cluster moved to
// DescribeCluster. 13: an error for the whole answer.

import { array, arrayOf, bool, int16, int32, message, string, uuid } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const metadataRequest = message('MetadataRequest', '0-13', '9+', {
  topics: array('0+', { topicId: uuid('10+'), name: string('0+', { nullable: '10+' }) }, { nullable: '1+' }),
  allowAutoTopicCreation: bool('4+', { default: true }),
  includeClusterAuthorizedOperations: bool('8-10'),
  includeTopicAuthorizedOperations: bool('8+'),
})
export type MetadataRequest = MessageOf<typeof metadataRequest>

export const metadataResponse = message('MetadataResponse', '0-13', '9+', {
  throttleTimeMs: int32('3+'),
  brokers: array('0+', {
    nodeId: int32('0+'),
    host: string('0+'),
    port: int32('0+'),
    rack: string('1+', { nullable: '1+', default: null }),
  }),
  clusterId: string('2+', { nullable: '2+', default: null }),
  controllerId: int32('1+', { default: -1 }),
  topics: array('0+', {
    errorCode: int16('0+'),
    name: string('0+', { nullable: '12+' }),
    topicId: uuid('10+'),
    isInternal: bool('1+'),
    partitions: array('0+', {
      errorCode: int16('0+'),
      partitionIndex: int32('0+'),
      leaderId: int32('0+'),
      leaderEpoch: int32('7+', { default: -1 }),
      replicaNodes: arrayOf('0+', int32),
      isrNodes: arrayOf('0+', int32),
      offlineReplicas: arrayOf('5+', int32),
    }),
    topicAuthorizedOperations: int32('8+', { default: -2147483648 }),
  }),
  clusterAuthorizedOperations: int32('8-10', { default: -2147483648 }),
  errorCode: int16('13+'),
})
export type MetadataResponse = MessageOf<typeof metadataResponse>
