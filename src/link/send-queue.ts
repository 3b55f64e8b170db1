// What waits to be sent on one link, and in which order it goes: items up to `smallBytes` first, many to a frame; larger ones in chunks, a few of
// them in turn, so that a catch-up never holds up the rest and a receiver has few unfinished bodies. Pure.
// Frames are built in a buffer of the caller's that is used again for each: bodies are copied once, while in the cache. But a large body that goes
// whole and lies in the ring of its thread becomes a frame there, and is not copied.

import { copyShared } from '../threads/shared-ring.js'
import { BODY_LEAD, FRAME_HEADER, type ItemType, PIECE_HEADER, PieceFlag, view, writePiece } from './frames.js'

export interface OutgoingItem {
  readonly type: ItemType
  readonly status: number
  readonly correlation: number
  readonly index: number
  readonly kind: number
  readonly body: Uint8Array
  /** Where the body lies, to be told when it has left or never will. BODY_LEAD bytes in front of it may be written. */
  readonly held?: HeldBody | undefined
  /** So many of the body's last bytes carry checksums of their own. Absent: none. */
  readonly selfChecked?: number
}

export interface HeldBody {
  withLead(bytes: number): Uint8Array
  release(): void
}

/** A frame that lies where its one item's body does. */
export interface FrameInPlace {
  readonly frame: Uint8Array
  /** See OutgoingItem. */
  readonly selfChecked: number
  /** The frame has left. */
  release(): void
}

interface Entry extends OutgoingItem {
  readonly selfChecked: number
  sent: number
}

/** Large items under way at a time. */
const TURNS = 4
/** Smaller bodies are copied, several to a frame. */
const IN_PLACE_BYTES = 64 << 10
/** A rest up to this goes along with the chunk before it: a batch a little above the chunk size travels in one piece. */
function restBytes(chunkBytes: number): number {
  return Math.min(chunkBytes >> 3, 32 << 10)
}

export class SendQueue {
  private readonly chunkBytes: number
  private readonly smallBytes: number
  private small: Entry[] = []
  private smallHead = 0
  private bulk: Entry[] = []
  private turn = 0
  /** Bytes of bodies that wait. */
  queuedBytes = 0

  constructor(chunkBytes: number, smallBytes: number) {
    this.chunkBytes = chunkBytes
    this.smallBytes = smallBytes
  }

  static frameBytes(chunkBytes: number): number {
    return chunkBytes + restBytes(chunkBytes) + FRAME_HEADER + 64 * PIECE_HEADER
  }

  push(item: OutgoingItem): void {
    const { type, status, correlation, index, kind, body, held, selfChecked = 0 } = item
    const entry: Entry = { type, status, correlation, index, kind, body, held, selfChecked, sent: 0 }
    this.queuedBytes += body.length
    if (body.length <= this.smallBytes) this.small.push(entry)
    else this.bulk.push(entry)
  }

  get hasSmall(): boolean {
    return this.smallHead < this.small.length
  }

  get hasBulk(): boolean {
    return this.bulk.length > 0
  }

  /** Drops what waits for these calls; of an item under way the rest must still go. */
  drop(wanted: (item: OutgoingItem) => boolean): void {
    this.small = this.small.slice(this.smallHead).filter((entry) => !this.dropped(entry, wanted))
    this.smallHead = 0
    this.bulk = this.bulk.filter((entry) => entry.sent > 0 || !this.dropped(entry, wanted))
  }

  private dropped(entry: Entry, wanted: (item: OutgoingItem) => boolean): boolean {
    if (!wanted(entry)) return false
    this.queuedBytes -= entry.body.length - entry.sent
    entry.held?.release()
    return true
  }

  /** The link is over: nothing leaves any more. */
  clear(): void {
    for (const entry of this.small.slice(this.smallHead)) this.dropped(entry, () => true)
    for (const entry of this.bulk) this.dropped(entry, () => true)
    this.small = []
    this.smallHead = 0
    this.bulk = []
  }

  /** Fills a frame's payload behind its header; returns [end, pieces]. Call only while `hasSmall`. */
  fillSmall(frame: Uint8Array): readonly [number, number] {
    const data = view(frame)
    let at = FRAME_HEADER
    let pieces = 0
    while (this.smallHead < this.small.length) {
      const entry = this.small[this.smallHead]!
      if (at + PIECE_HEADER + entry.body.length > frame.length) break
      at = this.writeFrom(entry, frame, data, at, entry.body.length)
      pieces++
      this.smallHead++
    }
    if (this.smallHead === this.small.length || this.smallHead > 4096) {
      this.small = this.small.slice(this.smallHead)
      this.smallHead = 0
    }
    return [at, pieces]
  }

  /** The large item whose turn it is, in a frame that lacks only its header; undefined: `fillBulk` is to be called. Call only while `hasBulk`. */
  takeInPlace(): FrameInPlace | undefined {
    const entry = this.nextBulk()
    if (!this.goesInPlace(entry)) return undefined
    this.bulk.splice(this.turn, 1)
    const { held, body, selfChecked } = entry
    const frame = held!.withLead(BODY_LEAD)
    this.writeHeader(entry, view(frame), FRAME_HEADER, body.length)
    return { frame, selfChecked, release: () => held!.release() }
  }

  private nextBulk(): Entry {
    if (this.turn >= Math.min(TURNS, this.bulk.length)) this.turn = 0
    return this.bulk[this.turn]!
  }

  private goesInPlace({ held, body, sent }: Entry): boolean {
    const { chunkBytes } = this
    return held !== undefined && sent === 0 && body.length >= IN_PLACE_BYTES && body.length <= chunkBytes + restBytes(chunkBytes)
  }

  /** The next chunk of the large item whose turn it is, and whole ones of the same call behind it. Call only while `hasBulk`. */
  fillBulk(frame: Uint8Array): readonly [number, number] {
    const data = view(frame)
    const { correlation } = this.nextBulk()
    let at = FRAME_HEADER
    let pieces = 0
    let room = this.chunkBytes
    for (;;) {
      const entry = this.bulk[this.turn]
      if (entry === undefined || entry.correlation !== correlation) break
      const left = entry.body.length - entry.sent
      // Only the first of a frame is cut.
      if (pieces > 0 && (left > room || pieces === 64 || this.goesInPlace(entry))) break
      const length = pieces === 0 && left <= room + restBytes(room) ? left : Math.min(left, room)
      at = this.writeFrom(entry, frame, data, at, length)
      room -= length
      pieces++
      if (entry.sent < entry.body.length) {
        this.turn++
        break
      }
      this.bulk.splice(this.turn, 1)
    }
    return [at, pieces]
  }

  private writeFrom(entry: Entry, frame: Uint8Array, data: DataView, start: number, length: number): number {
    const { body, sent } = entry
    copyShared(frame, start + PIECE_HEADER, length === body.length ? body : body.subarray(sent, sent + length))
    this.writeHeader(entry, data, start, length)
    if (entry.sent === body.length) entry.held?.release()
    return start + PIECE_HEADER + length
  }

  /** Of the next `length` bytes of the body, which are counted as sent. */
  private writeHeader(entry: Entry, data: DataView, start: number, length: number): void {
    const flags = (entry.sent === 0 ? PieceFlag.first : 0) | (entry.sent + length === entry.body.length ? PieceFlag.last : 0)
    const { type, status, correlation, index, kind, body } = entry
    writePiece(data, start, { type, flags, status, correlation, index, kind, total: body.length, length })
    entry.sent += length
    this.queuedBytes -= length
  }
}
