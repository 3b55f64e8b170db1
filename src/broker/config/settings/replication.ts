// Broker settings. Replication between nodes and transactions.
// Names, types, defaults, ranges and update modes are those of Kafka 4.4. Data only.

import { row } from './row.js'
import type { SettingDefinition } from '../definition.js'

export const REPLICATION_SETTINGS: readonly SettingDefinition[] = [
  row('add.partitions.to.txn.retry.backoff.max.ms', 'int', '100', 'high', { min: 0 }),
  row('add.partitions.to.txn.retry.backoff.ms', 'int', '20', 'high', { min: 1 }),
  row('alter.log.dirs.replication.quota.window.num', 'int', '11', 'low', { min: 1 }),
  row('alter.log.dirs.replication.quota.window.size.seconds', 'int', '1', 'low', { min: 1 }),
  row('auto.leader.rebalance.enable', 'boolean', 'true', 'high', {
    acted: true,
    doc: 'Give leadership back to preferred replicas from time to time.',
  }),
  row('default.replication.factor', 'int', '1', 'medium', { acted: true, doc: 'Replicas of a topic created without saying how many.' }),
  row('follower.replication.throttled.rate', 'long', '9223372036854775807', 'medium', {
    min: 0,
    dynamic: 'cluster-wide',
    acted: true,
    doc: 'Bytes a second that replicas in follower.replication.throttled.replicas may take in on this node; those in sync count and are not held back.',
  }),
  row('leader.imbalance.check.interval.seconds', 'long', '300', 'high', { min: 1, acted: true, doc: 'How often that is looked at.' }),
  row('leader.replication.throttled.rate', 'long', '9223372036854775807', 'medium', {
    min: 0,
    dynamic: 'cluster-wide',
    acted: true,
    doc: 'Bytes a second that this node gives as leader of replicas in leader.replication.throttled.replicas; followers in sync count and are not held back.',
  }),
  row('num.replica.alter.log.dirs.threads', 'int', null, 'high'),
  row('num.replica.fetchers', 'int', '1', 'high', { min: 1, dynamic: 'cluster-wide', doc: 'Fetchers to each other node.' }),
  row('replica.alter.log.dirs.io.max.bytes.per.second', 'long', '9223372036854775807', 'medium', {
    min: 0,
    dynamic: 'cluster-wide',
    acted: true,
    doc: 'Bytes a second that moves of replicas between data directories may copy on this node.',
  }),
  row('replica.fetch.backoff.ms', 'int', '1000', 'medium', {
    min: 0,
    acted: true,
    doc: 'Longest pause of a follower after an error of its leader; the first ones are 20 ms and double.',
  }),
  row('replica.fetch.max.bytes', 'int', '1048576', 'medium', {
    min: 0,
    acted: true,
    doc: 'Bytes of one partition in one answer to a follower; a larger batch still goes out whole.',
  }),
  row('replica.fetch.min.bytes', 'int', '1', 'high', { acted: true, doc: 'A follower waits until the leader has this much for it.' }),
  row('replica.fetch.response.max.bytes', 'int', '10485760', 'medium', {
    min: 0,
    acted: true,
    doc: 'Bytes that may be under way from one worker to one follower node; replicas that catch up may fill half of it.',
  }),
  row('replica.fetch.wait.max.ms', 'int', '500', 'high', {
    acted: true,
    doc: 'How long a follower waits at the leader for new records; up to 32 times that for an idle partition.',
  }),
  row('replica.high.watermark.checkpoint.interval.ms', 'long', '5000', 'high'),
  row('replica.lag.time.max.ms', 'long', '30000', 'high', {
    acted: true,
    doc: 'A follower that has not caught up for this long leaves the in-sync set.',
  }),
  row('replica.selector.class', 'string', null, 'medium', {
    acted: true,
    doc: 'org.apache.kafka.common.replica.RackAwareReplicaSelector lets consumers that name a rack read from the in-sync replica there.',
  }),
  row('replica.socket.receive.buffer.bytes', 'int', '65536', 'high'),
  row('replica.socket.timeout.ms', 'int', '30000', 'high'),
  row('replication.quota.window.num', 'int', '11', 'low', { min: 1 }),
  row('replication.quota.window.size.seconds', 'int', '1', 'low', { min: 1 }),
  row('transaction.abort.timed.out.transaction.cleanup.interval.ms', 'int', '10000', 'low', { min: 1 }),
  row('transaction.max.timeout.ms', 'int', '900000', 'high', {
    min: 1,
    acted: true,
    doc: 'Longest transaction timeout a producer may ask for.',
  }),
  row('transaction.partition.verification.enable', 'boolean', 'true', 'low', { dynamic: 'cluster-wide' }),
  row('transaction.remove.expired.transaction.cleanup.interval.ms', 'int', '3600000', 'low', { min: 1 }),
  row('transaction.state.log.load.buffer.size', 'int', '5242880', 'high', { min: 1 }),
  row('transaction.state.log.min.isr', 'int', '2', 'high', { min: 1, acted: true, doc: 'min.insync.replicas of __transaction_state.' }),
  row('transaction.state.log.num.partitions', 'int', '50', 'high', { min: 1, acted: true, doc: 'Partitions of __transaction_state.' }),
  row('transaction.state.log.replication.factor', 'short', '3', 'high', {
    min: 1,
    acted: true,
    doc: 'Replicas of __transaction_state; no more than there are nodes.',
  }),
  row('transaction.state.log.segment.bytes', 'int', '104857600', 'high', {
    min: 1,
    acted: true,
    doc: 'Segment size of __transaction_state.',
  }),
  row('transaction.two.phase.commit.enable', 'boolean', 'false', 'low'),
  row('transactional.id.expiration.ms', 'int', '604800000', 'high', {
    min: 1,
    doc: 'An idle transactional id is forgotten after this long.',
  }),
]
