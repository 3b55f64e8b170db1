import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import zlib from 'node:zlib'
import fc from 'fast-check'
import { ProtocolError } from '../../../src/protocol/codec/index.js'
import { crc32c, crc32cInJavaScript } from '../../../src/protocol/records/crc32c.js'
import { compress, decompress } from '../../../src/protocol/records/compression.js'
import type { CompressionName } from '../../../src/protocol/records/index.js'
import { lz4Compress, lz4Decompress } from '../../../src/protocol/records/lz4-frame.js'

const codecs: readonly Exclude<CompressionName, 'none'>[] = ['gzip', 'snappy', 'lz4', 'zstd']

test('CRC32C of the nine digits is e3069283, natively and in JavaScript, also in two steps', () => {
  for (const crc of [crc32c, crc32cInJavaScript]) {
    assert.equal(crc(Buffer.from('123456789')), 0xe3069283)
    assert.equal(crc(Buffer.from('56789'), crc(Buffer.from('1234'))), 0xe3069283)
    assert.equal(crc(Buffer.alloc(0)), 0)
  }
})

test('the native CRC32C and the one in JavaScript agree', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => assert.equal(crc32c(bytes), crc32cInJavaScript(bytes))))
})

for (const codec of codecs) {
  test(`${codec} gives back what it took, whatever the size`, () => {
    for (const size of [0, 1, 100, 32767, 32768, 70_000, 1_000_000]) {
      const bytes = Buffer.alloc(size)
      for (let i = 0; i < size; i++) bytes[i] = i % 7 === 0 ? Math.imul(i, 2654435761) >>> 24 : 65
      assert.ok(bytes.equals(decompress(codec, compress(codec, bytes))), `size ${size}`)
    }
  })

  test(`${codec} stops at the limit`, () => {
    const bomb = compress(codec, Buffer.alloc(50_000_000))
    assert.ok(bomb.length < 3_000_000)
    assert.throws(() => decompress(codec, bomb, 1_000_000), /decompresses to more than 1000000 bytes/)
    assert.equal(decompress(codec, compress(codec, Buffer.alloc(1_000_000)), 1_000_000).length, 1_000_000)
  })

  test(`bytes that are not ${codec} are refused with a ProtocolError`, () => {
    const good = Buffer.from(compress(codec, Buffer.from('a record '.repeat(100))))
    const spoilt = fc.tuple(fc.nat(), fc.nat(255)).map(([at, value]) => {
      const bytes = Buffer.from(good)
      bytes[at % bytes.length] = value
      return bytes
    })
    const cut = fc.nat(good.length - 1).map((length) => good.subarray(0, length))
    const random = fc.uint8Array({ maxLength: 100 })
    fc.assert(
      fc.property(fc.oneof(spoilt, cut, random), (bytes) => {
        try {
          assert.ok(decompress(codec, bytes, 1_000_000).length <= 1_000_000)
        } catch (error) {
          assert.ok(error instanceof ProtocolError, String(error))
        }
      }),
      { numRuns: 1000 },
    )
  })
}

test('snappy is also read without framing, as some clients write it', () => {
  const framed = Buffer.from(compress('snappy', Buffer.from('hello hello hello hello')))
  assert.equal(String(decompress('snappy', framed.subarray(20))), 'hello hello hello hello')
})

test('several gzip members are read as one', () => {
  assert.equal(String(decompress('gzip', Buffer.concat([zlib.gzipSync('one '), zlib.gzipSync('two')]))), 'one two')
})

test('LZ4 in JavaScript and the native one read each other', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(255), fc.integer({ min: 1, max: 4000 })), { maxLength: 60 }), (runs) => {
      const bytes = Buffer.concat(
        runs.map(([byte, length], i) => (i % 5 === 0 ? Buffer.from(`${byte}-${i}`.repeat(20)) : Buffer.alloc(length, byte))),
      )
      assert.ok(bytes.equals(decompress('lz4', lz4Compress(bytes))))
      assert.ok(bytes.equals(lz4Decompress(Buffer.from(compress('lz4', bytes)), bytes.length)))
    }),
    { numRuns: 100 },
  )
})

test('without native packages the same batches are read', () => {
  // A process of its own: what is loaded stays loaded.
  const tests = fileURLToPath(new URL('./golden-batches.test.js', import.meta.url))
  const { NODE_TEST_CONTEXT: _context, ...env } = process.env
  execFileSync(process.execPath, [tests], { env: { ...env, MILLRACE_NO_NATIVE: '1' }, stdio: 'pipe' })
})
