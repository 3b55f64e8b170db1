// How the metadata image looks to the client of one connection: the brokers' addresses on its listener, and a
// topic's partitions. Shared by Metadata, DescribeCluster, DescribeTopicPartitions and FindCoordinator. Pure.

import type { BrokerImage, MetadataImage, PartitionImage } from '../../controller/image.js'
import { errors } from '../../model/errors.js'
import { isWildcard } from '../reserved-ports.js'
import type { HandlerContext, RequestContext } from './handler.js'

export interface BrokerNode {
  readonly nodeId: number
  readonly host: string
  readonly port: number
  readonly rack: string | null
  readonly isFenced: boolean
}

export const NO_AUTHORIZED_OPERATIONS = -2_147_483_648
/** Everything a topic knows, as nothing is forbidden yet: READ 3, WRITE 4, CREATE 5, DELETE 6, ALTER 7, DESCRIBE 8, DESCRIBE_CONFIGS 10, ALTER_CONFIGS 11. */
export const ALL_TOPIC_OPERATIONS = bits(3, 4, 5, 6, 7, 8, 10, 11)
/** CREATE 5, ALTER 7, DESCRIBE 8, CLUSTER_ACTION 9, DESCRIBE_CONFIGS 10, ALTER_CONFIGS 11, IDEMPOTENT_WRITE 12. */
export const ALL_CLUSTER_OPERATIONS = bits(5, 7, 8, 9, 10, 11, 12)

function bits(...operations: number[]): number {
  return operations.reduce((set, operation) => set | (1 << operation), 0)
}

/** The broker as this connection's client reaches it; undefined when it does not listen there. */
export function nodeFor(broker: BrokerImage, context: RequestContext, ownId: number): BrokerNode | undefined {
  const own = broker.id === ownId
  const endpoint = broker.endpoints.find((each) => each.name === context.listenerName) ?? (own ? broker.endpoints[0] : undefined)
  if (!endpoint && !own) return undefined
  // A wildcard is no address. The one this client came by is, for this node.
  const wildcard = !endpoint || isWildcard(endpoint.host)
  return {
    nodeId: broker.id,
    host: wildcard && own ? plainAddress(context.localAddress) : (endpoint?.host ?? ''),
    port: endpoint?.port ?? context.localPort,
    rack: broker.rack,
    isFenced: broker.fenced,
  }
}

/** `::ffff:10.0.0.1`, an IPv4 connection on a dual-stack socket, is 10.0.0.1. */
function plainAddress(address: string): string {
  return address === '' ? 'localhost' : address.replace(/^::ffff:(?=\d+\.)/i, '')
}

export function nodesFor(context: RequestContext, broker: HandlerContext, includeFenced = false): BrokerNode[] {
  const nodes: BrokerNode[] = []
  for (const each of broker.image().brokers.values()) {
    const node = !each.fenced || includeFenced ? nodeFor(each, context, broker.nodeId) : undefined
    if (node) nodes.push(node)
  }
  return nodes.sort((a, b) => a.nodeId - b.nodeId)
}

/** The address of broker `id`, or undefined when it is not alive on this listener. */
export function aliveNode(id: number, context: RequestContext, broker: HandlerContext): BrokerNode | undefined {
  const image = broker.image().brokers.get(id)
  return image && !image.fenced ? nodeFor(image, context, broker.nodeId) : undefined
}

/** The controller if it is alive, as Kafka's clients send it their changes. */
export function controllerFor(image: MetadataImage): number {
  return image.brokers.get(image.controllerId)?.fenced === false ? image.controllerId : -1
}

export const NO_LEADER = { leaderId: -1, leaderEpoch: -1 } as const

/** What a refused Produce or Fetch names as the leader: nobody, unless it is one that can be asked. */
export function currentLeader(
  image: MetadataImage,
  topic: string,
  partition: number,
): { readonly leaderId: number; readonly leaderEpoch: number } {
  const state = image.topics.get(topic)?.partitions[partition]
  if (!state || image.brokers.get(state.leader)?.fenced !== false) return NO_LEADER
  return { leaderId: state.leader, leaderEpoch: state.leaderEpoch }
}

export interface PartitionRow {
  readonly errorCode: number
  readonly partitionIndex: number
  readonly leaderId: number
  readonly leaderEpoch: number
  readonly replicaNodes: number[]
  readonly isrNodes: number[]
  readonly offlineReplicas: number[]
}

/** `onlyAlive`: Metadata v0 knows no offline replicas; it leaves them out and says REPLICA_NOT_AVAILABLE. */
export function partitionRow(state: PartitionImage, image: MetadataImage, onlyAlive = false): PartitionRow {
  const isAlive = (id: number): boolean => image.brokers.get(id)?.fenced === false
  const offline = state.replicas.filter((id) => !isAlive(id))
  const hasLeader = state.leader >= 0 && isAlive(state.leader)
  const missing = onlyAlive && offline.length > 0 ? errors.REPLICA_NOT_AVAILABLE.code : errors.NONE.code
  return {
    errorCode: hasLeader ? missing : errors.LEADER_NOT_AVAILABLE.code,
    partitionIndex: state.partition,
    leaderId: hasLeader ? state.leader : -1,
    leaderEpoch: state.leaderEpoch,
    replicaNodes: state.replicas.filter((id) => !onlyAlive || isAlive(id)),
    isrNodes: state.isr.filter((id) => !onlyAlive || isAlive(id)),
    offlineReplicas: offline,
  }
}
