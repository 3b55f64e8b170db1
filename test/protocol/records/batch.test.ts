import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ProtocolError } from '../../../src/protocol/codec/index.js'
import { incrementSequence } from '../../../src/protocol/records/batch-layout.js'
import { BatchBuilder, BatchCursor, batchHeader, readRecords, RecordCursor } from '../../../src/protocol/records/index.js'
import type { CompressionName } from '../../../src/protocol/records/index.js'
import { varintSize, writeVarint } from '../../../src/protocol/records/varint.js'

const names: readonly CompressionName[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']
const bytes = (maxLength: number): fc.Arbitrary<Buffer | null> => fc.option(fc.uint8Array({ maxLength }).map((each) => Buffer.from(each)))
const record = fc.record(
  {
    timestamp: fc.integer({ min: -1, max: 2 ** 52 }),
    key: bytes(20),
    value: bytes(200),
    headers: fc.array(fc.record({ key: fc.string({ maxLength: 8 }), value: bytes(10) }, { noNullPrototype: true }), { maxLength: 3 }),
  },
  { noNullPrototype: true },
)

function simpleBatch(compression: CompressionName = 'none', count = 3): Buffer {
  const builder = new BatchBuilder()
  for (let i = 0; i < count; i++) builder.append(1000 + i, `key-${i}`, `value-${i}`.repeat(i + 1), [{ key: 'h', value: 'v' }])
  return Buffer.from(builder.build({ compression }))
}

test('what is built is read back, with every codec', () => {
  fc.assert(
    fc.property(
      fc.array(record, { minLength: 1, maxLength: 20 }),
      fc.constantFrom(...names),
      fc.nat(2 ** 40),
      (records, compression, baseOffset) => {
        const builder = new BatchBuilder(1)
        let estimate = batchHeader.HEADER_SIZE
        for (const { timestamp, key, value, headers } of records) {
          builder.append(timestamp, key, value, headers)
          estimate += BatchBuilder.estimateBytes(key, value, headers)
        }
        assert.ok(builder.sizeBytes <= estimate)
        const batch = builder.build({ compression, baseOffset })
        assert.deepEqual(
          [...readRecords(batch)],
          records.map((each, i) => ({ offset: baseOffset + i, ...each })),
        )
      },
    ),
    { numRuns: 200 },
  )
})

test('strings are written as UTF-8', () => {
  const builder = new BatchBuilder()
  builder.append(1, 'schlüssel', 'wert-😀'.repeat(20))
  const [only] = readRecords(builder.build())
  assert.equal(String(only!.key), 'schlüssel')
  assert.equal(String(only!.value), 'wert-😀'.repeat(20))
})

test('a builder is used again after reset, and builds again with another sequence', () => {
  const builder = new BatchBuilder(64)
  builder.append(5, 'a', 'b')
  const first = Buffer.from(builder.build({ producerId: 1, producerEpoch: 0, baseSequence: 7 }))
  const second = Buffer.from(builder.build({ producerId: 1, producerEpoch: 1, baseSequence: 0 }))
  batchHeader.resetProduced(first, 0, 1, 1, 0, true)
  assert.deepEqual(first, second)
  builder.reset()
  builder.append(9, null, 'c')
  const [only] = readRecords(builder.build())
  assert.deepEqual([only!.offset, only!.timestamp, only!.key, String(only!.value)], [0, 9, null, 'c'])
})

test('a partial batch at the end is left aside', () => {
  const batch = simpleBatch()
  for (const length of [0, 5, 12, 40, batch.length - 1]) {
    assert.equal([...readRecords(Buffer.concat([batch, batch.subarray(0, length)]))].length, 3)
  }
})

test('a batch in the middle that was damaged fails its CRC', () => {
  const batch = simpleBatch()
  batch[70] = batch[70]! ^ 1
  assert.throws(() => [...readRecords(batch)], /fails its CRC/)
})

test('a batch of an old format is refused by its number', () => {
  const batch = simpleBatch()
  batch[16] = 1
  assert.throws(() => [...readRecords(batch)], /format 1, only 2/)
})

test('sizes that lead nowhere are refused', () => {
  const batch = simpleBatch()
  batch.writeInt32BE(10, 8)
  assert.throws(() => [...readRecords(batch)], ProtocolError)
  batch.writeInt32BE(-100, 8)
  assert.throws(() => [...readRecords(batch)], ProtocolError)
})

test('bytes changed anywhere in the records give a ProtocolError or other records, never another error', () => {
  const counts = names.map((name) => simpleBatch(name, 10))
  fc.assert(
    fc.property(
      fc.constantFrom(...counts),
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }),
      (original, changes) => {
        const batch = Buffer.from(original)
        for (const [at, value] of changes) batch[21 + (at % (batch.length - 21))] = value
        try {
          for (const each of readRecords(batch, { checkCrc: false, includeControl: true })) assert.ok(each.headers.length >= 0)
        } catch (error) {
          assert.ok(error instanceof ProtocolError, String(error))
        }
      },
    ),
    { numRuns: 3000 },
  )
})

