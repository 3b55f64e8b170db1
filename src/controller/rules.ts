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

export interface ControllerRules {
  defaults(): TopicDefaults
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
