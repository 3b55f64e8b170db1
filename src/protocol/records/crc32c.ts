// CRC32C (Castagnoli), which guards every record batch.

import { lazily } from './native-packages.js'

/** CRC32C of the bytes, continuing from `seed`. */
type Crc32c = (bytes: Uint8Array, seed?: number) => number

const implementation = lazily<Crc32c>(
  (require) => {
    const native = require('@node-rs/crc32') as { crc32c: Crc32c }
    return native.crc32c
  },
  () => crc32cInJavaScript,
)

export function crc32c(bytes: Uint8Array, seed = 0): number {
  return implementation()(bytes, seed)
}

let table: Uint32Array | undefined

/** Eight tables of 256, for eight bytes a step. */
function makeTable(): Uint32Array {
  const t = new Uint32Array(8 * 256)
  for (let i = 0; i < 256; i++) {
    let c = i
    for (let bit = 0; bit < 8; bit++) c = (c >>> 1) ^ (0x82f63b78 & -(c & 1))
    t[i] = c
  }
  for (let i = 256; i < t.length; i++) t[i] = (t[i - 256]! >>> 8) ^ t[t[i - 256]! & 0xff]!
  return t
}

export function crc32cInJavaScript(bytes: Uint8Array, seed = 0): number {
  const t = (table ??= makeTable())
  let c = ~seed
  let i = 0
  for (const whole = bytes.length - 7; i < whole; i += 8) {
    c ^= bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24)
    c =
      t[0x700 | (c & 0xff)]! ^
      t[0x600 | ((c >>> 8) & 0xff)]! ^
      t[0x500 | ((c >>> 16) & 0xff)]! ^
      t[0x400 | (c >>> 24)]! ^
      t[0x300 | bytes[i + 4]!]! ^
      t[0x200 | bytes[i + 5]!]! ^
      t[0x100 | bytes[i + 6]!]! ^
      t[bytes[i + 7]!]!
  }
  for (; i < bytes.length; i++) c = (c >>> 8) ^ t[(c ^ bytes[i]!) & 0xff]!
  return ~c >>> 0
}
