// Batches that go into an engine of this process without a request, on this thread (`workers: 0`), to the thread that owns the partition, or
// past another one to it (2): the same checks, answers and bytes as with one.

import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import type { BatchResult } from '../../src/client/producer/settings.js'
import { AckPromise, ProducerBatch } from '../../src/client/producer/batch.js'
import { type Millrace, open } from '../../src/embedded/open.js'
import { native } from '../../src/log/native.js'
import { Attribute } from '../../src/protocol/records/batch-layout.js'
import { batchHeader } from '../../src/protocol/records/index.js'

async function opened(t: TestContext, workers = 0): Promise<{ millrace: Millrace; dataDir: string }> {
  const dataDir = mkdtempSync(join(tmpdir(), 'millrace-direct-'))
  const millrace = await open({ dataDir, workers })
  t.after(async () => {
    await millrace.close()
    rmSync(dataDir, { recursive: true, force: true })
  })
  return { millrace, dataDir }
}

async function topic(millrace: Millrace, name: string, configs: Record<string, string> = {}, partitions = 1): Promise<void> {
  await millrace.admin().createTopics([{ name, partitions, configs }])
}

async function valuesOf(millrace: Millrace, name: string, partitions: number, count: number): Promise<string[][]> {
  const consumer = millrace.consumer({ autoOffsetReset: 'earliest' })
  consumer.assign(Array.from({ length: partitions }, (_, partition) => ({ topic: name, partition, offset: 0 })))
  const seen: string[][] = Array.from({ length: partitions }, () => [])
  let left = count
  while (left > 0) {
    const records = await consumer.poll(5000)
    assert.ok(records.length > 0, `${left} records are missing`)
    for (const { partition, value } of records) seen[partition]!.push(Buffer.from(value!).toString())
    left -= records.length
  }
  return seen
}

function columnOf(texts: readonly string[]): { values: Buffer; offsets: Int32Array } {
  const values = Buffer.from(texts.join(''))
  const offsets = new Int32Array(texts.length + 1)
  texts.forEach((text, i) => (offsets[i + 1] = offsets[i]! + text.length))
  return { values, offsets }
}

function logFile(dataDir: string, name: string): string {
  return join(dataDir, `${name}-0`, `${'0'.repeat(20)}.log`)
}

/** Every batch of the only segment, as it lies in the file. */
function storedBatches(dataDir: string, name: string): Buffer[] {
  const file = readFileSync(logFile(dataDir, name))
  const batches: Buffer[] = []
  for (let at = 0; at < file.length; at += batches.at(-1)!.length) batches.push(file.subarray(at, at + batchHeader.batchSize(file, at)))
  return batches
}

for (const workers of [0, 1]) {
  test(`a column goes in across batches, with backpressure, and comes back in order (workers: ${workers})`, async (t) => {
    const { millrace } = await opened(t, workers)
    await topic(millrace, 'column')
    const texts = Array.from({ length: 20_000 }, (_, i) => `value ${i} ${'x'.repeat(i % 90)}`)
    const { values, offsets } = columnOf(texts)
    const results: BatchResult[] = []
    const producer = millrace.producer({ batchSize: 100_000, bufferMemory: 300_000, onBatch: (result) => results.push(result) })
    let waits = 0
    for (let i = 0; (i = producer.appendColumn('column', 0, values, offsets, i)) < texts.length; waits++) await producer.ready('column')
    await producer.flush()
    assert.ok(waits > 2, `the buffer held less than the column, yet it had to wait ${waits} times only`)
    assert.deepEqual(
      results.filter(({ error }) => error),
      [],
    )
    assert.equal(
      results.reduce((sum, { recordCount }) => sum + recordCount, 0),
      texts.length,
    )
    assert.deepEqual((await valuesOf(millrace, 'column', 1, texts.length))[0], texts)
  })
}

