// What a ConfigStore takes in and gives out. Types only.

import type { ThrottledPartitions } from '../../replica/settings.js'

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

/** All effective settings of a topic. A long past 2^53 (such as flush.messages' default) is Number.MAX_SAFE_INTEGER. */
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
  /** The partitions whose replica on this node is throttled as a leader's. */
  readonly leaderReplicationThrottledReplicas: ThrottledPartitions
  /** As a follower's. */
  readonly followerReplicationThrottledReplicas: ThrottledPartitions
  /** Limit on the decompressed size of one batch: the smaller of the topic's and the node's. */
  readonly maxDecompressedBytes: number
}
