// MurmurHash2, 32 bits, seeded and finished exactly as Java's producer does it, so that a key lands in the same
// partition whichever client wrote it. Pure.

const SEED = 0x9747b28c
const MULTIPLIER = 0x5bd1e995
const SHIFT = 24

/** The signed 32-bit hash of the first `length` bytes of `data`. */
export function murmur2(data: Uint8Array, length = data.length): number {
  const words = length >>> 2
  let hash = SEED ^ length
  let at = 0
  for (let word = 0; word < words; word++, at += 4) {
    let k = data[at]! | (data[at + 1]! << 8) | (data[at + 2]! << 16) | (data[at + 3]! << 24)
    k = Math.imul(k, MULTIPLIER)
    k ^= k >>> SHIFT
    k = Math.imul(k, MULTIPLIER)
    hash = Math.imul(hash, MULTIPLIER) ^ k
  }
  const rest = length & 3
  if (rest === 3) hash ^= data[at + 2]! << 16
  if (rest >= 2) hash ^= data[at + 1]! << 8
  if (rest >= 1) hash = Math.imul(hash ^ data[at]!, MULTIPLIER)
  hash ^= hash >>> 13
  hash = Math.imul(hash, MULTIPLIER)
  hash ^= hash >>> 15
  return hash | 0
}

/** The partition of a keyed record: the hash made positive (sign bit dropped, as Java does), modulo the partition count. */
export function partitionForKey(key: Uint8Array | string, partitionCount: number): number {
  return ((typeof key === 'string' ? hashText(key) : murmur2(key)) & 0x7fffffff) % partitionCount
}

let scratch = Buffer.allocUnsafeSlow(1024)

function hashText(key: string): number {
  if (key.length * 3 > scratch.length) scratch = Buffer.allocUnsafeSlow(key.length * 3)
  return murmur2(scratch, scratch.write(key, 0, 'utf8'))
}
