// What a connection to a worker says once for many batches: the worker must know what lies in a slot before it is used, and may not keep more
// than is in use.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Lent, SharedMemory, TermsTable } from '../../src/embedded/shared-batches.js'
import { native } from '../../src/log/native.js'
import type { DirectBatch } from '../../src/model/direct-batch.js'
import { ZERO_UUID } from '../../src/model/topic-partition.js'

test('memory comes back for the next batch that fits, and no two batches lie in the same, whatever comes and goes', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.integer({ min: 1, max: 100_000 }), fc.constant(0)), { maxLength: 200 }), (steps) => {
      const worker: (SharedArrayBuffer | undefined)[] = []
      const memory = new SharedMemory((slot, told) => {
        assert.notEqual(worker[slot] === undefined, told === null, 'a slot is given once, and taken back once')
        worker[slot] = told ?? undefined
      })
      const lent: Lent[] = []
      for (const size of steps) {
        if (size === 0) {
          const back = lent.shift()
          if (back) memory.giveBack(back)
          continue
        }
        const one = memory.take(size)
        assert.ok(one.bytes.length >= size)
        assert.equal(worker[one.slot], one.bytes.buffer, 'the worker knows it')
        assert.ok(lent.every(({ slot }) => slot !== one.slot))
        lent.push(one)
      }
      assert.ok(worker.filter((known) => known !== undefined).length <= lent.length + 8, 'the worker keeps what is in use, and a few')
    }),
  )
})

test('batches of one size go through the same memory', () => {
  let told = 0
  const memory = new SharedMemory(() => told++)
  for (let i = 0; i < 100; i++) {
    const lent = Array.from({ length: 5 }, () => memory.take(16_384 - i))
    for (const one of lent) memory.giveBack(one)
  }
  assert.equal(told, 5)
})

test('terms are told before their first batch, once as long as they are known, and others take their slots when there are too many', () => {
  const worker: DirectBatch[] = []
  let told = 0
  const table = new TermsTable((slot, terms) => {
    told++
    worker[slot] = { ...terms, records: new Uint8Array(0) }
  })
  const batch = (partition: number, millraceAck = 0): DirectBatch => ({
    topic: 't',
    topicId: ZERO_UUID,
    partition,
    records: new Uint8Array(0),
    acks: -1,
    millraceAck,
    timeoutMs: 1000,
    clientId: null,
  })
  for (let round = 0; round < 2; round++)
    for (const ack of [0, 2]) for (let p = 0; p < 12; p++) assert.deepEqual(worker[table.slotOf(batch(p, ack))], batch(p, ack))
  assert.equal(told, 24)
  for (let p = 0; p < 5000; p++) {
    assert.deepEqual(worker[table.slotOf(batch(p))], batch(p))
    assert.deepEqual(worker[table.slotOf(batch(p % 7))], batch(p % 7))
  }
  assert.ok(worker.length <= 1024, `${worker.length} are kept`)
})

test('bytes are copied to memory that threads share, and nowhere they do not fit', () => {
  const { copyBytes } = native()
  const target = new Uint8Array(new SharedArrayBuffer(100))
  const source = Buffer.from('some bytes at an odd place').subarray(1)
  assert.equal(copyBytes(target, source, 0), source.length)
  assert.deepEqual(Buffer.from(target).subarray(0, source.length), source)
  assert.equal(target[source.length], 0)
  assert.equal(copyBytes(target, source, 50), source.length)
  assert.deepEqual(Buffer.from(target).subarray(50, 50 + source.length), source)
  assert.throws(() => copyBytes(target, source, 100 - source.length + 1), { code: 'ERR_MILLRACE_ARGUMENT' })
  assert.throws(() => copyBytes(target.subarray(0, 5), source, 0), { code: 'ERR_MILLRACE_ARGUMENT' })
  assert.throws(() => copyBytes(target, target.subarray(3, 9), 0), { code: 'ERR_MILLRACE_ARGUMENT' })
})
