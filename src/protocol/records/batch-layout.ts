// The layout of a record batch (format v2, magic 2): where each field of the 61 bytes in front of the records lies, its bits, and the reading
// of its integers. The one table of it; knows nothing of records.
//
//    0 baseOffset int64           21 attributes int16         43 producerId int64
//    8 batchLength int32          23 lastOffsetDelta int32    51 producerEpoch int16
//   12 partitionLeaderEpoch int32 27 baseTimestamp int64      53 baseSequence int32
//   16 magic int8                 35 maxTimestamp int64       57 recordCount int32
//   17 crc uint32: CRC32C of everything from 21 on            61 the records
//
// batchLength counts from 12. Base offset and leader epoch lie before what the CRC covers, so that a broker sets them without touching it.

/** Base offset and length: what must be read to know a batch's size. */
export const LOG_OVERHEAD = 12
export const HEADER_SIZE = 61
export const MIN_RECORD_SIZE = 14

export const At = {
  baseOffset: 0,
  batchLength: 8,
  leaderEpoch: 12,
  magic: 16,
  crc: 17,
  attributes: 21,
  lastOffsetDelta: 23,
  baseTimestamp: 27,
  maxTimestamp: 35,
  producerId: 43,
  producerEpoch: 51,
  baseSequence: 53,
  recordsCount: 57,
} as const

export const Attribute = { codecMask: 0x07, logAppendTime: 0x08, transactional: 0x10, control: 0x20, deleteHorizon: 0x40 } as const

export function int16At(b: Uint8Array, at: number): number {
  return ((b[at]! << 24) | (b[at + 1]! << 16)) >> 16
}

export function int32At(b: Uint8Array, at: number): number {
  return (b[at]! << 24) | (b[at + 1]! << 16) | (b[at + 2]! << 8) | b[at + 3]!
}

/** A signed 64-bit field as a number: exact below 2^53; what lies above is only ever a wrong number in a damaged batch. */
export function int64At(b: Uint8Array, at: number): number {
  return int32At(b, at) * 4294967296 + (int32At(b, at + 4) >>> 0)
}

export function putInt16(b: Uint8Array, at: number, value: number): void {
  b[at] = value >> 8
  b[at + 1] = value
}

export function putInt32(b: Uint8Array, at: number, value: number): void {
  b[at] = value >>> 24
  b[at + 1] = value >>> 16
  b[at + 2] = value >>> 8
  b[at + 3] = value
}

export function putInt64(b: Uint8Array, at: number, value: number): void {
  putInt32(b, at, Math.floor(value / 4294967296))
  putInt32(b, at + 4, value >>> 0)
}

/** Kafka's sequences wrap from 2^31 - 1 to 0. */
export function incrementSequence(sequence: number, increment: number): number {
  return sequence > 0x7fffffff - increment ? increment - (0x7fffffff - sequence) - 1 : sequence + increment
}

export function decrementSequence(sequence: number, decrement: number): number {
  return sequence < decrement ? 0x7fffffff - (decrement - sequence) + 1 : sequence - decrement
}
