// What the replication of a node is told by its settings, in numbers. Built by broker/ from the settings of these names; plain data.

export interface ReplicationSettings {
  /** replica.lag.time.max.ms */
  readonly lagTimeMaxMs: number
  /** replica.fetch.max.bytes: one partition's share of an answer. */
  readonly fetchMaxBytes: number
  /** replica.fetch.response.max.bytes: what may be under way to one follower from one worker. */
  readonly fetchResponseMaxBytes: number
  /** replica.fetch.min.bytes */
  readonly fetchMinBytes: number
  /** replica.fetch.wait.max.ms */
  readonly fetchWaitMaxMs: number
  /** replica.fetch.backoff.ms: the longest pause after errors; the first ones are shorter. */
  readonly fetchBackoffMs: number
  /** leader.replication.throttled.rate, bytes a second of throttled replicas out of this node. Infinity: none. */
  readonly leaderThrottledRate: number
  /** follower.replication.throttled.rate, bytes a second of throttled replicas into this node. */
  readonly followerThrottledRate: number
  /** replica.selector.class is Kafka's RackAwareReplicaSelector. */
  readonly rackAware: boolean
  /** millrace.scrub.bytes.per.second of one worker; 0: off. */
  readonly scrubBytesPerSecond: number
}

/** The partitions of a topic whose replica on this node a *.replication.throttled.replicas list names. */
export type ThrottledPartitions = 'all' | readonly number[]

export function isThrottled(partitions: ThrottledPartitions | undefined, partition: number): boolean {
  return partitions === 'all' || partitions?.includes(partition) === true
}

/** Kafka's defaults. */
export const defaultReplicationSettings: ReplicationSettings = {
  lagTimeMaxMs: 30_000,
  fetchMaxBytes: 1_048_576,
  fetchResponseMaxBytes: 10_485_760,
  fetchMinBytes: 1,
  fetchWaitMaxMs: 500,
  fetchBackoffMs: 1000,
  leaderThrottledRate: Infinity,
  followerThrottledRate: Infinity,
  rackAware: false,
  scrubBytesPerSecond: 2 << 20,
}
