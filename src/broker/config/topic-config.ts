// Builds the typed object of a topic's effective settings from their texts. Pure.

import type { TopicConfig } from './store-types.js'
import { parseList } from './values.js'

/** `valueOf` gives each setting's effective text; `nodeLimit` is millrace.max.decompressed.bytes. */
export function buildTopicConfig(valueOf: (name: string) => string | null, nodeLimit: number): TopicConfig {
  const number = (name: string): number => Number(valueOf(name) ?? NaN)
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
    ack: text('millrace.ack') === 'disk' ? 'disk' : 'process',
    maxDecompressedBytes: Math.min(number('max.decompressed.message.bytes'), nodeLimit),
  } satisfies TopicConfig)
}
