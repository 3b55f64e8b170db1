// LZ4's frame format: walking a frame without decompressing it, decompressing with a limit, and compressing, in JavaScript, for where no
// native package loads (lz4js will not do: its blocks end in matches that other decoders refuse). Kafka's Java clients take version 1 frames
// with independent blocks only. Checksums inside the frame are not checked: the batch's CRC covers them.

import { ProtocolError } from '../codec/protocol-error.js'
import { asBuffer } from '../../model/bytes.js'

const MAGIC = 0x184d2204
const UNCOMPRESSED_BLOCK = 0x80000000
/** No block of LZ4 grows more than this, plus a few bytes. */
const MAX_RATIO = 255

interface FrameLayout {
  readonly blocksAt: number
  readonly blockBytes: number
  readonly hasBlockChecksums: boolean
}

function frameLayout(bytes: Buffer): FrameLayout {
  if (bytes.length < 7 || bytes.readUInt32LE(0) !== MAGIC) throw new ProtocolError('not an LZ4 frame')
  const flags = bytes[4]!
  if (flags >>> 6 !== 1) throw new ProtocolError('an LZ4 frame of an unknown version')
  if ((flags & 0x20) === 0) throw new ProtocolError('an LZ4 frame with dependent blocks')
  const sizeCode = (bytes[5]! >>> 4) & 7
  if (sizeCode < 4) throw new ProtocolError('an LZ4 frame with an unknown block size')
  const blocksAt = 7 + ((flags & 0x08) !== 0 ? 8 : 0) + ((flags & 0x01) !== 0 ? 4 : 0)
  return { blocksAt, blockBytes: 1 << (8 + 2 * sizeCode), hasBlockChecksums: (flags & 0x10) !== 0 }
}

/** Calls back for each block with where it starts, its size, and whether it is compressed. */
function eachBlock(bytes: Buffer, layout: FrameLayout, visit: (start: number, size: number, compressed: boolean) => void): void {
  let position = layout.blocksAt
  for (;;) {
    if (position + 4 > bytes.length) throw new ProtocolError('an LZ4 frame without its end')
    const word = bytes.readUInt32LE(position)
    if (word === 0) return
    const size = word & 0x7fffffff
    position += 4
    if (size > layout.blockBytes || position + size > bytes.length) throw new ProtocolError('an LZ4 block is longer than it may be')
    visit(position, size, word < UNCOMPRESSED_BLOCK)
    position += size + (layout.hasBlockChecksums ? 4 : 0)
  }
}

/** What the frame can decompress to at the most. */
export function lz4Bound(bytes: Buffer): number {
  const layout = frameLayout(bytes)
  let bound = 0
  eachBlock(bytes, layout, (_start, size, compressed) => {
    bound += compressed ? Math.min(layout.blockBytes, size * MAX_RATIO + 16) : size
  })
  return bound
}

export function lz4Decompress(bytes: Buffer, maxBytes: number): Buffer {
  const layout = frameLayout(bytes)
  const blocks: Buffer[] = []
  const block = Buffer.allocUnsafe(layout.blockBytes)
  let total = 0
  eachBlock(bytes, layout, (start, size, compressed) => {
    const length = compressed ? decompressBlock(bytes, start, start + size, block) : size
    total += length
    if (total > maxBytes) throw new ProtocolError(`decompresses to more than ${maxBytes} bytes`)
    blocks.push(Buffer.from(compressed ? block.subarray(0, length) : bytes.subarray(start, start + size)))
  })
  return Buffer.concat(blocks)
}

