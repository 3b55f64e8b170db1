// Every API that Kafka 4.4 serves to clients, by key and by name. The list is the single source: codecs, the ApiVersions answer and the
// handler table all start here.

import { LATEST } from './dsl.js'
import type { Message } from './dsl.js'
import { produceRequest, produceResponse } from './produce.js'
import { fetchRequest, fetchResponse } from './fetch.js'
import { listOffsetsRequest, listOffsetsResponse } from './list-offsets.js'
import { metadataRequest, metadataResponse } from './metadata.js'
import { offsetCommitRequest, offsetCommitResponse } from './offset-commit.js'
import { offsetFetchRequest, offsetFetchResponse } from './offset-fetch.js'
import { findCoordinatorRequest, findCoordinatorResponse } from './find-coordinator.js'
import { joinGroupRequest, joinGroupResponse } from './join-group.js'
import { heartbeatRequest, heartbeatResponse } from './heartbeat.js'
import { leaveGroupRequest, leaveGroupResponse } from './leave-group.js'
import { syncGroupRequest, syncGroupResponse } from './sync-group.js'
import { describeGroupsRequest, describeGroupsResponse } from './describe-groups.js'
import { listGroupsRequest, listGroupsResponse } from './list-groups.js'
import { saslHandshakeRequest, saslHandshakeResponse } from './sasl-handshake.js'
import { apiVersionsRequest, apiVersionsResponse } from './api-versions.js'
import { createTopicsRequest, createTopicsResponse } from './create-topics.js'
import { deleteTopicsRequest, deleteTopicsResponse } from './delete-topics.js'
import { deleteRecordsRequest, deleteRecordsResponse } from './delete-records.js'
import { initProducerIdRequest, initProducerIdResponse } from './init-producer-id.js'
import { offsetForLeaderEpochRequest, offsetForLeaderEpochResponse } from './offset-for-leader-epoch.js'
import { addPartitionsToTxnRequest, addPartitionsToTxnResponse } from './add-partitions-to-txn.js'
import { addOffsetsToTxnRequest, addOffsetsToTxnResponse } from './add-offsets-to-txn.js'
import { endTxnRequest, endTxnResponse } from './end-txn.js'
import { writeTxnMarkersRequest, writeTxnMarkersResponse } from './write-txn-markers.js'
import { txnOffsetCommitRequest, txnOffsetCommitResponse } from './txn-offset-commit.js'
import { describeAclsRequest, describeAclsResponse } from './describe-acls.js'
import { createAclsRequest, createAclsResponse } from './create-acls.js'
import { deleteAclsRequest, deleteAclsResponse } from './delete-acls.js'
import { describeConfigsRequest, describeConfigsResponse } from './describe-configs.js'
import { alterConfigsRequest, alterConfigsResponse } from './alter-configs.js'
import { alterReplicaLogDirsRequest, alterReplicaLogDirsResponse } from './alter-replica-log-dirs.js'
import { describeLogDirsRequest, describeLogDirsResponse } from './describe-log-dirs.js'
import { saslAuthenticateRequest, saslAuthenticateResponse } from './sasl-authenticate.js'
import { createPartitionsRequest, createPartitionsResponse } from './create-partitions.js'
import { createDelegationTokenRequest, createDelegationTokenResponse } from './create-delegation-token.js'
import { renewDelegationTokenRequest, renewDelegationTokenResponse } from './renew-delegation-token.js'
import { expireDelegationTokenRequest, expireDelegationTokenResponse } from './expire-delegation-token.js'
import { describeDelegationTokenRequest, describeDelegationTokenResponse } from './describe-delegation-token.js'
import { deleteGroupsRequest, deleteGroupsResponse } from './delete-groups.js'
import { electLeadersRequest, electLeadersResponse } from './elect-leaders.js'
import { incrementalAlterConfigsRequest, incrementalAlterConfigsResponse } from './incremental-alter-configs.js'
import { alterPartitionReassignmentsRequest, alterPartitionReassignmentsResponse } from './alter-partition-reassignments.js'
import { listPartitionReassignmentsRequest, listPartitionReassignmentsResponse } from './list-partition-reassignments.js'
import { offsetDeleteRequest, offsetDeleteResponse } from './offset-delete.js'
import { describeClientQuotasRequest, describeClientQuotasResponse } from './describe-client-quotas.js'
import { alterClientQuotasRequest, alterClientQuotasResponse } from './alter-client-quotas.js'
import { describeUserScramCredentialsRequest, describeUserScramCredentialsResponse } from './describe-user-scram-credentials.js'
import { alterUserScramCredentialsRequest, alterUserScramCredentialsResponse } from './alter-user-scram-credentials.js'
import { describeQuorumRequest, describeQuorumResponse } from './describe-quorum.js'
import { updateFeaturesRequest, updateFeaturesResponse } from './update-features.js'
import { describeClusterRequest, describeClusterResponse } from './describe-cluster.js'
import { describeProducersRequest, describeProducersResponse } from './describe-producers.js'
import { unregisterBrokerRequest, unregisterBrokerResponse } from './unregister-broker.js'
import { describeTransactionsRequest, describeTransactionsResponse } from './describe-transactions.js'
import { listTransactionsRequest, listTransactionsResponse } from './list-transactions.js'
import { consumerGroupHeartbeatRequest, consumerGroupHeartbeatResponse } from './consumer-group-heartbeat.js'
import { consumerGroupDescribeRequest, consumerGroupDescribeResponse } from './consumer-group-describe.js'
import { getTelemetrySubscriptionsRequest, getTelemetrySubscriptionsResponse } from './get-telemetry-subscriptions.js'
import { pushTelemetryRequest, pushTelemetryResponse } from './push-telemetry.js'
import { listConfigResourcesRequest, listConfigResourcesResponse } from './list-config-resources.js'
import { describeTopicPartitionsRequest, describeTopicPartitionsResponse } from './describe-topic-partitions.js'
import { shareGroupHeartbeatRequest, shareGroupHeartbeatResponse } from './share-group-heartbeat.js'
import { shareGroupDescribeRequest, shareGroupDescribeResponse } from './share-group-describe.js'
import { shareFetchRequest, shareFetchResponse } from './share-fetch.js'
import { shareAcknowledgeRequest, shareAcknowledgeResponse } from './share-acknowledge.js'
import { addRaftVoterRequest, addRaftVoterResponse } from './add-raft-voter.js'
import { removeRaftVoterRequest, removeRaftVoterResponse } from './remove-raft-voter.js'
import { initializeShareGroupStateRequest, initializeShareGroupStateResponse } from './initialize-share-group-state.js'
import { readShareGroupStateRequest, readShareGroupStateResponse } from './read-share-group-state.js'
import { writeShareGroupStateRequest, writeShareGroupStateResponse } from './write-share-group-state.js'
import { deleteShareGroupStateRequest, deleteShareGroupStateResponse } from './delete-share-group-state.js'
import { readShareGroupStateSummaryRequest, readShareGroupStateSummaryResponse } from './read-share-group-state-summary.js'
import { streamsGroupHeartbeatRequest, streamsGroupHeartbeatResponse } from './streams-group-heartbeat.js'
import { streamsGroupDescribeRequest, streamsGroupDescribeResponse } from './streams-group-describe.js'
import { describeShareGroupOffsetsRequest, describeShareGroupOffsetsResponse } from './describe-share-group-offsets.js'
import { alterShareGroupOffsetsRequest, alterShareGroupOffsetsResponse } from './alter-share-group-offsets.js'
import { deleteShareGroupOffsetsRequest, deleteShareGroupOffsetsResponse } from './delete-share-group-offsets.js'
import {
  streamsGroupTopologyDescriptionUpdateRequest,
  streamsGroupTopologyDescriptionUpdateResponse,
} from './streams-group-topology-description-update.js'
import { unregisterControllerRequest, unregisterControllerResponse } from './unregister-controller.js'

