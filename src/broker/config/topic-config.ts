// Builds the typed object of a topic's effective settings from their texts. Pure.

import type { TopicConfig } from './store-types.js'
import type { ThrottledPartitions } from '../../replica/settings.js'
import { parseList } from './values.js'
import type { CompressionSetting, LogConfig } from '../../log/config.js'

/** `valueOf` gives each setting's effective text; `nodeLimit` is millrace.max.decompressed.bytes. */
export function buildTopicConfig(valueOf: (name: string) => string | null, nodeLimit: number, nodeId: number): TopicConfig {
  // Kafka's "never" is 2^63-1, which no double holds; the largest safe integer means the same here.
  const number = (name: string): number => Math.min(Number(valueOf(name) ?? NaN), Number.MAX_SAFE_INTEGER)
  const text = (name: string): string => (valueOf(name) ?? '').trim()
  const flag = (name: string): boolean => text(name).toLowerCase() === 'true'
  const cleanupPolicy = parseList(text('cleanup.policy'))
  return Object.freeze({
    cleanupPolicy,
    isCompacted: cleanupPolicy.includes('compact'),
    isDeleted: cleanupPolicy.includes('delete'),
    compressionType: text('compression.type'),
    compressionGzipLevel: number('compression.gzip.level'),
    compressionLz4Level: number('compression.lz4.level'),
    compressionZstdLevel: number('compression.zstd.level'),
    deleteRetentionMs: number('delete.retention.ms'),
    fileDeleteDelayMs: number('file.delete.delay.ms'),
    flushMessages: number('flush.messages'),
    flushMs: number('flush.ms'),
    indexIntervalBytes: number('index.interval.bytes'),
    maxCompactionLagMs: number('max.compaction.lag.ms'),
    maxMessageBytes: number('max.message.bytes'),
    messageTimestampAfterMaxMs: number('message.timestamp.after.max.ms'),
    messageTimestampBeforeMaxMs: number('message.timestamp.before.max.ms'),
    messageTimestampType: text('message.timestamp.type') === 'LogAppendTime' ? 'LogAppendTime' : 'CreateTime',
    minCleanableDirtyRatio: number('min.cleanable.dirty.ratio'),
    minCompactionLagMs: number('min.compaction.lag.ms'),
    minInsyncReplicas: number('min.insync.replicas'),
    preallocate: flag('preallocate'),
    retentionBytes: number('retention.bytes'),
    retentionMs: number('retention.ms'),
    segmentBytes: number('segment.bytes'),
    segmentIndexBytes: number('segment.index.bytes'),
    segmentJitterMs: number('segment.jitter.ms'),
    segmentMs: number('segment.ms'),
    uncleanLeaderElectionEnable: flag('unclean.leader.election.enable'),
    leaderReplicationThrottledReplicas: throttledOn(nodeId, text('leader.replication.throttled.replicas')),
    followerReplicationThrottledReplicas: throttledOn(nodeId, text('follower.replication.throttled.replicas')),
    ack: text('millrace.ack') === 'disk' ? 'disk' : 'process',
    maxDecompressedBytes: Math.min(number('max.decompressed.message.bytes'), nodeLimit),
  } satisfies TopicConfig)
}

/** `partition:broker,…` or `*`. */
function throttledOn(nodeId: number, list: string): ThrottledPartitions {
  if (list === '*') return 'all'
  const pairs = parseList(list).map((pair) => pair.split(':').map(Number))
  return pairs.filter(([, broker]) => broker === nodeId).map(([partition]) => partition!)
}

/** What the log of a partition of this topic is told. `producerIdExpirationMs` is the node's producer.id.expiration.ms. */
export function toLogConfig(config: TopicConfig, producerIdExpirationMs: number): LogConfig {
  return {
    segmentBytes: config.segmentBytes,
    segmentMs: config.segmentMs,
    segmentJitterMs: config.segmentJitterMs,
    segmentIndexBytes: config.segmentIndexBytes,
    indexIntervalBytes: config.indexIntervalBytes,
    retentionBytes: config.retentionBytes,
    retentionMs: config.retentionMs,
    cleanupPolicy: { delete: config.isDeleted, compact: config.isCompacted },
    maxMessageBytes: config.maxMessageBytes,
    compressionType: (config.compressionType === 'uncompressed' ? 'none' : config.compressionType) as CompressionSetting,
    gzipLevel: config.compressionGzipLevel,
    lz4Level: config.compressionLz4Level,
    zstdLevel: config.compressionZstdLevel,
    messageTimestampType: config.messageTimestampType,
    messageTimestampBeforeMaxMs: config.messageTimestampBeforeMaxMs,
    messageTimestampAfterMaxMs: config.messageTimestampAfterMaxMs,
    flushMessages: config.flushMessages,
    flushMs: config.flushMs,
    fileDeleteDelayMs: config.fileDeleteDelayMs,
    minCleanableDirtyRatio: config.minCleanableDirtyRatio,
    deleteRetentionMs: config.deleteRetentionMs,
    minCompactionLagMs: config.minCompactionLagMs,
    maxCompactionLagMs: config.maxCompactionLagMs,
    ack: config.ack,
    maxDecompressedBytes: config.maxDecompressedBytes,
    producerIdExpirationMs,
  }
}
