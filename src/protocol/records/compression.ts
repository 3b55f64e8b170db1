// The four codecs of record batches, each with a limit on what comes out. Packages with native binaries do the work, loaded at first use;
// where one does not load, JavaScript stands in. Decompression throws nothing but ProtocolError, and compression what is a bug or
// a codec that this platform lacks.

import { createRequire } from 'node:module'
import { ProtocolError } from '../codec/protocol-error.js'
import { asBuffer } from '../../model/bytes.js'
import { compressionNames } from './batch-header.js'
import type { CompressionName } from './batch-header.js'
import { lz4Bound, lz4Compress, lz4Decompress } from './lz4-frame.js'
import { lazily } from './native-packages.js'
import { zstdBound } from './zstd-frame.js'

const require = createRequire(import.meta.url)
/** Loaded by the first gzip batch. */
const zlib = (): typeof import('node:zlib') => require('node:zlib') as typeof import('node:zlib')

/** What a batch may decompress to where nobody says otherwise: far above any sane batch, far below what hurts. */
export const DEFAULT_MAX_DECOMPRESSED_BYTES = 256 * 1024 * 1024

interface Codec {
  readonly compress: (bytes: Buffer, level: number | undefined) => Uint8Array
  readonly decompress: (bytes: Buffer, maxBytes: number) => Uint8Array
}

function tooLarge(maxBytes: number): ProtocolError {
  return new ProtocolError(`decompresses to more than ${maxBytes} bytes`)
}

const gzip: Codec = {
  compress: (bytes, level) => zlib().gzipSync(bytes, level === undefined ? undefined : { level }),
  decompress: (bytes, maxBytes) => zlib().gunzipSync(bytes, { maxOutputLength: Math.max(1, maxBytes) }),
}

// Snappy: blocks in the framing of Java's SnappyOutputStream, or one bare block as some clients write it.

interface SnappyBlocks {
  readonly compress: (bytes: Buffer) => Uint8Array
  readonly decompress: (bytes: Buffer) => Uint8Array
}

const snappyBlocks = lazily<SnappyBlocks>(
  (require) => {
    const native = require('snappy') as { compressSync(bytes: Uint8Array): Buffer; uncompressSync(bytes: Uint8Array): string | Buffer }
    return { compress: (bytes) => native.compressSync(bytes), decompress: (bytes) => native.uncompressSync(bytes) as Buffer }
  },
  (require) => {
    const javascript = require('snappyjs') as { compress(bytes: Uint8Array): Uint8Array; uncompress(bytes: Uint8Array): Uint8Array }
    return { compress: (bytes) => javascript.compress(bytes), decompress: (bytes) => javascript.uncompress(bytes) }
  },
)

/** `\x82SNAPPY\0`, version 1, readable from version 1. */
const SNAPPY_HEADER = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1])
const SNAPPY_MAGIC = SNAPPY_HEADER.subarray(0, 8)
const SNAPPY_BLOCK_BYTES = 32 * 1024
/** No element of a block is shorter than a byte or makes more than 64: a claim above this ratio is false. */
const SNAPPY_MAX_RATIO = 64

const snappy: Codec = {
  compress(bytes) {
    const parts: Uint8Array[] = [SNAPPY_HEADER]
    for (let from = 0; from < bytes.length; from += SNAPPY_BLOCK_BYTES) {
      const block = snappyBlocks().compress(bytes.subarray(from, from + SNAPPY_BLOCK_BYTES))
      const size = Buffer.allocUnsafe(4)
      size.writeInt32BE(block.length)
      parts.push(size, block)
    }
    return Buffer.concat(parts)
  },
  decompress(bytes, maxBytes) {
    if (!bytes.subarray(0, SNAPPY_MAGIC.length).equals(SNAPPY_MAGIC)) return snappyBlock(bytes, maxBytes, maxBytes)
    const parts: Uint8Array[] = []
    let position = SNAPPY_HEADER.length
    let left = maxBytes
    while (position < bytes.length) {
      const size = position + 4 <= bytes.length ? bytes.readInt32BE(position) : -1
      position += 4
      if (size < 0 || position + size > bytes.length) throw new ProtocolError('a snappy block is longer than what is left')
      const part = snappyBlock(bytes.subarray(position, position + size), left, maxBytes)
      left -= part.length
      position += size
      parts.push(part)
    }
    return Buffer.concat(parts)
  },
}

/** `left` of `maxBytes` may still come out. */
function snappyBlock(block: Buffer, left: number, maxBytes: number): Uint8Array {
  let claimed = 0
  for (let i = 0; ; i++) {
    const byte = block[i]
    if (byte === undefined || i > 4) throw new ProtocolError('a snappy block without its length')
    claimed += (byte & 0x7f) * 2 ** (7 * i)
    if (byte < 0x80) break
  }
  if (claimed > left) throw tooLarge(maxBytes)
  if (claimed > block.length * SNAPPY_MAX_RATIO) throw new ProtocolError('a snappy block claims more than it can hold')
  const result = snappyBlocks().decompress(block)
  if (result.length !== claimed) throw new ProtocolError('a snappy block holds less than it claims')
  return result
}

interface Lz4Frames {
  readonly compress: (bytes: Buffer) => Uint8Array
  readonly decompress: (bytes: Buffer, maxBytes: number) => Uint8Array
}

