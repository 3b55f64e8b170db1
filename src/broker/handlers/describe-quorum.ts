// API 55, DescribeQuorum, v0-v2. 1: times of the last fetch. 2: nodes, directory ids and messages. Kafka asks for the
// quorum of __cluster_metadata; here the ensemble stands for it: its voters and observers, its leader, and zxids as
// offsets.

import type { DescribeQuorumRequest, DescribeQuorumResponse } from '../../protocol/schema/describe-quorum.js'
import { errors } from '../../model/errors.js'
import { ZERO_UUID } from '../../model/topic-partition.js'
import type { HandlerContext, RequestContext } from './handler.js'
import type { QuorumMember } from './services.js'

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
  const members = await broker.services.quorum()
  const leader = members.find((member) => member.leader)
  const now = broker.env.clock.now()
  const states = (voter: boolean) => members.filter((member) => member.voter === voter).map((member) => stateOf(member, now))
  const partition = {
    partitionIndex: 0,
    errorCode: leader ? errors.NONE.code : errors.LEADER_NOT_AVAILABLE.code,
    errorMessage: null,
    leaderId: leader?.id ?? -1,
    // A zxid is an epoch and a counter in it.
    leaderEpoch: leader ? Number(leader.zxid >> 32n) : -1,
    highWatermark: Number(leader?.zxid ?? -1n),
    currentVoters: states(true),
    observers: states(false),
  }
  return {
    errorCode: errors.NONE.code,
    errorMessage: null,
    topics: [{ topicName: METADATA_TOPIC, partitions: [partition] }],
    nodes: members
      .filter((member) => member.voter && member.port > 0)
      .map(({ id, host, port }) => ({ nodeId: id, listeners: [{ name: 'ENSEMBLE', host, port }] })),
  }
}

function stateOf({ id, zxid, lagMs, leader, connected }: QuorumMember, now: number) {
  const heard = connected ? now : -1
  return {
    replicaId: id,
    replicaDirectoryId: ZERO_UUID,
    logEndOffset: Number(zxid),
    lastFetchTimestamp: heard,
    lastCaughtUpTimestamp: !connected ? -1 : leader ? now : now - lagMs,
  }
}
