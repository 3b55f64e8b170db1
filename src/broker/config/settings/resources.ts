// Settings of topics, groups and client-metrics subscriptions, with the broker settings that give their defaults.
// Names, types, defaults and ranges are those of Kafka 4.4. Data only.

import { row } from './row.js'
import type { SettingDefinition } from '../definition.js'

export const TOPIC_SETTINGS: readonly SettingDefinition[] = [
  row('cleanup.policy', 'list', 'delete', 'medium', {
    values: ['compact', 'delete'],
    acted: true,
    doc: 'What happens to old segments: delete drops them by age and size, compact keeps the newest record of each key; both may be set, empty keeps everything.',
  }),
  row('compression.gzip.level', 'int', '-1', 'medium', {
    min: 1,
    max: 9,
    or: '-1',
    acted: true,
    doc: 'Level used when the node recompresses to gzip; -1 is the default of the library.',
  }),
  row('compression.lz4.level', 'int', '9', 'medium', {
    min: 1,
    max: 17,
    acted: true,
    doc: 'Level used when the node recompresses to lz4.',
  }),
  row('compression.type', 'string', 'producer', 'medium', {
    values: ['uncompressed', 'zstd', 'lz4', 'snappy', 'gzip', 'producer'],
    acted: true,
    doc: 'Codec in which batches are stored; producer keeps each as it came.',
  }),
  row('compression.zstd.level', 'int', '3', 'medium', {
    min: -131072,
    max: 22,
    acted: true,
    doc: 'Level used when the node recompresses to zstd.',
  }),
  row('delete.retention.ms', 'long', '86400000', 'medium', {
    min: 0,
    acted: true,
    doc: 'How long compaction keeps the tombstone of a deleted key.',
  }),
  row('errors.deadletterqueue.group.enable', 'boolean', 'false', 'medium', {
    doc: 'Let share groups write the records they give up on to this topic.',
  }),
  row('file.delete.delay.ms', 'long', '60000', 'medium', {
    min: 0,
    acted: true,
    doc: 'How long a removed segment stays on the disk under the suffix .deleted.',
  }),
  row('flush.messages', 'long', '9223372036854775807', 'medium', {
    min: 1,
    acted: true,
    doc: 'Sync the log after this many records; 1 makes every acknowledgement wait for the disk.',
  }),
  row('flush.ms', 'long', '9223372036854775807', 'medium', {
    min: 0,
    acted: true,
    doc: 'Sync the log when this time has passed since the last sync.',
  }),
  row('follower.replication.throttled.replicas', 'list', '', 'medium', {
    replicas: true,
    acted: true,
    doc: 'Replicas that follower.replication.throttled.rate holds for, while they are not in sync.',
  }),
  row('index.interval.bytes', 'int', '4096', 'medium', {
    min: 0,
    acted: true,
    doc: 'Bytes of log between two entries of the offset index.',
  }),
  row('internal.segment.bytes', 'int', null, 'medium', { internal: true }),
  row('leader.replication.throttled.replicas', 'list', '', 'medium', {
    replicas: true,
    acted: true,
    doc: 'Replicas that leader.replication.throttled.rate holds for, as leaders of followers that are not in sync.',
  }),
  row('local.retention.bytes', 'long', '-2', 'medium', {
    min: -2,
    doc: 'With tiered storage: bytes kept on local disks; -2 takes retention.bytes.',
  }),
  row('local.retention.ms', 'long', '-2', 'medium', {
    min: -2,
    doc: 'With tiered storage: time kept on local disks; -2 takes retention.ms.',
  }),
  row('max.compaction.lag.ms', 'long', '9223372036854775807', 'medium', {
    min: 1,
    acted: true,
    doc: 'A record is compacted at the latest after this time.',
  }),
  row('max.decompressed.message.bytes', 'int', '2147483639', 'medium', {
    min: 1,
    max: 2147483639,
    acted: true,
    doc: 'Largest decompressed size of a record batch; millrace.max.decompressed.bytes also holds.',
  }),
  row('max.message.bytes', 'int', '1048588', 'medium', { min: 0, acted: true, doc: 'Largest record batch that is accepted, as sent.' }),
  row('message.timestamp.after.max.ms', 'long', '3600000', 'medium', {
    min: 0,
    acted: true,
    doc: 'How far in the future the timestamp of a record may lie.',
  }),
  row('message.timestamp.before.max.ms', 'long', '9223372036854775807', 'medium', {
    min: 0,
    acted: true,
    doc: 'How far in the past the timestamp of a record may lie.',
  }),
  row('message.timestamp.type', 'string', 'CreateTime', 'medium', {
    values: ['CreateTime', 'LogAppendTime'],
    acted: true,
    doc: 'Whether records keep the timestamp of their producer or get the time of the append.',
  }),
  row('min.cleanable.dirty.ratio', 'double', '0.5', 'medium', {
    min: 0,
    max: 1,
    acted: true,
    doc: 'Share of a log that must be uncompacted before compaction starts.',
  }),
  row('min.compaction.lag.ms', 'long', '0', 'medium', {
    min: 0,
    acted: true,
    doc: 'A record is not compacted before this time has passed.',
  }),
  row('min.insync.replicas', 'int', '1', 'medium', {
    min: 1,
    acted: true,
    doc: 'In-sync replicas, the leader counted, without which acks=all is refused.',
  }),
  row('preallocate', 'boolean', 'false', 'medium', { doc: 'Reserve the whole file when a segment is started.' }),
  row('remote.copy.lag.bytes', 'long', '-1', 'medium', {
    min: -1,
    doc: 'With tiered storage: bytes a closed segment may wait before it is copied.',
  }),
  row('remote.copy.lag.ms', 'long', '0', 'medium', {
    min: -1,
    doc: 'With tiered storage: time a closed segment may wait before it is copied.',
  }),
  row('remote.log.copy.disable', 'boolean', 'false', 'medium', { doc: 'With tiered storage: stop copying, keep reading what was copied.' }),
  row('remote.log.delete.on.disable', 'boolean', 'false', 'medium', {
    doc: 'With tiered storage: delete the copies when it is switched off.',
  }),
  row('remote.storage.enable', 'boolean', 'false', 'medium', { doc: 'Keep closed segments in tiered storage.' }),
  row('retention.bytes', 'long', '-1', 'medium', {
    acted: true,
    doc: 'Old segments of a partition are deleted past this size; -1: no limit.',
  }),
  row('retention.ms', 'long', '604800000', 'medium', { min: -1, acted: true, doc: 'Segments older than this are deleted; -1: never.' }),
  row('segment.bytes', 'int', '1073741824', 'medium', { min: 1048576, acted: true, doc: 'A segment is rolled at this size.' }),
  row('segment.index.bytes', 'int', '10485760', 'medium', {
    min: 4,
    acted: true,
    doc: 'Largest size of an index file; a full one rolls the segment.',
  }),
  row('segment.jitter.ms', 'long', '0', 'medium', {
    min: 0,
    acted: true,
    doc: 'Random time taken off segment.ms, so that not all segments roll at once.',
  }),
  row('segment.ms', 'long', '604800000', 'medium', {
    min: 1,
    acted: true,
    doc: 'A segment is rolled at this age even when it is not full.',
  }),
  row('unclean.leader.election.enable', 'boolean', 'false', 'medium', {
    doc: 'Let a replica outside the in-sync set lead when no other is left, at the cost of records.',
  }),
  row('millrace.ack', 'string', 'process', 'high', {
    values: ['process', 'disk'],
    acted: true,
    doc: 'When a produce is answered: process once the operating system has it (survives the process), disk once it is synced (survives the machine).',
  }),
]

