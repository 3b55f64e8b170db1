// Reads wire types from bytes of which nothing is believed: every length is checked against what is left before anything is allocated.
// Knows no message.

import { asBuffer } from '../../model/bytes.js'
import { ProtocolError } from './protocol-error.js'

const NO_BYTES: Buffer = Buffer.alloc(0)
const ZERO_UUID = 'AAAAAAAAAAAAAAAAAAAAAA'
/** Below this the bytes are turned into a string in JavaScript: a call into V8's decoder costs more. */
const SHORT_STRING = 24
/** Buckets of the cache of short strings: topic names and client ids come again with every request. */
const CACHE_SIZE = 1024
/**
 * Elements that one message may have in all its arrays together, numbers of four bytes and more aside. A struct of two bytes on the wire
 * takes fifty and more in memory, so that without this limit a frame of 100 MiB could fill a heap. Ten times what the largest honest
 * messages hold.
 */
const MAX_ELEMENTS = 1_000_000

export class Reader {
  bytes: Buffer = NO_BYTES
  position = 0
  end = 0
  private elements = 0
  private readonly cache: string[] = Array.from({ length: CACHE_SIZE }, () => '')
  /** The same for topic ids, whose text costs a call each: the four words of an id, and its text. */
  private readonly uuidWords = new Int32Array(CACHE_SIZE * 4)
  private readonly uuids: string[] = Array.from({ length: CACHE_SIZE }, () => ZERO_UUID)

  reset(bytes: Uint8Array, offset: number, end: number): void {
    this.bytes = asBuffer(bytes)
    this.position = offset
    this.end = end
    this.elements = 0
  }

  /** Lets go of the bytes. */
  release(): void {
    this.bytes = NO_BYTES
  }

  remaining(): number {
    return this.end - this.position
  }

  private need(count: number): number {
    const position = this.position
    if (count > this.end - position) throw short(count, this.end - position)
    this.position = position + count
    return position
  }

  bool(): boolean {
    return this.bytes[this.need(1)] !== 0
  }

  int8(): number {
    return (this.bytes[this.need(1)]! << 24) >> 24
  }

  int16(): number {
    const position = this.need(2)
    return ((this.bytes[position]! << 24) >> 16) | this.bytes[position + 1]!
  }

  uint16(): number {
    const position = this.need(2)
    return (this.bytes[position]! << 8) | this.bytes[position + 1]!
  }

  int32(): number {
    const position = this.need(4)
    const bytes = this.bytes
    return (bytes[position]! << 24) | (bytes[position + 1]! << 16) | (bytes[position + 2]! << 8) | bytes[position + 3]!
  }

  int64(): number {
    const high = this.int32()
    const low = this.int32() >>> 0
    const value = high * 4294967296 + low
    if (!Number.isSafeInteger(value)) throw new ProtocolError('an int64 lies outside the safe range of ±(2^53 - 1)')
    return value
  }

  /** An int64 that says "for ever" past the safe range. */
  time64(): number {
    const high = this.int32()
    const low = this.int32() >>> 0
    const value = high * 4294967296 + low
    if (value > Number.MAX_SAFE_INTEGER) return Number.MAX_SAFE_INTEGER
    return value < Number.MIN_SAFE_INTEGER ? Number.MIN_SAFE_INTEGER : value
  }

  bigint64(): bigint {
    return this.bytes.readBigInt64BE(this.need(8))
  }

  float64(): number {
    return this.bytes.readDoubleBE(this.need(8))
  }

  uvarint(): number {
    const bytes = this.bytes
    let value = 0
    for (let shift = 0; shift < 35; shift += 7) {
      if (this.position >= this.end) throw short(1, 0)
      const byte = bytes[this.position++]!
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) {
        if (shift === 28 && byte > 0x0f) break
        return value >>> 0
      }
    }
    throw new ProtocolError('an unsigned varint is longer than 32 bits')
  }

  uuid(): string {
    const a = this.int32()
    const b = this.int32()
    const c = this.int32()
    const d = this.int32()
    const slot = (a ^ b ^ c ^ d ^ (d >>> 11)) & (CACHE_SIZE - 1)
    const words = this.uuidWords
    const at = slot * 4
    if (words[at] === a && words[at + 1] === b && words[at + 2] === c && words[at + 3] === d) return this.uuids[slot]!
    words[at] = a
    words[at + 1] = b
    words[at + 2] = c
    words[at + 3] = d
    const text = this.bytes.toString('base64url', this.position - 16, this.position)
    this.uuids[slot] = text
    return text
  }

  /** Length of a string, bytes or array as written in old versions; -1 is null, and so is, as in Kafka, any other negative one. */
  length16(): number {
    return Math.max(this.int16(), -1)
  }

  length32(): number {
    return Math.max(this.int32(), -1)
  }

  /** Length as written in flexible versions: one more than it is, 0 is null. */
  compactLength(): number {
    return this.uvarint() - 1
  }

  text(length: number): string {
    const position = this.need(length)
    return length <= SHORT_STRING ? this.shortText(position, length) : this.bytes.toString('utf8', position, position + length)
  }

  private shortText(position: number, length: number): string {
    const bytes = this.bytes
    const end = position + length
    let hash = length
    let high = 0
    for (let i = position; i < end; i++) {
      const byte = bytes[i]!
      high |= byte
      hash = (Math.imul(hash, 31) + byte) | 0
    }
    if (high >= 0x80) return bytes.toString('utf8', position, end)
    const slot = (hash ^ (hash >>> 10)) & (CACHE_SIZE - 1)
    const known = this.cache[slot]!
    if (known.length === length) {
      let i = 0
      while (i < length && known.charCodeAt(i) === bytes[position + i]) i++
      if (i === length) return known
    }
    const text = bytes.toString('latin1', position, end)
    this.cache[slot] = text
    return text
  }

  /** A view of the bytes, not a copy. */
  view(length: number): Uint8Array {
    const position = this.need(length)
    return this.bytes.subarray(position, position + length)
  }

  /** Checks the count of an array against what its elements take at the least. */
  count(count: number, minElementSize: number): void {
    const left = this.end - this.position
    if (count * minElementSize > left) throw new ProtocolError(`an array of ${count} elements in ${left} bytes`)
  }

  /** The same for elements that take more in memory than on the wire. */
  countLarge(count: number, minElementSize: number): void {
    this.count(count, minElementSize)
    this.elements += count
    if (this.elements > MAX_ELEMENTS) throw new ProtocolError(`a message with more than ${MAX_ELEMENTS} elements in its arrays`)
  }

  /** Narrows the reader to the next `size` bytes; gives what `leave` takes back. */
  enter(size: number): number {
    const end = this.end
    if (size > end - this.position) throw short(size, end - this.position)
    this.end = this.position + size
    return end
  }

  leave(end: number): void {
    this.position = this.end
    this.end = end
  }

  /** Passes over the tagged section of a struct that knows no tags. */
  skipTags(): void {
    for (let count = this.uvarint(); count > 0; count--) {
      this.uvarint()
      this.need(this.uvarint())
    }
  }

  null(what: string): never {
    throw new ProtocolError(`${what} is null`)
  }
}

function short(wanted: number, left: number): ProtocolError {
  return new ProtocolError(`${wanted} more bytes expected, ${left} left`)
}
