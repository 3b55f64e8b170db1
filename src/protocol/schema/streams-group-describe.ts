// API 89, versions 0-1, flexible from 0.
// 1: a description of the topology, on request, and the name of the assignor.

import { array, arrayOf, bool, int16, int32, int64, int8, message, string, struct, uint16 } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const streamsGroupDescribeRequest = message('StreamsGroupDescribeRequest', '0-1', '0+', {
  groupIds: arrayOf('0+', string),
  includeAuthorizedOperations: bool('0+'),
  includeTopologyDescription: bool('1+'),
})
export type StreamsGroupDescribeRequest = MessageOf<typeof streamsGroupDescribeRequest>

const endpoint = {
  host: string('0+'),
  port: uint16('0+'),
}

const taskOffset = {
  subtopologyId: string('0+'),
  partition: int32('0+'),
  offset: int64('0+'),
}

const taskIds = {
  subtopologyId: string('0+'),
  partitions: arrayOf('0+', int32),
}

const assignment = {
  activeTasks: array('0+', taskIds),
  standbyTasks: array('0+', taskIds),
  warmupTasks: array('0+', taskIds),
}

const keyValue = {
  key: string('0+'),
  value: string('0+'),
}

const topicInfo = {
  name: string('0+'),
  partitions: int32('0+'),
  replicationFactor: int16('0+'),
  topicConfigs: array('0+', keyValue),
}

const topologyDescriptionNode = {
  name: string('1+'),
  nodeType: int8('1+'),
  sourceTopics: arrayOf('1+', string),
  sinkTopic: string('1+', { nullable: '1+', default: null }),
  stores: arrayOf('1+', string),
  successors: arrayOf('1+', string),
}

const topologyDescriptionSubtopology = {
  subtopologyId: string('1+'),
  nodes: array('1+', topologyDescriptionNode),
}

const topologyDescriptionGlobalStore = {
  source: struct('1+', topologyDescriptionNode),
  processor: struct('1+', topologyDescriptionNode),
}

const topologyDescription = {
  subtopologies: array('1+', topologyDescriptionSubtopology),
  globalStores: array('1+', topologyDescriptionGlobalStore),
}

export const streamsGroupDescribeResponse = message('StreamsGroupDescribeResponse', '0-1', '0+', {
  throttleTimeMs: int32('0+'),
  groups: array('0+', {
    errorCode: int16('0+'),
    errorMessage: string('0+', { nullable: '0+', default: null }),
    groupId: string('0+'),
    groupState: string('0+'),
    groupEpoch: int32('0+'),
    assignmentEpoch: int32('0+'),
    topology: struct(
      '0+',
      {
        epoch: int32('0+'),
        subtopologies: array(
          '0+',
          {
            subtopologyId: string('0+'),
            sourceTopics: arrayOf('0+', string),
            repartitionSinkTopics: arrayOf('0+', string),
            stateChangelogTopics: array('0+', topicInfo),
            repartitionSourceTopics: array('0+', topicInfo),
          },
          { nullable: '0+', default: null },
        ),
      },
      { nullable: '0+', default: null },
    ),
    members: array('0+', {
      memberId: string('0+'),
      memberEpoch: int32('0+'),
      instanceId: string('0+', { nullable: '0+', default: null }),
      rackId: string('0+', { nullable: '0+', default: null }),
      clientId: string('0+'),
      clientHost: string('0+'),
      topologyEpoch: int32('0+'),
      processId: string('0+'),
      userEndpoint: struct('0+', endpoint, { nullable: '0+', default: null }),
      clientTags: array('0+', keyValue),
      taskOffsets: array('0+', taskOffset),
      taskEndOffsets: array('0+', taskOffset),
      assignment: struct('0+', assignment),
      targetAssignment: struct('0+', assignment),
      isClassic: bool('0+'),
    }),
    authorizedOperations: int32('0+', { default: -2147483648 }),
    topologyDescription: struct('1+', topologyDescription, { nullable: '1+', default: null }),
    topologyDescriptionStatus: int8('1+'),
    assignorName: string('1+', { nullable: '1+', default: null }),
  }),
})
export type StreamsGroupDescribeResponse = MessageOf<typeof streamsGroupDescribeResponse>
