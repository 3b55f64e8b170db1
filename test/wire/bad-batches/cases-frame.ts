// Cases about the batch as a frame: lengths, magic, checksum, how many batches, request fields around it.

import {
  batchBytes,
  oldMessage,
  recordBytes,
  FLAG_CONTROL,
  FLAG_DELETE_HORIZON,
  FLAG_LOG_APPEND_TIME,
  FLAG_TRANSACTIONAL,
  type BatchSpec,
} from './batch.js'
import { compress, zstdBomb } from './codecs.js'
import { int64, varint } from '../raw/shape.js'
import type { Case, Step, TopicKind } from './case.js'

function one(name: string, spec: BatchSpec, step: Omit<Step, 'records'> = {}, topic?: TopicKind): Case {
  return { name, ...(topic ? { topic } : {}), steps: () => [{ ...step, records: batchBytes(spec) }] }
}

function raw(name: string, records: () => Buffer | null, step: Omit<Step, 'records'> = {}): Case {
  return { name, steps: () => [{ ...step, records: records() }] }
}

const NULL_RECORDS: Case = {
  name: 'records: null',
  notCompared: 'Kafka fails inside and leaves the connection waiting; any error or a close is better',
  steps: () => [{ records: null }],
}

const frames: readonly Case[] = [
  one('a good batch', {}),
  one('a good batch of one record without a key', { records: [{ key: null }] }),
  one('a record with a null value', { records: [{ value: null }] }),
  one('crc: wrong', { crcError: 1 }),
  one('crc: zero', { crcError: 0x5a5a5a5a }),
  one('magic: 0 in a batch of format 2', { magic: 0 }),
  one('magic: 1 in a batch of format 2', { magic: 1 }),
  one('magic: 3', { magic: 3 }),
  one('magic: -1', { magic: -1 }),
  raw('a message of format 0', () => oldMessage(0)),
  raw('a message of format 1', () => oldMessage(1)),
  raw('a batch of format 2 and then a message of format 1', () => Buffer.concat([batchBytes({}), oldMessage(1, 3)])),
  one('batch length: one too short', { lengthError: -1 }),
  one('batch length: one too long', { lengthError: 1 }),
  one('batch length: 0', { length: 0 }),
  one('batch length: -1', { length: -1 }),
  one('batch length: less than a header', { length: 40 }),
  one('batch length: exactly a header without records', { length: 49 }),
  one('batch length: 2^31-1', { length: 0x7fffffff }),
  one('batch length: one too short with a good crc', { lengthError: -1, after: Buffer.alloc(0) }),
  one('truncated: the last byte missing', { cut: 1 }),
  one('truncated: half of it', { cut: 40 }),
  raw('truncated: 60 bytes', () => batchBytes({}).subarray(0, 60)),
  raw('truncated: 17 bytes, magic included', () => batchBytes({}).subarray(0, 17)),
  raw('truncated: 12 bytes', () => batchBytes({}).subarray(0, 12)),
  raw('truncated: 5 bytes', () => batchBytes({}).subarray(0, 5)),
  raw('two batches in one partition', () => Buffer.concat([batchBytes({}), batchBytes({})])),
  raw('a batch and half a batch', () => Buffer.concat([batchBytes({}), batchBytes({}).subarray(0, 70)])),
  raw('a batch and 5 bytes', () => Buffer.concat([batchBytes({}), Buffer.from('extra')])),
  raw('a batch and 30 zero bytes', () => Buffer.concat([batchBytes({}), Buffer.alloc(30)])),
  raw('records: empty', () => Buffer.alloc(0)),
  NULL_RECORDS,
  raw('records: 100 zero bytes', () => Buffer.alloc(100)),
  raw('records: text', () => Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\nUser-Agent: a browser\r\n\r\n')),
  one('base offset: 7', { baseOffset: 7 }),
  one('base offset: -1', { baseOffset: -1 }),
  one('base offset: 2^62', { baseOffset: 1n << 62n }),
  one('partition leader epoch: 5', { leaderEpoch: 5 }),
  one('last offset delta: too small', { lastOffsetDelta: 1 }),
  one('last offset delta: too big', { lastOffsetDelta: 3 }),
  one('last offset delta: -1', { lastOffsetDelta: -1 }),
  one('last offset delta: 2^31-1', { lastOffsetDelta: 0x7fffffff }),
  one('count: 0 and no records', { records: [], count: 0, lastOffsetDelta: 0 }),
  one('count: 0 and no records, last offset delta -1', { records: [], count: 0 }),
  one('count: 0 with records', { count: 0 }),
  one('count: -1', { count: -1 }),
  one('count: -5', { count: -5 }),
  one('count: too small, last offset delta agrees', { count: 2, lastOffsetDelta: 1 }),
  one('count: too small', { count: 2 }),
  one('count: too big, last offset delta agrees', { count: 4, lastOffsetDelta: 3 }),
  one('count: too big', { count: 4 }),
  one('count: 2^31-1', { count: 0x7fffffff }),
  one('count: 2^31-1, last offset delta agrees', { count: 0x7fffffff, lastOffsetDelta: 0x7ffffffe }),
  one('attributes: codec 5', { attributes: 5 }),
  one('attributes: codec 6', { attributes: 6 }),
  one('attributes: codec 7', { attributes: 7 }),
  one('attributes: unused bit 7', { attributes: 0x80 }),
  one('attributes: unused bits 8 to 15', { attributes: -256 }),
  one('attributes: log append time from a client', { flags: FLAG_LOG_APPEND_TIME }),
  one('attributes: delete horizon from a client', { flags: FLAG_DELETE_HORIZON }),
  one('attributes: control from a client', { flags: FLAG_CONTROL }),
  one('attributes: transactional without producer id', { flags: FLAG_TRANSACTIONAL }),
]

const times: readonly Case[] = [
  one('time: two hours ahead', { baseTimestamp: Date.now() + 7_200_000 }),
  one('time: half an hour ahead', { baseTimestamp: Date.now() + 1_800_000 }),
  one('time: two years ago', { baseTimestamp: Date.now() - 63_072_000_000 }),
  one('time: 0', { baseTimestamp: 0 }),
  one('time: -1', { baseTimestamp: -1 }),
  one('time: -2', { baseTimestamp: -2 }),
  one('time: -1000', { baseTimestamp: -1000 }),
  one('time: one record two hours ahead', { records: [{}, { timestampDelta: 7_200_000 }, {}] }),
  one('time: max timestamp too small', { records: [{}, { timestampDelta: 50 }, {}], maxTimestamp: Date.now() - 10_000 }),
  one('time: max timestamp too big', { maxTimestamp: Date.now() + 60_000 }),
  one('time: max timestamp two hours ahead, no record so', { maxTimestamp: Date.now() + 7_200_000 }),
  one('time: max timestamp -1', { maxTimestamp: -1 }),
  one('time: deltas fall', { records: [{ timestampDelta: 10 }, { timestampDelta: 5 }, { timestampDelta: 0 }] }),
  one('time: a negative delta', { records: [{}, { timestampDelta: -100 }, {}] }),
  one('time: a delta beyond 64 bits of time', { records: [{ timestampDelta: 0x7fffffffffffffffn }], maxTimestamp: Date.now() }),
  one('narrow time: five minutes ahead', { baseTimestamp: Date.now() + 300_000 }, {}, 'narrowTime'),
  one('narrow time: five minutes ago', { baseTimestamp: Date.now() - 300_000 }, {}, 'narrowTime'),
  one('narrow time: one record five minutes ago', { records: [{}, { timestampDelta: -300_000 }, {}] }, {}, 'narrowTime'),
  one(
    'narrow time: two records out of range',
    { records: [{ timestampDelta: 300_000 }, {}, { timestampDelta: -300_000 }] },
    {},
    'narrowTime',
  ),
  one('narrow time: now', {}, {}, 'narrowTime'),
  one('narrow time: -1', { baseTimestamp: -1 }, {}, 'narrowTime'),
  one('append time topic: a good batch', {}, {}, 'appendTime'),
  one('append time topic: two hours ahead', { baseTimestamp: Date.now() + 7_200_000 }, {}, 'appendTime'),
  one('append time topic: max timestamp wrong', { maxTimestamp: 5 }, {}, 'appendTime'),
  one('append time topic: marked so by the client', { flags: FLAG_LOG_APPEND_TIME }, {}, 'appendTime'),
]

const topics: readonly Case[] = [
  one('compact topic: with keys', {}, {}, 'compact'),
  one('compact topic: the second record without a key', { records: [{}, { key: null }, {}] }, {}, 'compact'),
  one('compact topic: no record with a key', { records: [{ key: null }, { key: null }] }, {}, 'compact'),
  one('compact topic: an empty key', { records: [{ key: Buffer.alloc(0) }] }, {}, 'compact'),
  one('compact topic: without a key, gzip', { codec: 'gzip', records: [{}, { key: null }, {}] }, {}, 'compact'),
  one(
    'compact topic: without a key, and a time too far ahead',
    { records: [{ timestampDelta: 7_200_000 }, { key: null }, {}] },
    {},
    'compact',
  ),
  one('small topic: a batch just within max.message.bytes', { records: [{ value: Buffer.alloc(900, 1) }] }, {}, 'small'),
  one('small topic: a batch beyond max.message.bytes', { records: [{ value: Buffer.alloc(1100, 1) }] }, {}, 'small'),
  one('small topic: beyond it, but packed within', { codec: 'gzip', records: [{ value: Buffer.alloc(5000, 1) }] }, {}, 'small'),
  one('small topic: beyond it and a wrong crc', { crcError: 1, records: [{ value: Buffer.alloc(1100, 1) }] }, {}, 'small'),
  one('plain topic: beyond the default max.message.bytes', { records: [{ value: Buffer.alloc(1_048_588, 1) }] }),
  one('gzip topic: a plain batch', {}, {}, 'gzipTopic'),
  one('gzip topic: a snappy batch', { codec: 'snappy' }, {}, 'gzipTopic'),
  one('gzip topic: a gzip batch', { codec: 'gzip' }, {}, 'gzipTopic'),
  one('gzip topic: offset deltas with a hole', { records: [{}, { offsetDelta: 2 }], lastOffsetDelta: 2 }, {}, 'gzipTopic'),
  one('gzip topic: max timestamp wrong', { maxTimestamp: 5 }, {}, 'gzipTopic'),
  one('gzip topic: base offset 7', { baseOffset: 7 }, {}, 'gzipTopic'),
  one('zstd topic: an lz4 batch', { codec: 'lz4' }, {}, 'zstdTopic'),
  one('zstd topic: a plain batch by version 3', {}, { version: 3 }, 'zstdTopic'),
]

const requests: readonly Case[] = [
  ...[3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13].map((version) => one(`version ${version}: a good batch`, {}, { version })),
  ...[3, 5, 7, 8, 9, 13].map((version) => one(`version ${version}: a wrong crc`, { crcError: 1 }, { version })),
  ...[3, 6, 7, 9].map((version) => one(`version ${version}: zstd`, { codec: 'zstd' }, { version })),
  ...[0, 1, 2].map((version) => raw(`version ${version}: a message of format 1`, () => oldMessage(1), { version })),
  ...[3, 13].map((version) => raw(`version ${version}: a message of format 1`, () => oldMessage(1), { version })),
  one('acks: 1', {}, { acks: 1 }),
  one('acks: 2', {}, { acks: 2 }),
  one('acks: -2', {}, { acks: -2 }),
  one('acks: 2 and a wrong crc', { crcError: 1 }, { acks: 2 }),
  one('acks: 0', {}, { acks: 0 }),
  one('acks: 0 and a wrong crc', { crcError: 1 }, { acks: 0 }),
  one('acks: 0 and an unknown topic', {}, { acks: 0, topic: 'no-such-topic' }),
  raw('acks: 0 and a message of format 1', () => oldMessage(1), { acks: 0 }),
  raw('acks: 0 and two batches', () => Buffer.concat([batchBytes({}), batchBytes({})]), { acks: 0 }),
  one('unknown topic', {}, { topic: 'no-such-topic' }),
  one('unknown topic, version 13', {}, { topic: 'no-such-topic', version: 13 }),
  one('unknown topic and a wrong crc', { crcError: 1 }, { topic: 'no-such-topic' }),
  one('unknown topic and an invalid name', {}, { topic: 'no/such topic' }),
  one('unknown topic and an empty name', {}, { topic: '' }),
  one('unknown partition', {}, { partition: 5 }),
  one('partition -1', {}, { partition: -1 }),
  one('unknown partition and a wrong crc', { crcError: 1 }, { partition: 5 }),
  one('internal topic', {}, { topic: '__consumer_offsets' }),
  one('transactional id, but a batch that is not transactional', {}, { transactionalId: 'a-transaction' }),
]

const bombs: readonly Case[] = [8, 64].map((mebibytes) => ({
  name: `zstd: ${mebibytes} MiB of zeros in one record`,
  notCompared: 'the decompressed size that a broker accepts is its own choice',
  steps: () => {
    const zeros = mebibytes * 131072 * 8
    const whole = recordBytes({ key: null, value: Buffer.alloc(0), valueLength: zeros }, 0)
    const head = whole.subarray(varint(whole.length - 1).length, whole.length - 1)
    const packed = zstdBomb(Buffer.concat([varint(head.length + zeros + 1), head]), zeros, Buffer.from([0]))
    return [{ records: batchBytes({ codec: 'zstd', records: [{}], spoil: () => packed }) }]
  },
}))

const moreFrames: readonly Case[] = [
  one('packed: gzip of an empty payload, count 0', { codec: 'gzip', records: [], count: 0, lastOffsetDelta: 0 }),
  one('packed: gzip flag, plain records', { attributes: 1 }),
  one('packed: snappy flag, plain records', { attributes: 2 }),
  one('packed: lz4 flag, plain records', { attributes: 3 }),
  one('packed: zstd flag, plain records', { attributes: 4 }),
  one('packed: plain flag, gzip records', { codec: 'gzip', attributes: 0 }),
  one('packed: gzip twice', { codec: 'gzip', spoil: (payload) => compress('gzip', payload) }),
  one('packed: snappy without the framing of Java', {
    attributes: 2,
    spoil: (payload) => Buffer.concat([Buffer.from([payload.length, (payload.length - 1) << 2]), payload]),
  }),
  one('control: a commit marker from a client', {
    flags: FLAG_CONTROL | FLAG_TRANSACTIONAL,
    records: [{ key: Buffer.from('00000001', 'hex'), value: Buffer.from('000000000000', 'hex') }],
  }),
  raw('a batch whose offset and length are right and all else is 255', () =>
    Buffer.concat([int64(0), Buffer.from([0, 0, 0, 60]), Buffer.alloc(60, 255)]),
  ),
]

export const FRAME_CASES: readonly Case[] = [...frames, ...moreFrames, ...times, ...topics, ...requests, ...bombs]
