// What stands in the metadata znodes, as JSON bytes, and back. Pure. Names follow Kafka's znodes; values that are
// the rule (no reassignment, epoch 0) are left out.

import type { BrokerEndpoint, FeatureRange, PartitionImage } from './image.js'
import { PARTITIONS_PER_BUCKET } from './paths.js'

/** A topic is visible while it has no state: `creating` and `deleting` are sequences of writes under way. */
export interface TopicNode {
  readonly topicId: string
  readonly partitions: number
  readonly state: 'creating' | 'deleting' | null
  readonly alwaysSynced: boolean
}

function toBytes(value: object): Uint8Array {
  return Buffer.from(JSON.stringify(value))
}

function fromBytes(data: Uint8Array | null): Record<string, unknown> {
  return JSON.parse(Buffer.from(data ?? new Uint8Array(0)).toString('utf8')) as Record<string, unknown>
}

export function encodeTopic(topic: TopicNode): Uint8Array {
  return toBytes({
    version: 1,
    topic_id: topic.topicId,
    partitions: topic.partitions,
    ...(topic.state ? { state: topic.state } : {}),
    ...(topic.alwaysSynced ? { always_synced: true } : {}),
  })
}

export function decodeTopic(data: Uint8Array | null): TopicNode {
  const json = fromBytes(data) as { topic_id: string; partitions: number; state?: 'creating' | 'deleting'; always_synced?: boolean }
  return { topicId: json.topic_id, partitions: json.partitions, state: json.state ?? null, alwaysSynced: json.always_synced === true }
}

interface PartitionJson {
  readonly leader: number
  readonly leader_epoch: number
  readonly replicas: readonly number[]
  /** Absent: all replicas. */
  readonly isr?: readonly number[]
  readonly partition_epoch?: number
  readonly adding_replicas?: readonly number[]
  readonly removing_replicas?: readonly number[]
  readonly elr?: readonly number[]
  readonly last_known_elr?: readonly number[]
  readonly offline_replicas?: readonly number[]
  readonly leader_recovery_state?: number
}

const NONE: readonly number[] = []

export function encodeBucket(partitions: readonly PartitionImage[]): Uint8Array {
  return toBytes({ version: 1, partitions: partitions.map(partitionJson) })
}

function partitionJson(state: PartitionImage): PartitionJson {
  const sameIsr = state.isr.length === state.replicas.length && state.isr.every((id, i) => id === state.replicas[i])
  return {
    leader: state.leader,
    leader_epoch: state.leaderEpoch,
    replicas: state.replicas,
    ...(sameIsr ? {} : { isr: state.isr }),
    ...(state.partitionEpoch === 0 ? {} : { partition_epoch: state.partitionEpoch }),
    ...(state.addingReplicas.length === 0 ? {} : { adding_replicas: state.addingReplicas }),
    ...(state.removingReplicas.length === 0 ? {} : { removing_replicas: state.removingReplicas }),
    ...(state.elr.length === 0 ? {} : { elr: state.elr }),
    ...(state.lastKnownElr.length === 0 ? {} : { last_known_elr: state.lastKnownElr }),
    ...(state.offline.length === 0 ? {} : { offline_replicas: state.offline }),
    ...(state.recovering ? { leader_recovery_state: 1 } : {}),
  }
}

export function decodeBucket(data: Uint8Array | null, bucket: number): PartitionImage[] {
  const json = fromBytes(data) as { partitions: readonly PartitionJson[] }
  return json.partitions.map((state, i) => ({
    partition: bucket * PARTITIONS_PER_BUCKET + i,
    replicas: state.replicas,
    isr: state.isr ?? state.replicas,
    addingReplicas: state.adding_replicas ?? NONE,
    removingReplicas: state.removing_replicas ?? NONE,
    leader: state.leader,
    leaderEpoch: state.leader_epoch,
    partitionEpoch: state.partition_epoch ?? 0,
    elr: state.elr ?? NONE,
    lastKnownElr: state.last_known_elr ?? NONE,
    offline: state.offline_replicas ?? NONE,
    recovering: state.leader_recovery_state === 1,
  }))
}

export function encodeConfigs(values: ReadonlyMap<string, string>): Uint8Array {
  return toBytes({ version: 1, config: Object.fromEntries(values) })
}

export function decodeConfigs(data: Uint8Array | null): ReadonlyMap<string, string> {
  return new Map(Object.entries((fromBytes(data)['config'] ?? {}) as Record<string, string>))
}

export type BrokerState = 'starting' | 'running' | 'stopping'

