// A growing writer and a reader for the keys and values of __consumer_offsets: Kafka's primitive types, plain and flexible. Pure.

export class RecordWriter {
  private bytes = Buffer.alloc(128)
  private position = 0

  finish(): Uint8Array {
    // A copy of its own: the value outlives this writer's buffer.
    return new Uint8Array(this.bytes.subarray(0, this.position))
  }

  int16(value: number): this {
    this.reserve(2)
    this.position = this.bytes.writeInt16BE(value, this.position)
    return this
  }

  int32(value: number): this {
    this.reserve(4)
    this.position = this.bytes.writeInt32BE(value, this.position)
    return this
  }

  int64(value: number): this {
    this.reserve(8)
    this.position = this.bytes.writeBigInt64BE(BigInt(value), this.position)
    return this
  }

  uvarint(value: number): this {
    this.reserve(5)
    let rest = value
    while (rest >= 128) {
      this.bytes[this.position++] = (rest % 128) | 0x80
      rest = Math.floor(rest / 128)
    }
    this.bytes[this.position++] = rest
    return this
  }

  string(value: string): this {
    const encoded = Buffer.from(value, 'utf8')
    return this.int16(encoded.length).raw(encoded)
  }

  nullableString(value: string | null): this {
    return value === null ? this.int16(-1) : this.string(value)
  }

  compactString(value: string): this {
    const encoded = Buffer.from(value, 'utf8')
    return this.uvarint(encoded.length + 1).raw(encoded)
  }

  bytes32(value: Uint8Array): this {
    return this.int32(value.length).raw(value)
  }

  raw(value: Uint8Array): this {
    this.reserve(value.length)
    this.bytes.set(value, this.position)
    this.position += value.length
    return this
  }

  private reserve(count: number): void {
    if (this.position + count <= this.bytes.length) return
    const larger = Buffer.alloc(Math.max(this.bytes.length * 2, this.position + count))
    this.bytes.copy(larger, 0, 0, this.position)
    this.bytes = larger
  }
}

export class RecordReader {
  private readonly bytes: Buffer
  private position = 0

  constructor(bytes: Uint8Array) {
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  int16(): number {
    this.position += 2
    return this.bytes.readInt16BE(this.position - 2)
  }

  int32(): number {
    this.position += 4
    return this.bytes.readInt32BE(this.position - 4)
  }

  int64(): number {
    this.position += 8
    return Number(this.bytes.readBigInt64BE(this.position - 8))
  }

  uvarint(): number {
    let value = 0
    let scale = 1
    for (;;) {
      const byte = this.bytes.readUInt8(this.position++)
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
      scale *= 128
    }
  }

  string(): string {
    return this.nullableString() ?? ''
  }

  nullableString(): string | null {
    return this.text(this.int16())
  }

  compactNullableString(): string | null {
    return this.text(this.uvarint() - 1)
  }

  /** A copy, so that what is kept does not hold the batch. */
  bytes32(): Uint8Array {
    return this.raw(this.int32())
  }

  compactBytes(): Uint8Array {
    return this.raw(this.uvarint() - 1)
  }

  raw(length: number): Uint8Array {
    if (length <= 0) return new Uint8Array(0)
    const start = this.position
    this.position += length
    if (this.position > this.bytes.length) throw new RangeError(`a field of ${length} bytes ends outside its record`)
    return new Uint8Array(this.bytes.subarray(start, this.position))
  }

  /** Calls `known` for each tagged field; what it leaves unread is skipped. */
  taggedFields(known: (tag: number, field: RecordReader) => void): void {
    const count = this.uvarint()
    for (let index = 0; index < count; index++) {
      const tag = this.uvarint()
      known(tag, new RecordReader(this.raw(this.uvarint())))
    }
  }

  private text(length: number): string | null {
    if (length < 0) return null
    const start = this.position
    this.position += length
    if (this.position > this.bytes.length) throw new RangeError(`a string of ${length} bytes ends outside its record`)
    return this.bytes.toString('utf8', start, this.position)
  }
}
