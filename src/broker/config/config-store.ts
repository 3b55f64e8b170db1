// The effective settings of one node and of its topics, with where each value comes from. Pure: reads the
// metadata image it is given, never files or the environment. Every thread builds its own from the same input.
//
// Precedence, strongest first: dynamic topic (1), dynamic per broker (2), dynamic broker default (3),
// static (4: file and flags), built-in (5). The numbers are Kafka's ConfigSource.

import type { ConfigResourceKind, MetadataImage } from '../../controller/image.js'

/** Everything a ConfigStore starts from besides the image. Structured-clonable. */
export interface ConfigStoreInput {
  readonly nodeId: number
  /** Static settings (file, flags), already validated by static-config.ts. */
  readonly properties: ReadonlyMap<string, string>
}

export interface ConfigSynonym {
  readonly name: string
  readonly value: string | null
  readonly source: number
}

/** One row of a DescribeConfigs answer. */
export interface ConfigEntry {
  readonly name: string
  /** Null for a sensitive or unset value. */
  readonly value: string | null
  readonly source: number
  readonly isDefault: boolean
  readonly readOnly: boolean
  readonly isSensitive: boolean
  readonly synonyms: readonly ConfigSynonym[]
  readonly type: number
  readonly documentation: string
}

/** All effective settings of a topic. A long past 2^53 (such as flush.messages' default) is rounded. */
export interface TopicConfig {
  readonly cleanupPolicy: readonly string[]
  readonly isCompacted: boolean
  /** True when old segments are deleted by time and size. */
  readonly isDeleted: boolean
  /** producer, uncompressed, gzip, snappy, lz4, zstd. */
  readonly compressionType: string
  readonly compressionGzipLevel: number
  readonly compressionLz4Level: number
  readonly compressionZstdLevel: number
  readonly deleteRetentionMs: number
  readonly fileDeleteDelayMs: number
  readonly flushMessages: number
  readonly flushMs: number
  readonly indexIntervalBytes: number
  readonly maxCompactionLagMs: number
  readonly maxMessageBytes: number
  readonly messageTimestampAfterMaxMs: number
  readonly messageTimestampBeforeMaxMs: number
  readonly messageTimestampType: 'CreateTime' | 'LogAppendTime'
  readonly minCleanableDirtyRatio: number
  readonly minCompactionLagMs: number
  readonly minInsyncReplicas: number
  readonly preallocate: boolean
  /** -1: unlimited. */
  readonly retentionBytes: number
  /** -1: for ever. */
  readonly retentionMs: number
  readonly segmentBytes: number
  readonly segmentIndexBytes: number
  readonly segmentJitterMs: number
  readonly segmentMs: number
  readonly uncleanLeaderElectionEnable: boolean
  /** millrace.ack: when a produce is answered. */
  readonly ack: 'process' | 'disk'
}

export interface ConfigStoreApi {
  readonly nodeId: number
  /** Broker settings. Throw for a name that is not defined (a bug in the caller). `getNumber` of an unset one is NaN. */
  getNumber(name: string): number
  getString(name: string): string
  getBoolean(name: string): boolean
  getList(name: string): readonly string[]
  /** Cached until the image changes. A topic without overrides shares one object with all others like it. */
  topic(name: string): TopicConfig
  /** Rows for DescribeConfigs, sorted by name. Broker '' lists the dynamic cluster-wide defaults alone. */
  describe(kind: ConfigResourceKind, name: string): ConfigEntry[]
  /** Null: the value may be set. Else what is wrong, ready for an error message. */
  validate(kind: ConfigResourceKind, name: string, value: string | null): string | null
  /** As `validate`, for a change at run time: also refuses read-only and wrongly scoped broker settings. `resource`: topic name, broker id or ''. */
  validateChange(kind: ConfigResourceKind, resource: string, name: string, value: string | null): string | null
  /** Checks a resource's overrides together (e.g. max.compaction.lag.ms >= min.compaction.lag.ms). */
  validateTogether(kind: ConfigResourceKind, overrides: ReadonlyMap<string, string>): string | null
  /** True when APPEND and SUBTRACT apply to the setting. */
  isListType(name: string): boolean
}

export declare class ConfigStore implements ConfigStoreApi {
  /** `image` is asked on every read, so one store follows the newest image of its thread. */
  constructor(input: ConfigStoreInput, image: () => MetadataImage)
  readonly nodeId: number
  getNumber(name: string): number
  getString(name: string): string
  getBoolean(name: string): boolean
  getList(name: string): readonly string[]
  topic(name: string): TopicConfig
  describe(kind: ConfigResourceKind, name: string): ConfigEntry[]
  validate(kind: ConfigResourceKind, name: string, value: string | null): string | null
  validateChange(kind: ConfigResourceKind, resource: string, name: string, value: string | null): string | null
  validateTogether(kind: ConfigResourceKind, overrides: ReadonlyMap<string, string>): string | null
  isListType(name: string): boolean
}