test('a column without a partition is spread batch by batch, and between single records keeps its place', async (t) => {
  const { millrace } = await opened(t)
  await topic(millrace, 'spread', {}, 3)
  await topic(millrace, 'mixed')
  const texts = Array.from({ length: 3000 }, (_, i) => `${i}`.padStart(50))
  const { values, offsets } = columnOf(texts)
  const producer = millrace.producer({ batchSize: 4096 })
  await producer.ready('spread')
  await producer.ready('mixed')
  assert.equal(producer.appendColumn('spread', -1, values, offsets), texts.length)
  assert.ok(producer.append('mixed', 0, null, 'before'))
  assert.equal(producer.appendColumn('mixed', 0, values, offsets, 2990), texts.length)
  assert.ok(producer.append('mixed', 0, null, 'after'))
  await producer.flush()
  const spread = await valuesOf(millrace, 'spread', 3, texts.length)
  assert.ok(spread.every((part) => part.length > 0))
  assert.deepEqual(spread.flat().sort(), [...texts].sort())
  assert.deepEqual((await valuesOf(millrace, 'mixed', 1, 12))[0], ['before', ...texts.slice(2990), 'after'])
})

test('a column with wrong offsets, or a value that can never be sent, is refused with nothing taken', async (t) => {
  const { millrace } = await opened(t)
  await topic(millrace, 'refused')
  const producer = millrace.producer({ maxRequestSize: 5000 })
  await producer.ready('refused')
  const values = Buffer.alloc(10_000)
  const column = (offsets: Int32Array, from = 0) => producer.appendColumn('refused', 0, values, offsets, from)
  for (const offsets of [Int32Array.of(0, 5, 4), Int32Array.of(-1, 5), Int32Array.of(0, 5, 10_001)])
    assert.throws(() => column(offsets), { code: 'ERR_MILLRACE_ARGUMENT' })
  assert.throws(() => column(Int32Array.of(0, 5), 2), { code: 'ERR_MILLRACE_ARGUMENT' })
  assert.throws(() => column([0, 5] as never), { code: 'ERR_MILLRACE_ARGUMENT' })
  assert.throws(() => producer.appendColumn('refused', 1, values, Int32Array.of(0, 5)), { code: 'ERR_MILLRACE_ARGUMENT' })
  assert.throws(() => column(Int32Array.of(0, 5, 6000)), { code: 'ERR_MILLRACE_RECORD_TOO_LARGE' })
  assert.equal(column(new Int32Array(0)), 0)
  assert.equal(column(Int32Array.of(3)), 0)
  assert.equal((await producer.send({ topic: 'refused', partition: 0, value: 'first' })).offset, 0)
})

for (const workers of [0, 1, 2]) {
  for (const [what, configs, compressionType] of [
    ['as they are', {}, 'none'],
    ['compressed by the producer', {}, 'lz4'],
    ['compressed by the log', { 'compression.type': 'zstd' }, 'none'],
    ['in the time of the log', { 'message.timestamp.type': 'LogAppendTime' }, 'none'],
  ] as const) {
    test(`what lies in the file has the right checksum and offsets: batches ${what} (workers: ${workers})`, async (t) => {
      const { millrace, dataDir } = await opened(t, workers)
      await topic(millrace, 'stored', configs)
      const producer = millrace.producer({ batchSize: 70_000, compressionType })
      await producer.ready('stored')
      for (let i = 0; i < 3000; i++) assert.ok(producer.append('stored', 0, 'k', `value ${i}`.padStart(100)))
      await producer.flush()
      const batches = storedBatches(dataDir, 'stored')
      assert.ok(batches.length > 3)
      let next = 0
      for (const batch of batches) {
        assert.equal(batchHeader.computeCrc(batch, 0, batch.length), batchHeader.crc(batch, 0))
        assert.equal(batchHeader.baseOffset(batch, 0), next)
        next = batchHeader.lastOffset(batch, 0) + 1
      }
      assert.equal(next, 3000)
      assert.equal((await valuesOf(millrace, 'stored', 1, 3000))[0]![2999], 'value 2999'.padStart(100))
    })
  }

  test(`the log refuses as it refuses a request: size, keys, timestamps, and the promise disk holds (workers: ${workers})`, async (t) => {
    const { millrace } = await opened(t, workers)
    await topic(millrace, 'small', { 'max.message.bytes': '2000' })
    await topic(millrace, 'compacted', { 'cleanup.policy': 'compact' })
    await topic(millrace, 'timed', { 'message.timestamp.before.max.ms': '1000' })
    const producer = millrace.producer({ retries: 0 })
    // Over the limit as one batch: it is split until it fits.
    const sends = Array.from({ length: 100 }, (_, i) => producer.send({ topic: 'small', partition: 0, value: `${i}`.padStart(100) }))
    assert.deepEqual(
      (await Promise.all(sends)).map(({ offset }) => offset),
      Array.from({ length: 100 }, (_, i) => i),
    )
    await assert.rejects(producer.send({ topic: 'small', partition: 0, value: Buffer.alloc(3000) }), { code: 10 })
    await assert.rejects(producer.send({ topic: 'compacted', partition: 0, value: 'v' }), { code: 87, message: /without a key/ })
    await assert.rejects(producer.send({ topic: 'timed', partition: 0, value: 'v', timestamp: 1 }), { code: 32 })
    await assert.rejects(millrace.producer().send({ topic: '__consumer_offsets', partition: 0, value: 'v' }))
    // A refused batch leaves no hole: what follows is taken, under a new epoch.
    assert.equal((await producer.send({ topic: 'compacted', partition: 0, key: 'k', value: 'v', ack: 'disk' })).offset, 0)
    assert.equal((await producer.send({ topic: 'timed', partition: 0, value: 'v' })).offset, 0)
  })
}

