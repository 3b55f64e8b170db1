// A column of values becomes the records that appending each of them makes, in JavaScript and in the addon.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { native } from '../../../src/log/native.js'
import { BatchBuilder, packRecords } from '../../../src/protocol/records/index.js'

const forms = [
  ['JavaScript', packRecords],
  ['the addon', native().packRecords],
] as const

/** Sizes on both sides of where a varint grows. */
const SIZES = [0, 1, 12, 13, 55, 56, 63, 64, 100, 8185, 8191, 8192, 70_000]

for (const [name, pack] of forms) {
  test(`a packed column is the same batch as its values one by one (${name})`, () => {
    const parts = Array.from({ length: 300 }, (_, i) => Buffer.alloc(SIZES[i % SIZES.length]!, i))
    const values = Buffer.concat([Buffer.from('in front'), ...parts])
    const offsets = new Int32Array(parts.length + 1)
    offsets[0] = 8
    parts.forEach((part, i) => (offsets[i + 1] = offsets[i]! + part.length))
    const wanted = new BatchBuilder()
    wanted.append(1000, null, 'first')
    for (const part of parts.slice(2)) wanted.append(1300, null, part)
    const builder = new BatchBuilder()
    builder.append(1000, null, 'first')
    const next = builder.appendPacked(pack, 1300, values, offsets, 2, wanted.sizeBytes + 64)
    assert.equal(next, parts.length)
    assert.deepEqual(builder.build(), wanted.build())
  })

  test(`a packed column stops before it would pass the limit, and goes on in the next batch (${name})`, () => {
    const values = Buffer.alloc(1000, 7)
    const offsets = Int32Array.from({ length: 11 }, (_, i) => i * 100)
    const builder = new BatchBuilder(61)
    const next = builder.appendPacked(pack, 5, values, offsets, 0, 420)
    assert.equal(next, 3)
    assert.ok(builder.sizeBytes <= 420)
    assert.equal(builder.count, 3)
    assert.equal(builder.appendPacked(pack, 9, values, offsets, next, 420), 3, 'nothing more fits')
    assert.equal(builder.count, 3)
    builder.reset()
    assert.equal(builder.appendPacked(pack, 9, values, offsets, next, 10_000), 10)
    assert.equal(builder.count, 7)
  })
}

test('the addon refuses offsets that lie outside, and values in the memory that it writes', () => {
  const target = Buffer.alloc(1000)
  const out = new Float64Array(1)
  const { packRecords: pack } = native()
  for (const offsets of [
    [0, 11],
    [-1, 5],
    [5, 4],
  ]) {
    assert.throws(() => pack(target, 61, 1000, Buffer.alloc(10), Int32Array.from(offsets), 0, 0, 0, out), { code: 'ERR_MILLRACE_ARGUMENT' })
  }
  assert.throws(() => pack(target, 61, 1000, target.subarray(500), Int32Array.of(0, 5), 0, 0, 0, out), { code: 'ERR_MILLRACE_ARGUMENT' })
  assert.throws(() => pack(target, 61, 1001, Buffer.alloc(10), Int32Array.of(0, 5), 0, 0, 0, out), { code: 'ERR_MILLRACE_ARGUMENT' })
})
