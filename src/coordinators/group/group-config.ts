// The settings the group coordinator acts on. Names and defaults are Kafka's.

export interface GroupConfig {
  readonly minSessionTimeoutMs: number
  readonly maxSessionTimeoutMs: number
  readonly maxSize: number
  readonly initialRebalanceDelayMs: number
  readonly offsetMetadataMaxBytes: number
  readonly offsetsRetentionMs: number
  readonly offsetsRetentionCheckIntervalMs: number
  /** Upper bound of one batch of records in __consumer_offsets. */
  readonly maxBatchBytes: number
}

export const DEFAULT_GROUP_CONFIG: GroupConfig = {
  minSessionTimeoutMs: 6_000,
  maxSessionTimeoutMs: 1_800_000,
  maxSize: 2_147_483_647,
  initialRebalanceDelayMs: 3_000,
  offsetMetadataMaxBytes: 4_096,
  offsetsRetentionMs: 7 * 24 * 3_600_000,
  offsetsRetentionCheckIntervalMs: 600_000,
  maxBatchBytes: 900_000,
}

/** Reads the settings by their Kafka names, e.g. from a ConfigStore. */
export function groupConfigFrom(getNumber: (name: string) => number): GroupConfig {
  return {
    minSessionTimeoutMs: getNumber('group.min.session.timeout.ms'),
    maxSessionTimeoutMs: getNumber('group.max.session.timeout.ms'),
    maxSize: getNumber('group.max.size'),
    initialRebalanceDelayMs: getNumber('group.initial.rebalance.delay.ms'),
    offsetMetadataMaxBytes: getNumber('offset.metadata.max.bytes'),
    offsetsRetentionMs: getNumber('offsets.retention.minutes') * 60_000,
    offsetsRetentionCheckIntervalMs: getNumber('offsets.retention.check.interval.ms'),
    // Room for the batch header below the topic's limit.
    maxBatchBytes: Math.max(getNumber('message.max.bytes') - 1_024, 16_384),
  }
}
