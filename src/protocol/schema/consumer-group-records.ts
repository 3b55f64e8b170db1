// Keys and values of the records of groups of the new consumer protocol in __consumer_offsets. Keys open with an int16 record type,
// values with an int16 version; neither is part of the tables.

import { array, arrayOf, bytes, int32, int64, int8, message, string, struct, uuid } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const consumerGroupCurrentMemberAssignmentKey = message('ConsumerGroupCurrentMemberAssignmentKey', '0', 'none', {
  groupId: string('0'),
  memberId: string('0'),
})
export type ConsumerGroupCurrentMemberAssignmentKey = MessageOf<typeof consumerGroupCurrentMemberAssignmentKey>

const topicPartitions = {
  topicId: uuid('0+'),
  partitions: arrayOf('0+', int32),
  assignmentEpochs: arrayOf('0+', int32, { nullable: '0+', tag: 0 }),
}

export const consumerGroupCurrentMemberAssignmentValue = message('ConsumerGroupCurrentMemberAssignmentValue', '0', '0+', {
  memberEpoch: int32('0+'),
  previousMemberEpoch: int32('0+'),
  state: int8('0+'),
  assignedPartitions: array('0+', topicPartitions),
  partitionsPendingRevocation: array('0+', topicPartitions),
})
export type ConsumerGroupCurrentMemberAssignmentValue = MessageOf<typeof consumerGroupCurrentMemberAssignmentValue>

export const consumerGroupMemberMetadataKey = message('ConsumerGroupMemberMetadataKey', '0', 'none', {
  groupId: string('0'),
  memberId: string('0'),
})
export type ConsumerGroupMemberMetadataKey = MessageOf<typeof consumerGroupMemberMetadataKey>

export const consumerGroupMemberMetadataValue = message('ConsumerGroupMemberMetadataValue', '0', '0+', {
  instanceId: string('0+', { nullable: '0+' }),
  rackId: string('0+', { nullable: '0+' }),
  clientId: string('0+'),
  clientHost: string('0+'),
  subscribedTopicNames: arrayOf('0+', string),
  subscribedTopicRegex: string('0+', { nullable: '0+' }),
  rebalanceTimeoutMs: int32('0+', { default: -1 }),
  serverAssignor: string('0+', { nullable: '0+' }),
  classicMemberMetadata: struct(
    '0+',
    {
      sessionTimeoutMs: int32('0+'),
      supportedProtocols: array('0+', { name: string('0+'), metadata: bytes('0+') }),
    },
    { nullable: '0+', tag: 0 },
  ),
})
export type ConsumerGroupMemberMetadataValue = MessageOf<typeof consumerGroupMemberMetadataValue>

export const consumerGroupMetadataKey = message('ConsumerGroupMetadataKey', '0', 'none', {
  groupId: string('0'),
})
export type ConsumerGroupMetadataKey = MessageOf<typeof consumerGroupMetadataKey>

export const consumerGroupMetadataValue = message('ConsumerGroupMetadataValue', '0', '0+', {
  epoch: int32('0+'),
  metadataHash: int64('0+', { tag: 0 }),
})
export type ConsumerGroupMetadataValue = MessageOf<typeof consumerGroupMetadataValue>

export const consumerGroupPartitionMetadataKey = message('ConsumerGroupPartitionMetadataKey', '0', 'none', {
  groupId: string('0'),
})
export type ConsumerGroupPartitionMetadataKey = MessageOf<typeof consumerGroupPartitionMetadataKey>

export const consumerGroupPartitionMetadataValue = message('ConsumerGroupPartitionMetadataValue', '0', '0+', {
  topics: array('0+', {
    topicId: uuid('0+'),
    topicName: string('0+'),
    numPartitions: int32('0+'),
    partitionMetadata: array('0+', { partition: int32('0+'), racks: arrayOf('0+', string) }),
  }),
})
export type ConsumerGroupPartitionMetadataValue = MessageOf<typeof consumerGroupPartitionMetadataValue>

export const consumerGroupRegularExpressionKey = message('ConsumerGroupRegularExpressionKey', '0', 'none', {
  groupId: string('0'),
  regularExpression: string('0'),
})
export type ConsumerGroupRegularExpressionKey = MessageOf<typeof consumerGroupRegularExpressionKey>

export const consumerGroupRegularExpressionValue = message('ConsumerGroupRegularExpressionValue', '0', '0+', {
  topics: arrayOf('0+', string),
  version: int64('0+'),
  timestamp: int64('0+'),
})
export type ConsumerGroupRegularExpressionValue = MessageOf<typeof consumerGroupRegularExpressionValue>

export const consumerGroupTargetAssignmentMemberKey = message('ConsumerGroupTargetAssignmentMemberKey', '0', 'none', {
  groupId: string('0'),
  memberId: string('0'),
})
export type ConsumerGroupTargetAssignmentMemberKey = MessageOf<typeof consumerGroupTargetAssignmentMemberKey>

export const consumerGroupTargetAssignmentMemberValue = message('ConsumerGroupTargetAssignmentMemberValue', '0', '0+', {
  topicPartitions: array('0+', { topicId: uuid('0+'), partitions: arrayOf('0+', int32) }),
})
export type ConsumerGroupTargetAssignmentMemberValue = MessageOf<typeof consumerGroupTargetAssignmentMemberValue>

export const consumerGroupTargetAssignmentMetadataKey = message('ConsumerGroupTargetAssignmentMetadataKey', '0', 'none', {
  groupId: string('0'),
})
export type ConsumerGroupTargetAssignmentMetadataKey = MessageOf<typeof consumerGroupTargetAssignmentMetadataKey>

export const consumerGroupTargetAssignmentMetadataValue = message('ConsumerGroupTargetAssignmentMetadataValue', '0', '0+', {
  assignmentEpoch: int32('0+'),
  assignmentTimestamp: int64('0+', { tag: 0 }),
})
export type ConsumerGroupTargetAssignmentMetadataValue = MessageOf<typeof consumerGroupTargetAssignmentMetadataValue>

/** The int16 that opens a key. */
export const consumerGroupRecordTypes = {
  metadata: 3,
  partitionMetadata: 4,
  memberMetadata: 5,
  targetAssignmentMetadata: 6,
  targetAssignmentMember: 7,
  currentMemberAssignment: 8,
  regularExpression: 16,
} as const