export const GROUP_SETTINGS: readonly SettingDefinition[] = [
  row('consumer.assignment.interval.ms', 'int', '1000', 'medium', { min: 0 }),
  row('consumer.assignor.offload.enable', 'boolean', 'true', 'medium', { internal: true }),
  row('consumer.heartbeat.interval.ms', 'int', '5000', 'medium', { min: 1 }),
  row('consumer.session.timeout.ms', 'int', '45000', 'medium', { min: 1 }),
  row('errors.deadletterqueue.copy.record.enable', 'boolean', 'false', 'medium'),
  row('errors.deadletterqueue.topic.name', 'string', '', 'medium'),
  row('share.assignment.interval.ms', 'int', '1000', 'medium', { min: 0 }),
  row('share.assignor.offload.enable', 'boolean', 'true', 'medium', { internal: true }),
  row('share.auto.offset.reset', 'string', 'latest', 'medium', {
    pattern: /^(latest|earliest|by_duration:P.+)$/,
    form: 'latest, earliest or by_duration:PnDTnHnMn.nS',
  }),
  row('share.delivery.count.limit', 'int', '5', 'medium', { min: 2 }),
  row('share.heartbeat.interval.ms', 'int', '5000', 'medium', { min: 1 }),
  row('share.isolation.level', 'string', 'read_uncommitted', 'medium', { values: ['read_committed', 'read_uncommitted'] }),
  row('share.partition.max.record.locks', 'int', '2000', 'medium', { min: 100 }),
  row('share.record.lock.duration.ms', 'int', '30000', 'medium', { min: 1000 }),
  row('share.renew.acknowledge.enable', 'boolean', 'true', 'medium'),
  row('share.session.timeout.ms', 'int', '45000', 'medium', { min: 1 }),
  row('streams.acceptable.recovery.lag', 'long', '10000', 'medium', { min: 0, internal: true }),
  row('streams.assignment.interval.ms', 'int', '1000', 'medium', { min: 0 }),
  row('streams.assignor.name', 'string', null, 'medium'),
  row('streams.assignor.offload.enable', 'boolean', 'true', 'medium', { internal: true }),
  row('streams.heartbeat.interval.ms', 'int', '5000', 'medium', { min: 1 }),
  row('streams.initial.rebalance.delay.ms', 'int', '3000', 'medium', { min: 0 }),
  row('streams.num.standby.replicas', 'int', '0', 'medium', { min: 0 }),
  row('streams.num.warmup.replicas', 'int', '2', 'medium', { min: 0, internal: true }),
  row('streams.rack.aware.assignment.tags', 'list', '', 'low'),
  row('streams.session.timeout.ms', 'int', '45000', 'medium', { min: 1 }),
  row('streams.task.offset.interval.ms', 'int', '60000', 'medium', { min: 1, internal: true }),
]

