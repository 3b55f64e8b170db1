// What consumers of a classic group put into JoinGroup metadata (subscription) and SyncGroup assignments. Both are preceded by an int16
// version which is not part of the tables.

import { array, arrayOf, bytes, int32, message, string } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const consumerProtocolSubscription = message('ConsumerProtocolSubscription', '0-3', 'none', {
  topics: arrayOf('0+', string),
  userData: bytes('0+', { nullable: '0+', default: null }),
  ownedPartitions: array('1+', { topic: string('1+'), partitions: arrayOf('1+', int32) }),
  generationId: int32('2+', { default: -1 }),
  rackId: string('3+', { nullable: '3+', default: null }),
})
export type ConsumerProtocolSubscription = MessageOf<typeof consumerProtocolSubscription>

export const consumerProtocolAssignment = message('ConsumerProtocolAssignment', '0-3', 'none', {
  assignedPartitions: array('0+', { topic: string('0+'), partitions: arrayOf('0+', int32) }),
  userData: bytes('0+', { nullable: '0+', default: null }),
})
export type ConsumerProtocolAssignment = MessageOf<typeof consumerProtocolAssignment>
