// Writes a column of values as records: no key, no headers, one after the other, as BatchBuilder.append does for each. The form in
// JavaScript; a transport into an engine in this process brings the addon's.

import { varintSize, writeVarint } from './varint.js'

/**
 * Writes value i = values[offsets[i], offsets[i + 1]) as a record into target[position, limit), from value `from` on as long as they are sure
 * to fit. `firstDelta`: offset delta of the first. Returns the position behind; `out[0]`: the first value not taken. The offsets are good.
 */
export type PackRecords = (
  target: Uint8Array,
  position: number,
  limit: number,
  values: Uint8Array,
  offsets: Int32Array,
  from: number,
  firstDelta: number,
  timestampDelta: number,
  out: Float64Array,
) => number

/** What a record takes at most beside its value. */
const MOST_AROUND = 28

export const packRecords: PackRecords = (target, position, limit, values, offsets, from, firstDelta, timestampDelta, out) => {
  const timeSize = varintSize(timestampDelta)
  const count = offsets.length - 1
  let at = position
  let next = from
  for (; next < count; next++) {
    const start = offsets[next]!
    const length = offsets[next + 1]! - start
    if (at + MOST_AROUND + length > limit) break
    const delta = firstDelta + next - from
    at = writeVarint(target, at, 3 + timeSize + varintSize(delta) + varintSize(length) + length)
    target[at++] = 0
    at = writeVarint(target, at, timestampDelta)
    at = writeVarint(target, at, delta)
    // No key: a length of -1.
    target[at++] = 1
    at = writeVarint(target, at, length)
    target.set(values.subarray(start, start + length), at)
    at += length
    target[at++] = 0
  }
  out[0] = next
  return at
}
