import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BufferPool } from '../../../src/env/buffer-pool.js'
import { FrameReader } from '../../../src/broker/listener/frame-reader.js'

interface Seen {
  readonly reader: FrameReader
  readonly frames: string[]
  readonly places: { readonly bytes: Buffer; readonly start: number }[]
  readonly badLengths: number[]
}

function newReader(maxFrameBytes = 1 << 20, pool = new BufferPool(), shared = Buffer.alloc(256)): Seen {
  const frames: string[] = []
  const places: Seen['places'][number][] = []
  const badLengths: number[] = []
  const reader = new FrameReader(pool, maxFrameBytes, shared, {
    frame: (bytes, start, end) => {
      frames.push(bytes.toString('latin1', start, end))
      places.push({ bytes, start })
    },
    badLength: (length) => badLengths.push(length),
  })
  return { reader, frames, places, badLengths }
}

function framed(...texts: readonly string[]): Buffer {
  return Buffer.concat(
    texts.flatMap((text) => {
      const prefix = Buffer.alloc(4)
      prefix.writeInt32BE(text.length)
      return [prefix, Buffer.from(text, 'latin1')]
    }),
  )
}

const THREE = ['first frame', 'x', 'the third one']

test('three frames cut in two at every byte come out the same', () => {
  const bytes = framed(...THREE)
  for (let cut = 0; cut <= bytes.length; cut++) {
    const { reader, frames } = newReader()
    reader.feed(bytes.subarray(0, cut), cut)
    reader.feed(bytes.subarray(cut), bytes.length - cut)
    assert.deepEqual(frames, THREE, `cut at ${cut}`)
    assert.equal(reader.heldBytes, 0)
  }
})

test('frames that come one byte at a time through one reused buffer come out the same', () => {
  const { reader, frames } = newReader()
  const receive = Buffer.alloc(1)
  for (const byte of framed(...THREE)) {
    receive[0] = byte
    reader.feed(receive, 1)
  }
  assert.deepEqual(frames, THREE)
})

test('a frame that lies whole in the chunk is handed over in place, without a copy', () => {
  const { reader, places } = newReader()
  const chunk = framed('one', 'two')
  reader.feed(chunk, chunk.length)
  assert.deepEqual(
    places.map(({ bytes, start }) => [bytes === chunk, start]),
    [
      [true, 4],
      [true, 11],
    ],
  )
})

test('only the bytes that were read of the chunk count, what lies behind them is old', () => {
  const { reader, frames } = newReader()
  const chunk = framed('new', 'old')
  reader.feed(chunk, 7)
  assert.deepEqual(frames, ['new'])
})

for (const length of [0, -1, -0x80000000, 0x7fffffff, 1025]) {
  test(`a length of ${length} where 1024 is the limit ends the reading and reserves nothing`, () => {
    const pool = new BufferPool()
    const { reader, frames, badLengths } = newReader(1024, pool)
    const bytes = Buffer.concat([framed('good'), Buffer.alloc(4), framed('never seen')])
    bytes.writeInt32BE(length, 8)
    reader.feed(bytes, bytes.length)
    reader.feed(framed('nor this'), 12)
    assert.deepEqual(frames, ['good'])
    assert.deepEqual(badLengths, [length])
    assert.equal(reader.heldBytes, 0)
  })
}

test('a frame of exactly the limit is read', () => {
  const { reader, frames } = newReader(1024)
  const bytes = framed('z'.repeat(1024))
  reader.feed(bytes, bytes.length)
  assert.equal(frames.length, 1)
})

test('memory grows with the bytes that came, not with the length announced', () => {
  const sizes: number[] = []
  class WatchedPool extends BufferPool {
    override acquire(size: number): Buffer {
      sizes.push(size)
      return super.acquire(size)
    }
  }
  const { reader } = newReader(2 ** 30, new WatchedPool())
  const start = Buffer.alloc(5)
  start.writeInt32BE(2 ** 30)
  reader.feed(start, start.length)
  assert.equal(reader.heldBytes, 1)
  assert.deepEqual(sizes, [1 << 20])
  const chunk = Buffer.alloc(256 * 1024)
  for (let i = 1; i <= 40; i++) {
    reader.feed(chunk, chunk.length)
    assert.equal(reader.heldBytes, 1 + i * chunk.length)
    assert.ok(sizes.at(-1)! <= Math.max(1 << 20, 2 * reader.heldBytes), `${sizes.at(-1)} for ${reader.heldBytes} bytes`)
  }
  reader.close()
  assert.equal(reader.heldBytes, 0)
})