test('onBatch is never called from within an append, and may append itself', async (t) => {
  const { millrace } = await opened(t)
  await topic(millrace, 'turns')
  let appending = false
  let batches = 0
  const producer = millrace.producer({
    batchSize: 70_000,
    onBatch: ({ error }) => {
      assert.equal(error, undefined)
      assert.equal(appending, false)
      if (batches++ < 5) assert.ok(producer.append('turns', 0, null, 'from onBatch'))
    },
  })
  await producer.ready('turns')
  await producer.send({ topic: 'turns', partition: 0, value: 'the identity is there now' })
  appending = true
  for (let i = 0; i < 5000; i++) assert.ok(producer.append('turns', 0, null, Buffer.alloc(100)))
  appending = false
  await producer.flush()
  await producer.flush()
  assert.equal((await valuesOf(millrace, 'turns', 1, 5006)).flat().length, 5006)
})

test('small batches of a loop that gives nobody a turn are written meanwhile, as many at once as may be in flight (workers: 0)', async (t) => {
  const { millrace, dataDir } = await opened(t)
  await topic(millrace, 'busy')
  const producer = millrace.producer({ batchSize: 4096, maxInFlightRequestsPerConnection: 3 })
  await producer.send({ topic: 'busy', partition: 0, value: 'the identity is there now' })
  const addon = native()
  const { segmentFlush } = addon
  t.after(() => void (addon.segmentFlush = segmentFlush))
  const sizes: number[] = [statSync(logFile(dataDir, 'busy')).size]
  addon.segmentFlush = (handle) => {
    const size = segmentFlush(handle)
    sizes.push(size)
    return size
  }
  const value = Buffer.alloc(1000)
  for (let i = 0; i < 400; i++) assert.ok(producer.append('busy', 0, null, value))
  const written = sizes.at(-1)! - sizes[0]!
  assert.ok(written > 390 * value.length, `${written} bytes were written by the loop`)
  const writes = sizes.slice(1).map((size, i) => Math.round((size - sizes[i]!) / 3050))
  assert.deepEqual(writes, Array(writes.length).fill(3), 'three batches with each write')
  await producer.flush()
  assert.equal((await valuesOf(millrace, 'busy', 1, 401)).flat().length, 401)
})

test('a thread that appends without a turn of its event loop is given answers meanwhile, and sends what they make room for (workers: 1)', async (t) => {
  const { millrace, dataDir } = await opened(t, 1)
  await topic(millrace, 'busy')
  const producer = millrace.producer({ batchSize: 4096, bufferMemory: 1 << 28 })
  await producer.send({ topic: 'busy', partition: 0, value: 'the identity is there now' })
  const value = Buffer.alloc(1000)
  let count = 1
  // Five are sent without an answer.
  for (; statSync(logFile(dataDir, 'busy')).size < 20 * 4096; count += 4)
    for (let i = 0; i < 4; i++) assert.ok(producer.append('busy', 0, null, value), 'the log got nothing before the buffer was full')
  await producer.flush()
  assert.equal((await valuesOf(millrace, 'busy', 1, count)).flat().length, count)
})

