// API → handler. What is in this table is served and announced; nothing else is.

import { apis, type Api } from '../../protocol/schema/index.js'
import type { Handler } from './handler.js'
import { handleAlterConfigs } from './alter-configs.js'
import { handleAlterPartitionReassignments } from './alter-partition-reassignments.js'
import { handleAlterReplicaLogDirs } from './alter-replica-log-dirs.js'
import { handleApiVersions } from './api-versions.js'
import { handleConsumerGroupDescribe } from './consumer-group-describe.js'
import { handleCreatePartitions } from './create-partitions.js'
import { handleCreateTopics } from './create-topics.js'
import { handleDeleteGroups } from './delete-groups.js'
import { handleDeleteRecords } from './delete-records.js'
import { handleDeleteTopics } from './delete-topics.js'
import { handleDescribeCluster } from './describe-cluster.js'
import { handleDescribeConfigs } from './describe-configs.js'
import { handleDescribeGroups } from './describe-groups.js'
import { handleDescribeLogDirs } from './describe-log-dirs.js'
import { handleDescribeTopicPartitions } from './describe-topic-partitions.js'
import { handleDescribeQuorum } from './describe-quorum.js'
import { handleElectLeaders } from './elect-leaders.js'
import { handleFetch } from './fetch.js'
import { handleFindCoordinator } from './find-coordinator.js'
import { handleHeartbeat } from './heartbeat.js'
import { handleIncrementalAlterConfigs } from './incremental-alter-configs.js'
import { handleInitProducerId } from './init-producer-id.js'
import { handleJoinGroup } from './join-group.js'
import { handleLeaveGroup } from './leave-group.js'
import { handleListConfigResources } from './list-config-resources.js'
import { handleListGroups } from './list-groups.js'
import { handleListOffsets } from './list-offsets.js'
import { handleListPartitionReassignments } from './list-partition-reassignments.js'
import { handleMetadata } from './metadata.js'
import { handleOffsetCommit } from './offset-commit.js'
import { handleOffsetDelete } from './offset-delete.js'
import { handleOffsetFetch } from './offset-fetch.js'
import { handleOffsetForLeaderEpoch } from './offset-for-leader-epoch.js'
import { handleSyncGroup } from './sync-group.js'
import { handleUnregisterBroker } from './unregister-broker.js'
import { handleUpdateFeatures } from './update-features.js'

export interface HandledApi {
  readonly api: Api
  readonly handle: Handler
}

/** Produce is not here: it answers by callback, without a promise (see produce.ts). */
const table: readonly (readonly [Api, Handler])[] = [
  [apis.fetch, handleFetch],
  [apis.listOffsets, handleListOffsets],
  [apis.metadata, handleMetadata],
  [apis.offsetCommit, handleOffsetCommit],
  [apis.offsetFetch, handleOffsetFetch],
  [apis.findCoordinator, handleFindCoordinator],
  [apis.joinGroup, handleJoinGroup],
  [apis.heartbeat, handleHeartbeat],
  [apis.leaveGroup, handleLeaveGroup],
  [apis.syncGroup, handleSyncGroup],
  [apis.describeGroups, handleDescribeGroups],
  [apis.listGroups, handleListGroups],
  [apis.apiVersions, handleApiVersions],
  [apis.createTopics, handleCreateTopics],
  [apis.deleteTopics, handleDeleteTopics],
  [apis.deleteRecords, handleDeleteRecords],
  [apis.initProducerId, handleInitProducerId],
  [apis.offsetForLeaderEpoch, handleOffsetForLeaderEpoch],
  [apis.describeConfigs, handleDescribeConfigs],
  [apis.alterConfigs, handleAlterConfigs],
  [apis.alterReplicaLogDirs, handleAlterReplicaLogDirs],
  [apis.describeLogDirs, handleDescribeLogDirs],
  [apis.createPartitions, handleCreatePartitions],
  [apis.deleteGroups, handleDeleteGroups],
  [apis.incrementalAlterConfigs, handleIncrementalAlterConfigs],
  [apis.offsetDelete, handleOffsetDelete],
  [apis.electLeaders, handleElectLeaders],
  [apis.alterPartitionReassignments, handleAlterPartitionReassignments],
  [apis.listPartitionReassignments, handleListPartitionReassignments],
  [apis.describeQuorum, handleDescribeQuorum],
  [apis.updateFeatures, handleUpdateFeatures],
  [apis.unregisterBroker, handleUnregisterBroker],
  [apis.describeCluster, handleDescribeCluster],
  [apis.consumerGroupDescribe, handleConsumerGroupDescribe],
  [apis.listConfigResources, handleListConfigResources],
  [apis.describeTopicPartitions, handleDescribeTopicPartitions],
]

const byKey: (HandledApi | undefined)[] = []
for (const [api, handle] of table) byKey[api.key] = { api, handle }

export function handlerFor(apiKey: number): HandledApi | undefined {
  return byKey[apiKey]
}

/** Every API this node serves. */
export const handledKeys: readonly number[] = [apis.produce.key, ...table.map(([api]) => api.key)]
