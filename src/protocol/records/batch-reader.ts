// Reads record batches, as a consumer gets them: a cursor over batches and a cursor over the records of one, both reused, with positions
// instead of objects; and generators of plain objects for where speed does not matter. Believes nothing: damaged bytes are a ProtocolError.

import { ProtocolError } from '../codec/protocol-error.js'
import { asBuffer } from '../../model/bytes.js'
import * as header from './batch-header.js'
import { compressionName, decompress, DEFAULT_MAX_DECOMPRESSED_BYTES } from './compression.js'

const MIN_RECORD_BYTES = 7

/** Walks the whole batches in a stretch of bytes, such as a fetch answer, and leaves the partial one at its end aside. */
export class BatchCursor {
  bytes: Buffer
  /** Of the current batch. */
  position = 0
  size = 0
  private next_: number
  private readonly end: number

  constructor(bytes: Uint8Array, from = 0, end = bytes.length) {
    this.bytes = asBuffer(bytes)
    this.next_ = from
    this.end = end
  }

  /** Goes to the next whole batch. */
  next(): boolean {
    const at = this.next_
    if (at + header.LOG_OVERHEAD > this.end) return false
    const size = header.batchSize(this.bytes, at)
    if (size < header.HEADER_SIZE) throw new ProtocolError(`a record batch of ${size} bytes`)
    if (at + size > this.end) return false
    const magic = header.magic(this.bytes, at)
    if (magic !== 2) throw new ProtocolError(`a record batch of format ${magic}, only 2 is read`)
    this.position = at
    this.size = size
    this.next_ = at + size
    return true
  }

  get baseOffset(): number {
    return header.baseOffset(this.bytes, this.position)
  }

  get lastOffset(): number {
    return header.lastOffset(this.bytes, this.position)
  }

  get leaderEpoch(): number {
    return header.leaderEpoch(this.bytes, this.position)
  }

  get maxTimestamp(): number {
    return header.maxTimestamp(this.bytes, this.position)
  }

  get producerId(): number {
    return header.producerId(this.bytes, this.position)
  }

  get recordCount(): number {
    return header.recordCount(this.bytes, this.position)
  }

  get isTransactional(): boolean {
    return header.isTransactional(this.bytes, this.position)
  }

  get isControl(): boolean {
    return header.isControl(this.bytes, this.position)
  }
}

export interface OpenOptions {
  /** Default true. */
  readonly checkCrc?: boolean
  readonly maxDecompressedBytes?: number
}

export interface RecordHeader {
  readonly key: string
  readonly value: Uint8Array | null
}

/** One reusable place in the records of one batch at a time. Views it gives stay valid after it moved on. */
export class RecordCursor {
  offset = 0
  timestamp = 0
  /** Where key and value lie in `bytes`; a length of -1 is null. */
  keyPosition = 0
  keyLength = -1
  valuePosition = 0
  valueLength = -1
  headerCount = 0
  /** Of the records: the batch's, or those it was decompressed to. */
  bytes: Buffer = Buffer.alloc(0)

  private at = 0
  private end = 0
  private left = 0
  private baseOffset = 0
  private baseTimestamp = 0
  private lastOffsetDelta = 0
  /** The batch's own time where the broker's clock counts, else NaN. */
  private appendTime = NaN
  private headersPosition = 0
  private recordEnd = 0

  /** Opens the batch at `position`, which must be whole (see BatchCursor). */
  open(bytes: Uint8Array, position: number, options: OpenOptions = {}): void {
    const batch = asBuffer(bytes)
    const size = header.batchSize(batch, position)
    if (options.checkCrc !== false && header.computeCrc(batch, position, size) !== header.crc(batch, position)) {
      throw new ProtocolError(`the record batch at offset ${header.baseOffset(batch, position)} fails its CRC`)
    }
    this.baseOffset = header.baseOffset(batch, position)
    this.baseTimestamp = header.baseTimestamp(batch, position)
    this.lastOffsetDelta = header.lastOffsetDelta(batch, position)
    this.appendTime = header.isLogAppendTime(batch, position) ? header.maxTimestamp(batch, position) : NaN
    this.left = header.recordCount(batch, position)
    const compression = compressionName(header.compressionCode(batch, position))
    if (compression === 'none') {
      this.bytes = batch
      this.at = position + header.HEADER_SIZE
      this.end = position + size
    } else {
      const records = batch.subarray(position + header.HEADER_SIZE, position + size)
      this.bytes = asBuffer(decompress(compression, records, options.maxDecompressedBytes ?? DEFAULT_MAX_DECOMPRESSED_BYTES))
      this.at = 0
      this.end = this.bytes.length
    }
    if (this.left < 0 || this.left * MIN_RECORD_BYTES > this.end - this.at) {
      throw new ProtocolError(`a record batch that counts ${this.left} records in ${this.end - this.at} bytes`)
    }
  }

