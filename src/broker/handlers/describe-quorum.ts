// API 55, DescribeQuorum, v0-v2. 1: times of the last fetch. 2: nodes, directory ids and messages. Kafka asks for the
// quorum of __cluster_metadata; here the ensemble stands for it: its voters and observers, its leader, and zxids (an epoch and a counter in it) as
// offsets. Whichever node is asked, the leader of the ensemble answers; who cannot reach it says NOT_LEADER_OR_FOLLOWER, which clients try again.

import type { DescribeQuorumRequest, DescribeQuorumResponse } from '../../protocol/schema/describe-quorum.js'
import { errors } from '../../model/errors.js'
import { ZERO_UUID } from '../../model/topic-partition.js'
import type { HandlerContext, RequestContext } from './handler.js'
import type { QuorumReplica } from './services.js'

const METADATA_TOPIC = '__cluster_metadata'

type Topic = DescribeQuorumResponse['topics'][number]

export async function handleDescribeQuorum(
  request: DescribeQuorumRequest,
  _context: RequestContext,
  broker: HandlerContext,
): Promise<DescribeQuorumResponse> {
  const asked = request.topics.flatMap(({ topicName, partitions }) =>
    partitions.map(({ partitionIndex }) => ({ topicName, partitionIndex })),
  )
  const isMetadata = asked.length === 1 && asked[0]!.topicName === METADATA_TOPIC && asked[0]!.partitionIndex === 0
  if (!isMetadata) {
    const unknown = asked.map(({ topicName, partitionIndex }): Topic => {
      const row = { partitionIndex, errorCode: errors.UNKNOWN_TOPIC_OR_PARTITION.code, errorMessage: null }
      const nothing = { leaderId: -1, leaderEpoch: -1, highWatermark: -1, currentVoters: [], observers: [] }
      return { topicName, partitions: [{ ...row, ...nothing }] }
    })
    return { errorCode: errors.NONE.code, errorMessage: null, topics: unknown, nodes: [] }
  }
  const quorum = await broker.services.quorum()
  if ('errorCode' in quorum) return refused(quorum)
  const { leaderId, leaderEpoch, highWatermark, replicas } = quorum
  const states = (voter: boolean) => replicas.filter((replica) => replica.voter === voter).map(stateOf)
  const partition = {
    partitionIndex: 0,
    errorCode: errors.NONE.code,
    errorMessage: null,
    leaderId,
    leaderEpoch,
    highWatermark: Number(highWatermark),
    currentVoters: states(true),
    observers: states(false),
  }
  return {
    errorCode: errors.NONE.code,
    errorMessage: null,
    topics: [{ topicName: METADATA_TOPIC, partitions: [partition] }],
    nodes: replicas
      .filter((replica) => replica.voter && replica.port > 0)
      .map(({ id, host, port }) => ({ nodeId: id, listeners: [{ name: 'ENSEMBLE', host, port }] })),
  }
}

function refused({ errorCode, message }: { readonly errorCode: number; readonly message: string }): DescribeQuorumResponse {
  const nothing = { leaderId: -1, leaderEpoch: -1, highWatermark: -1, currentVoters: [], observers: [] }
  const partition = { partitionIndex: 0, errorCode, errorMessage: message, ...nothing }
  return { errorCode: errors.NONE.code, errorMessage: null, topics: [{ topicName: METADATA_TOPIC, partitions: [partition] }], nodes: [] }
}

function stateOf({ id, logEndOffset, lastFetchTimestamp, lastCaughtUpTimestamp }: QuorumReplica) {
  return {
    replicaId: id,
    replicaDirectoryId: ZERO_UUID,
    logEndOffset: Number(logEndOffset),
    lastFetchTimestamp,
    lastCaughtUpTimestamp,
  }
}
