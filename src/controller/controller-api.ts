// What the rest of a node may ask of the controller. Arguments and results are plain data: the call crosses threads.
// Error codes are Kafka's numbers (model/errors.ts); `message` is null where Kafka sends none.

import type { Uuid } from '../model/topic-partition.js'
import type { ConfigResourceKind, MetadataChange } from './image.js'

export interface Outcome {
  readonly errorCode: number
  readonly errorMessage: string | null
}

export interface CreateTopicSpec {
  readonly name: string
  /** -1: the default (`num.partitions`), or implied by `assignments`. */
  readonly numPartitions: number
  /** -1: the default (`default.replication.factor`). */
  readonly replicationFactor: number
  /** Empty: the controller places the replicas. */
  readonly assignments: readonly { readonly partitionIndex: number; readonly brokerIds: readonly number[] }[]
  readonly configs: readonly { readonly name: string; readonly value: string | null }[]
}

export interface CreateTopicOutcome extends Outcome {
  readonly name: string
  readonly topicId: Uuid
  readonly numPartitions: number
  readonly replicationFactor: number
}

export interface CreatePartitionsSpec {
  readonly name: string
  readonly count: number
  readonly assignments: readonly { readonly brokerIds: readonly number[] }[] | null
}

/** `operation`: 0 SET, 1 DELETE, 2 APPEND, 3 SUBTRACT, as in IncrementalAlterConfigs. */
export interface AlterConfigSpec {
  readonly resource: ConfigResourceKind
  readonly name: string
  readonly changes: readonly { readonly name: string; readonly operation: number; readonly value: string | null }[]
  /** True: AlterConfigs, i.e. everything not named is reset. */
  readonly replaceAll: boolean
}

export interface TopicPartitions {
  readonly topicId: Uuid
  readonly partitions: readonly number[]
}

export interface AlterPartitionItem {
  readonly topicId: Uuid
  readonly partition: number
  readonly leaderEpoch: number
  readonly partitionEpoch: number
  /** `brokerEpoch` -1n: not known. */
  readonly newIsr: readonly { readonly brokerId: number; readonly brokerEpoch: bigint }[]
  /** The leader, elected uncleanly, has not recovered yet. Absent: it has. */
  readonly recovering?: boolean
}

/** From the leader `brokerId`. */
export interface AlterPartitionRequest {
  readonly brokerId: number
  readonly brokerEpoch: bigint
  readonly partitions: readonly AlterPartitionItem[]
}

export interface AlterPartitionResult {
  /** STALE_BROKER_EPOCH, NOT_CONTROLLER: nothing was looked at. */
  readonly errorCode: number
  readonly partitions: readonly AlteredPartition[]
}

/** One per item, in order. The state is the controller's, also of a refusal that leaves it as it was. */
export interface AlteredPartition {
  readonly topicId: Uuid
  readonly partition: number
  readonly errorCode: number
  readonly leader: number
  readonly leaderEpoch: number
  readonly isr: readonly number[]
  readonly partitionEpoch: number
  readonly recovering: boolean
}

export interface PartitionOutcome extends Outcome {
  readonly topic: string
  readonly partition: number
}

export interface ReassignmentSpec {
  readonly topic: string
  readonly partition: number
  /** Null: cancel the one under way. */
  readonly replicas: readonly number[] | null
}

export interface ReassignmentView {
  readonly topic: string
  readonly partition: number
  readonly replicas: readonly number[]
  readonly addingReplicas: readonly number[]
  readonly removingReplicas: readonly number[]
}

/** What a broker says of its replicas: those whose directory failed or whose log is damaged, and those that are well again. */
export interface ReplicaReport {
  readonly brokerId: number
  readonly brokerEpoch: bigint
  readonly offline: readonly TopicPartitions[]
  readonly online: readonly TopicPartitions[]
  /** Of `offline`, those that will be cut to be made whole. Absent from a node of an earlier build. */
  readonly damaged?: readonly TopicPartitions[]
  /** Those whose disk takes no more now: others of the in-sync set go on without them, where there are any. */
  readonly full?: readonly TopicPartitions[]
}

/** `upgradeType`: 1 upgrade, 2 safe downgrade, 3 unsafe downgrade. */
export interface FeatureUpdate {
  readonly feature: string
  readonly level: number
  readonly upgradeType: number
}

export interface ControllerApi {
  createTopics(specs: readonly CreateTopicSpec[], validateOnly: boolean): Promise<CreateTopicOutcome[]>
  deleteTopics(
    topics: readonly { readonly name: string | null; readonly topicId: Uuid | null }[],
  ): Promise<(Outcome & { name: string | null; topicId: Uuid })[]>
  createPartitions(specs: readonly CreatePartitionsSpec[], validateOnly: boolean): Promise<(Outcome & { name: string })[]>
  alterConfigs(specs: readonly AlterConfigSpec[], validateOnly: boolean): Promise<Outcome[]>
  /** A block of producer ids that no other call ever gets: [first, first + count). */
  allocateProducerIds(): Promise<{ readonly first: number; readonly count: number }>
  /** Requests of one turn share their writes. */
  alterPartition(request: AlterPartitionRequest): Promise<AlterPartitionResult>
  /** `partitions` null: all that need one; those that need none are not in the answer then. `type` 0 preferred, 1 unclean. */
  electLeaders(
    type: number,
    partitions: readonly { readonly topic: string; readonly partition: number }[] | null,
  ): Promise<PartitionOutcome[]>
  alterPartitionReassignments(specs: readonly ReassignmentSpec[], allowReplicationFactorChange: boolean): Promise<PartitionOutcome[]>
  /** `partitions` null: all under way. */
  listPartitionReassignments(
    partitions: readonly { readonly topic: string; readonly partition: number }[] | null,
  ): Promise<ReassignmentView[]>
  /** Takes the broker out of what others can go on with. `remaining`: partitions that it leads still, because nobody else can. */
  controlledShutdown(brokerId: number, brokerEpoch: bigint): Promise<Outcome & { readonly remaining: number }>
  reportReplicas(report: ReplicaReport): Promise<Outcome>
  unregisterBroker(brokerId: number): Promise<Outcome>
  updateFeatures(updates: readonly FeatureUpdate[], validateOnly: boolean): Promise<Outcome>
}

export type ControllerMethod = keyof ControllerApi

/** By name, for doors that forward calls. */
export const CONTROLLER_METHODS: readonly ControllerMethod[] = [
  'createTopics',
  'deleteTopics',
  'createPartitions',
  'alterConfigs',
  'allocateProducerIds',
  'alterPartition',
  'electLeaders',
  'alterPartitionReassignments',
  'listPartitionReassignments',
  'controlledShutdown',
  'reportReplicas',
  'unregisterBroker',
  'updateFeatures',
]

/** A ControllerApi whose every call goes through `call`. */
export function controllerDoor(call: (method: ControllerMethod, args: readonly unknown[]) => Promise<unknown>): ControllerApi {
  return Object.fromEntries(
    CONTROLLER_METHODS.map((method) => [method, (...args: unknown[]) => call(method, args)]),
  ) as unknown as ControllerApi
}

/** The call came to a node that is not the controller, or not any more. */
export class NotControllerError extends Error {
  readonly code = 'ERR_MILLRACE_NOT_CONTROLLER'

  constructor() {
    super('this node is not the controller')
  }
}

/** Told on the controller's thread, in order, after the change is durable in the znode tree. */
export type MetadataListener = (zxid: bigint, changes: readonly MetadataChange[]) => void
