// The fields of a record batch's header (batch-layout.ts), read and patched in place: functions over bytes and a position, no object per
// batch. Knows nothing of records.

import { At, Attribute, HEADER_SIZE, int16At, int32At, int64At, LOG_OVERHEAD, putInt16, putInt32, putInt64 } from './batch-layout.js'
import { crc32c } from './crc32c.js'

export { HEADER_SIZE, LOG_OVERHEAD }

export const compressionCodes = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 } as const
export type CompressionName = keyof typeof compressionCodes
export const compressionNames: readonly (CompressionName | undefined)[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']

/** The byte of `attributes` that has every bit in use. */
const ATTRIBUTES_LOW = At.attributes + 1

export const NO_PRODUCER_ID = -1
export const NO_SEQUENCE = -1

export function baseOffset(b: Uint8Array, position: number): number {
  return int64At(b, position + At.baseOffset)
}

export function batchLength(b: Uint8Array, position: number): number {
  return int32At(b, position + At.batchLength)
}

/** Bytes of the whole batch, the twelve before `batchLength` counts included. */
export function batchSize(b: Uint8Array, position: number): number {
  return int32At(b, position + At.batchLength) + LOG_OVERHEAD
}

export function leaderEpoch(b: Uint8Array, position: number): number {
  return int32At(b, position + At.leaderEpoch)
}

export function magic(b: Uint8Array, position: number): number {
  return (b[position + At.magic]! << 24) >> 24
}

export function crc(b: Uint8Array, position: number): number {
  return int32At(b, position + At.crc) >>> 0
}

export function attributes(b: Uint8Array, position: number): number {
  return int16At(b, position + At.attributes)
}

export function lastOffsetDelta(b: Uint8Array, position: number): number {
  return int32At(b, position + At.lastOffsetDelta)
}

export function lastOffset(b: Uint8Array, position: number): number {
  return baseOffset(b, position) + lastOffsetDelta(b, position)
}

export function baseTimestamp(b: Uint8Array, position: number): number {
  return int64At(b, position + At.baseTimestamp)
}

export function maxTimestamp(b: Uint8Array, position: number): number {
  return int64At(b, position + At.maxTimestamp)
}

export function producerId(b: Uint8Array, position: number): number {
  return int64At(b, position + At.producerId)
}

export function producerEpoch(b: Uint8Array, position: number): number {
  return int16At(b, position + At.producerEpoch)
}

export function baseSequence(b: Uint8Array, position: number): number {
  return int32At(b, position + At.baseSequence)
}

export function recordCount(b: Uint8Array, position: number): number {
  return int32At(b, position + At.recordsCount)
}

export function compressionCode(b: Uint8Array, position: number): number {
  return b[position + ATTRIBUTES_LOW]! & Attribute.codecMask
}

export function isTransactional(b: Uint8Array, position: number): boolean {
  return (b[position + ATTRIBUTES_LOW]! & Attribute.transactional) !== 0
}

export function isControl(b: Uint8Array, position: number): boolean {
  return (b[position + ATTRIBUTES_LOW]! & Attribute.control) !== 0
}

export function isLogAppendTime(b: Uint8Array, position: number): boolean {
  return (b[position + ATTRIBUTES_LOW]! & Attribute.logAppendTime) !== 0
}

export function setBaseOffset(b: Uint8Array, position: number, value: number): void {
  putInt64(b, position + At.baseOffset, value)
}

export function setLeaderEpoch(b: Uint8Array, position: number, value: number): void {
  putInt32(b, position + At.leaderEpoch, value)
}

/** The CRC that the bytes call for. */
export function computeCrc(b: Uint8Array, position: number, size: number): number {
  return crc32c(b.subarray(position + At.attributes, position + size))
}

/**
 * Makes a built batch one to send again: with another producer identity, as a producer must after it was fenced or its epoch was bumped, and
 * without what a log writes into a batch it was handed (base offset, epoch, timestamp type). `checksum` false: left to who takes the batch.
 */
export function resetProduced(b: Uint8Array, position: number, id: number, epoch: number, sequence: number, checksum: boolean): void {
  putInt64(b, position + At.baseOffset, 0)
  putInt32(b, position + At.leaderEpoch, -1)
  b[position + ATTRIBUTES_LOW] = b[position + ATTRIBUTES_LOW]! & ~Attribute.logAppendTime
  putInt64(b, position + At.producerId, id)
  putInt16(b, position + At.producerEpoch, epoch)
  putInt32(b, position + At.baseSequence, sequence)
  if (checksum) putInt32(b, position + At.crc, computeCrc(b, position, batchSize(b, position)))
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
  putInt64(b, position + At.baseOffset, header.baseOffset)
  putInt32(b, position + At.batchLength, size - LOG_OVERHEAD)
  putInt32(b, position + At.leaderEpoch, header.leaderEpoch)
  b[position + At.magic] = 2
  putInt16(b, position + At.attributes, header.attributes)
  putInt32(b, position + At.lastOffsetDelta, header.lastOffsetDelta)
  putInt64(b, position + At.baseTimestamp, header.baseTimestamp)
  putInt64(b, position + At.maxTimestamp, header.maxTimestamp)
  putInt64(b, position + At.producerId, header.producerId)
  putInt16(b, position + At.producerEpoch, header.producerEpoch)
  putInt32(b, position + At.baseSequence, header.baseSequence)
  putInt32(b, position + At.recordsCount, header.recordCount)
  if (checksum) putInt32(b, position + At.crc, computeCrc(b, position, size))
}
