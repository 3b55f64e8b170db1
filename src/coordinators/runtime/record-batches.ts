// Coordinator records ↔ record batches (format v2). Pure.

import { crc32c } from '@node-rs/crc32'
import type { CoordinatorRecord } from './coordinator-record.js'

const HEADER_BYTES = 61
const CRC_POSITION = 17
const ATTRIBUTES_POSITION = 21
const CONTROL_BATCH = 0x20
const COMPRESSION_MASK = 0x07

/** At most this much of a batch goes to `record`: its bytes, five lengths of at most five bytes each, and the attributes. */
export function estimateRecordBytes(record: CoordinatorRecord): number {
  return record.key.length + (record.value?.length ?? 0) + 26
}

/** One uncompressed batch; the log assigns the offsets and the leader epoch. */
export function encodeBatch(records: readonly CoordinatorRecord[], timestamp: number): Uint8Array {
  const estimate = records.reduce((sum, record) => sum + estimateRecordBytes(record), HEADER_BYTES)
  const bytes = Buffer.alloc(estimate)
  let position = HEADER_BYTES
  records.forEach((record, index) => {
    position = writeRecord(bytes, position, record, index)
  })
  bytes.writeInt32BE(position - 12, 8)
  bytes.writeInt32BE(-1, 12)
  bytes[16] = 2
  bytes.writeInt32BE(records.length - 1, 23)
  bytes.writeBigInt64BE(BigInt(timestamp), 27)
  bytes.writeBigInt64BE(BigInt(timestamp), 35)
  bytes.writeBigInt64BE(-1n, 43)
  bytes.writeInt16BE(-1, 51)
  bytes.writeInt32BE(-1, 53)
  bytes.writeInt32BE(records.length, 57)
  bytes.writeUInt32BE(crc32c(bytes.subarray(ATTRIBUTES_POSITION, position)), CRC_POSITION)
  return bytes.subarray(0, position)
}

function writeRecord(bytes: Buffer, at: number, record: CoordinatorRecord, offsetDelta: number): number {
  const valueLength = record.value === null ? -1 : record.value.length
  const body =
    1 + 1 + varintSize(offsetDelta) + varintSize(record.key.length) + record.key.length + varintSize(valueLength) + Math.max(valueLength, 0) + 1
  let position = writeVarint(bytes, at, body)
  bytes[position++] = 0 // attributes
  bytes[position++] = 0 // timestamp delta
  position = writeVarint(bytes, position, offsetDelta)
  position = writeVarint(bytes, position, record.key.length)
  bytes.set(record.key, position)
  position += record.key.length
  position = writeVarint(bytes, position, valueLength)
  if (record.value !== null) {
    bytes.set(record.value, position)
    position += record.value.length
  }
  bytes[position++] = 0 // header count
  return position
}

/** The records of every whole batch in `chunk`; control batches hold none. Keys and values are views into `chunk`. */
export function* decodeRecords(chunk: Uint8Array): Generator<CoordinatorRecord> {
  const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
  let start = 0
  while (start + HEADER_BYTES <= bytes.length) {
    const end = start + 12 + bytes.readInt32BE(start + 8)
    if (end > bytes.length) return
    const attributes = bytes.readInt16BE(start + ATTRIBUTES_POSITION)
    if ((attributes & COMPRESSION_MASK) !== 0) throw new Error(`a compressed batch at offset ${bytes.readBigInt64BE(start)} of a coordinator's partition`)
    if ((attributes & CONTROL_BATCH) === 0) yield* recordsOf(bytes, start)
    start = end
  }
}

function* recordsOf(bytes: Buffer, start: number): Generator<CoordinatorRecord> {
  const count = bytes.readInt32BE(start + 57)
  const cursor = { position: start + HEADER_BYTES }
  for (let index = 0; index < count; index++) {
    const length = readVarint(bytes, cursor)
    const next = cursor.position + length
    cursor.position++ // attributes
    readVarint(bytes, cursor) // timestamp delta
    readVarint(bytes, cursor) // offset delta
    const key = readBytes(bytes, cursor) ?? new Uint8Array(0)
    const value = readBytes(bytes, cursor)
    yield { key, value }
    cursor.position = next
  }
}

interface Cursor {
  position: number
}

function readBytes(bytes: Buffer, cursor: Cursor): Uint8Array | null {
  const length = readVarint(bytes, cursor)
  if (length < 0) return null
  const start = cursor.position
  cursor.position += length
  return bytes.subarray(start, cursor.position)
}

/** Zigzag varint; timestamp deltas may need more than 32 bits, so no shifts. */
function readVarint(bytes: Buffer, cursor: Cursor): number {
  let value = 0
  let scale = 1
  for (;;) {
    const byte = bytes[cursor.position++]
    if (byte === undefined) throw new Error('a record ends inside a varint')
    value += (byte & 0x7f) * scale
    if (byte < 0x80) break
    scale *= 128
  }
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2
}

function zigzag(value: number): number {
  return value >= 0 ? value * 2 : -value * 2 - 1
}

function varintSize(value: number): number {
  let rest = zigzag(value)
  let size = 1
  while (rest >= 128) {
    rest = Math.floor(rest / 128)
    size++
  }
  return size
}

function writeVarint(bytes: Buffer, at: number, value: number): number {
  let rest = zigzag(value)
  let position = at
  while (rest >= 128) {
    bytes[position++] = (rest % 128) | 0x80
    rest = Math.floor(rest / 128)
  }
  bytes[position++] = rest
  return position
}