test('a count of records that the bytes cannot hold is refused', () => {
  const batch = simpleBatch()
  batch.writeInt32BE(0x7fffffff, 57)
  assert.throws(() => [...readRecords(batch, { checkCrc: false })], /counts 2147483647 records/)
})

test('bytes after the last record are refused', () => {
  const batch = simpleBatch()
  batch.writeInt32BE(2, 57)
  assert.throws(() => [...readRecords(batch, { checkCrc: false })], /after the last record/)
})

test('one cursor is used for many batches, and its views stay', () => {
  const cursor = new RecordCursor()
  const batches = new BatchCursor(Buffer.concat([simpleBatch('lz4'), simpleBatch('none')]))
  const values: (Uint8Array | null)[] = []
  while (batches.next()) {
    cursor.open(batches.bytes, batches.position)
    while (cursor.next()) values.push(cursor.value())
  }
  assert.deepEqual(
    values.map(String),
    [...Array(2)].flatMap(() => ['value-0', 'value-1value-1', 'value-2value-2value-2']),
  )
})

/** Where one more byte is needed, and where the work leaves 32 bits. */
const edges = Array.from({ length: 52 }, (_, bit) => 2 ** bit).flatMap((power) => [
  power - 1,
  power,
  power + 1,
  -power - 1,
  -power,
  1 - power,
])

function checkVarint(value: number): void {
  const target = Buffer.alloc(12)
  const size = writeVarint(target, 0, value)
  assert.equal(size, varintSize(value), `size of ${value}`)
  let decoded = 0n
  for (let i = 0; i < size; i++) decoded |= BigInt(target[i]! & 0x7f) << BigInt(7 * i)
  assert.equal(Number((decoded >> 1n) ^ -(decoded & 1n)), value)
}

test('varints of every size are written in as many bytes as announced', () => {
  for (const edge of edges) checkVarint(edge)
  fc.assert(fc.property(fc.oneof(fc.integer(), fc.maxSafeInteger()), checkVarint))
})

test('sequences wrap from 2^31 - 1 to 0', () => {
  assert.equal(incrementSequence(5, 3), 8)
  assert.equal(incrementSequence(0x7fffffff, 1), 0)
  assert.equal(incrementSequence(0x7fffffff - 2, 5), 2)
})

test('values alone, of any size and time, come out as the same bytes as the same values given as text', () => {
  const asBytes = new BatchBuilder(64)
  const asText = new BatchBuilder(64)
  // Lengths on both sides of every size of a varint, offset deltas past one byte, times that fall and leave 32 bits.
  const lengths = [0, 1, 12, 13, 63, 64, 127, 128, 8191, 8192, 70_000, ...Array.from({ length: 9000 }, (_, i) => i % 40)]
  lengths.forEach((length, i) => {
    const timestamp = [1000, 1000, 1063, 1064, 900, 2 ** 40][i % 6]!
    const text = String.fromCharCode(97 + (i % 26)).repeat(length)
    assert.equal(asBytes.append(timestamp, null, Buffer.from(text)), asText.append(timestamp, null, text))
  })
  assert.deepEqual(Buffer.from(asBytes.build()), Buffer.from(asText.build()))
})