/** What a broker says of itself under /brokers/ids. */
export interface BrokerNode {
  readonly endpoints: readonly BrokerEndpoint[]
  readonly rack: string | null
  readonly features: ReadonlyMap<string, FeatureRange>
  readonly logDirs: readonly string[]
  readonly state: BrokerState
  /** Names this registration: tells it from one of another life. */
  readonly incarnation: string
  /** Names the data directory: the same over restarts, another for a stranger with the same id. */
  readonly identity: string
  readonly uncleanShutdown: boolean
  readonly lostWrites: boolean
}

export function encodeBroker(node: BrokerNode, now: number): Uint8Array {
  return toBytes({
    version: 5,
    endpoints: node.endpoints,
    rack: node.rack,
    features: Object.fromEntries(node.features),
    log_dirs: node.logDirs,
    state: node.state,
    incarnation: node.incarnation,
    identity: node.identity,
    ...(node.uncleanShutdown ? { unclean_shutdown: true } : {}),
    ...(node.lostWrites ? { lost_writes: true } : {}),
    timestamp: String(now),
  })
}

export function decodeBroker(data: Uint8Array | null): BrokerNode {
  const json = fromBytes(data) as {
    endpoints: BrokerEndpoint[]
    rack?: string | null
    features?: Record<string, FeatureRange>
    log_dirs?: string[]
    state?: BrokerState
    incarnation?: string
    identity?: string
    unclean_shutdown?: boolean
    lost_writes?: boolean
  }
  return {
    endpoints: json.endpoints,
    rack: json.rack ?? null,
    features: new Map(Object.entries(json.features ?? {})),
    logDirs: json.log_dirs ?? [],
    state: json.state ?? 'running',
    incarnation: json.incarnation ?? '',
    identity: json.identity ?? '',
    uncleanShutdown: json.unclean_shutdown ?? false,
    lostWrites: json.lost_writes ?? false,
  }
}

/** What the controller keeps of a broker under /brokers/registered: also when it is away. */
export interface RegistrationNode {
  /** The czxid of the broker's znode that this controller or one before it has taken up. */
  readonly epoch: bigint
  readonly shuttingDown: boolean
  readonly endpoints: readonly BrokerEndpoint[]
  readonly rack: string | null
  /** Ids of the data directories it had. Null: taken up by a build that did not keep them. */
  readonly logDirs: readonly string[] | null
}

export function encodeRegistration(node: RegistrationNode): Uint8Array {
  return toBytes({
    version: 1,
    epoch: String(node.epoch),
    ...(node.shuttingDown ? { shutting_down: true } : {}),
    endpoints: node.endpoints,
    rack: node.rack,
    ...(node.logDirs ? { log_dirs: node.logDirs } : {}),
  })
}

export function decodeRegistration(data: Uint8Array | null): RegistrationNode {
  const json = fromBytes(data) as {
    epoch: string
    shutting_down?: boolean
    endpoints: BrokerEndpoint[]
    rack: string | null
    log_dirs?: readonly string[]
  }
  const { endpoints, rack } = json
  return { epoch: BigInt(json.epoch), shuttingDown: json.shutting_down ?? false, endpoints, rack, logDirs: json.log_dirs ?? null }
}

export function encodeFeatures(features: ReadonlyMap<string, number>): Uint8Array {
  return toBytes({ version: 1, features: Object.fromEntries(features) })
}

export function decodeFeatures(data: Uint8Array | null): ReadonlyMap<string, number> {
  return new Map(Object.entries((fromBytes(data)['features'] ?? {}) as Record<string, number>))
}

export function encodeClusterId(id: string): Uint8Array {
  return toBytes({ version: 1, id })
}

export function decodeClusterId(data: Uint8Array | null): string {
  return fromBytes(data)['id'] as string
}

/** `incarnation` names one candidacy: an answer that was lost is found again by it. */
export interface ControllerNode {
  readonly brokerId: number
  readonly epoch: number
  readonly incarnation: string
  readonly identity: string
}

export function encodeController(node: ControllerNode, now: number): Uint8Array {
  const { brokerId, epoch, incarnation, identity } = node
  return toBytes({ version: 2, brokerid: brokerId, timestamp: String(now), epoch, incarnation, identity })
}

export function decodeController(data: Uint8Array | null): ControllerNode {
  const json = fromBytes(data) as { brokerid: number; epoch?: number; incarnation?: string; identity?: string }
  return { brokerId: json.brokerid, epoch: json.epoch ?? 0, incarnation: json.incarnation ?? '', identity: json.identity ?? '' }
}

export function encodeProducerIdBlock(broker: number, first: number, last: number): Uint8Array {
  return toBytes({ version: 1, broker, block_start: String(first), block_end: String(last) })
}

export function decodeProducerIdBlock(data: Uint8Array | null): { readonly last: number } {
  return { last: Number(fromBytes(data)['block_end']) }
}