  /** Goes to the next record of the batch. */
  next(): boolean {
    if (this.left === 0) {
      if (this.at !== this.end) throw new ProtocolError(`${this.end - this.at} bytes after the last record of a batch`)
      return false
    }
    this.left--
    const length = this.varint()
    const end = this.at + length
    if (length < MIN_RECORD_BYTES - 1 || end > this.end) throw new ProtocolError(`a record of ${length} bytes, ${this.end - this.at} left`)
    this.recordEnd = end
    this.at++
    const timestampDelta = this.varlong()
    this.timestamp = this.appendTime === this.appendTime ? this.appendTime : this.baseTimestamp + timestampDelta
    const offsetDelta = this.varint()
    if (offsetDelta < 0 || offsetDelta > this.lastOffsetDelta) throw new ProtocolError(`a record with offset delta ${offsetDelta}`)
    this.offset = this.baseOffset + offsetDelta
    this.keyLength = this.varint()
    this.keyPosition = this.skip(this.keyLength)
    this.valueLength = this.varint()
    this.valuePosition = this.skip(this.valueLength)
    this.headerCount = this.varint()
    if (this.headerCount < 0 || this.headerCount * 2 > end - this.at) throw new ProtocolError(`a record with ${this.headerCount} headers`)
    this.headersPosition = this.at
    if (this.headerCount === 0 && this.at !== end) throw new ProtocolError('a record longer than its fields')
    this.at = end
    return true
  }

  /** A view. */
  key(): Uint8Array | null {
    return this.keyLength < 0 ? null : this.bytes.subarray(this.keyPosition, this.keyPosition + this.keyLength)
  }

  /** A view. */
  value(): Uint8Array | null {
    return this.valueLength < 0 ? null : this.bytes.subarray(this.valuePosition, this.valuePosition + this.valueLength)
  }

  /** Parsed when asked for. */
  headers(): readonly RecordHeader[] {
    const headers: RecordHeader[] = []
    const after = this.at
    this.at = this.headersPosition
    for (let i = 0; i < this.headerCount; i++) {
      const keyLength = this.varint()
      if (keyLength < 0) throw new ProtocolError('a record header without a key')
      const keyPosition = this.skip(keyLength)
      const valueLength = this.varint()
      const valuePosition = this.skip(valueLength)
      headers.push({
        key: this.bytes.toString('utf8', keyPosition, keyPosition + keyLength),
        value: valueLength < 0 ? null : this.bytes.subarray(valuePosition, valuePosition + valueLength),
      })
    }
    if (this.at !== this.recordEnd) throw new ProtocolError('a record longer than its headers')
    this.at = after
    return headers
  }

  /** Passes over a field; -1 is null. */
  private skip(length: number): number {
    const position = this.at
    if (length < 0) {
      if (length !== -1) throw new ProtocolError(`a field of ${length} bytes in a record`)
      return position
    }
    if (length > this.recordEnd - position)
      throw new ProtocolError(`a field of ${length} bytes in a record, ${this.recordEnd - position} left`)
    this.at = position + length
    return position
  }

  private varint(): number {
    const bytes = this.bytes
    let at = this.at
    const first = bytes[at]
    if (first !== undefined && first < 0x80 && at < this.end) {
      this.at = at + 1
      return (first >>> 1) ^ -(first & 1)
    }
    let value = 0
    for (let shift = 0; shift < 35; shift += 7) {
      if (at >= this.end) throw new ProtocolError('a varint in a record ends early')
      const byte = bytes[at++]!
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) {
        this.at = at
        return (value >>> 1) ^ -(value & 1)
      }
    }
    throw new ProtocolError('a varint in a record is longer than 32 bits')
  }

  /** Five bytes and more go by BigInt: a batch that spans more than twelve days. */
  private varlong(): number {
    const start = this.at
    const bytes = this.bytes
    let length = 0
    while (length < 5 && start + length < this.end && bytes[start + length]! >= 0x80) length++
    if (length < 4) return this.varint()
    let value = 0n
    for (let shift = 0n; shift < 70n; shift += 7n) {
      if (this.at >= this.end) break
      const byte = bytes[this.at++]!
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) {
        const signed = Number(BigInt.asIntN(64, (value >> 1n) ^ -(value & 1n)))
        if (!Number.isSafeInteger(signed)) throw new ProtocolError('a timestamp lies outside the safe range')
        return signed
      }
    }
    throw new ProtocolError('a varlong in a record ends early or is longer than 64 bits')
  }
}

export interface PlainRecord {
  readonly offset: number
  readonly timestamp: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly RecordHeader[]
}

/** The records of all whole batches as objects; control records (transaction markers) only when asked for. */
export function* readRecords(bytes: Uint8Array, options: OpenOptions & { readonly includeControl?: boolean } = {}): Generator<PlainRecord> {
  const batches = new BatchCursor(bytes)
  const records = new RecordCursor()
  while (batches.next()) {
    if (batches.isControl && options.includeControl !== true) continue
    records.open(bytes, batches.position, options)
    while (records.next()) yield recordAt(records)
  }
}

/** The current record as an object. */
export function recordAt(cursor: RecordCursor): PlainRecord {
  return {
    offset: cursor.offset,
    timestamp: cursor.timestamp,
    key: cursor.key(),
    value: cursor.value(),
    headers: cursor.headerCount === 0 ? NO_HEADERS : cursor.headers(),
  }
}

const NO_HEADERS: readonly RecordHeader[] = Object.freeze([])
