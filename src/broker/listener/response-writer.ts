// Answers of one connection: kept in request order, written as the socket drains. Records of a fetch answer are file ranges that are
// read only when the socket takes them, so a slow reader holds a few hundred bytes and one chunk, not its 50 MiB. What is more than a socket's
// buffer holds leaves by a transfer, on a thread of its own. Nothing else writes to the socket.

import type { Socket } from 'node:net'
import type { BufferPool } from '../../env/buffer-pool.js'
import type { SegmentTransfer } from '../../log/types.js'

/** A range of a segment file, read at the moment it is sent. */
export interface FilePiece {
  readonly size: number
  /** Fills target[0, length) from `position` bytes into the range. Throws when the bytes cannot be had. */
  read(position: number, length: number, target: Buffer): void
  /** Moves bytes to a socket's descriptor without a copy (sendfile). Returns how many; 0: read and write instead. */
  send?(position: number, length: number, descriptor: number): number
  /** Adds bytes to what a transfer moves to its socket. False: send them otherwise. */
  handOver?(position: number, length: number, transfer: AnswerTransfer): boolean
  /** Called once, when the range has been sent or the connection ended. */
  release(): void
}

export type ResponsePiece = Uint8Array | FilePiece

/** The way past net.Socket and libuv to the socket itself. Taken only while nothing of ours waits in libuv's queue. */
export interface DirectWay {
  /** The socket's descriptor; negative where there is none, or none any more. */
  descriptor(): number
  /** Returns how much of bytes[0, length) the kernel took, without waiting. */
  send(descriptor: number, bytes: Uint8Array, length: number): number
  /** While corked only full packets leave. */
  cork(descriptor: number, on: boolean): void
  /** What moves large answers to the socket; undefined: nothing does. Taken once. */
  transfer(descriptor: number): AnswerTransfer | undefined
}

/** Moves bytes to one socket on a thread of its own, one transfer at a time. */
export interface AnswerTransfer extends SegmentTransfer {
  /** Adds a copy to what `begin` hands over. */
  addBytes(bytes: Uint8Array): void
  /** `ended` gets the bytes that were moved: fewer than were added where the file or the socket could not go on. */
  begin(ended: (bytes: number) => void): void
  /** Bytes that the socket has taken so far. */
  readonly moved: number
  /** What is under way ends, and nobody is told. */
  close(): void
}

export const NO_DIRECT_WAY: DirectWay = { descriptor: () => -1, send: () => 0, cork: () => undefined, transfer: () => undefined }

/** One chunk of file bytes on its way to the socket. Stays in the L2 cache between pread and write. */
const CHUNK_BYTES = 256 * 1024
/** Read and written after sendfile found the socket full: enough to be told by libuv when it has drained. */
const PROBE_BYTES = 32 * 1024
/** What one connection may write before others get a turn. */
const TURN_BYTES = 4 * 1024 * 1024
/** Answers with so many bytes of files leave by a transfer: a socket's buffer does not hold them. */
const TRANSFER_BYTES = 256 * 1024
/** Pieces that have been sent leave the output once they are so many, and half of it. */
const FORGET_PIECES = 64
/** Memory pieces up to this size are joined into one write. */
const JOIN_BYTES = 64 * 1024

interface Slot {
  pieces: readonly ResponsePiece[] | null | undefined
}

export class ResponseWriter {
  private readonly socket: Socket
  private readonly pool: BufferPool
  private readonly onDrained: () => void
  private readonly onBroken: (error: Error) => void
  private readonly direct: DirectWay
  private slots: Slot[] = []
  private output: ResponsePiece[] = []
  private outputHead = 0
  private filePosition = 0
  private memoryBytes = 0
  private waiting = false
  /** A transfer is under way. Not `waiting`: callbacks of writes that were taken long ago end that. */
  private transferring = false
  private yielding = false
  private corked = false
  private ended = false
  private transfer: AnswerTransfer | undefined
  /** Bytes of the transfer under way. */
  private transferBytes = 0
  private lastMoved = 0
  /** A transfer could not go on: what comes next is read and written, which finds out why. */
  private byHand = false

  constructor(
    socket: Socket,
    pool: BufferPool,
    onDrained: () => void,
    onBroken: (error: Error) => void,
    direct: DirectWay = NO_DIRECT_WAY,
  ) {
    this.socket = socket
    this.pool = pool
    this.onDrained = onDrained
    this.onBroken = onBroken
    this.direct = direct
  }

  /** Requests that have no answer yet, or whose answer waits for an earlier one. */
  get outstanding(): number {
    return this.slots.length
  }

  /** Answer bytes in memory that the kernel has not taken. */
  get bufferedBytes(): number {
    return this.memoryBytes + this.socket.writableLength
  }