test('a large frame gathered over many chunks is whole', () => {
  const { reader, frames } = newReader(8 << 20)
  const text = Array.from({ length: 300_000 }, (_, i) => String(i % 10))
    .join('')
    .repeat(10)
  const bytes = framed(text, 'after')
  for (let at = 0; at < bytes.length; at += 70_001) reader.feed(bytes.subarray(at, at + 70_001), Math.min(70_001, bytes.length - at))
  assert.equal(frames.length, 2)
  assert.ok(frames[0] === text && frames[1] === 'after')
})

/** Reads a stream as a socket does: where the reader says, as much as there is room for and has come. Returns where every read went. */
function readAll(
  reader: FrameReader,
  stream: Buffer,
  arrives: (at: number) => number,
): { readonly space: Buffer; readonly bytes: number }[] {
  const reads: { space: Buffer; bytes: number }[] = []
  for (let at = 0; at < stream.length;) {
    const space = reader.space()
    assert.ok(space.length > 0)
    const bytes = stream.copy(space, 0, at, Math.min(stream.length, at + Math.min(space.length, arrives(at))))
    reads.push({ space, bytes })
    reader.feed(space, bytes)
    at += bytes
  }
  return reads
}

test('small and large frames read where the reader says come out the same, however they arrive', () => {
  const texts = [10, 127, 128, 129, 5_000, 20_000, 1, 40_000, 40_000, 3].map((size, i) => String.fromCharCode(97 + i).repeat(size))
  const stream = framed(...texts)
  for (const most of [1, 2, 3, 7, 100, 255, 256, 4_000, 1 << 20]) {
    const { reader, frames } = newReader(1 << 20, new BufferPool(), Buffer.alloc(256))
    readAll(reader, stream, (at) => 1 + (at % most))
    assert.deepEqual(frames, texts, `at most ${most} bytes at a time`)
    assert.equal(reader.heldBytes, 0)
  }
})

test('of large frames in a row only the beginning is copied; the rest is read to its place', () => {
  const shared = Buffer.alloc(256 << 10)
  const { reader, frames, places } = newReader(1 << 20, new BufferPool(), shared)
  const text = 'r'.repeat((256 << 10) + 65)
  const reads = readAll(reader, framed(text, text, text, text, 'small', 'small'), () => Infinity)
  assert.equal(frames.length, 6)
  const [, ...later] = reads.filter(({ space }) => space.buffer === shared.buffer)
  assert.deepEqual(
    later.slice(0, 3).map(({ bytes }) => bytes),
    [16 << 10, 16 << 10, 16 << 10],
    'after the first of them',
  )
  assert.ok(places.slice(0, 4).every(({ bytes }) => bytes.buffer !== shared.buffer))
  // A small one is handed over where it lies, and from then on the whole receive buffer is used again.
  assert.ok(places.slice(4).every(({ bytes }) => bytes.buffer === shared.buffer))
  assert.equal(reader.space(), shared)
})

test('a large frame that is not finished holds what came of it, in memory that grows with it', () => {
  const { reader } = newReader(1 << 30, new BufferPool())
  const stream = Buffer.alloc((5 << 20) + 4)
  stream.writeInt32BE(1 << 30)
  for (const { space } of readAll(reader, stream, () => Infinity)) assert.ok(space.length <= 4 << 20)
  assert.equal(reader.heldBytes, 5 << 20)
  reader.close()
  assert.equal(reader.heldBytes, 0)
})

test('closing in the middle of a chunk hands over no further frame', () => {
  const frames: number[] = []
  const reader: FrameReader = new FrameReader(new BufferPool(), 100, Buffer.alloc(64), {
    frame: (_bytes, start) => {
      frames.push(start)
      reader.close()
    },
    badLength: () => assert.fail(),
  })
  const bytes = framed('a', 'b', 'c')
  reader.feed(bytes, bytes.length)
  assert.deepEqual(frames, [4])
})

test('a released buffer is used again, a class holds no more than it keeps', () => {
  const pool = new BufferPool(1)
  const [a, b] = [pool.acquire(100), pool.acquire(100)]
  pool.release(a)
  pool.release(b)
  assert.equal(pool.acquire(16 * 1024), a)
  assert.notEqual(pool.acquire(1), b)
})
