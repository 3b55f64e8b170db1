// The fixed 61 bytes in front of every record batch (format v2, magic 2), read and patched in place: functions over bytes and a position,
// no object per batch. Knows nothing of records.
//
//    0 baseOffset int64           21 attributes int16         43 producerId int64
//    8 batchLength int32          23 lastOffsetDelta int32    51 producerEpoch int16
//   12 partitionLeaderEpoch int32 27 baseTimestamp int64      53 baseSequence int32
//   16 magic int8                 35 maxTimestamp int64       57 recordCount int32
//   17 crc uint32: CRC32C of everything from 21 on            61 the records
//
// batchLength counts from 12. Base offset and leader epoch lie before what the CRC covers, so that a broker sets them without touching it.

import { crc32c } from './crc32c.js'

export const HEADER_BYTES = 61
/** Base offset and length: what must be read to know a batch's size. */
export const OVERHEAD_BYTES = 12
export const CRC_STARTS_AT = 21

export const attribute = { compression: 0x07, logAppendTime: 0x08, transactional: 0x10, control: 0x20, deleteHorizon: 0x40 } as const

export const compressionCodes = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 } as const
export type CompressionName = keyof typeof compressionCodes
export const compressionNames: readonly (CompressionName | undefined)[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']

export const NO_PRODUCER_ID = -1
export const NO_SEQUENCE = -1

function int16(b: Uint8Array, at: number): number {
  return ((b[at]! << 24) >> 16) | b[at + 1]!
}

function int32(b: Uint8Array, at: number): number {
  return (b[at]! << 24) | (b[at + 1]! << 16) | (b[at + 2]! << 8) | b[at + 3]!
}

/** Exact below 2^53; what lies above is only ever a wrong number in a damaged batch. */
function int64(b: Uint8Array, at: number): number {
  return int32(b, at) * 4294967296 + (int32(b, at + 4) >>> 0)
}

function putInt16(b: Uint8Array, at: number, value: number): void {
  b[at] = value >> 8
  b[at + 1] = value
}

function putInt32(b: Uint8Array, at: number, value: number): void {
  b[at] = value >> 24
  b[at + 1] = value >> 16
  b[at + 2] = value >> 8
  b[at + 3] = value
}

function putInt64(b: Uint8Array, at: number, value: number): void {
  putInt32(b, at, Math.floor(value / 4294967296))
  putInt32(b, at + 4, value >>> 0)
}

export function baseOffset(b: Uint8Array, position: number): number {
  return int64(b, position)
}

export function batchLength(b: Uint8Array, position: number): number {
  return int32(b, position + 8)
}

/** Bytes of the whole batch, the twelve before `batchLength` counts included. */
export function batchSize(b: Uint8Array, position: number): number {
  return int32(b, position + 8) + OVERHEAD_BYTES
}

export function leaderEpoch(b: Uint8Array, position: number): number {
  return int32(b, position + 12)
}

export function magic(b: Uint8Array, position: number): number {
  return (b[position + 16]! << 24) >> 24
}

export function crc(b: Uint8Array, position: number): number {
  return int32(b, position + 17) >>> 0
}

export function attributes(b: Uint8Array, position: number): number {
  return int16(b, position + 21)
}

export function lastOffsetDelta(b: Uint8Array, position: number): number {
  return int32(b, position + 23)
}

export function lastOffset(b: Uint8Array, position: number): number {
  return baseOffset(b, position) + lastOffsetDelta(b, position)
}

export function baseTimestamp(b: Uint8Array, position: number): number {
  return int64(b, position + 27)
}

export function maxTimestamp(b: Uint8Array, position: number): number {
  return int64(b, position + 35)
}

export function producerId(b: Uint8Array, position: number): number {
  return int64(b, position + 43)
}

export function producerEpoch(b: Uint8Array, position: number): number {
  return int16(b, position + 51)
}

export function baseSequence(b: Uint8Array, position: number): number {
  return int32(b, position + 53)
}

export function recordCount(b: Uint8Array, position: number): number {
  return int32(b, position + 57)
}

export function compressionCode(b: Uint8Array, position: number): number {
  return b[position + 22]! & attribute.compression
}

export function isTransactional(b: Uint8Array, position: number): boolean {
  return (b[position + 22]! & attribute.transactional) !== 0
}

export function isControl(b: Uint8Array, position: number): boolean {
  return (b[position + 22]! & attribute.control) !== 0
}

export function isLogAppendTime(b: Uint8Array, position: number): boolean {
  return (b[position + 22]! & attribute.logAppendTime) !== 0
}

export function setBaseOffset(b: Uint8Array, position: number, value: number): void {
  putInt64(b, position, value)
}

export function setLeaderEpoch(b: Uint8Array, position: number, value: number): void {
  putInt32(b, position + 12, value)
}

/** The CRC that the bytes call for. */
export function computeCrc(b: Uint8Array, position: number, size: number): number {
  return crc32c(b.subarray(position + CRC_STARTS_AT, position + size))
}

/**
 * Makes a built batch one to send again: with another producer identity, as a producer must after it was fenced or its epoch was bumped, and
 * without what a log writes into a batch it was handed (base offset, epoch, timestamp type). `checksum` false: left to who takes the batch.
 */
export function resetProduced(b: Uint8Array, position: number, id: number, epoch: number, sequence: number, checksum: boolean): void {
  putInt64(b, position, 0)
  putInt32(b, position + 12, -1)
  b[position + 22] = b[position + 22]! & ~attribute.logAppendTime
  putInt64(b, position + 43, id)
  putInt16(b, position + 51, epoch)
  putInt32(b, position + 53, sequence)
  if (checksum) putInt32(b, position + 17, computeCrc(b, position, batchSize(b, position)))
}

export interface BatchHeader {
  readonly baseOffset: number
  readonly leaderEpoch: number
  readonly attributes: number
  readonly lastOffsetDelta: number
  readonly baseTimestamp: number
  readonly maxTimestamp: number
  readonly producerId: number
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly recordCount: number
}

/** Writes the header of a batch that takes `size` bytes, all of them in place already, and its CRC where `checksum`. */
export function writeHeader(b: Uint8Array, position: number, size: number, header: BatchHeader, checksum = true): void {
  putInt64(b, position, header.baseOffset)
  putInt32(b, position + 8, size - OVERHEAD_BYTES)
  putInt32(b, position + 12, header.leaderEpoch)
  b[position + 16] = 2
  putInt16(b, position + 21, header.attributes)
  putInt32(b, position + 23, header.lastOffsetDelta)
  putInt64(b, position + 27, header.baseTimestamp)
  putInt64(b, position + 35, header.maxTimestamp)
  putInt64(b, position + 43, header.producerId)
  putInt16(b, position + 51, header.producerEpoch)
  putInt32(b, position + 53, header.baseSequence)
  putInt32(b, position + 57, header.recordCount)
  if (checksum) putInt32(b, position + 17, computeCrc(b, position, size))
}

/** Kafka's sequences wrap from 2^31 - 1 to 0. */
export function addSequence(sequence: number, count: number): number {
  return sequence > 0x7fffffff - count ? count - (0x7fffffff - sequence) - 1 : sequence + count
}