  /** Every request has its answer, and the kernel has them all. */
  get isIdle(): boolean {
    const { slots, output, outputHead } = this
    const isBusy = this.waiting || this.transferring || this.yielding
    return slots.length === 0 && outputHead === output.length && !isBusy && this.socket.writableLength === 0
  }

  /** The socket has taken bytes of a transfer since this was asked the last time. */
  get hasMoved(): boolean {
    const moved = this.transfer?.moved ?? 0
    const more = moved > this.lastMoved
    this.lastMoved = moved
    return more
  }

  /** Takes the next place in the order of answers. */
  reserve(): Slot {
    const slot: Slot = { pieces: undefined }
    this.slots.push(slot)
    return slot
  }

  /** Fills a place. `null`: this request has no answer. */
  complete(slot: Slot, pieces: readonly ResponsePiece[] | null): void {
    slot.pieces = pieces
    if (this.ended) {
      if (pieces) releaseAll(pieces)
      return
    }
    // Counted from now on: an answer behind a parked one is in memory too.
    for (const piece of pieces ?? []) if (piece instanceof Uint8Array) this.memoryBytes += piece.length
    if (this.slots[0] !== slot) return
    const { slots } = this
    for (let first = slots[0]; first?.pieces !== undefined; first = slots[0]) {
      for (const piece of first.pieces ?? []) this.output.push(piece)
      slots.shift()
    }
  }

  /** Writes as much as the socket takes. Called at the end of a turn and when the socket has drained. */
  pump(): void {
    if (this.waiting || this.transferring || this.yielding || this.ended) return
    this.forgetSent()
    const files = this.fileBytes()
    if (files >= TRANSFER_BYTES && !this.byHand && this.handOver()) return
    // Fields and file ranges in turn would each begin a packet, and wake the reader.
    const descriptor = files > 0 ? this.direct.descriptor() : -1
    if (descriptor < 0) {
      this.writeOutput()
      return
    }
    this.direct.cork(descriptor, true)
    this.corked = true
    this.writeOutput()
    this.corked = false
    // Asked again: a connection that was closed meanwhile has given its descriptor back.
    if (this.direct.descriptor() === descriptor) this.direct.cork(descriptor, false)
  }

  /** A client that always has more on the way never lets the output run empty. */
  private forgetSent(): void {
    if (this.outputHead < FORGET_PIECES || this.outputHead * 2 < this.output.length) return
    this.output = this.output.slice(this.outputHead)
    this.outputHead = 0
  }

  private fileBytes(): number {
    let bytes = -this.filePosition
    for (let i = this.outputHead; i < this.output.length; i++) {
      const piece = this.output[i]!
      if (!(piece instanceof Uint8Array)) bytes += piece.size
    }
    return bytes
  }

  /** What is ready goes to the transfer, and stays in `output` until its end is told. False: nothing goes. */
  private handOver(): boolean {
    const descriptor = this.freeDescriptor()
    if (descriptor < 0) return false
    const transfer = (this.transfer ??= this.direct.transfer(descriptor))
    if (!transfer) return false
    try {
      this.transferBytes = this.addOutput(transfer)
    } catch (error) {
      this.onBroken(error as Error)
      return true
    }
    if (this.transferBytes === 0) return false
    this.transferring = true
    transfer.begin((bytes) => this.transferred(bytes))
    return true
  }

  /** Up to the first piece that the transfer does not take. Returns the bytes added. */
  private addOutput(transfer: AnswerTransfer): number {
    let bytes = 0
    for (let i = this.outputHead; i < this.output.length; i++) {
      const piece = this.output[i]!
      if (piece instanceof Uint8Array) {
        transfer.addBytes(piece)
        bytes += piece.length
        continue
      }
      const from = i === this.outputHead ? this.filePosition : 0
      if (!piece.handOver?.(from, piece.size - from, transfer)) break
      bytes += piece.size - from
    }
    return bytes
  }

  private transferred(bytes: number): void {
    this.transferring = false
    this.byHand = bytes < this.transferBytes
    this.advance(bytes)
    this.pump()
    this.onDrained()
  }

  /** `bytes` of `output` have been sent. */
  private advance(bytes: number): void {
    let left = bytes
    while (left > 0) {
      const piece = this.output[this.outputHead]!
      const isMemory = piece instanceof Uint8Array
      const taken = Math.min(left, isMemory ? piece.length : piece.size - this.filePosition)
      left -= taken
      if (!isMemory) {
        this.advanceFile(piece, taken)
        continue
      }
      this.memoryBytes -= taken
      if (taken < piece.length) this.output[this.outputHead] = piece.subarray(taken)
      else this.outputHead++
    }
  }

