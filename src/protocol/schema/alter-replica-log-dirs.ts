// API 34, versions 1-2, flexible from 2.
// Moves replicas between the log directories of one broker.

import { array, arrayOf, int16, int32, message, string } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const alterReplicaLogDirsRequest = message('AlterReplicaLogDirsRequest', '1-2', '2+', {
  dirs: array('0+', { path: string('0+'), topics: array('0+', { name: string('0+'), partitions: arrayOf('0+', int32) }) }),
})
export type AlterReplicaLogDirsRequest = MessageOf<typeof alterReplicaLogDirsRequest>

export const alterReplicaLogDirsResponse = message('AlterReplicaLogDirsResponse', '1-2', '2+', {
  throttleTimeMs: int32('0+'),
  results: array('0+', {
    topicName: string('0+'),
    partitions: array('0+', { partitionIndex: int32('0+'), errorCode: int16('0+') }),
  }),
})
export type AlterReplicaLogDirsResponse = MessageOf<typeof alterReplicaLogDirsResponse>
