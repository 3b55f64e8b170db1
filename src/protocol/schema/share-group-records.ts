// Keys and values of the records of share groups in __consumer_offsets. Keys open with an int16 record type, values with an int16
// version; neither is part of the tables.

import { array, arrayOf, int32, int64, int8, message, string, uuid } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const shareGroupCurrentMemberAssignmentKey = message('ShareGroupCurrentMemberAssignmentKey', '0', 'none', {
  groupId: string('0'),
  memberId: string('0'),
})
export type ShareGroupCurrentMemberAssignmentKey = MessageOf<typeof shareGroupCurrentMemberAssignmentKey>

const topicPartitions = {
  topicId: uuid('0+'),
  partitions: arrayOf('0+', int32),
}

export const shareGroupCurrentMemberAssignmentValue = message('ShareGroupCurrentMemberAssignmentValue', '0', '0+', {
  memberEpoch: int32('0+'),
  previousMemberEpoch: int32('0+'),
  state: int8('0+'),
  assignedPartitions: array('0+', topicPartitions),
})
export type ShareGroupCurrentMemberAssignmentValue = MessageOf<typeof shareGroupCurrentMemberAssignmentValue>

export const shareGroupMemberMetadataKey = message('ShareGroupMemberMetadataKey', '0', 'none', {
  groupId: string('0'),
  memberId: string('0'),
})
export type ShareGroupMemberMetadataKey = MessageOf<typeof shareGroupMemberMetadataKey>

export const shareGroupMemberMetadataValue = message('ShareGroupMemberMetadataValue', '0', '0+', {
  rackId: string('0+', { nullable: '0+' }),
  clientId: string('0+'),
  clientHost: string('0+'),
  subscribedTopicNames: arrayOf('0+', string),
})
export type ShareGroupMemberMetadataValue = MessageOf<typeof shareGroupMemberMetadataValue>

export const shareGroupMetadataKey = message('ShareGroupMetadataKey', '0', 'none', {
  groupId: string('0'),
})
export type ShareGroupMetadataKey = MessageOf<typeof shareGroupMetadataKey>

export const shareGroupMetadataValue = message('ShareGroupMetadataValue', '0', '0+', {
  epoch: int32('0+'),
  metadataHash: int64('0+'),
})
export type ShareGroupMetadataValue = MessageOf<typeof shareGroupMetadataValue>

export const shareGroupStatePartitionMetadataKey = message('ShareGroupStatePartitionMetadataKey', '0', 'none', {
  groupId: string('0'),
})
export type ShareGroupStatePartitionMetadataKey = MessageOf<typeof shareGroupStatePartitionMetadataKey>

const topicPartitionsInfo = {
  topicId: uuid('0+'),
  topicName: string('0+'),
  partitions: arrayOf('0+', int32),
}

const topicInfo = {
  topicId: uuid('0+'),
  topicName: string('0+'),
}

export const shareGroupStatePartitionMetadataValue = message('ShareGroupStatePartitionMetadataValue', '0', '0+', {
  initializingTopics: array('0+', topicPartitionsInfo),
  initializedTopics: array('0+', topicPartitionsInfo),
  deletingTopics: array('0+', topicInfo),
})
export type ShareGroupStatePartitionMetadataValue = MessageOf<typeof shareGroupStatePartitionMetadataValue>

export const shareGroupTargetAssignmentMemberKey = message('ShareGroupTargetAssignmentMemberKey', '0', 'none', {
  groupId: string('0'),
  memberId: string('0'),
})
export type ShareGroupTargetAssignmentMemberKey = MessageOf<typeof shareGroupTargetAssignmentMemberKey>

export const shareGroupTargetAssignmentMemberValue = message('ShareGroupTargetAssignmentMemberValue', '0', '0+', {
  topicPartitions: array('0+', { topicId: uuid('0+'), partitions: arrayOf('0+', int32) }),
})
export type ShareGroupTargetAssignmentMemberValue = MessageOf<typeof shareGroupTargetAssignmentMemberValue>

export const shareGroupTargetAssignmentMetadataKey = message('ShareGroupTargetAssignmentMetadataKey', '0', 'none', {
  groupId: string('0'),
})
export type ShareGroupTargetAssignmentMetadataKey = MessageOf<typeof shareGroupTargetAssignmentMetadataKey>

export const shareGroupTargetAssignmentMetadataValue = message('ShareGroupTargetAssignmentMetadataValue', '0', '0+', {
  assignmentEpoch: int32('0+'),
  assignmentTimestamp: int64('0+', { tag: 0 }),
})
export type ShareGroupTargetAssignmentMetadataValue = MessageOf<typeof shareGroupTargetAssignmentMetadataValue>

/** The int16 that opens a key. */
export const shareGroupRecordTypes = {
  memberMetadata: 10,
  metadata: 11,
  targetAssignmentMetadata: 12,
  targetAssignmentMember: 13,
  currentMemberAssignment: 14,
  statePartitionMetadata: 15,
} as const
