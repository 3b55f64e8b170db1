// Broker settings. The node itself: identity, listeners, limits on connections and requests, topics created by themselves.
// Names, types, defaults, ranges and update modes are those of Kafka 4.4. Data only.

import { row } from './row.js'
import type { SettingDefinition } from '../definition.js'

export const NODE_SETTINGS: readonly SettingDefinition[] = [
  row('advertised.listeners', 'list', null, 'high', {
    acted: true,
    doc: 'The address clients are told to use; the listening address when empty (for a wildcard, the address the client reached).',
  }),
  row('alter.config.policy.class.name', 'class', null, 'low'),
  row('auto.create.topics.enable', 'boolean', 'true', 'high', {
    acted: true,
    doc: 'Create a topic that is asked for in Metadata and does not exist.',
  }),
  row('background.threads', 'int', '10', 'high', { min: 1, dynamic: 'cluster-wide', doc: 'Threads for background work.' }),
  row('broker.id', 'int', '-1', 'high', { acted: true, doc: 'Older name of node.id.' }),
  row('broker.rack', 'string', null, 'medium', {
    acted: true,
    doc: 'Rack of this node, told to clients and used when replicas are placed.',
  }),
  row('client.quota.callback.class', 'class', null, 'low'),
  row('config.providers', 'list', '', 'low', { dynamic: 'cluster-wide' }),
  row('connections.max.idle.ms', 'long', '600000', 'medium', {
    acted: true,
    doc: 'Connections without a request for this long are closed.',
  }),
  row('controlled.shutdown.enable', 'boolean', 'true', 'medium', {
    acted: true,
    doc: 'A node that stops first gives its partitions to others.',
  }),
  row('create.topic.policy.class.name', 'class', null, 'low'),
  row('delete.records.purgatory.purge.interval.requests', 'int', '1', 'medium'),
  row('delete.topic.enable', 'boolean', 'true', 'high', { acted: true, doc: 'Allow topics to be deleted.' }),
  row('early.start.listeners', 'list', null, 'high'),
  row('fetch.max.bytes', 'int', '57671680', 'medium', {
    min: 1024,
    acted: true,
    doc: 'Most bytes in one fetch response, whatever the client asks for.',
  }),
  row('fetch.purgatory.purge.interval.requests', 'int', '1000', 'medium'),
  row('inter.broker.listener.name', 'string', null, 'medium', { doc: 'Listener used between nodes.' }),
  row('kafka.metrics.polling.interval.secs', 'int', '10', 'low', { min: 1 }),
  row('kafka.metrics.reporters', 'list', '', 'low'),
  row('listeners', 'list', 'PLAINTEXT://:9092', 'high', {
    dynamic: 'per-broker',
    acted: true,
    doc: 'Addresses for clients; 127.0.0.1:9092 when left out.',
  }),
  row('max.connection.creation.rate', 'int', '2147483647', 'medium', {
    min: 0,
    dynamic: 'cluster-wide',
    acted: true,
    doc: 'Connections accepted per second; more wait. Also as listener.name.NAME.max.connection.creation.rate.',
  }),
  row('max.connections', 'int', '2147483647', 'medium', {
    min: 0,
    dynamic: 'cluster-wide',
    acted: true,
    doc: 'Most connections to this node; more wait until others close. Also as listener.name.NAME.max.connections.',
  }),
  row('max.connections.per.ip', 'int', '2147483647', 'medium', {
    min: 0,
    dynamic: 'cluster-wide',
    acted: true,
    doc: 'Most connections from one address; more are closed.',
  }),
  row('max.connections.per.ip.overrides', 'string', '', 'medium', {
    dynamic: 'cluster-wide',
    acted: true,
    pattern: /^$|^[^,\s]+:\d+(\s*,\s*[^,\s]+:\d+)*$/,
    form: 'address:count, comma-separated',
    doc: 'Other limits for named addresses or hosts, address:count.',
  }),
  row('max.incremental.fetch.session.cache.slots', 'int', '1000', 'medium', {
    min: 0,
    acted: true,
    doc: 'Most fetch sessions remembered.',
  }),
  row('max.request.partition.size.limit', 'int', '2000', 'medium', {
    min: 1,
    acted: true,
    doc: 'Most partitions in one DescribeTopicPartitions answer.',
  }),
  row('metric.reporters', 'list', 'org.apache.kafka.common.metrics.JmxReporter', 'low', { dynamic: 'cluster-wide' }),
  row('metrics.num.samples', 'int', '2', 'low', { min: 1 }),
  row('metrics.recording.level', 'string', 'INFO', 'low'),
  row('metrics.sample.window.ms', 'long', '30000', 'low', { min: 1 }),
  row('node.id', 'int', null, 'high', { min: 0, acted: true, doc: 'Id of this node; 1 when left out.' }),
  row('num.io.threads', 'int', '8', 'high', {
    min: 1,
    dynamic: 'cluster-wide',
    doc: "Kafka's request threads; here millrace.workers decides.",
  }),
  row('num.network.threads', 'int', '3', 'high', {
    min: 1,
    dynamic: 'cluster-wide',
    acted: true,
    doc: 'Threads of the process that move large answers to sockets, started when they are needed; a socket that has one keeps it. Requests are read by millrace.workers.',
  }),
  row('num.partitions', 'int', '1', 'medium', { min: 1, acted: true, doc: 'Partitions of a topic created without saying how many.' }),
  row('producer.purgatory.purge.interval.requests', 'int', '1000', 'medium'),
  row('queued.max.request.bytes', 'long', '-1', 'medium'),
  row('queued.max.requests', 'int', '500', 'high', { min: 1 }),
  row('quota.window.num', 'int', '11', 'low', {
    min: 1,
    acted: true,
    doc: 'Windows kept: one less than so many windows of max.connection.creation.rate may come at once.',
  }),
  row('quota.window.size.seconds', 'int', '1', 'low', { min: 1, acted: true, doc: 'Length of such a window.' }),
  row('request.timeout.ms', 'int', '30000', 'high', { doc: 'How long this node waits for an answer of another.' }),
  row('server.max.startup.time.ms', 'long', '9223372036854775807', 'medium', { min: 0, internal: true }),
  row('socket.connection.setup.timeout.max.ms', 'long', '30000', 'medium'),
  row('socket.connection.setup.timeout.ms', 'long', '10000', 'medium'),
  row('socket.listen.backlog.size', 'int', '50', 'medium', {
    min: 1,
    acted: true,
    doc: 'Connections waiting to be accepted, over all workers; 1024 for each when left out.',
  }),
  row('socket.receive.buffer.bytes', 'int', '102400', 'high', {
    acted: true,
    doc: 'SO_RCVBUF of a connection; -1, or left out: the system tunes it.',
  }),
  row('socket.request.max.bytes', 'int', '104857600', 'high', { min: 1, acted: true, doc: 'Largest request that is accepted.' }),
  row('socket.send.buffer.bytes', 'int', '102400', 'high', {
    acted: true,
    doc: 'SO_SNDBUF of a connection; -1: the system tunes it.',
  }),
  row('telemetry.max.bytes', 'int', '1048576', 'low', { min: 1 }),
  row('unstable.api.versions.enable', 'boolean', 'false', 'high', { internal: true }),
  row('unstable.feature.versions.enable', 'boolean', 'false', 'high', { internal: true }),
]
