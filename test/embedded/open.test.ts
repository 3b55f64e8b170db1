// The engine in this process: clients without a socket, on the calling thread and on a worker.

import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { Consumer } from '../../src/client/consumer/consumer.js'
import { Producer } from '../../src/client/producer/producer.js'
import { open, type OpenOptions } from '../../src/embedded/open.js'
import { startTestBroker } from '../../src/embedded/testing.js'
import type { Millrace } from '../../src/embedded/open.js'

async function opened(t: TestContext, over: Partial<OpenOptions> = {}): Promise<{ millrace: Millrace; dataDir: string }> {
  const dataDir = mkdtempSync(join(tmpdir(), 'millrace-embedded-'))
  const settings = { 'group.initial.rebalance.delay.ms': 0, 'offsets.topic.num.partitions': 1, ...over.settings }
  const millrace = await open({ dataDir, ...over, settings })
  t.after(async () => {
    await millrace.close()
    rmSync(dataDir, { recursive: true, force: true })
  })
  return { millrace, dataDir }
}

for (const workers of [0, 1]) {
  const how = `workers: ${workers}`

  test(`an empty directory opens, and produce, consume and admin work without a socket (${how})`, async (t) => {
    const { millrace } = await opened(t, { workers })
    assert.deepEqual(millrace.addresses, [])
    assert.ok(millrace.startMs > 0)
    const admin = millrace.admin()
    await admin.createTopics([{ name: 'events', partitions: 3 }])
    const producer = millrace.producer()
    await Promise.all(
      Array.from({ length: 300 }, (_, i) =>
        producer.send({ topic: 'events', partition: i % 3, key: `k${i}`, value: `v${i}`, headers: { n: String(i) } }),
      ),
    )
    const consumer = millrace.consumer({ groupId: 'g', autoOffsetReset: 'earliest' })
    consumer.subscribe({ topics: ['events'] })
    const seen: string[] = []
    while (seen.length < 300) for (const { value } of await consumer.poll(5000)) seen.push(Buffer.from(value!).toString())
    assert.deepEqual(new Set(seen), new Set(Array.from({ length: 300 }, (_, i) => `v${i}`)))
    await consumer.commit()
    const ends = await admin.listOffsets([0, 1, 2].map((partition) => ({ topic: 'events', partition, at: 'latest' as const })))
    assert.deepEqual(
      ends.map(({ offset }) => offset),
      [100, 100, 100],
    )
    const committed = await consumer.committed([{ topic: 'events', partition: 1 }])
    assert.equal(committed[0]?.offset, 100)
  })

  test(`what was acknowledged is there after close and open, in the same cluster (${how})`, async (t) => {
    const { millrace, dataDir } = await opened(t, { workers })
    const producer = millrace.producer({ lingerMs: 1000 })
    const sends = Array.from({ length: 50 }, (_, i) => producer.send({ topic: 'kept', partition: 0, value: `v${i}` }))
    const { clusterId } = millrace
    await producer.ready('kept')
    await millrace.close()
    assert.equal((await Promise.all(sends)).at(-1)!.offset, 49, 'close sends what lingers')
    const again = await open({ dataDir, workers })
    assert.equal(again.clusterId, clusterId)
    const ends = await again.admin().listOffsets([{ topic: 'kept', partition: 0, at: 'latest' }])
    assert.equal(ends[0]!.offset, 50)
    await again.close()
  })

  test(`batches are views into one answer, with no copy for each (${how})`, async (t) => {
    const { millrace } = await opened(t, { workers })
    const producer = millrace.producer({ lingerMs: 0 })
    for (let i = 0; i < 20; i++) await producer.send({ topic: 'views', partition: 0, value: `batch ${i}` })
    const consumer = millrace.consumer({ autoOffsetReset: 'earliest' })
    consumer.assign([{ topic: 'views', partition: 0, offset: 0 }])
    const buffers = new Set<ArrayBufferLike>()
    let records = 0
    for (let batches = 0; batches < 20; batches++) {
      const batch = await consumer.pollBatch(5000)
      assert.ok(batch)
      buffers.add(batch.bytes.buffer)
      const cursor = batch.records()
      while (cursor.next()) {
        assert.equal(cursor.bytes.buffer, batch.bytes.buffer, 'a record lies in the batch')
        records++
      }
    }
    assert.equal(records, 20)
    assert.equal(buffers.size, 1)
  })

  test(`records come in by socket and in-process alike (${how})`, async (t) => {
    const { millrace } = await opened(t, { workers, listen: { port: 0 } })
    const { host, port } = millrace.addresses[0]!
    const outside = new Producer({ bootstrapServers: `${host}:${port}` })
    const inside = millrace.producer()
    for (let i = 0; i < 10; i++) await (i % 2 ? outside : inside).send({ topic: 'both', partition: 0, value: `v${i}` })
    const consumers = [new Consumer({ bootstrapServers: `${host}:${port}` }), millrace.consumer()]
    for (const consumer of consumers) {
      consumer.assign([{ topic: 'both', partition: 0, offset: 0 }])
      const values: string[] = []
      while (values.length < 10) for (const { value } of await consumer.poll(5000)) values.push(Buffer.from(value!).toString())
      assert.deepEqual(
        values,
        Array.from({ length: 10 }, (_, i) => `v${i}`),
      )
      await consumer.close()
    }
    await outside.close()
  })

  test(`a record reaches a waiting reader at once (${how})`, async (t) => {
    const { millrace } = await opened(t, { workers })
    const producer = millrace.producer({ lingerMs: 0 })
    await producer.send({ topic: 'tail', partition: 0, value: 'first' })
    const consumer = millrace.consumer({ fetchMaxWaitMs: 20_000 })
    consumer.assign([{ topic: 'tail', partition: 0, offset: 1 }])
    assert.deepEqual(await consumer.poll(50), [])
    // Shorter than a fetch waits for nothing.
    const waiting = consumer.poll(15_000)
    await producer.send({ topic: 'tail', partition: 0, value: 'second' })
    assert.equal((await waiting).length, 1)
  })

  test(`a record larger than every buffer goes through (${how})`, async (t) => {
    const { millrace } = await opened(t, { workers, settings: { 'message.max.bytes': 20_000_000 } })
    const producer = millrace.producer({ maxRequestSize: 20_000_000 })
    const value = Buffer.alloc(9_000_000, 'large ')
    await producer.send({ topic: 'large', partition: 0, value })
    const consumer = millrace.consumer()
    consumer.assign([{ topic: 'large', partition: 0, offset: 0 }])
    const [record] = await consumer.poll(10_000)
    assert.ok(record && Buffer.compare(record.value!, value) === 0)
  })
}

test('an unknown setting is refused with the nearest known name', async () => {
  await assert.rejects(open({ dataDir: join(tmpdir(), 'never-made'), settings: { 'num.partition': 3 } }), /num\.partitions/)
})

test('a broker for tests leaves nothing behind', async () => {
  const broker = await startTestBroker()
  assert.match(broker.bootstrap, /^127\.0\.0\.1:\d+$/)
  assert.ok(readdirSync(broker.dataDir).length > 0)
  await broker.close()
  assert.throws(() => readFileSync(broker.dataDir), { code: 'ENOENT' })
})
