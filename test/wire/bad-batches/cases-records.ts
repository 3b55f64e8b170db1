// Cases about the records inside a batch, each of them plain and inside every codec.

import { batchBytes, type BatchSpec } from './batch.js'
import { CODECS, type Codec } from './codecs.js'
import type { Case } from './case.js'

const key = Buffer.from('h')
const value = Buffer.from('v')

const INSIDE: Readonly<Record<string, BatchSpec>> = {
  'a good batch': {},
  'a wrong crc': { crcError: 1 },
  'offset deltas: all 0': { records: [{}, { offsetDelta: 0 }, { offsetDelta: 0 }] },
  'offset deltas: a duplicate': { records: [{}, { offsetDelta: 0 }, {}] },
  'offset deltas: falling': { records: [{ offsetDelta: 2 }, { offsetDelta: 1 }, { offsetDelta: 0 }] },
  'offset deltas: a hole': { records: [{}, { offsetDelta: 5 }, {}] },
  'offset deltas: a hole that the last offset delta agrees with': { records: [{}, {}, { offsetDelta: 3 }], lastOffsetDelta: 3 },
  'offset deltas: starting at 1': { records: [{ offsetDelta: 1 }, { offsetDelta: 2 }, { offsetDelta: 3 }] },
  'offset deltas: negative': { records: [{ offsetDelta: -1 }, {}, {}] },
  'record size: one too small': { records: [{}, { sizeError: -1 }, {}] },
  'record size: one too big': { records: [{}, { sizeError: 1 }, {}] },
  'record size: the last one too big': { records: [{}, {}, { sizeError: 1 }] },
  'record size: the last one too small': { records: [{}, {}, { sizeError: -1 }] },
  'record size: 0': { records: [{}, { sizeBytes: Buffer.from([0]) }, {}] },
  'record size: -1': { records: [{}, { sizeBytes: Buffer.from([1]) }, {}] },
  'record size: 2^30': { records: [{}, { sizeBytes: Buffer.from('8080808008', 'hex') }, {}] },
  'record size: a varint of six bytes': { records: [{}, { sizeBytes: Buffer.from('808080808001', 'hex') }, {}] },
  'a byte after the last field of a record': { records: [{}, { trailing: Buffer.from([1]) }, {}] },
  'five bytes after the last record': { trailing: Buffer.from('extra') },
  'key length: -2': { records: [{}, { key: null, keyLength: -2 }, {}] },
  'key length: beyond the record': { records: [{}, { keyLength: 100 }, {}] },
  'key length: 2^31-1': { records: [{}, { keyLength: 0x7fffffff }, {}] },
  'value length: -2': { records: [{}, { value: null, valueLength: -2 }, {}] },
  'value length: beyond the record': { records: [{}, { valueLength: 100 }, {}] },
  'value length: shorter than the value': { records: [{}, { valueLength: 2 }, {}] },
  'headers: good ones': {
    records: [
      {
        headers: [
          { key, value },
          { key, value: null },
        ],
      },
    ],
  },
  'headers: a null key': { records: [{}, { headers: [{ key: null, value }] }] },
  'headers: an empty key': { records: [{ headers: [{ key: Buffer.alloc(0), value }] }] },
  'headers: a key that is not UTF-8': { records: [{ headers: [{ key: Buffer.from([0xff, 0xfe]), value }] }] },
  'headers: key length beyond the record': { records: [{}, { headers: [{ key, value, keyLength: 90 }] }] },
  'headers: value length beyond the record': { records: [{}, { headers: [{ key, value, valueLength: 90 }] }] },
  'headers: value length -2': { records: [{}, { headers: [{ key, value: null, valueLength: -2 }] }] },
  'headers: count -1': { records: [{}, { headerCount: -1 }, {}] },
  'headers: count one too many': { records: [{}, { headers: [{ key, value }], headerCount: 2 }, {}] },
  'headers: count one too few': { records: [{}, { headers: [{ key, value }], headerCount: 0 }, {}] },
  'headers: count 2^31-1': { records: [{}, { headerCount: 0x7fffffff }, {}] },
  'record attributes: 255': { records: [{}, { attributes: -1 }, {}] },
  'count: too small, last offset delta agrees': { count: 2, lastOffsetDelta: 1 },
  'count: too big, last offset delta agrees': { count: 4, lastOffsetDelta: 3 },
  'count: 0': { count: 0 },
  'last offset delta: too big': { lastOffsetDelta: 9 },
  'max timestamp: too small': { records: [{}, { timestampDelta: 50 }, {}], maxTimestamp: 1000 },
  'time: one record two hours ahead': { records: [{}, { timestampDelta: 7_200_000 }, {}] },
  'no payload': { rawRecords: Buffer.alloc(0) },
  'a payload of one byte': { rawRecords: Buffer.from([2]) },
}

/** Only where there is a codec whose bytes can be spoilt. */
const SPOILT: Readonly<Record<string, (payload: Buffer) => Buffer>> = {
  'payload: the last 5 bytes missing': (payload) => payload.subarray(0, payload.length - 5),
  'payload: half missing': (payload) => payload.subarray(0, payload.length >> 1),
  'payload: the first byte changed': (payload) => Buffer.concat([Buffer.from([payload[0]! ^ 0xff]), payload.subarray(1)]),
  'payload: empty': () => Buffer.alloc(0),
  'payload: random text': () => Buffer.from('this is not what it should be, but long enough to be tried'),
  'payload: bytes after its end': (payload) => Buffer.concat([payload, Buffer.from('extra')]),
}

/** Kafka looks at offset deltas in packed batches only, and at record sizes in plain ones only. */
const CARELESS = /offset deltas|record size|last record|after its end/

function caseOf(name: string, spec: BatchSpec): Case {
  return { name, ...(CARELESS.test(name) ? { mayRefuse: true } : {}), steps: () => [{ records: batchBytes(spec) }] }
}

function insideCases(codec: Codec): Case[] {
  const cases = Object.entries(INSIDE).map(([name, spec]) => caseOf(`${codec}: ${name}`, { ...spec, codec }))
  if (codec === 'none') return cases
  const spoilt = Object.entries(SPOILT).map(([name, spoil]) => caseOf(`${codec}: ${name}`, { codec, spoil }))
  return [...cases, ...spoilt]
}

export const RECORD_CASES: readonly Case[] = CODECS.flatMap(insideCases)