export interface Api<Q extends Message = Message, R extends Message = Message> {
  readonly key: number
  readonly name: string
  readonly minVersion: number
  /** The newest stable version: what a server advertises and a client asks for. */
  readonly maxVersion: number
  /** First version with compact lengths and tagged fields, also in the headers; one that is never reached when there is none. */
  readonly flexibleFrom: number
  readonly request: Q
  readonly response: R
}

function api<Q extends Message, R extends Message>(key: number, name: string, request: Q, response: R, newestStable?: number): Api<Q, R> {
  const [minVersion, maxVersion] = request.versions
  const flexibleFrom = request.flexible[1] === LATEST ? request.flexible[0] : LATEST
  return { key, name, minVersion, maxVersion: newestStable ?? maxVersion, flexibleFrom, request, response }
}

export const apis = {
  produce: api(0, 'Produce', produceRequest, produceResponse),
  fetch: api(1, 'Fetch', fetchRequest, fetchResponse),
  listOffsets: api(2, 'ListOffsets', listOffsetsRequest, listOffsetsResponse),
  metadata: api(3, 'Metadata', metadataRequest, metadataResponse),
  offsetCommit: api(8, 'OffsetCommit', offsetCommitRequest, offsetCommitResponse),
  offsetFetch: api(9, 'OffsetFetch', offsetFetchRequest, offsetFetchResponse),
  findCoordinator: api(10, 'FindCoordinator', findCoordinatorRequest, findCoordinatorResponse),
  joinGroup: api(11, 'JoinGroup', joinGroupRequest, joinGroupResponse),
  heartbeat: api(12, 'Heartbeat', heartbeatRequest, heartbeatResponse),
  leaveGroup: api(13, 'LeaveGroup', leaveGroupRequest, leaveGroupResponse),
  syncGroup: api(14, 'SyncGroup', syncGroupRequest, syncGroupResponse),
  describeGroups: api(15, 'DescribeGroups', describeGroupsRequest, describeGroupsResponse),
  listGroups: api(16, 'ListGroups', listGroupsRequest, listGroupsResponse),
  saslHandshake: api(17, 'SaslHandshake', saslHandshakeRequest, saslHandshakeResponse),
  apiVersions: api(18, 'ApiVersions', apiVersionsRequest, apiVersionsResponse),
  createTopics: api(19, 'CreateTopics', createTopicsRequest, createTopicsResponse),
  deleteTopics: api(20, 'DeleteTopics', deleteTopicsRequest, deleteTopicsResponse),
  deleteRecords: api(21, 'DeleteRecords', deleteRecordsRequest, deleteRecordsResponse),
  initProducerId: api(22, 'InitProducerId', initProducerIdRequest, initProducerIdResponse, 5),
  offsetForLeaderEpoch: api(23, 'OffsetForLeaderEpoch', offsetForLeaderEpochRequest, offsetForLeaderEpochResponse),
  addPartitionsToTxn: api(24, 'AddPartitionsToTxn', addPartitionsToTxnRequest, addPartitionsToTxnResponse),
  addOffsetsToTxn: api(25, 'AddOffsetsToTxn', addOffsetsToTxnRequest, addOffsetsToTxnResponse),
  endTxn: api(26, 'EndTxn', endTxnRequest, endTxnResponse),
  writeTxnMarkers: api(27, 'WriteTxnMarkers', writeTxnMarkersRequest, writeTxnMarkersResponse),
  txnOffsetCommit: api(28, 'TxnOffsetCommit', txnOffsetCommitRequest, txnOffsetCommitResponse),
  describeAcls: api(29, 'DescribeAcls', describeAclsRequest, describeAclsResponse),
  createAcls: api(30, 'CreateAcls', createAclsRequest, createAclsResponse),
  deleteAcls: api(31, 'DeleteAcls', deleteAclsRequest, deleteAclsResponse),
  describeConfigs: api(32, 'DescribeConfigs', describeConfigsRequest, describeConfigsResponse),
  alterConfigs: api(33, 'AlterConfigs', alterConfigsRequest, alterConfigsResponse),
  alterReplicaLogDirs: api(34, 'AlterReplicaLogDirs', alterReplicaLogDirsRequest, alterReplicaLogDirsResponse),
  describeLogDirs: api(35, 'DescribeLogDirs', describeLogDirsRequest, describeLogDirsResponse),
  saslAuthenticate: api(36, 'SaslAuthenticate', saslAuthenticateRequest, saslAuthenticateResponse),
  createPartitions: api(37, 'CreatePartitions', createPartitionsRequest, createPartitionsResponse),
  createDelegationToken: api(38, 'CreateDelegationToken', createDelegationTokenRequest, createDelegationTokenResponse),
  renewDelegationToken: api(39, 'RenewDelegationToken', renewDelegationTokenRequest, renewDelegationTokenResponse),
  expireDelegationToken: api(40, 'ExpireDelegationToken', expireDelegationTokenRequest, expireDelegationTokenResponse),
  describeDelegationToken: api(41, 'DescribeDelegationToken', describeDelegationTokenRequest, describeDelegationTokenResponse),
  deleteGroups: api(42, 'DeleteGroups', deleteGroupsRequest, deleteGroupsResponse),
  electLeaders: api(43, 'ElectLeaders', electLeadersRequest, electLeadersResponse),
  incrementalAlterConfigs: api(44, 'IncrementalAlterConfigs', incrementalAlterConfigsRequest, incrementalAlterConfigsResponse),
  alterPartitionReassignments: api(
    45,
    'AlterPartitionReassignments',
    alterPartitionReassignmentsRequest,
    alterPartitionReassignmentsResponse,
  ),
  listPartitionReassignments: api(46, 'ListPartitionReassignments', listPartitionReassignmentsRequest, listPartitionReassignmentsResponse),
  offsetDelete: api(47, 'OffsetDelete', offsetDeleteRequest, offsetDeleteResponse),
  describeClientQuotas: api(48, 'DescribeClientQuotas', describeClientQuotasRequest, describeClientQuotasResponse),
  alterClientQuotas: api(49, 'AlterClientQuotas', alterClientQuotasRequest, alterClientQuotasResponse),
  describeUserScramCredentials: api(
    50,
    'DescribeUserScramCredentials',
    describeUserScramCredentialsRequest,
    describeUserScramCredentialsResponse,
  ),
  alterUserScramCredentials: api(51, 'AlterUserScramCredentials', alterUserScramCredentialsRequest, alterUserScramCredentialsResponse),
  describeQuorum: api(55, 'DescribeQuorum', describeQuorumRequest, describeQuorumResponse),
  updateFeatures: api(57, 'UpdateFeatures', updateFeaturesRequest, updateFeaturesResponse),
  describeCluster: api(60, 'DescribeCluster', describeClusterRequest, describeClusterResponse),
  describeProducers: api(61, 'DescribeProducers', describeProducersRequest, describeProducersResponse),
  unregisterBroker: api(64, 'UnregisterBroker', unregisterBrokerRequest, unregisterBrokerResponse),
  describeTransactions: api(65, 'DescribeTransactions', describeTransactionsRequest, describeTransactionsResponse),
  listTransactions: api(66, 'ListTransactions', listTransactionsRequest, listTransactionsResponse),
  consumerGroupHeartbeat: api(68, 'ConsumerGroupHeartbeat', consumerGroupHeartbeatRequest, consumerGroupHeartbeatResponse),
  consumerGroupDescribe: api(69, 'ConsumerGroupDescribe', consumerGroupDescribeRequest, consumerGroupDescribeResponse),
  getTelemetrySubscriptions: api(71, 'GetTelemetrySubscriptions', getTelemetrySubscriptionsRequest, getTelemetrySubscriptionsResponse),
  pushTelemetry: api(72, 'PushTelemetry', pushTelemetryRequest, pushTelemetryResponse),
  listConfigResources: api(74, 'ListConfigResources', listConfigResourcesRequest, listConfigResourcesResponse),
  describeTopicPartitions: api(75, 'DescribeTopicPartitions', describeTopicPartitionsRequest, describeTopicPartitionsResponse),
  shareGroupHeartbeat: api(76, 'ShareGroupHeartbeat', shareGroupHeartbeatRequest, shareGroupHeartbeatResponse),
  shareGroupDescribe: api(77, 'ShareGroupDescribe', shareGroupDescribeRequest, shareGroupDescribeResponse),
  shareFetch: api(78, 'ShareFetch', shareFetchRequest, shareFetchResponse),
  shareAcknowledge: api(79, 'ShareAcknowledge', shareAcknowledgeRequest, shareAcknowledgeResponse),
  addRaftVoter: api(80, 'AddRaftVoter', addRaftVoterRequest, addRaftVoterResponse),
  removeRaftVoter: api(81, 'RemoveRaftVoter', removeRaftVoterRequest, removeRaftVoterResponse),
  initializeShareGroupState: api(83, 'InitializeShareGroupState', initializeShareGroupStateRequest, initializeShareGroupStateResponse),
  readShareGroupState: api(84, 'ReadShareGroupState', readShareGroupStateRequest, readShareGroupStateResponse),
  writeShareGroupState: api(85, 'WriteShareGroupState', writeShareGroupStateRequest, writeShareGroupStateResponse),
  deleteShareGroupState: api(86, 'DeleteShareGroupState', deleteShareGroupStateRequest, deleteShareGroupStateResponse),
  readShareGroupStateSummary: api(87, 'ReadShareGroupStateSummary', readShareGroupStateSummaryRequest, readShareGroupStateSummaryResponse),
  streamsGroupHeartbeat: api(88, 'StreamsGroupHeartbeat', streamsGroupHeartbeatRequest, streamsGroupHeartbeatResponse),
  streamsGroupDescribe: api(89, 'StreamsGroupDescribe', streamsGroupDescribeRequest, streamsGroupDescribeResponse),
  describeShareGroupOffsets: api(90, 'DescribeShareGroupOffsets', describeShareGroupOffsetsRequest, describeShareGroupOffsetsResponse),
  alterShareGroupOffsets: api(91, 'AlterShareGroupOffsets', alterShareGroupOffsetsRequest, alterShareGroupOffsetsResponse),
  deleteShareGroupOffsets: api(92, 'DeleteShareGroupOffsets', deleteShareGroupOffsetsRequest, deleteShareGroupOffsetsResponse),
  streamsGroupTopologyDescriptionUpdate: api(
    93,
    'StreamsGroupTopologyDescriptionUpdate',
    streamsGroupTopologyDescriptionUpdateRequest,
    streamsGroupTopologyDescriptionUpdateResponse,
  ),
  unregisterController: api(94, 'UnregisterController', unregisterControllerRequest, unregisterControllerResponse),
} as const

export type ApiName = keyof typeof apis

const byKey: (Api | undefined)[] = []
for (const each of Object.values(apis)) byKey[each.key] = each

export function apiByKey(key: number): Api | undefined {
  return byKey[key]
}

/** Kafka's name, e.g. `Produce`. */
export function apiByName(name: string): Api | undefined {
  return byKey.find((each) => each !== undefined && each.name === name)
}

export const allApis: readonly Api[] = byKey.filter((each) => each !== undefined)
