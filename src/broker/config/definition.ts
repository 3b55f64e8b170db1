// What a setting is: the shape of one row of the tables under settings/. Facts (name, type, default, range,
// dynamic mode, synonyms) are Kafka 4.4's; `docs.ts` turns the rows into docs/configuration.md. Imports nothing.

/** Kafka's ConfigDef types, in words. */
export type ValueType = 'boolean' | 'int' | 'long' | 'short' | 'double' | 'list' | 'string' | 'password' | 'class'

/** Kafka's ConfigType numbers on the wire (DescribeConfigs v3+). */
export const WIRE_TYPE: Readonly<Record<ValueType, number>> = {
  boolean: 1,
  string: 2,
  int: 3,
  short: 4,
  long: 5,
  double: 6,
  list: 7,
  class: 8,
  password: 9,
}

/** Kafka's ConfigSource numbers on the wire. */
export const ConfigSource = {
  unknown: 0,
  topic: 1,
  dynamicBroker: 2,
  dynamicDefaultBroker: 3,
  staticBroker: 4,
  default: 5,
  dynamicBrokerLogger: 6,
  clientMetrics: 7,
  group: 8,
} as const
export type ConfigSource = (typeof ConfigSource)[keyof typeof ConfigSource]

/** Where a broker setting may be changed while the node runs; topic and group settings always may. */
export type UpdateMode = 'read-only' | 'per-broker' | 'cluster-wide'

/** `acted-on`: it changes what the node does. `known`: accepted with a warning, as nothing depends on it yet. */
export type SettingStatus = 'acted-on' | 'known'

export type Importance = 'high' | 'medium' | 'low'

/** What a value may be beyond its type. */
export interface ValueRange {
  readonly min?: number
  readonly max?: number
  /** One value allowed outside [min, max]. */
  readonly or?: string
  /** Allowed words (for a list: allowed items). */
  readonly values?: readonly string[]
  readonly anyCase?: boolean
  /** Of the whole text, or of each item of a list; `form` says it in words. */
  readonly pattern?: RegExp
  readonly form?: string
  readonly nonEmpty?: boolean
  /** A list of partition:broker pairs, or *. */
  readonly replicas?: boolean
}

export interface SettingDefinition {
  readonly name: string
  readonly type: ValueType
  /** The default in text form; null: none. */
  readonly default: string | null
  readonly range: ValueRange
  readonly importance: Importance
  readonly mode: UpdateMode
  /** Left out of answers and of the documentation unless set. */
  readonly internal: boolean
  readonly status: SettingStatus
  /** One short sentence; '' where the name says it. */
  readonly doc: string
}
