// The marker that a control batch carries when it ends a transaction, read from the batch's bytes.

import { HEADER_SIZE, int16At, int32At } from '../protocol/records/batch-layout.js'

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
