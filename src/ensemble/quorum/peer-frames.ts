// What members send each other after the handshake: frames `length u32 | crc32c u32 | payload`, big-endian. Pure.

import { crc32c } from '@node-rs/crc32'

const FRAME_HEADER = 8
/** A snapshot chunk is 256 KiB, a batch of proposals at most a few requests of 1 MiB. */
const MAX_FRAME_BYTES = 256 * 1024 * 1024

/** What goes before the payload. */
export function frameHeader(payload: Buffer): Buffer {
  const header = Buffer.allocUnsafe(FRAME_HEADER)
  header.writeUInt32BE(payload.length, 0)
  header.writeUInt32BE(crc32c(payload), 4)
  return header
}

/** Cuts a stream into checked frames. A frame is copied out of the stream's buffer: whoever gets it may keep it. */
export class PeerFrames {
  readonly #deliver: (payload: Buffer) => void
  #parts: Buffer[] = []
  #length = 0

  constructor(deliver: (payload: Buffer) => void) {
    this.#deliver = deliver
  }

  /** Null, or what is wrong with the stream. */
  read(bytes: Buffer): string | null {
    this.#parts.push(bytes)
    this.#length += bytes.length
    while (this.#length >= FRAME_HEADER) {
      if (this.#parts[0]!.length < FRAME_HEADER) this.#parts = [Buffer.concat(this.#parts)]
      const size = this.#parts[0]!.readUInt32BE(0)
      if (size > MAX_FRAME_BYTES) return `a frame of ${size} bytes; the limit is ${MAX_FRAME_BYTES}`
      if (this.#length < FRAME_HEADER + size) return null
      const whole = this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts)
      const payload = Buffer.from(whole.subarray(FRAME_HEADER, FRAME_HEADER + size))
      this.#parts = [whole.subarray(FRAME_HEADER + size)]
      this.#length -= FRAME_HEADER + size
      if (crc32c(payload) !== whole.readUInt32BE(4)) return 'a frame with a wrong checksum'
      this.#deliver(payload)
    }
    return null
  }
}