  private writeOutput(): void {
    let budget = TURN_BYTES
    while (this.outputHead < this.output.length) {
      if (budget <= 0) {
        this.waitForTurn()
        return
      }
      const piece = this.output[this.outputHead]!
      const sent = piece instanceof Uint8Array ? this.writeMemory() : this.writeFile(piece)
      if (sent < 0) return
      budget -= sent
    }
    // A new one: to set the length of an array is a call into V8's runtime.
    if (this.outputHead > 0) this.output = []
    this.outputHead = 0
  }

  end(): void {
    if (this.ended) return
    this.ended = true
    this.transfer?.close()
    releaseAll(this.output.slice(this.outputHead))
    for (const slot of this.slots) if (slot.pieces) releaseAll(slot.pieces)
    this.output = []
    this.slots = []
    this.memoryBytes = 0
  }

  /** Joins the memory pieces at the head into one write. Returns the bytes written, -1 when the socket is full. */
  private writeMemory(): number {
    const first = this.output[this.outputHead] as Uint8Array
    let end = this.outputHead + 1
    let bytes = first.length
    while (end < this.output.length) {
      const next = this.output[end]!
      if (!(next instanceof Uint8Array) || bytes + next.length > JOIN_BYTES) break
      bytes += next.length
      end++
    }
    const joined = end === this.outputHead + 1 ? first : Buffer.concat(this.output.slice(this.outputHead, end) as Uint8Array[], bytes)
    this.outputHead = end
    this.memoryBytes -= bytes
    const sent = this.sendDirectly(joined, bytes)
    if (sent === bytes) return bytes
    return this.write(sent === 0 ? joined : joined.subarray(sent), undefined) ? bytes : -1
  }

  /** Only beside file ranges: answers of fields alone cost the same through libuv. */
  private sendDirectly(bytes: Uint8Array, length: number): number {
    const descriptor = this.corked ? this.freeDescriptor() : -1
    return descriptor >= 0 ? this.direct.send(descriptor, bytes, length) : 0
  }

  /** Nothing of ours waits in libuv's queue: then the order on the wire is the order of the calls. */
  private freeDescriptor(): number {
    return this.socket.writableLength === 0 ? this.direct.descriptor() : -1
  }

  /**
   * sendfile first. A full socket, or one that sendfile cannot serve, gets a chunk through libuv, which also tells when there is room again.
   */
  private writeFile(piece: FilePiece): number {
    const rest = piece.size - this.filePosition
    const descriptor = this.freeDescriptor()
    if (piece.send && descriptor >= 0 && !this.byHand) {
      try {
        const sent = piece.send(this.filePosition, Math.min(rest, TURN_BYTES), descriptor)
        if (sent > 0) {
          this.advanceFile(piece, sent)
          return sent
        }
      } catch (error) {
        this.onBroken(error as Error)
        return -1
      }
    }
    return this.writeChunk(piece, Math.min(descriptor >= 0 ? PROBE_BYTES : CHUNK_BYTES, rest))
  }

  private advanceFile(piece: FilePiece, bytes: number): void {
    this.filePosition += bytes
    if (this.filePosition < piece.size) return
    piece.release()
    this.filePosition = 0
    this.outputHead++
  }

  private writeChunk(piece: FilePiece, length: number): number {
    const chunk = this.pool.acquire(length)
    try {
      piece.read(this.filePosition, length, chunk)
    } catch (error) {
      // The frame's length is already on the wire: only a closed connection tells the client that these bytes are not coming.
      this.pool.release(chunk)
      this.onBroken(error as Error)
      return -1
    }
    this.byHand = false
    this.advanceFile(piece, length)
    return this.write(chunk.length === length ? chunk : chunk.subarray(0, length), chunk) ? length : -1
  }

  /** False when the kernel did not take everything: `pump` goes on once it has. `pooled` is given back when its bytes are gone. */
  private write(bytes: Uint8Array, pooled: Buffer | undefined): boolean {
    const socket = this.socket
    if (socket.destroyed) return false
    this.waiting = true
    let returned = false
    socket.write(bytes, () => {
      if (pooled && !returned) this.pool.release(pooled)
      returned = true
      if (!this.waiting || socket.writableLength > 0) return
      this.waiting = false
      this.pump()
      this.onDrained()
    })
    if (socket.writableLength > 0) return false
    this.waiting = false
    if (pooled) this.pool.release(pooled)
    returned = true
    return true
  }

  private waitForTurn(): void {
    this.yielding = true
    setImmediate(() => {
      this.yielding = false
      this.pump()
      this.onDrained()
    })
  }
}

function releaseAll(pieces: readonly ResponsePiece[]): void {
  for (const piece of pieces) if (!(piece instanceof Uint8Array)) piece.release()
}
