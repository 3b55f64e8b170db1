// Record batches (format 2) and old message sets in which every field can be given a wrong value.

import { crc32, crc32c } from '../raw/crc32c.js'
import { int, int64, varint } from '../raw/shape.js'
import { CODECS, compress, type Codec } from './codecs.js'

export interface HeaderSpec {
  readonly key: Buffer | null
  readonly value: Buffer | null
  /** Written instead of the key's length. */
  readonly keyLength?: number
  readonly valueLength?: number
}

export interface RecordSpec {
  readonly key?: Buffer | null
  readonly value?: Buffer | null
  readonly attributes?: number
  readonly timestampDelta?: number | bigint
  readonly offsetDelta?: number
  readonly headers?: readonly HeaderSpec[]
  /** Added to the true size. */
  readonly sizeError?: number
  /** Written instead of the true size, whole. */
  readonly sizeBytes?: Buffer
  readonly keyLength?: number
  readonly valueLength?: number
  readonly headerCount?: number
  /** Bytes after the last header, counted in the size. */
  readonly trailing?: Buffer
}

export interface BatchSpec {
  readonly records?: readonly RecordSpec[]
  readonly baseOffset?: number | bigint
  readonly leaderEpoch?: number
  readonly magic?: number
  readonly codec?: Codec
  /** Written instead of the codec's own attributes. */
  readonly attributes?: number
  /** Or'ed into the attributes. */
  readonly flags?: number
  readonly lastOffsetDelta?: number
  readonly baseTimestamp?: number
  readonly maxTimestamp?: number
  readonly producerId?: bigint
  readonly producerEpoch?: number
  readonly baseSequence?: number
  readonly count?: number
  /** Added to the batch length. */
  readonly lengthError?: number
  readonly length?: number
  readonly crcError?: number
  /** Replaces the records, before compression. */
  readonly rawRecords?: Buffer
  /** Changes the payload after compression. */
  readonly spoil?: (payload: Buffer) => Buffer
  /** Inside the batch length, after the payload. */
  readonly trailing?: Buffer
  /** After the batch, not in its length. */
  readonly after?: Buffer
  /** Cuts this many bytes off the end without telling the length. */
  readonly cut?: number
}

export const FLAG_LOG_APPEND_TIME = 8
export const FLAG_TRANSACTIONAL = 16
export const FLAG_CONTROL = 32
export const FLAG_DELETE_HORIZON = 64

function lengthAndBytes(bytes: Buffer | null, written: number | undefined): Buffer {
  return Buffer.concat([varint(written ?? (bytes === null ? -1 : bytes.length)), bytes ?? Buffer.alloc(0)])
}

export function recordBytes(spec: RecordSpec, index: number): Buffer {
  const headers = spec.headers ?? []
  const body = Buffer.concat([
    int(1, spec.attributes ?? 0),
    varint(spec.timestampDelta ?? 0),
    varint(spec.offsetDelta ?? index),
    lengthAndBytes(spec.key === undefined ? Buffer.from(`k${index}`) : spec.key, spec.keyLength),
    lengthAndBytes(spec.value === undefined ? Buffer.from(`value-${index}`) : spec.value, spec.valueLength),
    varint(spec.headerCount ?? headers.length),
    ...headers.flatMap((header) => [lengthAndBytes(header.key, header.keyLength), lengthAndBytes(header.value, header.valueLength)]),
    spec.trailing ?? Buffer.alloc(0),
  ])
  return Buffer.concat([spec.sizeBytes ?? varint(body.length + (spec.sizeError ?? 0)), body])
}

export function batchBytes(spec: BatchSpec): Buffer {
  const records = spec.records ?? [{}, {}, {}]
  const codec = spec.codec ?? 'none'
  const plain = spec.rawRecords ?? Buffer.concat(records.map(recordBytes))
  const packed = compress(codec, plain)
  const payload = Buffer.concat([spec.spoil ? spec.spoil(packed) : packed, spec.trailing ?? Buffer.alloc(0)])
  const baseTimestamp = spec.baseTimestamp ?? Date.now()
  const deltas = records.map((record) => Number(record.timestampDelta ?? 0))
  const body = Buffer.concat([
    int(2, spec.attributes ?? CODECS.indexOf(codec) | (spec.flags ?? 0)),
    int(4, spec.lastOffsetDelta ?? records.length - 1),
    int64(baseTimestamp),
    int64(spec.maxTimestamp ?? baseTimestamp + Math.max(0, ...deltas)),
    int64(spec.producerId ?? -1n),
    int(2, spec.producerEpoch ?? -1),
    int(4, spec.baseSequence ?? -1),
    int(4, spec.count ?? records.length),
    payload,
  ])
  const crc = Buffer.alloc(4)
  crc.writeUInt32BE((crc32c(body) ^ (spec.crcError ?? 0)) >>> 0)
  const whole = Buffer.concat([
    int64(spec.baseOffset ?? 0),
    int(4, spec.length ?? 9 + body.length + (spec.lengthError ?? 0)),
    int(4, spec.leaderEpoch ?? -1),
    int(1, spec.magic ?? 2),
    crc,
    body,
  ])
  return Buffer.concat([whole.subarray(0, whole.length - (spec.cut ?? 0)), spec.after ?? Buffer.alloc(0)])
}

/** One message of format 0 or 1. */
export function oldMessage(magic: 0 | 1, offset = 0): Buffer {
  const body = Buffer.concat([
    int(1, magic),
    int(1, 0),
    ...(magic === 1 ? [int64(Date.now())] : []),
    int(4, 1),
    Buffer.from('k'),
    int(4, 5),
    Buffer.from('value'),
  ])
  const crc = Buffer.alloc(4)
  crc.writeUInt32BE(crc32(body))
  return Buffer.concat([int64(offset), int(4, 4 + body.length), crc, body])
}
