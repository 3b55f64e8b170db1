// Builds one record batch: records are written as varints straight into one growing buffer behind 61 bytes kept free for the header. No
// object is made per record. Used by the producer, by coordinators for their own records, and in tests; the broker never rebuilds a
// client's batch with it.

import { asBuffer } from '../../model/bytes.js'
import { compressionCodes, NO_PRODUCER_ID, NO_SEQUENCE, writeHeader } from './batch-header.js'
import type { CompressionName } from './batch-header.js'
import { Attribute, HEADER_SIZE } from './batch-layout.js'
import { compress } from './compression.js'
import type { PackRecords } from './pack.js'
import { varintSize, writeVarint } from './varint.js'

/** Strings are written as UTF-8. */
export type Bytes = Uint8Array | string | null

export interface HeaderToWrite {
  readonly key: string
  readonly value: Bytes
}

export interface BuildOptions {
  readonly compression?: CompressionName
  readonly compressionLevel?: number | undefined
  readonly producerId?: number
  readonly producerEpoch?: number
  readonly baseSequence?: number
  readonly isTransactional?: boolean
  readonly isControl?: boolean
  readonly baseOffset?: number
  readonly leaderEpoch?: number
  /** False: who takes the batch computes it. */
  readonly checksum?: boolean
}

const NO_HEADERS: readonly HeaderToWrite[] = []
/** Up to here a loop is quicker than a call into the engine's copy. */
const SHORT_COPY = 32
/** The same for a value alone: its loop is not compiled together with others, and the call is cheap from there on. */
const SHORT_VALUE = 12

/** What a record adds at most beside key, value and headers: length, attributes, timestamp and offset delta, two lengths, header count. */
const MOST_AROUND = 5 + 1 + 10 + 5 + 5 + 5 + 5

/** Its record's size is a varint of two bytes. */
const LONGEST_SMALL_VALUE = 0x2000 - MOST_AROUND

/** Called as it is: looking `set` up on a Buffer at every record costs a third of the copy of 100 bytes. */
const { set: copyBytes } = Uint8Array.prototype

/** Filled and read within one call. */
const packed = new Float64Array(1)

export class BatchBuilder {
  private buffer: Buffer
  private position = HEADER_SIZE
  private records = 0
  private firstTimestamp = 0
  private lastTimestamp = 0

  constructor(initialBytes = 16 * 1024) {
    this.buffer = Buffer.allocUnsafeSlow(Math.max(initialBytes, HEADER_SIZE))
  }

  get count(): number {
    return this.records
  }

  /** Bytes of the batch as it would be without compression, the header included. */
  get sizeBytes(): number {
    return this.position
  }

  /** An upper bound of what one more record adds, without encoding it. */
  static estimateBytes(key: Bytes, value: Bytes, headers: readonly HeaderToWrite[] = NO_HEADERS): number {
    let size = MOST_AROUND + mostBytes(key) + mostBytes(value)
    for (const header of headers) size += 10 + mostBytes(header.key) + mostBytes(header.value)
    return size
  }

  /** Appends a record; its offset is the base offset plus what this returns. */
  append(timestamp: number, key: Bytes, value: Bytes, headers: readonly HeaderToWrite[] = NO_HEADERS): number {
    if (key === null && value !== null && typeof value !== 'string' && headers.length === 0) return this.appendValue(timestamp, value)
    const delta = this.records
    if (delta === 0) {
      this.firstTimestamp = timestamp
      this.lastTimestamp = timestamp
    } else if (timestamp > this.lastTimestamp) this.lastTimestamp = timestamp
    const timestampDelta = timestamp - this.firstTimestamp
    const keyLength = byteLength(key)
    const valueLength = byteLength(value)
    let size =
      1 + varintSize(timestampDelta) + varintSize(delta) + varintSize(keyLength) + varintSize(valueLength) + varintSize(headers.length)
    if (keyLength > 0) size += keyLength
    if (valueLength > 0) size += valueLength
    if (headers.length > 0) size += headersSize(headers)
    this.reserve(size + 5)
    const buffer = this.buffer
    let at = writeVarint(buffer, this.position, size)
    buffer[at++] = 0
    at = writeVarint(buffer, at, timestampDelta)
    at = writeVarint(buffer, at, delta)
    at = writeVarint(buffer, at, keyLength)
    at = put(buffer, at, key, keyLength)
    at = writeVarint(buffer, at, valueLength)
    at = put(buffer, at, value, valueLength)
    at = writeVarint(buffer, at, headers.length)
    if (headers.length > 0) at = putHeaders(buffer, at, headers)
    this.position = at
    this.records = delta + 1
    return delta
  }