test('under the promise disk a loop of appends is answered by no write alone, and no more is under way than may be (workers: 0)', async (t) => {
  const { millrace, dataDir } = await opened(t)
  await topic(millrace, 'durable', { 'millrace.ack': 'disk' })
  const results: BatchResult[] = []
  const producer = millrace.producer({ batchSize: 4096, onBatch: (result) => results.push(result) })
  await producer.send({ topic: 'durable', partition: 0, value: 'the identity is there now' })
  const before = statSync(logFile(dataDir, 'durable')).size
  const addon = native()
  const { segmentSync } = addon
  t.after(() => void (addon.segmentSync = segmentSync))
  let sync = (): void => {}
  const held = new Promise<void>((resolve) => (sync = resolve))
  addon.segmentSync = (handle, withIndexes) => held.then(() => segmentSync(handle, withIndexes))
  results.length = 0
  for (let i = 0; i < 400; i++) assert.ok(producer.append('durable', 0, null, Buffer.alloc(1000)))
  const flushed = producer.flush()
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(results, [])
  assert.ok(statSync(logFile(dataDir, 'durable')).size - before <= 5 * 4096)
  sync()
  await flushed
  assert.equal(
    results.reduce((sum, { recordCount, error }) => sum + (error ? 0 : recordCount), 0),
    400,
  )
})

for (const workers of [0, 1]) {
  test(`close writes what nobody waited for (workers: ${workers})`, async (t) => {
    const { millrace, dataDir } = await opened(t, workers)
    await topic(millrace, 'closed')
    const producer = millrace.producer({ batchSize: 4096, lingerMs: 1000 })
    await producer.ready('closed')
    for (let i = 0; i < 1001; i++) assert.ok(producer.append('closed', 0, null, `${i}`.padStart(100)))
    await millrace.close()
    const again = await open({ dataDir, workers })
    t.after(() => again.close())
    assert.deepEqual((await valuesOf(again, 'closed', 1, 1001))[0]!.map(Number), [...Array(1001).keys()])
  })
}

test('batches on their way to a worker that dies are sent to its successor: each is there once, in order (workers: 1)', async (t) => {
  const { millrace } = await opened(t, 1)
  await topic(millrace, 'killed')
  const results: BatchResult[] = []
  const producer = millrace.producer({ batchSize: 4096, onBatch: (result) => results.push(result) })
  await producer.send({ topic: 'killed', partition: 0, value: '0' })
  let count = 1
  const append = (): void => {
    for (let i = 0; i < 500; i++) assert.ok(producer.append('killed', 0, null, Buffer.from(`${count++}`.padStart(100))))
  }
  append()
  const killed = millrace.killWorker(0)
  append()
  await killed
  append()
  await producer.flush()
  assert.deepEqual(
    results.filter(({ error }) => error),
    [],
  )
  const values = (await valuesOf(millrace, 'killed', 1, count))[0]!
  assert.deepEqual(values.map(Number), [...Array(count).keys()])
})

test('a batch that a log has patched is sent again as it was', () => {
  const batch = new ProducerBatch('t', 0, 0, 1000, 0, 1000, AckPromise.topic)
  batch.append(5, null, Buffer.from('value'), undefined, undefined)
  batch.setSequence(7, 1, 30, 0)
  const original = Buffer.from(batch.seal('none'))
  const handed = batch.sealDirect('none')
  batchHeader.setBaseOffset(handed, 0, 4711)
  batchHeader.setLeaderEpoch(handed, 0, 3)
  handed[22]! |= Attribute.logAppendTime
  assert.equal(batchHeader.baseOffset(batch.sealDirect('none'), 0), 0)
  assert.deepEqual(Buffer.from(batch.seal('none')), original)
})
