// Reads and patches the fixed 61-byte header of a v2 record batch straight in the bytes it arrived in, without a view
// object per batch. Knows nothing of records, except the one a control batch carries.

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

/** A signed 64-bit field as a number: exact for every offset, producer id and timestamp below 2^53. */
export function int64At(b: Uint8Array, at: number): number {
  return int32At(b, at) * 4294967296 + (int32At(b, at + 4) >>> 0)
}

export function putInt32(b: Uint8Array, at: number, value: number): void {
  b[at] = value >>> 24
  b[at + 1] = value >>> 16
  b[at + 2] = value >>> 8
  b[at + 3] = value
}

export function putInt64(b: Uint8Array, at: number, value: number): void {
  const high = Math.floor(value / 4294967296)
  putInt32(b, at, high)
  putInt32(b, at + 4, value - high * 4294967296)
}

/** Kafka's wrap-around after 2^31-1: the next sequence is 0. */
export function incrementSequence(sequence: number, increment: number): number {
  return sequence > 0x7fffffff - increment ? increment - (0x7fffffff - sequence) - 1 : sequence + increment
}

export function decrementSequence(sequence: number, decrement: number): number {
  return sequence < decrement ? 0x7fffffff - (decrement - sequence) + 1 : sequence - decrement
}

export interface EndTransactionMarker {
  /** 0 ABORT, 1 COMMIT; anything else is a control record this log only stores. */
  readonly controlType: number
  readonly coordinatorEpoch: number
}

/** The marker in a control batch (always uncompressed); undefined when the batch holds no record or is malformed. */
export function endTransactionMarker(b: Uint8Array, batchAt: number, batchEnd: number): EndTransactionMarker | undefined {
  const cursor = { at: batchAt + HEADER_SIZE }
  if (cursor.at >= batchEnd) return undefined
  skipVarint(b, cursor) // record length
  cursor.at += 1 // attributes
  skipVarint(b, cursor) // timestamp delta
  skipVarint(b, cursor) // offset delta
  const keyLength = readVarint(b, cursor)
  if (keyLength < 4 || cursor.at + keyLength > batchEnd) return undefined
  const controlType = int16At(b, cursor.at + 2)
  cursor.at += keyLength
  const valueLength = readVarint(b, cursor)
  const hasEpoch = valueLength >= 6 && cursor.at + valueLength <= batchEnd
  return { controlType, coordinatorEpoch: hasEpoch ? int32At(b, cursor.at + 2) : -1 }
}

function skipVarint(b: Uint8Array, cursor: { at: number }): void {
  while ((b[cursor.at++]! & 0x80) !== 0);
}

function readVarint(b: Uint8Array, cursor: { at: number }): number {
  let raw = 0
  for (let shift = 0; shift <= 28; shift += 7) {
    const byte = b[cursor.at++]!
    raw |= (byte & 0x7f) << shift
    if ((byte & 0x80) === 0) break
  }
  return (raw >>> 1) ^ -(raw & 1)
}