export const CLIENT_METRICS_SETTINGS: readonly SettingDefinition[] = [
  row('interval.ms', 'int', '300000', 'medium'),
  row('match', 'list', '', 'medium'),
  row('metrics', 'list', '', 'medium'),
]

/** A topic setting takes its default from the first of these broker settings that is set; the factor converts the unit. */
export const TOPIC_SYNONYMS: Readonly<Record<string, readonly (readonly [name: string, factor: number])[]>> = {
  'cleanup.policy': [['log.cleanup.policy', 1]],
  'compression.gzip.level': [['compression.gzip.level', 1]],
  'compression.lz4.level': [['compression.lz4.level', 1]],
  'compression.type': [['compression.type', 1]],
  'compression.zstd.level': [['compression.zstd.level', 1]],
  'delete.retention.ms': [['log.cleaner.delete.retention.ms', 1]],
  'file.delete.delay.ms': [['log.segment.delete.delay.ms', 1]],
  'flush.messages': [['log.flush.interval.messages', 1]],
  'flush.ms': [
    ['log.flush.interval.ms', 1],
    ['log.flush.scheduler.interval.ms', 1],
  ],
  'index.interval.bytes': [['log.index.interval.bytes', 1]],
  'local.retention.bytes': [['log.local.retention.bytes', 1]],
  'local.retention.ms': [['log.local.retention.ms', 1]],
  'max.compaction.lag.ms': [['log.cleaner.max.compaction.lag.ms', 1]],
  'max.decompressed.message.bytes': [['max.decompressed.message.bytes', 1]],
  'max.message.bytes': [['message.max.bytes', 1]],
  'message.timestamp.after.max.ms': [['log.message.timestamp.after.max.ms', 1]],
  'message.timestamp.before.max.ms': [['log.message.timestamp.before.max.ms', 1]],
  'message.timestamp.type': [['log.message.timestamp.type', 1]],
  'min.cleanable.dirty.ratio': [['log.cleaner.min.cleanable.ratio', 1]],
  'min.compaction.lag.ms': [['log.cleaner.min.compaction.lag.ms', 1]],
  'min.insync.replicas': [['min.insync.replicas', 1]],
  preallocate: [['log.preallocate', 1]],
  'remote.copy.lag.bytes': [['log.remote.copy.lag.bytes', 1]],
  'remote.copy.lag.ms': [['log.remote.copy.lag.ms', 1]],
  'retention.bytes': [['log.retention.bytes', 1]],
  'retention.ms': [
    ['log.retention.ms', 1],
    ['log.retention.minutes', 60_000],
    ['log.retention.hours', 3_600_000],
  ],
  'segment.bytes': [['log.segment.bytes', 1]],
  'segment.index.bytes': [['log.index.size.max.bytes', 1]],
  'segment.jitter.ms': [
    ['log.roll.jitter.ms', 1],
    ['log.roll.jitter.hours', 3_600_000],
  ],
  'segment.ms': [
    ['log.roll.ms', 1],
    ['log.roll.hours', 3_600_000],
  ],
  'unclean.leader.election.enable': [['unclean.leader.election.enable', 1]],
  'millrace.ack': [['millrace.ack', 1]],
}