  /** A record of bytes alone, as most of a bulk load is: the same record, in half the time. */
  private appendValue(timestamp: number, value: Uint8Array): number {
    this.reserve(MOST_AROUND + value.length)
    this.tryAppendValue(timestamp, value, this.buffer.length)
    return this.records - 1
  }

  /**
   * Appends a record of bytes alone if by `estimateBytes` it ends within the first `limit` bytes of the batch, all of which the builder must
   * have been made for. False: nothing was written.
   */
  tryAppendValue(timestamp: number, value: Uint8Array, limit: number): boolean {
    const { length } = value
    const position = this.position
    if (position + length + MOST_AROUND > limit) return false
    const delta = this.records
    if (delta === 0) {
      this.firstTimestamp = timestamp
      this.lastTimestamp = timestamp
    } else if (timestamp > this.lastTimestamp) this.lastTimestamp = timestamp
    const timestampDelta = timestamp - this.firstTimestamp
    const { buffer } = this
    const small = length < LONGEST_SMALL_VALUE && delta < 0x2000 && timestampDelta >= 0 && timestampDelta < 0x40
    let at = small
      ? putSmallPrefix(buffer, position, timestampDelta, delta, length)
      : putPrefix(buffer, position, timestampDelta, delta, length)
    if (length <= SHORT_VALUE) for (let i = 0; i < length; i++) buffer[at + i] = value[i]!
    else copyBytes.call(buffer, value, at)
    at += length
    buffer[at] = 0
    this.position = at + 1
    this.records = delta + 1
    return true
  }

  /** Appends a column of values (see PackRecords) from value `from` on while the batch stays within `limit` bytes. Returns the first not taken. */
  appendPacked(pack: PackRecords, timestamp: number, values: Uint8Array, offsets: Int32Array, from: number, limit: number): number {
    this.reserve(limit - this.position)
    const delta = this.records
    const first = delta === 0 ? timestamp : this.firstTimestamp
    const position = pack(this.buffer, this.position, limit, values, offsets, from, delta, timestamp - first, packed)
    const next = packed[0]!
    if (next === from) return next
    this.firstTimestamp = first
    if (delta === 0 || timestamp > this.lastTimestamp) this.lastTimestamp = timestamp
    this.position = position
    this.records = delta + next - from
    return next
  }

  /**
   * The batch. Uncompressed it lies in the builder's own memory and is valid until `reset`; compressed it has memory of its own. May be
   * called again, for example with another sequence.
   */
  build(options: BuildOptions = {}): Uint8Array {
    const compression = options.compression ?? 'none'
    const batch = compression === 'none' ? this.buffer.subarray(0, this.position) : this.compressed(compression, options.compressionLevel)
    const header = {
      baseOffset: options.baseOffset ?? 0,
      leaderEpoch: options.leaderEpoch ?? -1,
      attributes:
        compressionCodes[compression] |
        (options.isTransactional ? Attribute.transactional : 0) |
        (options.isControl ? Attribute.control : 0),
      lastOffsetDelta: this.records - 1,
      baseTimestamp: this.firstTimestamp,
      maxTimestamp: this.lastTimestamp,
      producerId: options.producerId ?? NO_PRODUCER_ID,
      producerEpoch: options.producerEpoch ?? -1,
      baseSequence: options.baseSequence ?? NO_SEQUENCE,
      recordCount: this.records,
    }
    writeHeader(batch, 0, batch.length, header, options.checksum)
    return batch
  }

