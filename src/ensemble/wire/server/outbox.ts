// Frames on their way to one socket: those of a turn of the event loop become one write. Bounded: a client that does not read ends. One
// answer may be larger than the bound (ZooKeeper has none for the children of a node): what counts is what waited before it.

import type { Socket } from 'node:net'

/** Below this, several pieces are copied into one instead of being written as a vector. */
const COPY_BYTES = 32 * 1024
/** From here on a turn's frames are not collected further: whether the socket takes them decides whether more is worked on. */
const FLUSH_BYTES = 64 * 1024

export class Outbox {
  readonly #socket: Socket
  readonly #limit: number
  readonly #overflow: (reason: string) => void
  #pieces: Buffer[] = []
  #bytes = 0
  #scheduled = false

  constructor(socket: Socket, limit: number, overflow: (reason: string) => void) {
    this.#socket = socket
    this.#limit = limit
    this.#overflow = overflow
  }

  /** The client does not read what it was sent: do nothing more for it. */
  get blocked(): boolean {
    return this.#socket.writableNeedDrain
  }

  add(frame: Buffer): void {
    const last = this.#pieces.at(-1)
    const waited = this.#bytes + this.#socket.writableLength
    this.#bytes += frame.length
    // Frames finished one after the other lie side by side in the writer's slab.
    if (last && last.buffer === frame.buffer && last.byteOffset + last.length === frame.byteOffset) {
      this.#pieces[this.#pieces.length - 1] = Buffer.from(frame.buffer, last.byteOffset, last.length + frame.length)
    } else this.#pieces.push(frame)
    if (this.#bytes >= FLUSH_BYTES) this.flush()
    if (waited > this.#limit) this.#overflow(`${waited} bytes wait for a client that does not read, ${this.#limit} at most`)
  }

  /** Flushes when this turn's promises have run. */
  schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    process.nextTick(() => {
      this.#scheduled = false
      this.flush()
    })
  }

  flush(): void {
    const pieces = this.#pieces
    if (pieces.length === 0 || this.#socket.destroyed) return
    this.#pieces = []
    const bytes = this.#bytes
    this.#bytes = 0
    if (pieces.length === 1) this.#socket.write(pieces[0]!)
    else if (bytes <= COPY_BYTES) this.#socket.write(Buffer.concat(pieces, bytes))
    else {
      this.#socket.cork()
      for (const piece of pieces) this.#socket.write(piece)
      this.#socket.uncork()
    }
  }
}
