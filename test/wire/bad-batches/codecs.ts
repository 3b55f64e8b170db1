// Payloads of the four codecs put together by hand (stored or literal blocks), so that a case is the same bytes on every machine.

import { gzipSync } from 'node:zlib'
import { uvarint } from '../raw/shape.js'

export const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const
export type Codec = (typeof CODECS)[number]

export function le32(value: number): Buffer {
  const out = Buffer.alloc(4)
  out.writeUInt32LE(value >>> 0)
  return out
}

export function be32(value: number): Buffer {
  const out = Buffer.alloc(4)
  out.writeInt32BE(value | 0)
  return out
}

/** A raw snappy block of literals only. */
export function snappyBlock(data: Buffer): Buffer {
  const parts: Buffer[] = [uvarint(data.length)]
  for (let at = 0; at < data.length; at += 60) {
    const piece = data.subarray(at, at + 60)
    parts.push(Buffer.from([(piece.length - 1) << 2]), piece)
  }
  return Buffer.concat(parts)
}

const SNAPPY_JAVA = Buffer.concat([Buffer.from('82534e4150505900', 'hex'), be32(1), be32(1)])

/** The framing of snappy-java: a header, then blocks each behind its length. */
function snappyJava(data: Buffer): Buffer {
  const block = snappyBlock(data)
  return Buffer.concat([SNAPPY_JAVA, be32(block.length), block])
}

/** One LZ4 frame: version 1, independent blocks, 64 KiB at most each, stored, no checksums but the header's (0x82). */
function lz4Frame(data: Buffer): Buffer {
  const parts: Buffer[] = [Buffer.from('04224d18604082', 'hex')]
  for (let at = 0; at < data.length; at += 65536) {
    const piece = data.subarray(at, at + 65536)
    parts.push(le32((piece.length | 0x80000000) >>> 0), piece)
  }
  parts.push(le32(0))
  return Buffer.concat(parts)
}

function zstdBlock(kind: 0 | 1, size: number, last: boolean): Buffer {
  return le32((size << 3) | (kind << 1) | (last ? 1 : 0)).subarray(0, 3)
}

/** One zstd frame: a single segment whose size is in the header, stored blocks. */
function zstdFrame(data: Buffer): Buffer {
  const parts: Buffer[] = [Buffer.from('28b52ffda0', 'hex'), le32(data.length)]
  for (let at = 0; at < data.length || at === 0; at += 131072) {
    const piece = data.subarray(at, at + 131072)
    parts.push(zstdBlock(0, piece.length, at + 131072 >= data.length), piece)
  }
  return Buffer.concat(parts)
}

/** A zstd frame that opens with `head` and goes on with `zeros` zero bytes in 128 KiB runs: four bytes each. */
export function zstdBomb(head: Buffer, zeros: number, tail: Buffer): Buffer {
  const window = 0x50 // 1 MiB: no single segment, so that the reader need not hold the whole content
  const parts: Buffer[] = [Buffer.from('28b52ffd00', 'hex'), Buffer.from([window]), zstdBlock(0, head.length, false), head]
  for (let left = zeros; left > 0; left -= 131072) parts.push(zstdBlock(1, Math.min(left, 131072), false), Buffer.from([0]))
  parts.push(zstdBlock(0, tail.length, true), tail)
  return Buffer.concat(parts)
}

export function compress(codec: Codec, data: Buffer): Buffer {
  switch (codec) {
    case 'none':
      return data
    case 'gzip':
      return gzipSync(data)
    case 'snappy':
      return snappyJava(data)
    case 'lz4':
      return lz4Frame(data)
    case 'zstd':
      return zstdFrame(data)
  }
}
