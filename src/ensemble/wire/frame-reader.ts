// Cuts a stream of chunks into jute frames (int32 length, then so many bytes). Pulled, so that whoever reads may stop between two frames
// and go on later. A frame that lies whole in a chunk is handed over in place: chunks must not be written to afterwards. Pure.

const NOTHING = Buffer.alloc(0)

export class FrameReader {
  /** After `next` said 'frame': where it lies. */
  bytes: Buffer = NOTHING
  start = 0
  end = 0
  /** After `next` said 'bad'. */
  badLength = 0
  readonly #maxBytes: number
  #chunk: Buffer = NOTHING
  #at = 0
  /** A frame (with its length) that no chunk holds whole, and how much of it is there. */
  #gathered: Buffer | null = null
  #filled = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** Only after `next` said 'more'. */
  push(chunk: Buffer): void {
    if (this.#at === this.#chunk.length) this.#chunk = chunk
    else this.#chunk = Buffer.concat([this.#chunk.subarray(this.#at), chunk])
    this.#at = 0
  }

  /** Bytes that wait for the rest of their frame. */
  get heldBytes(): number {
    return this.#filled + this.#chunk.length - this.#at
  }

  next(): 'frame' | 'more' | 'bad' {
    if (this.#gathered) return this.#gather(this.#gathered)
    const left = this.#chunk.length - this.#at
    if (left < 4) return this.#more(left)
    const length = this.#chunk.readInt32BE(this.#at)
    if (length < 0 || length > this.#maxBytes) {
      this.badLength = length
      return 'bad'
    }
    if (left - 4 < length) {
      this.#gathered = Buffer.allocUnsafe(4 + length)
      return this.#gather(this.#gathered)
    }
    this.bytes = this.#chunk
    this.start = this.#at + 4
    this.end = this.start + length
    this.#at = this.end
    return 'frame'
  }

  #more(left: number): 'more' {
    if (left === 0) {
      this.#chunk = NOTHING
      this.#at = 0
    }
    return 'more'
  }

  #gather(frame: Buffer): 'frame' | 'more' {
    const copied = this.#chunk.copy(frame, this.#filled, this.#at)
    this.#filled += copied
    this.#at += copied
    if (this.#filled < frame.length) return this.#more(0)
    this.bytes = frame
    this.start = 4
    this.end = frame.length
    this.#gathered = null
    this.#filled = 0
    return 'frame'
  }
}
