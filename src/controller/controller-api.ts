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

export interface ControllerApi {
  createTopics(specs: readonly CreateTopicSpec[], validateOnly: boolean): Promise<CreateTopicOutcome[]>
  deleteTopics(
    topics: readonly { readonly name: string | null; readonly topicId: Uuid | null }[],
  ): Promise<(Outcome & { name: string | null; topicId: Uuid })[]>
  createPartitions(specs: readonly CreatePartitionsSpec[], validateOnly: boolean): Promise<(Outcome & { name: string })[]>
  alterConfigs(specs: readonly AlterConfigSpec[], validateOnly: boolean): Promise<Outcome[]>
  /** A block of producer ids that no other call ever gets: [first, first + count). */
  allocateProducerIds(): Promise<{ readonly first: number; readonly count: number }>
}

/** Told on the controller's thread, in order, after the change is durable in the znode tree. */
export type MetadataListener = (zxid: bigint, changes: readonly MetadataChange[]) => void
