// Zigzag varints as records use them: small numbers of either sign in few bytes. Numbers up to ±2^53; on bytes and positions only.

/** Within this the whole work is done on 32-bit integers. */
const SMALL = 0x3fffffff

export function varintSize(value: number): number {
  if (value > SMALL || value < -SMALL) return largeSize(value)
  const zigzag = (value << 1) ^ (value >> 31)
  return zigzag < 0x80 ? 1 : zigzag < 0x4000 ? 2 : zigzag < 0x200000 ? 3 : zigzag < 0x10000000 ? 4 : 5
}

/** Writes and gives the position behind. */
export function writeVarint(bytes: Uint8Array, position: number, value: number): number {
  if (value > SMALL || value < -SMALL) return writeLarge(bytes, position, value)
  let rest = (value << 1) ^ (value >> 31)
  let at = position
  while (rest > 0x7f) {
    bytes[at++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  bytes[at++] = rest
  return at
}

function zigzagOf(value: number): bigint {
  const big = BigInt(value)
  return BigInt.asUintN(64, (big << 1n) ^ (big >> 63n))
}

function largeSize(value: number): number {
  let size = 1
  for (let rest = zigzagOf(value); rest > 0x7fn; rest >>= 7n) size++
  return size
}

function writeLarge(bytes: Uint8Array, position: number, value: number): number {
  let at = position
  let rest = zigzagOf(value)
  for (; rest > 0x7fn; rest >>= 7n) bytes[at++] = Number(rest & 0x7fn) | 0x80
  bytes[at++] = Number(rest)
  return at
}
