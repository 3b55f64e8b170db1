// Keys and values of the records of streams groups in __consumer_offsets. Keys open with an int16 record type, values with an int16
// version; neither is part of the tables.

import { array, arrayOf, int16, int32, int64, int8, message, string, struct, uint16 } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const streamsGroupCurrentMemberAssignmentKey = message('StreamsGroupCurrentMemberAssignmentKey', '0', 'none', {
  groupId: string('0'),
  memberId: string('0'),
})
export type StreamsGroupCurrentMemberAssignmentKey = MessageOf<typeof streamsGroupCurrentMemberAssignmentKey>

const taskIds = {
  subtopologyId: string('0+'),
  partitions: arrayOf('0+', int32),
  assignmentEpochs: arrayOf('0+', int32, { nullable: '0+', tag: 0 }),
}

export const streamsGroupCurrentMemberAssignmentValue = message('StreamsGroupCurrentMemberAssignmentValue', '0', '0+', {
  memberEpoch: int32('0+'),
  previousMemberEpoch: int32('0+'),
  state: int8('0+'),
  activeTasks: array('0+', taskIds),
  standbyTasks: array('0+', taskIds),
  warmupTasks: array('0+', taskIds),
  activeTasksPendingRevocation: array('0+', taskIds),
  standbyTasksPendingRevocation: array('0+', taskIds),
  warmupTasksPendingRevocation: array('0+', taskIds),
})
export type StreamsGroupCurrentMemberAssignmentValue = MessageOf<typeof streamsGroupCurrentMemberAssignmentValue>

export const streamsGroupMemberMetadataKey = message('StreamsGroupMemberMetadataKey', '0', 'none', {
  groupId: string('0'),
  memberId: string('0'),
})
export type StreamsGroupMemberMetadataKey = MessageOf<typeof streamsGroupMemberMetadataKey>

const endpoint = {
  host: string('0+'),
  port: uint16('0+'),
}

const keyValue = {
  key: string('0+'),
  value: string('0+'),
}

export const streamsGroupMemberMetadataValue = message('StreamsGroupMemberMetadataValue', '0', '0+', {
  instanceId: string('0+', { nullable: '0+' }),
  rackId: string('0+', { nullable: '0+' }),
  clientId: string('0+'),
  clientHost: string('0+'),
  rebalanceTimeoutMs: int32('0+', { default: -1 }),
  topologyEpoch: int32('0+'),
  processId: string('0+'),
  userEndpoint: struct('0+', endpoint, { nullable: '0+', default: null }),
  clientTags: array('0+', keyValue),
})
export type StreamsGroupMemberMetadataValue = MessageOf<typeof streamsGroupMemberMetadataValue>

export const streamsGroupMetadataKey = message('StreamsGroupMetadataKey', '0', 'none', {
  groupId: string('0'),
})
export type StreamsGroupMetadataKey = MessageOf<typeof streamsGroupMetadataKey>

const lastAssignmentConfig = {
  key: string('0+'),
  value: string('0+'),
}

export const streamsGroupMetadataValue = message('StreamsGroupMetadataValue', '0', '0+', {
  epoch: int32('0+'),
  metadataHash: int64('0+'),
  validatedTopologyEpoch: int32('0+', { default: -1, tag: 0 }),
  lastAssignmentConfigs: array('0+', lastAssignmentConfig, { nullable: '0+', tag: 1 }),
  storedDescriptionTopologyEpoch: int32('0+', { default: -1, tag: 2 }),
  failedDescriptionTopologyEpoch: int32('0+', { default: -1, tag: 3 }),
})
export type StreamsGroupMetadataValue = MessageOf<typeof streamsGroupMetadataValue>

export const streamsGroupTargetAssignmentMemberKey = message('StreamsGroupTargetAssignmentMemberKey', '0', 'none', {
  groupId: string('0'),
  memberId: string('0'),
})
export type StreamsGroupTargetAssignmentMemberKey = MessageOf<typeof streamsGroupTargetAssignmentMemberKey>

const taskIdsOfTargetAssignmentMemberValue = {
  subtopologyId: string('0+'),
  partitions: arrayOf('0+', int32),
}

export const streamsGroupTargetAssignmentMemberValue = message('StreamsGroupTargetAssignmentMemberValue', '0', '0+', {
  activeTasks: array('0+', taskIdsOfTargetAssignmentMemberValue),
  standbyTasks: array('0+', taskIdsOfTargetAssignmentMemberValue),
  warmupTasks: array('0+', taskIdsOfTargetAssignmentMemberValue),
})
export type StreamsGroupTargetAssignmentMemberValue = MessageOf<typeof streamsGroupTargetAssignmentMemberValue>

export const streamsGroupTargetAssignmentMetadataKey = message('StreamsGroupTargetAssignmentMetadataKey', '0', 'none', {
  groupId: string('0'),
})
export type StreamsGroupTargetAssignmentMetadataKey = MessageOf<typeof streamsGroupTargetAssignmentMetadataKey>

export const streamsGroupTargetAssignmentMetadataValue = message('StreamsGroupTargetAssignmentMetadataValue', '0', '0+', {
  assignmentEpoch: int32('0+'),
  assignmentTimestamp: int64('0+', { tag: 0 }),
})
export type StreamsGroupTargetAssignmentMetadataValue = MessageOf<typeof streamsGroupTargetAssignmentMetadataValue>

export const streamsGroupTopologyKey = message('StreamsGroupTopologyKey', '0', 'none', {
  groupId: string('0'),
})
export type StreamsGroupTopologyKey = MessageOf<typeof streamsGroupTopologyKey>

const topicConfig = {
  key: string('0+'),
  value: string('0+'),
}

const topicInfo = {
  name: string('0+'),
  partitions: int32('0+'),
  replicationFactor: int16('0+'),
  topicConfigs: array('0+', topicConfig),
}

export const streamsGroupTopologyValue = message('StreamsGroupTopologyValue', '0', '0+', {
  epoch: int32('0+'),
  subtopologies: array('0+', {
    subtopologyId: string('0+'),
    sourceTopics: arrayOf('0+', string),
    sourceTopicRegex: arrayOf('0+', string),
    stateChangelogTopics: array('0+', topicInfo),
    repartitionSinkTopics: arrayOf('0+', string),
    repartitionSourceTopics: array('0+', topicInfo),
    copartitionGroups: array('0+', {
      sourceTopics: arrayOf('0+', int16),
      sourceTopicRegex: arrayOf('0+', int16),
      repartitionSourceTopics: arrayOf('0+', int16),
    }),
  }),
})
export type StreamsGroupTopologyValue = MessageOf<typeof streamsGroupTopologyValue>

/** The int16 that opens a key. */
export const streamsGroupRecordTypes = {
  metadata: 17,
  memberMetadata: 19,
  targetAssignmentMetadata: 20,
  targetAssignmentMember: 21,
  currentMemberAssignment: 22,
  topology: 23,
} as const
