// What the settings of the node and of a topic say of replication, in numbers.

import type { TopicSettings } from '../replica/replica-manager.js'
import type { ReplicationSettings } from '../replica/settings.js'
import type { ConfigStore } from './config/config-store.js'

/** Kafka's class that lets clients of a rack read there; naming any other is the same as naming none. */
const RACK_AWARE = 'org.apache.kafka.common.replica.RackAwareReplicaSelector'

export function replicationSettings(configs: ConfigStore): ReplicationSettings {
  return {
    lagTimeMaxMs: configs.getNumber('replica.lag.time.max.ms'),
    fetchMaxBytes: configs.getNumber('replica.fetch.max.bytes'),
    fetchResponseMaxBytes: configs.getNumber('replica.fetch.response.max.bytes'),
    fetchMinBytes: configs.getNumber('replica.fetch.min.bytes'),
    fetchWaitMaxMs: configs.getNumber('replica.fetch.wait.max.ms'),
    fetchBackoffMs: configs.getNumber('replica.fetch.backoff.ms'),
    leaderThrottledRate: rate(configs.getNumber('leader.replication.throttled.rate')),
    followerThrottledRate: rate(configs.getNumber('follower.replication.throttled.rate')),
    rackAware: isRackAware(configs),
    scrubBytesPerSecond: configs.getNumber('millrace.scrub.bytes.per.second'),
  }
}

export function topicSettings(configs: ConfigStore, topic: string): TopicSettings {
  const settings = configs.topic(topic)
  return {
    log: configs.logConfig(topic),
    minInsyncReplicas: settings.minInsyncReplicas,
    throttled: { leader: settings.leaderReplicationThrottledReplicas, follower: settings.followerReplicationThrottledReplicas },
  }
}

export function isRackAware(configs: ConfigStore): boolean {
  return configs.getString('replica.selector.class') === RACK_AWARE
}

/** Kafka's default is the largest long: no limit. */
function rate(bytesPerSecond: number): number {
  return bytesPerSecond === Number.MAX_SAFE_INTEGER ? Infinity : bytesPerSecond
}
