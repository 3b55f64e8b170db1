// What a partition's log is told by its topic's settings, already in numbers. Built from broker/config by whoever
// opens the log; the log never looks a setting up by name. Plain data: it crosses threads.

export type CompressionSetting = 'producer' | 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd'
export type TimestampType = 'CreateTime' | 'LogAppendTime'

/** What an acknowledgement promises: the page cache (survives kill -9) or the disk (survives power loss). */
export type AckPromise = 'process' | 'disk'

export interface LogConfig {
  readonly segmentBytes: number
  readonly segmentMs: number
  readonly segmentJitterMs: number
  readonly segmentIndexBytes: number
  readonly indexIntervalBytes: number
  /** -1: without limit. */
  readonly retentionBytes: number
  /** -1: for ever. */
  readonly retentionMs: number
  readonly cleanupPolicy: { readonly delete: boolean; readonly compact: boolean }
  readonly maxMessageBytes: number
  readonly compressionType: CompressionSetting
  readonly gzipLevel: number
  readonly lz4Level: number
  readonly zstdLevel: number
  readonly messageTimestampType: TimestampType
  readonly messageTimestampBeforeMaxMs: number
  readonly messageTimestampAfterMaxMs: number
  /** fsync after this many records; 1 makes every acknowledgement wait for the disk, as in Kafka. */
  readonly flushMessages: number
  readonly flushMs: number
  readonly fileDeleteDelayMs: number
  readonly minCleanableDirtyRatio: number
  readonly deleteRetentionMs: number
  readonly minCompactionLagMs: number
  readonly maxCompactionLagMs: number
  readonly ack: AckPromise
  /** A batch that unpacks to more than this is refused: the bound against decompression bombs. */
  readonly maxDecompressedBytes: number
  readonly producerIdExpirationMs: number
}

/** `disk` by the topic's setting, or as Kafka's flush.messages=1 says it. */
export function promiseOf({ ack, flushMessages }: LogConfig): AckPromise {
  return ack === 'disk' || flushMessages <= 1 ? 'disk' : 'process'
}

/** Kafka 4.4's defaults (topic level), and ours where Kafka has no such setting. */
export const defaultLogConfig: LogConfig = {
  segmentBytes: 1024 * 1024 * 1024,
  segmentMs: 7 * 24 * 3600 * 1000,
  segmentJitterMs: 0,
  segmentIndexBytes: 10 * 1024 * 1024,
  indexIntervalBytes: 4096,
  retentionBytes: -1,
  retentionMs: 7 * 24 * 3600 * 1000,
  cleanupPolicy: { delete: true, compact: false },
  // 1 MiB plus the 12 bytes of offset and length before a batch
  maxMessageBytes: 1024 * 1024 + 12,
  compressionType: 'producer',
  gzipLevel: -1,
  lz4Level: 9,
  zstdLevel: 3,
  messageTimestampType: 'CreateTime',
  messageTimestampBeforeMaxMs: Number.MAX_SAFE_INTEGER,
  messageTimestampAfterMaxMs: 3600 * 1000,
  flushMessages: Number.MAX_SAFE_INTEGER,
  flushMs: Number.MAX_SAFE_INTEGER,
  fileDeleteDelayMs: 60_000,
  minCleanableDirtyRatio: 0.5,
  deleteRetentionMs: 24 * 3600 * 1000,
  minCompactionLagMs: 0,
  maxCompactionLagMs: Number.MAX_SAFE_INTEGER,
  ack: 'process',
  maxDecompressedBytes: 256 * 1024 * 1024,
  producerIdExpirationMs: 24 * 3600 * 1000,
}

/** Codec id of a fixed `compression.type`; -1 keeps the producer's own. */
export function targetCodec(setting: CompressionSetting): number {
  return setting === 'producer' ? -1 : ['none', 'gzip', 'snappy', 'lz4', 'zstd'].indexOf(setting)
}

export function compressionLevel(config: LogConfig, codec: number): number {
  return codec === 1 ? config.gzipLevel : codec === 3 ? config.lz4Level : codec === 4 ? config.zstdLevel : -1
}
