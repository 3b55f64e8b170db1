// API 55, versions 0-2, flexible from 0.
// Millrace has no Raft quorum. 1: times of the last fetch. 2: nodes, directory ids and messages.

import { array, int16, int32, int64, message, string, uint16, uuid } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const describeQuorumRequest = message('DescribeQuorumRequest', '0-2', '0+', {
  topics: array('0+', { topicName: string('0+'), partitions: array('0+', { partitionIndex: int32('0+') }) }),
})
export type DescribeQuorumRequest = MessageOf<typeof describeQuorumRequest>

const replicaState = {
  replicaId: int32('0+'),
  replicaDirectoryId: uuid('2+'),
  logEndOffset: int64('0+'),
  lastFetchTimestamp: int64('1+', { default: -1 }),
  lastCaughtUpTimestamp: int64('1+', { default: -1 }),
}

export const describeQuorumResponse = message('DescribeQuorumResponse', '0-2', '0+', {
  errorCode: int16('0+'),
  errorMessage: string('2+', { nullable: '2+' }),
  topics: array('0+', {
    topicName: string('0+'),
    partitions: array('0+', {
      partitionIndex: int32('0+'),
      errorCode: int16('0+'),
      errorMessage: string('2+', { nullable: '2+' }),
      leaderId: int32('0+'),
      leaderEpoch: int32('0+'),
      highWatermark: int64('0+'),
      currentVoters: array('0+', replicaState),
      observers: array('0+', replicaState),
    }),
  }),
  nodes: array('2+', {
    nodeId: int32('2+'),
    listeners: array('2+', { name: string('2+'), host: string('2+'), port: uint16('2+') }),
  }),
})
export type DescribeQuorumResponse = MessageOf<typeof describeQuorumResponse>
