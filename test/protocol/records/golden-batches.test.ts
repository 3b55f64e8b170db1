// Batches that Kafka's own classes built, with each codec.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BatchBuilder, BatchCursor, batchHeader, readRecords } from '../../../src/protocol/records/index.js'
import type { CompressionName, HeaderToWrite } from '../../../src/protocol/records/index.js'
import { goldenFile } from '../support.js'

interface GoldenBatch {
  readonly name: string
  readonly batch: string
  readonly records?: readonly GoldenRecord[]
}

interface GoldenRecord {
  readonly offset: number
  readonly timestamp: number
  readonly key: string | null
  readonly value: string | null
  readonly headers: readonly { readonly key: string; readonly value: string | null }[]
}

const golden = goldenFile('batches.jsonl')
  .toString('utf8')
  .trimEnd()
  .split('\n')
  .map((line) => JSON.parse(line) as GoldenBatch)

const base64 = (bytes: Uint8Array | null): string | null => (bytes === null ? null : Buffer.from(bytes).toString('base64'))

function asGolden(bytes: Uint8Array): GoldenRecord[] {
  return [...readRecords(bytes, { includeControl: true })].map(({ offset, timestamp, key, value, headers }) => ({
    offset,
    timestamp,
    key: base64(key),
    value: base64(value),
    headers: headers.map((header) => ({ key: header.key, value: base64(header.value) })),
  }))
}

/** The values of the large batches, which the golden file does not repeat. */
function largeValues(): Buffer[] {
  let x = 1
  return Array.from({ length: 2500 }, (_, i) => {
    if (i % 25 !== 0) return Buffer.from(`record ${i} `.repeat(i % 23))
    const value = Buffer.alloc(32)
    for (let j = 0; j < 32; j++) {
      x = (Math.imul(x, 1103515245) + 12345) & 0x7fffffff
      value[j] = x >> 16
    }
    return value
  })
}

for (const { name, batch, records } of golden) {
  const bytes = Buffer.from(batch, 'base64')
  test(`the batch "${name}" that Kafka built is read as Kafka reads it`, () => {
    if (records) {
      assert.deepEqual(asGolden(bytes), records)
      return
    }
    const values = largeValues()
    let i = 0
    for (const record of readRecords(bytes)) {
      assert.equal(record.offset, i)
      assert.equal(record.timestamp, 1700000000000 + i)
      assert.equal(String(record.key), `key-${i}`)
      assert.ok(values[i]!.equals(record.value!), `value ${i}`)
      i++
    }
    assert.equal(i, 2500)
  })
}

test('an uncompressed batch is built byte for byte as Kafka builds it', () => {
  const { batch, records } = golden.find((each) => each.name === 'small none')!
  const builder = new BatchBuilder(64)
  for (const record of records!) {
    const bytes = (text: string | null): Buffer | null => (text === null ? null : Buffer.from(text, 'base64'))
    const headers: HeaderToWrite[] = record.headers.map(({ key, value }) => ({ key, value: bytes(value) }))
    builder.append(record.timestamp, bytes(record.key), bytes(record.value), headers)
  }
  const built = builder.build({ baseOffset: 1000, leaderEpoch: 5, producerId: 77, producerEpoch: 3, baseSequence: 12 })
  assert.equal(base64(built), batch)
})

test('header fields of a batch that Kafka built are read in place', () => {
  const bytes = Buffer.concat([Buffer.alloc(3), Buffer.from(golden.find((each) => each.name === 'small lz4')!.batch, 'base64')])
  assert.equal(batchHeader.baseOffset(bytes, 3), 1000)
  assert.equal(batchHeader.batchSize(bytes, 3), bytes.length - 3)
  assert.equal(batchHeader.leaderEpoch(bytes, 3), 5)
  assert.equal(batchHeader.magic(bytes, 3), 2)
  assert.equal(batchHeader.crc(bytes, 3), batchHeader.computeCrc(bytes, 3, bytes.length - 3))
  assert.equal(batchHeader.lastOffsetDelta(bytes, 3), 5)
  assert.equal(batchHeader.lastOffset(bytes, 3), 1005)
  assert.equal(batchHeader.baseTimestamp(bytes, 3), 1700000000000)
  assert.equal(batchHeader.maxTimestamp(bytes, 3), 1700000000000 + 20 * 86400000)
  assert.equal(batchHeader.producerId(bytes, 3), 77)
  assert.equal(batchHeader.producerEpoch(bytes, 3), 3)
  assert.equal(batchHeader.baseSequence(bytes, 3), 12)
  assert.equal(batchHeader.recordCount(bytes, 3), 6)
  assert.equal(batchHeader.compressionCode(bytes, 3), batchHeader.compressionCodes['lz4' satisfies CompressionName])
  assert.equal(batchHeader.isTransactional(bytes, 3), true)
  assert.equal(batchHeader.isControl(bytes, 3), false)
})

test('transaction markers are control batches and are left out unless asked for', () => {
  const marker = Buffer.from(golden.find((each) => each.name === 'commit marker')!.batch, 'base64')
  const cursor = new BatchCursor(marker)
  assert.ok(cursor.next())
  assert.ok(cursor.isControl && cursor.isTransactional)
  assert.deepEqual([...readRecords(marker)], [])
  assert.equal([...readRecords(marker, { includeControl: true })].length, 1)
})