function decompressBlock(source: Buffer, from: number, to: number, target: Buffer): number {
  let at = from
  let out = 0
  const extended = (length: number): number => {
    if (length < 15) return length
    for (;;) {
      if (at >= to) throw new ProtocolError('an LZ4 block ends early')
      const byte = source[at++]!
      length += byte
      if (byte < 255) return length
    }
  }
  while (at < to) {
    const token = source[at++]!
    const literals = extended(token >>> 4)
    if (at + literals > to || out + literals > target.length) throw new ProtocolError('an LZ4 block with too many literals')
    source.copy(target, out, at, at + literals)
    at += literals
    out += literals
    if (at === to) return out
    if (at + 2 > to) throw new ProtocolError('an LZ4 block ends early')
    const distance = source[at]! | (source[at + 1]! << 8)
    at += 2
    const length = extended(token & 15) + 4
    if (distance === 0 || distance > out || out + length > target.length) throw new ProtocolError('an LZ4 block with a wrong match')
    for (const end = out + length; out < end; out++) target[out] = target[out - distance]!
  }
  return out
}

const BLOCK_BYTES = 64 * 1024
/** Version 1, independent blocks of 64 KiB at most, no checksums; 0x82 is the header's own checksum. */
const FRAME_HEADER = Buffer.from([0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82])

export function lz4Compress(source: Uint8Array): Buffer {
  const parts: Buffer[] = [FRAME_HEADER]
  const scratch = Buffer.allocUnsafe(BLOCK_BYTES)
  const seen = new Int32Array(1 << HASH_BITS)
  for (let from = 0; from < source.length; from += BLOCK_BYTES) {
    const block = asBuffer(source.subarray(from, from + BLOCK_BYTES))
    const size = compressBlock(block, scratch, seen)
    const head = Buffer.allocUnsafe(4)
    head.writeUInt32LE(size > 0 ? size : (UNCOMPRESSED_BLOCK | block.length) >>> 0)
    parts.push(head, size > 0 ? Buffer.from(scratch.subarray(0, size)) : block)
  }
  parts.push(Buffer.alloc(4))
  return Buffer.concat(parts)
}

const HASH_BITS = 14
const MIN_MATCH = 4
/** The format's rules, which decoders rely on: no match starts in a block's last 12 bytes or reaches into its last 5. */
const MATCH_START_LIMIT = 12
const LAST_LITERALS = 5

/** Greedy: takes the last place with the same four bytes. Gives 0 when the block does not get smaller. */
function compressBlock(block: Buffer, target: Buffer, seen: Int32Array): number {
  seen.fill(-1)
  let anchor = 0
  let out = 0
  let at = 0
  const lastStart = block.length - MATCH_START_LIMIT
  const matchEnd = block.length - LAST_LITERALS
  while (at <= lastStart) {
    const four = block.readInt32LE(at)
    const slot = Math.imul(four, -1640531535) >>> (32 - HASH_BITS)
    const candidate = seen[slot]!
    seen[slot] = at
    if (candidate < 0 || block.readInt32LE(candidate) !== four) {
      // The longer nothing was found, the larger the steps.
      at += 1 + ((at - anchor) >>> 6)
      continue
    }
    let end = at + MIN_MATCH
    while (end < matchEnd && block[end] === block[candidate + (end - at)]) end++
    out = putSequence(block, anchor, at, end - at - MIN_MATCH, at - candidate, target, out)
    if (out < 0) return 0
    anchor = at = end
  }
  out = putSequence(block, anchor, block.length, 0, 0, target, out)
  return out < 0 || out >= block.length ? 0 : out
}

/** Literals and, where `distance` is not 0, a match behind them; -1 when the target is full. */
function putSequence(block: Buffer, from: number, to: number, extra: number, distance: number, target: Buffer, position: number): number {
  const literals = to - from
  if (position + literals + literals / 255 + extra / 255 + 8 > target.length) return -1
  let out = position + 1
  target[position] = (Math.min(literals, 15) << 4) | Math.min(extra, 15)
  out = putLength(target, out, literals)
  out += block.copy(target, out, from, to)
  if (distance === 0) return out
  target[out++] = distance
  target[out++] = distance >>> 8
  return putLength(target, out, extra)
}

/** What does not fit into the four bits of the token. */
function putLength(target: Buffer, position: number, length: number): number {
  if (length < 15) return position
  let out = position
  let rest = length - 15
  for (; rest >= 255; rest -= 255) target[out++] = 255
  target[out++] = rest
  return out
}