/** The broker setting that gives a group setting its default. */
export const GROUP_SYNONYMS: Readonly<Record<string, string>> = {
  'consumer.assignment.interval.ms': 'group.consumer.assignment.interval.ms',
  'consumer.assignor.offload.enable': 'group.consumer.assignor.offload.enable',
  'consumer.heartbeat.interval.ms': 'group.consumer.heartbeat.interval.ms',
  'consumer.session.timeout.ms': 'group.consumer.session.timeout.ms',
  'share.assignment.interval.ms': 'group.share.assignment.interval.ms',
  'share.assignor.offload.enable': 'group.share.assignor.offload.enable',
  'share.delivery.count.limit': 'group.share.delivery.count.limit',
  'share.heartbeat.interval.ms': 'group.share.heartbeat.interval.ms',
  'share.partition.max.record.locks': 'group.share.partition.max.record.locks',
  'share.record.lock.duration.ms': 'group.share.record.lock.duration.ms',
  'share.session.timeout.ms': 'group.share.session.timeout.ms',
  'streams.acceptable.recovery.lag': 'group.streams.acceptable.recovery.lag',
  'streams.assignment.interval.ms': 'group.streams.assignment.interval.ms',
  'streams.assignor.name': 'group.streams.assignors',
  'streams.assignor.offload.enable': 'group.streams.assignor.offload.enable',
  'streams.heartbeat.interval.ms': 'group.streams.heartbeat.interval.ms',
  'streams.initial.rebalance.delay.ms': 'group.streams.initial.rebalance.delay.ms',
  'streams.num.standby.replicas': 'group.streams.num.standby.replicas',
  'streams.num.warmup.replicas': 'group.streams.num.warmup.replicas',
  'streams.rack.aware.assignment.tags': 'group.streams.rack.aware.assignment.tags',
  'streams.session.timeout.ms': 'group.streams.session.timeout.ms',
  'streams.task.offset.interval.ms': 'group.streams.task.offset.interval.ms',
}
