// API 93, versions 0, flexible from 0.
// Hands in the description that a heartbeat asked for.

import { array, arrayOf, int16, int32, int8, message, string, struct } from './dsl.js'
import type { MessageOf } from './dsl.js'

const topologyDescriptionNode = {
  name: string('0+'),
  nodeType: int8('0+'),
  sourceTopics: arrayOf('0+', string),
  sinkTopic: string('0+', { nullable: '0+', default: null }),
  stores: arrayOf('0+', string),
  successors: arrayOf('0+', string),
}

const topologyDescriptionSubtopology = {
  subtopologyId: string('0+'),
  nodes: array('0+', topologyDescriptionNode),
}

const topologyDescriptionGlobalStore = {
  source: struct('0+', topologyDescriptionNode),
  processor: struct('0+', topologyDescriptionNode),
}

const topologyDescription = {
  subtopologies: array('0+', topologyDescriptionSubtopology),
  globalStores: array('0+', topologyDescriptionGlobalStore),
}

export const streamsGroupTopologyDescriptionUpdateRequest = message('StreamsGroupTopologyDescriptionUpdateRequest', '0', '0+', {
  groupId: string('0+'),
  memberId: string('0+'),
  topologyEpoch: int32('0+'),
  topologyDescription: struct('0+', topologyDescription),
})
export type StreamsGroupTopologyDescriptionUpdateRequest = MessageOf<typeof streamsGroupTopologyDescriptionUpdateRequest>

export const streamsGroupTopologyDescriptionUpdateResponse = message('StreamsGroupTopologyDescriptionUpdateResponse', '0', '0+', {
  throttleTimeMs: int32('0+'),
  errorCode: int16('0+'),
  errorMessage: string('0+', { nullable: '0+', default: null }),
})
export type StreamsGroupTopologyDescriptionUpdateResponse = MessageOf<typeof streamsGroupTopologyDescriptionUpdateResponse>
