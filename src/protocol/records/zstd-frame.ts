// How much a zstd stream can decompress to, from its frame and block headers alone: the guard in front of decompressors that allocate what a
// frame says of itself. Decompresses nothing.

import { ProtocolError } from '../codec/protocol-error.js'

const MAGIC = 0xfd2fb528
const SKIPPABLE = 0x184d2a50
const MAX_BLOCK_BYTES = 128 * 1024

/** An upper bound of the decompressed size of all frames; refuses what is not zstd and a frame that claims more than its blocks can hold. */
export function zstdBound(bytes: Buffer): number {
  let position = 0
  let bound = 0
  while (position < bytes.length) {
    need(bytes, position, 5)
    const word = bytes.readUInt32LE(position)
    if ((word & 0xfffffff0) >>> 0 === SKIPPABLE) {
      need(bytes, position, 8)
      position += 8 + bytes.readUInt32LE(position + 4)
      continue
    }
    if (word !== MAGIC) throw new ProtocolError('not a zstd frame')
    const descriptor = bytes[position + 4]!
    const single = (descriptor & 0x20) !== 0
    const contentBytes = [single ? 1 : 0, 2, 4, 8][descriptor >>> 6]!
    const dictionaryBytes = [0, 1, 2, 4][descriptor & 3]!
    const contentAt = position + 5 + (single ? 0 : 1) + dictionaryBytes
    const blocks = walkBlocks(bytes, contentAt + contentBytes, (descriptor & 0x04) !== 0)
    if (contentSize(bytes, contentAt, contentBytes) > blocks.bound)
      throw new ProtocolError('a zstd frame claims more than its blocks can hold')
    position = blocks.end
    bound += blocks.bound
  }
  return bound
}

function contentSize(bytes: Buffer, at: number, size: number): number {
  need(bytes, at, size)
  if (size === 8) return Number(bytes.readBigUInt64LE(at))
  if (size === 4) return bytes.readUInt32LE(at)
  return size === 2 ? bytes.readUInt16LE(at) + 256 : size === 1 ? bytes[at]! : 0
}

function walkBlocks(bytes: Buffer, from: number, hasChecksum: boolean): { readonly end: number; readonly bound: number } {
  let position = from
  let bound = 0
  for (;;) {
    need(bytes, position, 3)
    const head = bytes.readUIntLE(position, 3)
    const size = head >>> 3
    const type = (head >>> 1) & 3
    if (type === 3) throw new ProtocolError('a zstd block of an unknown type')
    // 0: as it is, 1: one byte repeated, 2: compressed.
    bound += type === 2 ? MAX_BLOCK_BYTES : Math.min(size, MAX_BLOCK_BYTES)
    position += 3 + (type === 1 ? 1 : size)
    if ((head & 1) !== 0) return { end: position + (hasChecksum ? 4 : 0), bound }
  }
}

function need(bytes: Buffer, position: number, count: number): void {
  if (position + count > bytes.length) throw new ProtocolError('a zstd frame ends early')
}
