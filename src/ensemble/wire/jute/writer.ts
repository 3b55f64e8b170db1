// Writes jute's types into slabs of memory that many frames share and that are never written twice: a finished frame stays valid for as
// long as a socket holds it. Knows no record.

const SLAB_BYTES = 64 * 1024
const SHORT_STRING = 48

export class JuteWriter {
  #slab: Buffer = Buffer.allocUnsafeSlow(SLAB_BYTES)
  #start = 0
  #at = 0

  /** Begins a frame: four bytes are left for its length. */
  begin(): void {
    if (this.#at + 512 > this.#slab.length || this.#slab.length > SLAB_BYTES) {
      this.#slab = Buffer.allocUnsafeSlow(SLAB_BYTES)
      this.#at = 0
    }
    this.#start = this.#at
    this.#at += 4
  }

  /** The frame with its length in front. Frames finished one after the other lie side by side in a slab. */
  finish(): Buffer {
    this.#slab.writeInt32BE(this.#at - this.#start - 4, this.#start)
    return this.#slab.subarray(this.#start, this.#at)
  }

  /** Bytes of the frame being written, its length field included. */
  get size(): number {
    return this.#at - this.#start
  }

  /** Gives back what was written since `size` was that. */
  truncate(size: number): void {
    this.#at = this.#start + size
  }

  #take(count: number): number {
    if (this.#at + count > this.#slab.length) this.#grow(count)
    const at = this.#at
    this.#at = at + count
    return at
  }

  #grow(count: number): void {
    const used = this.#at - this.#start
    const slab = Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, 2 * (used + count)))
    this.#slab.copy(slab, 0, this.#start, this.#at)
    this.#slab = slab
    this.#start = 0
    this.#at = used
  }

  int(value: number): void {
    const at = this.#take(4)
    const slab = this.#slab
    slab[at] = value >> 24
    slab[at + 1] = value >> 16
    slab[at + 2] = value >> 8
    slab[at + 3] = value
  }

  long(value: bigint): void {
    const at = this.#take(8)
    this.#slab.writeBigInt64BE(value, at)
  }

  time(value: number): void {
    this.int(Math.floor(value / 4294967296))
    this.int(value | 0)
  }

  bool(value: boolean): void {
    const at = this.#take(1)
    this.#slab[at] = value ? 1 : 0
  }

  buffer(value: Uint8Array | null): void {
    if (value === null) return this.int(-1)
    this.int(value.length)
    const at = this.#take(value.length)
    this.#slab.set(value, at)
  }

  ustring(value: string): void {
    const { length } = value
    if (length <= SHORT_STRING) {
      const at = this.#take(4 + length)
      const slab = this.#slab
      let i = 0
      for (; i < length; i++) {
        const code = value.charCodeAt(i)
        if (code > 0x7f) break
        slab[at + 4 + i] = code
      }
      if (i === length) {
        slab[at] = slab[at + 1] = slab[at + 2] = 0
        slab[at + 3] = length
        return
      }
      this.#at = at
    }
    const size = Buffer.byteLength(value)
    this.int(size)
    const at = this.#take(size)
    this.#slab.write(value, at, size, 'utf8')
  }
}
