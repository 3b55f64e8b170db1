// Writes wire types into memory that is handed out piece by piece. Knows no message. Small fields go into a slab that many frames share
// (never written twice, so that pieces stay valid for as long as a socket holds them); large record batches are not copied: they become
// pieces of their own between two pieces of the slab.

const SLAB_BYTES = 64 * 1024
/** Records from this size on are passed on, not copied. Below, one more piece for writev costs more than the copy. */
export const EXTERNAL_BYTES = 4096
const SHORT_STRING = 40
const UUID_CACHE_SIZE = 2048

export class Writer {
  private slab: Buffer = Buffer.allocUnsafeSlow(SLAB_BYTES)
  /** Where the piece being written starts and ends. */
  private start = 0
  private position = 0
  private pieces: Uint8Array[] = []
  /** The bytes of topic ids that were written lately: every answer names them again. */
  private readonly uuids = new Map<string, Uint8Array>()

  begin(): void {
    if (this.position > SLAB_BYTES - 512 || this.slab.length > SLAB_BYTES) {
      this.slab = Buffer.allocUnsafeSlow(SLAB_BYTES)
      this.position = 0
    }
    this.start = this.position
    if (this.pieces.length > 0) this.pieces = []
  }

  finish(): Uint8Array[] {
    const pieces = this.pieces
    if (this.position > this.start) pieces.push(this.slab.subarray(this.start, this.position))
    this.start = this.position
    this.pieces = []
    return pieces
  }

  /** Ends a frame that began with four bytes left free for its size. */
  finishSized(): Uint8Array[] {
    const pieces = this.finish()
    let size = -4
    for (const piece of pieces) size += piece.length
    const first = pieces[0]!
    first[0] = size >>> 24
    first[1] = size >>> 16
    first[2] = size >>> 8
    first[3] = size
    return pieces
  }

  private grow(count: number): void {
    const used = this.position - this.start
    const slab = Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, 2 * (used + count)))
    this.slab.copy(slab, 0, this.start, this.position)
    this.slab = slab
    this.start = 0
    this.position = used
  }

  private take(count: number): number {
    if (this.position + count > this.slab.length) this.grow(count)
    const position = this.position
    this.position = position + count
    return position
  }

  /** The place is taken BEFORE the slab is looked at: taking it may have replaced the slab. */
  private byte(value: number): void {
    const position = this.take(1)
    this.slab[position] = value
  }

  bool(value: boolean): void {
    this.byte(value ? 1 : 0)
  }

  int8(value: number): void {
    this.byte(value)
  }

  int16(value: number): void {
    const position = this.take(2)
    this.slab[position] = value >> 8
    this.slab[position + 1] = value
  }

  uint16(value: number): void {
    this.int16(value)
  }

  int32(value: number): void {
    const position = this.take(4)
    const slab = this.slab
    slab[position] = value >> 24
    slab[position + 1] = value >> 16
    slab[position + 2] = value >> 8
    slab[position + 3] = value
  }

  int64(value: number): void {
    this.int32(Math.floor(value / 4294967296))
    this.int32(value >>> 0)
  }

  time64(value: number): void {
    this.int64(value)
  }

  bigint64(value: bigint): void {
    const position = this.take(8)
    this.slab.writeBigInt64BE(value, position)
  }

  float64(value: number): void {
    const position = this.take(8)
    this.slab.writeDoubleBE(value, position)
  }

  uvarint(value: number): void {
    let rest = value >>> 0
    while (rest > 0x7f) {
      this.byte((rest & 0x7f) | 0x80)
      rest >>>= 7
    }
    this.byte(rest)
  }

  uuid(value: string): void {
    const bytes = this.uuids.get(value) ?? this.newUuid(value)
    const position = this.take(16)
    const slab = this.slab
    for (let i = 0; i < 16; i++) slab[position + i] = bytes[i]!
  }

  private newUuid(value: string): Uint8Array {
    const bytes = Buffer.from(value, 'base64url')
    if (value.length !== 22 || bytes.length !== 16) throw new RangeError(`not a uuid of 22 base64url characters: ${value}`)
    if (this.uuids.size >= UUID_CACHE_SIZE) this.uuids.clear()
    this.uuids.set(value, bytes)
    return bytes
  }

  string(value: string): void {
    const length = utf8Length(value)
    if (length > 32767) throw new RangeError(`a string of ${length} bytes, 32767 at most`)
    this.int16(length)
    this.text(value, length)
  }

  compactString(value: string): void {
    const length = utf8Length(value)
    this.uvarint(length + 1)
    this.text(value, length)
  }

  private text(value: string, length: number): void {
    const position = this.take(length)
    if (length === value.length && length <= SHORT_STRING) {
      const slab = this.slab
      for (let i = 0; i < length; i++) slab[position + i] = value.charCodeAt(i)
    } else {
      this.slab.write(value, position, length, 'utf8')
    }
  }

  bytes(value: Uint8Array): void {
    this.int32(value.length)
    this.copy(value)
  }

  compactBytes(value: Uint8Array): void {
    this.uvarint(value.length + 1)
    this.copy(value)
  }

  records(value: Uint8Array): void {
    this.int32(value.length)
    this.pass(value)
  }

  compactRecords(value: Uint8Array): void {
    this.uvarint(value.length + 1)
    this.pass(value)
  }

  private copy(value: Uint8Array): void {
    const position = this.take(value.length)
    this.slab.set(value, position)
  }

  private pass(value: Uint8Array): void {
    // What is not bytes in memory (a file range that the sender reads later) has only a length and is always passed on.
    if (value.length < EXTERNAL_BYTES && value instanceof Uint8Array) return this.copy(value)
    if (this.position > this.start) this.pieces.push(this.slab.subarray(this.start, this.position))
    this.start = this.position
    this.pieces.push(value)
  }

  /** Writes a tag; what follows up to `endTag` is its content, whose size goes before it. Records are never inside. */
  beginTag(tag: number): number {
    this.uvarint(tag)
    return this.position - this.start
  }

  endTag(mark: number): void {
    const size = this.position - this.start - mark
    let prefix = 1
    for (let rest = size; rest > 0x7f; rest >>>= 7) prefix++
    this.take(prefix)
    const from = this.start + mark
    this.slab.copyWithin(from + prefix, from, from + size)
    const end = this.position
    this.position = from
    this.uvarint(size)
    this.position = end
  }
}

function utf8Length(value: string): number {
  return value.length <= SHORT_STRING && isAscii(value) ? value.length : Buffer.byteLength(value)
}

function isAscii(value: string): boolean {
  for (let i = 0; i < value.length; i++) if (value.charCodeAt(i) > 0x7f) return false
  return true
}