  private compressed(compression: CompressionName, level: number | undefined): Buffer {
    const records = asBuffer(compress(compression, this.buffer.subarray(HEADER_SIZE, this.position), level))
    const batch = Buffer.allocUnsafeSlow(HEADER_SIZE + records.length)
    records.copy(batch, HEADER_SIZE)
    return batch
  }

  /** Starts the next batch in the same memory. */
  reset(): void {
    this.position = HEADER_SIZE
    this.records = 0
  }

  private reserve(count: number): void {
    if (this.position + count <= this.buffer.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(this.position + count, this.buffer.length * 2))
    this.buffer.copy(larger, 0, 0, this.position)
    this.buffer = larger
  }
}

/** What stands before the value in a record of bytes alone. */
function putPrefix(buffer: Uint8Array, position: number, timestampDelta: number, delta: number, length: number): number {
  const size = 3 + varintSize(timestampDelta) + varintSize(delta) + varintSize(length) + length
  let at = writeVarint(buffer, position, size)
  buffer[at++] = 0
  at = writeVarint(buffer, at, timestampDelta)
  at = writeVarint(buffer, at, delta)
  // No key: a length of -1.
  buffer[at++] = 1
  return writeVarint(buffer, at, length)
}

/** The same where the timestamp delta takes one byte and every other number one or two, unrolled: it is half of what a record costs. */
function putSmallPrefix(buffer: Uint8Array, position: number, timestampDelta: number, delta: number, length: number): number {
  const size = 4 + length + (delta < 0x40 ? 1 : 2) + (length < 0x40 ? 1 : 2)
  let at = position
  if (size >= 0x40) {
    buffer[at++] = (size << 1) | 0x80
    buffer[at++] = size >>> 6
  } else buffer[at++] = size << 1
  buffer[at++] = 0
  buffer[at++] = timestampDelta << 1
  if (delta >= 0x40) {
    buffer[at++] = (delta << 1) | 0x80
    buffer[at++] = delta >>> 6
  } else buffer[at++] = delta << 1
  buffer[at++] = 1
  if (length >= 0x40) {
    buffer[at++] = (length << 1) | 0x80
    buffer[at++] = length >>> 6
  } else buffer[at++] = length << 1
  return at
}

/** -1 for null, as on the wire. */
function byteLength(bytes: Bytes): number {
  if (bytes === null) return -1
  return typeof bytes === 'string' ? Buffer.byteLength(bytes) : bytes.length
}

function mostBytes(bytes: Bytes): number {
  if (bytes === null) return 0
  return typeof bytes === 'string' ? bytes.length * 3 : bytes.length
}

function put(buffer: Buffer, at: number, bytes: Bytes, length: number): number {
  if (length <= 0 || bytes === null) return at
  if (typeof bytes === 'string') {
    if (length <= SHORT_COPY && length === bytes.length) for (let i = 0; i < length; i++) buffer[at + i] = bytes.charCodeAt(i)
    else buffer.write(bytes, at, length, 'utf8')
  } else if (length <= SHORT_COPY) for (let i = 0; i < length; i++) buffer[at + i] = bytes[i]!
  else copyBytes.call(buffer, bytes, at)
  return at + length
}

function headersSize(headers: readonly HeaderToWrite[]): number {
  let size = 0
  for (const header of headers) {
    const keyLength = Buffer.byteLength(header.key)
    const valueLength = byteLength(header.value)
    size += varintSize(keyLength) + keyLength + varintSize(valueLength) + Math.max(0, valueLength)
  }
  return size
}

function putHeaders(buffer: Buffer, from: number, headers: readonly HeaderToWrite[]): number {
  let at = from
  for (const header of headers) {
    const keyLength = Buffer.byteLength(header.key)
    const valueLength = byteLength(header.value)
    at = put(buffer, writeVarint(buffer, at, keyLength), header.key, keyLength)
    at = put(buffer, writeVarint(buffer, at, valueLength), header.value, valueLength)
  }
  return at
}
