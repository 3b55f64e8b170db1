// Reading and writing the big-endian fields that the transaction log and snapshots are made of. Pure.

export class ByteWriter {
  #buffer: Buffer
  /** Of the same bytes: a Buffer takes a bigint apart in JavaScript, a DataView does not. */
  #view: DataView
  #length = 0

  constructor(initial = 256) {
    this.#buffer = Buffer.allocUnsafe(initial)
    this.#view = viewOf(this.#buffer)
  }

  get length(): number {
    return this.#length
  }

  #reserve(count: number): number {
    const at = this.#length
    if (at + count > this.#buffer.length) {
      const grown = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, at + count))
      this.#buffer.copy(grown, 0, 0, at)
      this.#buffer = grown
      this.#view = viewOf(grown)
    }
    this.#length = at + count
    return at
  }

  u8(value: number): void {
    const at = this.#reserve(1)
    this.#buffer[at] = value
  }

  i32(value: number): void {
    const at = this.#reserve(4)
    this.#buffer.writeInt32BE(value, at)
  }

  u32(value: number): void {
    const at = this.#reserve(4)
    this.#buffer.writeUInt32BE(value, at)
  }

  i64(value: bigint): void {
    const at = this.#reserve(8)
    this.#view.setBigInt64(at, value)
  }

  /** Milliseconds, as i64. */
  time(value: number): void {
    const at = this.#reserve(8)
    this.#view.setInt32(at, Math.floor(value / 2 ** 32))
    this.#view.setUint32(at + 4, value >>> 0)
  }

  /** A length of -1 is null. */
  bytes(value: Uint8Array | null): void {
    this.i32(value === null ? -1 : value.length)
    if (!value) return
    const at = this.#reserve(value.length)
    this.#buffer.set(value, at)
  }

  text(value: string): void {
    const size = Buffer.byteLength(value)
    this.i32(size)
    const at = this.#reserve(size)
    this.#buffer.write(value, at, 'utf8')
  }

  patchU32(at: number, value: number): void {
    this.#buffer.writeUInt32BE(value, at)
  }

  reset(): void {
    this.#length = 0
  }

  /** A view; valid until the next write. */
  view(from = 0): Buffer {
    return this.#buffer.subarray(from, this.#length)
  }
}

function viewOf(buffer: Buffer): DataView {
  return new DataView(buffer.buffer, buffer.byteOffset, buffer.length)
}

/** Throws a RangeError past the end: the caller's checksum has vouched for the bytes, so that is a bug or a newer format. */
export class ByteReader {
  readonly #buffer: Buffer
  readonly #view: DataView
  #at: number

  constructor(buffer: Buffer, at = 0) {
    this.#buffer = buffer
    this.#view = viewOf(buffer)
    this.#at = at
  }

  get position(): number {
    return this.#at
  }

  u8(): number {
    return this.#buffer.readUInt8(this.#advance(1))
  }

  i32(): number {
    return this.#buffer.readInt32BE(this.#advance(4))
  }

  u32(): number {
    return this.#buffer.readUInt32BE(this.#advance(4))
  }

  /** A count of elements, each at least one byte: more than there are bytes left is refused before memory is taken. */
  count(): number {
    const count = this.i32()
    if (count < 0 || count > this.#buffer.length - this.#at)
      throw new RangeError(`a count of ${count} with ${this.#buffer.length - this.#at} bytes left`)
    return count
  }

  many<T>(read: () => T): T[] {
    return Array.from({ length: this.count() }, read)
  }

  i64(): bigint {
    return this.#view.getBigInt64(this.#advance(8))
  }

  /** Milliseconds, from i64. */
  time(): number {
    const at = this.#advance(8)
    return this.#view.getInt32(at) * 2 ** 32 + this.#view.getUint32(at + 4)
  }

  bytes(): Uint8Array | null {
    const size = this.i32()
    if (size === -1) return null
    const at = this.#advance(size)
    return Uint8Array.prototype.slice.call(this.#buffer, at, at + size)
  }

  text(): string {
    const size = this.i32()
    const at = this.#advance(size)
    return this.#buffer.toString('utf8', at, at + size)
  }

  #advance(count: number): number {
    const at = this.#at
    if (count < 0 || at + count > this.#buffer.length)
      throw new RangeError(`field of ${count} bytes at ${at} passes the end at ${this.#buffer.length}`)
    this.#at = at + count
    return at
  }
}
