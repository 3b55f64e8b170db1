// Records of one uncompressed v2 batch, decoded one at a time for printing. Pure.

import { asBuffer } from '../../model/bytes.js'
import { At, HEADER_SIZE, int32At, int64At } from '../../protocol/records/batch-layout.js'

export interface DumpedRecord {
  readonly offset: number
  readonly timestamp: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly (readonly [key: string, value: Uint8Array | null])[]
}

export function* readRecords(batch: Uint8Array): Generator<DumpedRecord> {
  const baseOffset = int64At(batch, At.baseOffset)
  const baseTimestamp = int64At(batch, At.baseTimestamp)
  const cursor = { at: HEADER_SIZE }
  for (let left = int32At(batch, At.recordsCount); left > 0; left--) {
    const length = varint(batch, cursor)
    const end = cursor.at + length
    cursor.at += 1 // attributes: none are defined
    const timestamp = baseTimestamp + varint(batch, cursor)
    const offset = baseOffset + varint(batch, cursor)
    const key = bytes(batch, cursor)
    const value = bytes(batch, cursor)
    const headers: [string, Uint8Array | null][] = []
    for (let count = varint(batch, cursor); count > 0; count--) {
      headers.push([new TextDecoder().decode(bytes(batch, cursor) ?? new Uint8Array(0)), bytes(batch, cursor)])
    }
    yield { offset, timestamp, key, value, headers }
    cursor.at = end
  }
}

/** A zigzag varint of up to 64 bits; exact below 2^53. */
function varint(b: Uint8Array, cursor: { at: number }): number {
  let raw = 0
  let factor = 1
  for (;;) {
    const byte = b[cursor.at++]!
    raw += (byte & 0x7f) * factor
    if (byte < 0x80) break
    factor *= 128
  }
  return raw % 2 === 0 ? raw / 2 : -(raw + 1) / 2
}

function bytes(b: Uint8Array, cursor: { at: number }): Uint8Array | null {
  const length = varint(b, cursor)
  if (length < 0) return null
  cursor.at += length
  return b.subarray(cursor.at - length, cursor.at)
}

/** UTF-8 when it is text, else hexadecimal; null for an absent one. */
export function showBytes(value: Uint8Array | null): string | null {
  if (value === null) return null
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(value)
    // eslint-disable-next-line no-control-regex
    if (!/[\u0000-\u0008\u000e-\u001f\u007f]/.test(text)) return text
  } catch {
    // not UTF-8: shown as hexadecimal below
  }
  return `0x${asBuffer(value).toString('hex')}`
}
