// What stands in the metadata znodes, as JSON bytes, and back. Pure. Names follow Kafka's znodes; values that are
// the rule (no reassignment, epoch 0) are left out.

import type { BrokerEndpoint, BrokerImage, PartitionImage } from './image.js'
import { PARTITIONS_PER_BUCKET } from './paths.js'

/** A topic is visible while it has no state: `creating` and `deleting` are sequences of writes under way. */
export interface TopicNode {
  readonly topicId: string
  readonly partitions: number
  readonly state: 'creating' | 'deleting' | null
}

function toBytes(value: object): Uint8Array {
  return Buffer.from(JSON.stringify(value))
}

function fromBytes(data: Uint8Array | null): Record<string, unknown> {
  return JSON.parse(Buffer.from(data ?? new Uint8Array(0)).toString('utf8')) as Record<string, unknown>
}

export function encodeTopic(topic: TopicNode): Uint8Array {
  return toBytes({ version: 1, topic_id: topic.topicId, partitions: topic.partitions, ...(topic.state ? { state: topic.state } : {}) })
}

export function decodeTopic(data: Uint8Array | null): TopicNode {
  const json = fromBytes(data) as { topic_id: string; partitions: number; state?: 'creating' | 'deleting' }
  return { topicId: json.topic_id, partitions: json.partitions, state: json.state ?? null }
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
}

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
  }
}

export function decodeBucket(data: Uint8Array | null, bucket: number): PartitionImage[] {
  const json = fromBytes(data) as { partitions: readonly PartitionJson[] }
  return json.partitions.map((state, i) => ({
    partition: bucket * PARTITIONS_PER_BUCKET + i,
    replicas: state.replicas,
    isr: state.isr ?? state.replicas,
    addingReplicas: state.adding_replicas ?? [],
    removingReplicas: state.removing_replicas ?? [],
    leader: state.leader,
    leaderEpoch: state.leader_epoch,
    partitionEpoch: state.partition_epoch ?? 0,
  }))
}

export function encodeConfigs(values: ReadonlyMap<string, string>): Uint8Array {
  return toBytes({ version: 1, config: Object.fromEntries(values) })
}

export function decodeConfigs(data: Uint8Array | null): ReadonlyMap<string, string> {
  return new Map(Object.entries((fromBytes(data)['config'] ?? {}) as Record<string, string>))
}

/** `incarnation` tells this life of a broker from an earlier one whose session is not over yet. */
export function encodeBroker(endpoints: readonly BrokerEndpoint[], rack: string | null, incarnation: string, now: number): Uint8Array {
  return toBytes({ version: 5, endpoints, rack, incarnation, timestamp: String(now) })
}

export function decodeBroker(id: number, data: Uint8Array | null, czxid: bigint): BrokerImage {
  const json = fromBytes(data) as { endpoints: BrokerEndpoint[]; rack: string | null }
  return { id, epoch: czxid, endpoints: json.endpoints, rack: json.rack, fenced: false }
}

export function encodeClusterId(id: string): Uint8Array {
  return toBytes({ version: 1, id })
}

export function decodeClusterId(data: Uint8Array | null): string {
  return fromBytes(data)['id'] as string
}

export function encodeController(brokerId: number, now: number): Uint8Array {
  return toBytes({ version: 2, brokerid: brokerId, timestamp: String(now) })
}

export function encodeProducerIdBlock(broker: number, first: number, last: number): Uint8Array {
  return toBytes({ version: 1, broker, block_start: String(first), block_end: String(last) })
}

export function decodeProducerIdBlock(data: Uint8Array | null): { readonly last: number } {
  return { last: Number(fromBytes(data)['block_end']) }
}
