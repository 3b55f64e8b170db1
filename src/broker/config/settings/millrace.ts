// Broker settings of our own; the prefix keeps them apart from Kafka's. Data only.

import { row } from './row.js'
import type { SettingDefinition } from '../definition.js'

export const MILLRACE_SETTINGS: readonly SettingDefinition[] = [
  row('millrace.accept.empty.log.dirs', 'boolean', 'false', 'medium', {
    acted: true,
    doc: 'A data directory that the node has used before and that is empty or gone now is lost: forget it, and begin its partitions empty. For one start.',
  }),
  row('millrace.ack', 'string', 'process', 'high', {
    values: ['process', 'disk'],
    dynamic: 'cluster-wide',
    acted: true,
    doc: 'Default of the topic setting millrace.ack: what a produce waits for before it is answered.',
  }),
  row('millrace.connection.max.buffered.bytes', 'long', '16777216', 'medium', {
    min: 65_536,
    acted: true,
    doc: 'Bytes one connection may have buffered, in and out; past it the node stops reading from the connection until it drains.',
  }),
  row('millrace.log.level', 'string', 'info', 'low', {
    values: ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'],
    acted: true,
    doc: 'Lines of less weight are not written to stderr.',
  }),
  row('millrace.max.buffered.bytes', 'long', '134217728', 'high', {
    min: 1_048_576,
    acted: true,
    doc: 'Bytes all connections of the node may have buffered together; past it the node stops reading requests until some drain.',
  }),
  row('millrace.max.decompressed.bytes', 'long', '268435456', 'medium', {
    min: 1_048_576,
    acted: true,
    doc: 'Largest decompressed size of one record batch that the node unpacks; the smaller of this and max.decompressed.message.bytes holds.',
  }),
  row('millrace.scrub.bytes.per.second', 'long', '2097152', 'low', {
    min: 0,
    dynamic: 'cluster-wide',
    acted: true,
    doc: 'How fast each worker reads its closed segments again to check them, in the background; 0: not at all.',
  }),
  row('millrace.workers', 'int', '-1', 'high', {
    min: -1,
    max: 64,
    acted: true,
    doc: 'Threads that own partitions and serve connections; -1: one less than cores, at least 1, at most 8. 0 (the calling thread) only when embedded.',
  }),
]
