// What the controller must be told from above: it knows no settings itself. The node passes these in.

import type { ConfigResourceKind } from './image.js'

export interface TopicDefaults {
  /** `num.partitions` */
  readonly numPartitions: number
  /** `default.replication.factor` */
  readonly replicationFactor: number
  /** `delete.topic.enable`; absent: true. */
  readonly deleteTopicEnable?: boolean
}

/** What the choice of leaders in one topic goes by. */
export interface PartitionRules {
  /** `min.insync.replicas` */
  readonly minIsr: number
  /** `unclean.leader.election.enable` */
  readonly uncleanElection: boolean
}

export interface LeaderBalance {
  /** `leader.imbalance.check.interval.seconds` */
  readonly intervalMs: number
  /** A broker may miss this share of the leaders it should have. */
  readonly percentage: number
}

export interface ControllerRules {
  defaults(): TopicDefaults
  /** Absent: min ISR 1, no unclean elections. */
  partitionRules?(topic: string): PartitionRules
  /** Whether a topic with these overrides promises the disk: `millrace.ack=disk`, or `flush.messages=1`. Absent: none does. */
  promisesDisk?(overrides: ReadonlyMap<string, string>): boolean
  /** Null or absent: `auto.leader.rebalance.enable` is off. */
  leaderBalance?(): LeaderBalance | null
  /** Null when `value` is legal for setting `name` of resource `entity`, else Kafka's message. */
  validateConfig(kind: ConfigResourceKind, entity: string, name: string, value: string): string | null
  /** Null when a resource's overrides go together; absent: no such checks. */
  validateTogether?(kind: ConfigResourceKind, values: ReadonlyMap<string, string>): string | null
  /** For a setting of type LIST: its value where no override is set. Null: the setting is no list, so APPEND and SUBTRACT are refused. */
  listDefault(kind: ConfigResourceKind, entity: string, name: string): string | null
}

/** Accepts everything: for tests and for embedding without settings. */
export const PERMISSIVE_RULES: ControllerRules = {
  defaults: () => ({ numPartitions: 1, replicationFactor: 1 }),
  validateConfig: () => null,
  listDefault: () => '',
}
