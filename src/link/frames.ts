// The bytes of a link. Pure: no I/O, no state. One WebSocket message is one frame; numbers are little-endian.
//
// frame            bytes
//   crc32c         4     of everything behind it; in a bulk frame of everything but its last `value` bytes
//   version        1     negotiated; 0 in the frames of the handshake
//   type           1     FrameType
//   (zero)         2
//   value          4     data: count of pieces; bulk: bytes that carry checksums of their own; credit: bytes given back; else 0
//   payload        …
//
// A bulk frame (from version 2) has one piece, with a whole item. Its body's last bytes are not looked at here: who made the body says that whoever
// takes it checks them (see `WrittenAnswer`). A node of version 1 is sent data frames alone, whose checksum covers everything.
//
// A data frame's payload is pieces, back to back. An item (a request, an answer to one part of a request, a cancellation) is one piece, or,
// above the chunk size, several in order, with pieces of other items between them:
// piece            bytes
//   item type      1     ItemType
//   flags          1     1 the item's first piece, 2 its last
//   status         1     answer: LinkStatus
//   (zero)         1
//   correlation    4     chosen by the requester, per link
//   index          4     answer: index of the part; request: count of parts
//   kind           4     request: what is called; the owner of the meaning is above
//   total          4     bytes of the item's body
//   length         4     bytes of the body in this piece, which follow
//
// The body of a request is its parts (see request-body.ts).

import { native } from '../log/native.js'

export const FRAME_HEADER = 12
export const PIECE_HEADER = 24
/**
 * Where the first piece's body begins in a frame. Bodies on their way to a link have so many bytes in front that are free, and lie in a word as they
 * will in the frame (at later pieces too, where the lengths before are multiples of 8): a large one becomes a frame where it lies.
 */
export const BODY_LEAD = FRAME_HEADER + PIECE_HEADER
/** No frame of any version is longer: a chunk of 1 MiB and its headers. */
export const MAX_FRAME = (1 << 20) + (64 << 10)
/** No handshake frame is longer. What comes before it is over is checked against this. */
export const MAX_HANDSHAKE_FRAME = 16 << 10

export const FrameType = {
  hello: 1,
  challenge: 2,
  proof: 3,
  welcome: 4,
  refused: 5,
  data: 6,
  credit: 7,
  ping: 8,
  pong: 9,
  bulk: 10,
} as const
export type FrameType = (typeof FrameType)[keyof typeof FrameType]
export const ItemType = { request: 0, answer: 1, cancel: 2 } as const
export type ItemType = (typeof ItemType)[keyof typeof ItemType]
export const PieceFlag = { first: 1, last: 2 } as const

/** The first version with bulk frames. */
export const BULK_SINCE = 2

export interface FrameHeader {
  readonly version: number
  readonly type: number
  readonly value: number
}

export interface Piece {
  readonly type: number
  readonly flags: number
  readonly status: number
  readonly correlation: number
  readonly index: number
  readonly kind: number
  readonly total: number
  readonly length: number
}

export function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** Completes the frame in bytes[0, length): everything but the payload, which is there already. */
export function sealFrame(bytes: Uint8Array, length: number, version: number, type: FrameType, value: number): Uint8Array {
  const data = view(bytes)
  data.setUint8(4, version)
  data.setUint8(5, type)
  data.setUint16(6, 0)
  data.setUint32(8, value, true)
  data.setUint32(0, native().crc32c(bytes, 4, coveredEnd(version, type, value, length) - 4), true)
  return bytes.subarray(0, length)
}

/** Where what the checksum of a frame covers ends. */
function coveredEnd(version: number, type: number, value: number, length: number): number {
  return version >= BULK_SINCE && type === FrameType.bulk ? length - value : length
}

export function makeFrame(version: number, type: FrameType, value: number, payload?: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(FRAME_HEADER + (payload?.length ?? 0))
  if (payload) bytes.set(payload, FRAME_HEADER)
  return sealFrame(bytes, bytes.length, version, type, value)
}

/** null: too short, or the checksum is wrong. */
export function openFrame(bytes: Uint8Array): FrameHeader | null {
  if (bytes.length < FRAME_HEADER) return null
  const data = view(bytes)
  const header = frameHeader(data)
  const end = coveredEnd(header.version, header.type, header.value, bytes.length)
  // Headers are always covered.
  if (end < bytes.length && end < BODY_LEAD) return null
  if (data.getUint32(0, true) !== native().crc32c(bytes, 4, end - 4)) return null
  return header
}

/** Unchecked. */
export function frameHeader(data: DataView): FrameHeader {
  return { version: data.getUint8(4), type: data.getUint8(5), value: data.getUint32(8, true) }
}

export function writePiece(data: DataView, at: number, piece: Piece): void {
  data.setUint8(at, piece.type)
  data.setUint8(at + 1, piece.flags)
  data.setUint8(at + 2, piece.status)
  data.setUint8(at + 3, 0)
  data.setUint32(at + 4, piece.correlation, true)
  data.setUint32(at + 8, piece.index, true)
  data.setUint32(at + 12, piece.kind, true)
  data.setUint32(at + 16, piece.total, true)
  data.setUint32(at + 20, piece.length, true)
}

/** The piece whose header starts at `at`; null when it does not fit in the frame, which ends at `end`. */
export function readPiece(data: DataView, at: number, end = data.byteLength): Piece | null {
  if (at + PIECE_HEADER > data.byteLength) return null
  const length = data.getUint32(at + 20, true)
  if (at + PIECE_HEADER + length > end) return null
  return {
    type: data.getUint8(at),
    flags: data.getUint8(at + 1),
    status: data.getUint8(at + 2),
    correlation: data.getUint32(at + 4, true),
    index: data.getUint32(at + 8, true),
    kind: data.getUint32(at + 12, true),
    total: data.getUint32(at + 16, true),
    length,
  }
}