const lz4Frames = lazily<Lz4Frames>(
  (require) => {
    const native = require('lz4-napi') as { compressFrameSync(bytes: Buffer): Buffer; decompressFrameSync(bytes: Buffer): Buffer }
    return {
      compress: (bytes) => native.compressFrameSync(bytes),
      // The native decompressor knows no limit: it is asked only where the frame cannot exceed it.
      decompress: (bytes, maxBytes) => (lz4Bound(bytes) <= maxBytes ? native.decompressFrameSync(bytes) : lz4Decompress(bytes, maxBytes)),
    }
  },
  () => ({ compress: lz4Compress, decompress: lz4Decompress }),
)

const lz4: Codec = {
  compress: (bytes) => lz4Frames().compress(bytes),
  decompress: (bytes, maxBytes) => lz4Frames().decompress(bytes, maxBytes),
}

interface ZstdStreams {
  readonly compress: (bytes: Buffer, level: number | undefined) => Uint8Array
  readonly decompress: (bytes: Buffer, maxBytes: number) => Uint8Array
}

interface FzstdStream {
  push(bytes: Uint8Array, final: boolean): void
}
interface Fzstd {
  readonly Decompress: new (onData: (chunk: Uint8Array) => void) => FzstdStream
}

/** Decompresses in steps and stops at the limit. */
function zstdLimited(fzstd: Fzstd, bytes: Buffer, maxBytes: number): Uint8Array {
  const parts: Uint8Array[] = []
  let total = 0
  const stream = new fzstd.Decompress((chunk) => {
    total += chunk.length
    if (total > maxBytes) throw tooLarge(maxBytes)
    parts.push(chunk)
  })
  // In small steps, because the stream hands out as a whole what one push gave: four bytes can make 128 KiB.
  for (let from = 0; from < bytes.length; from += 256) stream.push(bytes.subarray(from, from + 256), from + 256 >= bytes.length)
  return Buffer.concat(parts)
}

const zstdStreams = lazily<ZstdStreams>(
  (require) => {
    const native = require('zstd-napi') as { compress(bytes: Uint8Array, parameters: { compressionLevel: number }): Buffer }
    const { DCtx } = require('zstd-napi/binding') as { DCtx: new () => { decompress(target: Uint8Array, source: Uint8Array): number } }
    const context = new DCtx()
    return {
      compress: (bytes, level) => native.compress(bytes, { compressionLevel: level ?? 3 }),
      // In one call into memory of the size that the frames can have at the most: the package's own `decompress` loses the end of some
      // frames that do not say their size, and Java's do not.
      decompress(bytes, maxBytes) {
        const target = Buffer.allocUnsafeSlow(Math.min(zstdBound(bytes), maxBytes))
        return fitted(target, context.decompress(target, bytes))
      },
    }
  },
  (require) => {
    const fzstd = require('fzstd') as Fzstd
    // Newer versions of Node bring zstd along.
    const builtin = zlib() as unknown as { zstdCompressSync?(bytes: Buffer): Buffer }
    return {
      compress(bytes) {
        if (builtin.zstdCompressSync) return builtin.zstdCompressSync(bytes)
        throw new Error('zstd compression needs the package zstd-napi, whose binary does not load here; choose gzip, snappy or lz4 instead')
      },
      decompress(bytes, maxBytes) {
        zstdBound(bytes)
        return zstdLimited(fzstd, bytes, maxBytes)
      },
    }
  },
)

/** The part that was filled; copied when most of the memory would be kept for nothing. */
function fitted(target: Buffer, used: number): Buffer {
  const part = target.subarray(0, used)
  return used * 2 < target.length ? Buffer.from(part) : part
}

const zstd: Codec = {
  compress: (bytes, level) => zstdStreams().compress(bytes, level),
  decompress: (bytes, maxBytes) => zstdStreams().decompress(bytes, maxBytes),
}

const codecs: { readonly [name in Exclude<CompressionName, 'none'>]: Codec } = { gzip, snappy, lz4, zstd }

export function compress(name: CompressionName, bytes: Uint8Array, level?: number): Uint8Array {
  return name === 'none' ? bytes : codecs[name].compress(asBuffer(bytes), level)
}

export function decompress(name: CompressionName, bytes: Uint8Array, maxBytes: number = DEFAULT_MAX_DECOMPRESSED_BYTES): Uint8Array {
  if (name === 'none') return bytes
  let result: Uint8Array
  try {
    result = codecs[name].decompress(asBuffer(bytes), maxBytes)
  } catch (cause) {
    if (cause instanceof ProtocolError) throw cause
    if (isTooLarge(cause)) throw tooLarge(maxBytes)
    throw new ProtocolError(`not ${name}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
  if (result.length > maxBytes) throw tooLarge(maxBytes)
  return result
}

/** How zlib and zstd say that the memory given to them was full. */
function isTooLarge(cause: unknown): boolean {
  if (!(cause instanceof Error)) return false
  return (cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE' || cause.message === 'Destination buffer is too small'
}

/** From the number in a batch's attributes. */
export function compressionName(code: number): CompressionName {
  const name = compressionNames[code]
  if (name === undefined) throw new ProtocolError(`an unknown compression: ${code}`)
  return name
}
