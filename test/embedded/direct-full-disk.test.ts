// A full disk that a producer on the log's own thread (`workers: 0`) meets in the middle of a loop of appends, where staged batches are written
// without a turn of the event loop.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import type { ProducerSettings } from '../../src/client/producer/settings.js'
import { type Millrace, open } from '../../src/embedded/open.js'
import { SimulatedDisk } from '../simulation/support/disk.js'

const ROOM = 30_000
const COUNT = 200

async function started(t: TestContext, settings: Partial<ProducerSettings>) {
  const dataDir = mkdtempSync(join(tmpdir(), 'millrace-direct-full-'))
  const disk = new SimulatedDisk(dataDir, 1)
  const millrace = await open({ dataDir, workers: 0 })
  t.after(async () => {
    await millrace.close()
    disk.forget()
    rmSync(dataDir, { recursive: true, force: true })
  })
  await millrace.admin().createTopics([{ name: 'full', partitions: 1 }])
  const producer = millrace.producer({ batchSize: 4096, lingerMs: 0, retryBackoffMs: 1, retryBackoffMaxMs: 10, ...settings })
  await producer.send({ topic: 'full', partition: 0, value: text(0) })
  disk.setFaults({ room: ROOM })
  return { millrace, disk, producer }
}

function text(i: number): string {
  return `${i}`.padStart(1000)
}

async function stored(millrace: Millrace, count: number): Promise<string[]> {
  const consumer = millrace.consumer()
  consumer.assign([{ topic: 'full', partition: 0, offset: 0 }])
  const seen: string[] = []
  while (seen.length < count) {
    const records = await consumer.poll(5000)
    assert.ok(records.length > 0, `${count - seen.length} records are missing`)
    for (const { value } of records) seen.push(Buffer.from(value!).toString())
  }
  return seen
}

test('retried until there is space: every record once, in order', async (t) => {
  let errors = 0
  const { millrace, disk, producer } = await started(t, { onBatch: ({ error }) => (errors += error ? 1 : 0) })
  for (let i = 1; i < COUNT; i++) assert.ok(producer.append('full', 0, null, Buffer.from(text(i))))
  const flushed = producer.flush()
  await producer.partitionsFor('full')
  disk.setFaults({})
  await flushed
  assert.equal(errors, 0)
  assert.deepEqual(
    await stored(millrace, COUNT),
    Array.from({ length: COUNT }, (_, i) => text(i)),
  )
})

test('given up: each promise is told, and the log holds what was promised and no more', async (t) => {
  const { millrace, disk, producer } = await started(t, { retries: 0 })
  const sends = Array.from({ length: COUNT }, (_, i) => producer.send({ topic: 'full', partition: 0, value: text(i + 1) }))
  const outcomes = await Promise.allSettled(sends)
  const kept = outcomes.flatMap((outcome, i) => (outcome.status === 'fulfilled' ? [text(i + 1)] : []))
  assert.ok(kept.length > 0 && kept.length * 1000 < ROOM, `${kept.length} were acknowledged`)
  for (const outcome of outcomes) if (outcome.status === 'rejected') assert.equal((outcome.reason as { code: number }).code, 56)
  disk.setFaults({})
  const { offset } = await producer.send({ topic: 'full', partition: 0, value: 'there is space' })
  assert.equal(offset, kept.length + 1)
  assert.deepEqual(await stored(millrace, offset + 1), [text(0), ...kept, 'there is space'])
})
