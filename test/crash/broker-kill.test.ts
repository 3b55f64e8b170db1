// A served node killed in the middle of an idempotent producer's run, and one that is stopped cleanly.

import assert from 'node:assert/strict'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { startNode, temporaryDir } from '../cli/run-cli.js'
import { Admin } from '../../src/client/admin/admin.js'
import { Consumer } from '../../src/client/consumer/consumer.js'
import { Producer } from '../../src/client/producer/producer.js'
import { until } from '../broker/wire-client.js'

const RECORDS = 20_000
const PARTITIONS = 4

async function readAll(t: TestContext, bootstrap: string, topic: string): Promise<number[][]> {
  const consumer = new Consumer({ bootstrapServers: bootstrap })
  t.after(() => consumer.close())
  const partitions = Array.from({ length: PARTITIONS }, (_, partition) => ({ topic, partition }))
  const ends = await consumer.endOffsets(partitions)
  consumer.assign(partitions.map((one) => ({ ...one, offset: 0 })))
  const values: number[][] = Array.from({ length: PARTITIONS }, () => [])
  let left = ends.reduce((sum, { offset }) => sum + offset, 0)
  while (left > 0) {
    const records = await consumer.poll(5000)
    assert.ok(records.length > 0, `${left} records are missing below the end`)
    for (const record of records) values[record.partition]!.push(Number(Buffer.from(record.value!).toString()))
    left -= records.length
  }
  return values
}

for (const [promise, workers] of [
  ['process', 1],
  ['disk', 2],
] as const) {
  test(
    `kill -9 in the middle of an idempotent run loses nothing acknowledged and repeats nothing (${promise} promise, ${workers} workers)`,
    { timeout: 300_000 },
    async (t) => {
      const dataDir = join(temporaryDir(t), 'data')
      const port = ['--set', 'offsets.topic.num.partitions=1']
      const first = await startNode(t, ['--workers', String(workers), ...port], dataDir)
      const address = first.bootstrap
      const admin = new Admin({ bootstrapServers: address })
      await admin.createTopics([
        { name: 'events', partitions: PARTITIONS, configs: { 'millrace.ack': promise, 'segment.bytes': 1_048_576 } },
      ])
      await admin.close()
      const producer = new Producer({
        bootstrapServers: address,
        batchSize: 4096,
        lingerMs: 1,
        retryBackoffMs: 20,
        reconnectBackoffMs: 20,
        reconnectBackoffMaxMs: 100,
      })
      t.after(() => producer.close())
      const acknowledged = new Map<number, { partition: number; offset: number }>()
      let killed: Promise<unknown> | undefined
      let sent = 0
      const lane = async (): Promise<void> => {
        while (sent < RECORDS) {
          const burst = Array.from({ length: Math.min(50, RECORDS - sent) }, async () => {
            const n = sent++
            const { partition, offset } = await producer.send({ topic: 'events', partition: n % PARTITIONS, value: String(n) })
            acknowledged.set(n, { partition, offset })
          })
          await Promise.all(burst)
          if (acknowledged.size > RECORDS / 3) killed ??= first.stop('SIGKILL')
        }
      }
      const lanes = Promise.all([lane(), lane(), lane(), lane()])
      await until('the node is killed', () => killed !== undefined)
      await killed
      const atKill = acknowledged.size
      assert.ok(atKill < RECORDS, 'it was killed in the middle')
      const again = await startNode(t, ['--workers', String(workers), ...port, '--listen', address], dataDir)
      await lanes
      assert.equal(acknowledged.size, RECORDS)
      const values = await readAll(t, again.bootstrap, 'events')
      for (let p = 0; p < PARTITIONS; p++) {
        const expected = Array.from({ length: RECORDS / PARTITIONS }, (_, i) => i * PARTITIONS + p)
        assert.deepEqual(
          values[p]!.toSorted((a, b) => a - b),
          expected,
          `partition ${p} has each record once`,
        )
        for (const [offset, n] of values[p]!.entries())
          assert.equal(acknowledged.get(n)!.offset, offset, `record ${n} is where its acknowledgement said`)
      }
      await producer.close()
      assert.equal(await again.stop(), 0)
    },
  )
}

test('a clean stop needs no recovery: records, committed offsets and groups are as they were', { timeout: 300_000 }, async (t) => {
  const dataDir = join(temporaryDir(t), 'data')
  const settings = ['--set', 'group.initial.rebalance.delay.ms=0', '--set', 'offsets.topic.num.partitions=3']
  const first = await startNode(t, settings, dataDir)
  const producer = new Producer({ bootstrapServers: first.bootstrap })
  for (let i = 0; i < 500; i++) void producer.send({ topic: 'kept', partition: 0, value: `v${i}` })
  await producer.flush()
  await producer.close()
  const consumer = new Consumer({
    bootstrapServers: first.bootstrap,
    groupId: 'readers',
    autoOffsetReset: 'earliest',
    enableAutoCommit: false,
  })
  consumer.subscribe({ topics: ['kept'] })
  let read = 0
  while (read < 500) read += (await consumer.poll(5000)).length
  await consumer.commit([{ topic: 'kept', partition: 0, offset: 300, metadata: 'half way' }])
  await consumer.close()
  assert.equal(await first.stop('SIGTERM'), 0)
  assert.ok(readdirSync(dataDir).includes('.kafka_cleanshutdown'))

  const again = await startNode(t, [...settings, '--log-level', 'info'], dataDir)
  assert.doesNotMatch(again.errors() + again.output(), /recover/i)
  assert.ok(!existsSync(join(dataDir, '.kafka_cleanshutdown')), 'the marker is good for one start')
  const reader = new Consumer({ bootstrapServers: again.bootstrap, groupId: 'readers', autoOffsetReset: 'earliest' })
  const [committed] = await reader.committed([{ topic: 'kept', partition: 0 }])
  assert.deepEqual([committed?.offset, committed?.metadata], [300, 'half way'])
  reader.subscribe({ topics: ['kept'] })
  const records = await reader.poll(10_000)
  assert.equal(records[0]?.offset, 300)
  const admin = new Admin({ bootstrapServers: again.bootstrap })
  assert.deepEqual(
    (await admin.listGroups()).map(({ groupId }) => groupId),
    ['readers'],
  )
  await admin.close()
  await reader.close()
})
