// A worker that ends under load, as by a bug: another takes its place and nothing that was acknowledged is lost.

import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Consumer } from '../../src/client/consumer/consumer.js'
import { Producer } from '../../src/client/producer/producer.js'
import { errors } from '../../src/model/errors.js'
import { apis } from '../../src/protocol/schema/index.js'
import { startTestBroker } from '../support/broker.js'
import { createTopic, fetch, produce, until, WireClient } from './wire-client.js'

const PARTITIONS = 6
const LIMIT_MS = 300_000

/** A connection that fails with its worker tells which of the two has it; a worker must have lived a moment to be replaced at once. */
const SETTLED_MS = 2200

interface Load {
  /** What was acknowledged, by partition, in order. */
  readonly acknowledged: string[][]
  stop(): Promise<void>
  total(): number
}

function load(t: TestContext, bootstrap: string, topic: string): Load {
  const producer = new Producer({ bootstrapServers: bootstrap, lingerMs: 1, retryBackoffMs: 10, reconnectBackoffMs: 10 })
  t.after(() => producer.close())
  const acknowledged: string[][] = Array.from({ length: PARTITIONS }, () => [])
  let stopped = false
  let sequence = 0
  const lane = async (): Promise<void> => {
    while (!stopped) {
      const partition = sequence % PARTITIONS
      const value = `v${sequence++}`
      await producer.send({ topic, partition, value })
      acknowledged[partition]!.push(value)
    }
  }
  const lanes = Promise.all(Array.from({ length: 20 }, lane))
  return {
    acknowledged,
    total: () => acknowledged.reduce((sum, values) => sum + values.length, 0),
    stop: async () => {
      stopped = true
      await lanes
    },
  }
}

async function readAll(t: TestContext, bootstrap: string, topic: string): Promise<string[][]> {
  const consumer = new Consumer({ bootstrapServers: bootstrap })
  t.after(() => consumer.close())
  const partitions = Array.from({ length: PARTITIONS }, (_, partition) => ({ topic, partition }))
  consumer.assign(partitions.map((one) => ({ ...one, offset: 0 })))
  const ends = await consumer.endOffsets(partitions)
  const values: string[][] = Array.from({ length: PARTITIONS }, () => [])
  const total = ends.reduce((sum, { offset }) => sum + offset, 0)
  for (let read = 0; read < total;)
    for (const record of await consumer.poll(1000))
      read += values[record.partition]!.push(Buffer.from(record.value!).toString()) > 0 ? 1 : 0
  return values
}

for (const workers of [1, 2]) {
  test(
    `a worker killed under load is replaced, and what it acknowledged is there once (${workers} workers)`,
    { timeout: LIMIT_MS },
    async (t) => {
      const { bootstrap, millrace } = await startTestBroker(t, { workers })
      const admin = await WireClient.open(t, bootstrap)
      await createTopic(admin, 'events', PARTITIONS)
      const running = load(t, bootstrap, 'events')
      await sleep(SETTLED_MS)
      await until('it runs', () => running.total() > 500)
      const before = running.acknowledged.map((values) => values.length)
      const started = performance.now()
      await millrace.killWorker(workers - 1)
      await until('every partition is acknowledged again', () => running.acknowledged.every((values, p) => values.length > before[p]! + 1))
      const backMs = performance.now() - started
      t.diagnostic(`every partition back after ${Math.round(backMs)} ms`)
      await running.stop()
      const values = await readAll(t, bootstrap, 'events')
      for (let p = 0; p < PARTITIONS; p++) {
        assert.equal(new Set(values[p]).size, values[p]!.length, 'nothing is there twice')
        const present = new Set(values[p])
        for (const value of running.acknowledged[p]!) assert.ok(present.has(value), `${value} was acknowledged and is lost`)
        const numbers = values[p]!.map((value) => Number(value.slice(1)))
        assert.deepEqual(
          numbers,
          numbers.toSorted((a, b) => a - b),
          'in order',
        )
      }
    },
  )
}

test('connections of the other worker keep going while one is replaced', { timeout: LIMIT_MS }, async (t) => {
  const { bootstrap, millrace } = await startTestBroker(t, { workers: 2 })
  const clients = await Promise.all(Array.from({ length: 12 }, () => WireClient.open(t, bootstrap)))
  await createTopic(clients[0]!, 'both', PARTITIONS)
  await sleep(SETTLED_MS)
  await millrace.killWorker(1)
  // Those of the dead worker may close one after the other: who is answered now is with the living one.
  const answers = await Promise.allSettled(clients.map((client) => client.call(apis.apiVersions, 0, {})))
  const living = clients.filter((_, i) => answers[i]!.status === 'fulfilled')
  assert.ok(living.length > 0 && living.length < clients.length, `${living.length} of ${clients.length} go on`)
  for (const client of living) {
    const codes = new Set<number>()
    await until('all partitions take records over it', async () => {
      const outcomes = []
      for (let p = 0; p < PARTITIONS; p++) outcomes.push((await produce(client, 'both', p, ['v'])).errorCode)
      for (const code of outcomes) codes.add(code)
      return outcomes.every((code) => code === 0)
    })
    for (const code of codes) assert.ok(code === 0 || code === errors.NOT_LEADER_OR_FOLLOWER.code, `error ${code}`)
    const read = await fetch(
      client,
      'both',
      Array.from({ length: PARTITIONS }, (_, p) => [p, 0] as const),
    )
    assert.ok(read.every(({ errorCode, records }) => errorCode === 0 && records!.length > 0))
  }
})

test('killing workers again and again leaks no file and no thread', { timeout: LIMIT_MS }, async (t) => {
  const { bootstrap, millrace } = await startTestBroker(t, { workers: 1 })
  const first = await WireClient.open(t, bootstrap)
  await createTopic(first, 'files', 10)
  for (let p = 0; p < 10; p++) await produce(first, 'files', p, ['v'])
  const descriptors = (): number => readdirSync('/proc/self/fd').length
  const serves = (): Promise<void> =>
    until('it serves again', async () => {
      try {
        const client = await WireClient.open(t, bootstrap)
        const codes = []
        for (let p = 0; p < 10; p++) codes.push((await produce(client, 'files', p, ['v'])).errorCode)
        client.socket.destroy()
        return codes.every((code) => code === 0)
      } catch {
        return false
      }
    })
  await millrace.killWorker(0)
  await serves()
  const before = descriptors()
  for (let i = 0; i < 2; i++) {
    await millrace.killWorker(0)
    await serves()
  }
  await until('descriptors are back', () => descriptors() <= before + 8)
})

test('an in-process client goes on after the death of its worker', { timeout: LIMIT_MS }, async (t) => {
  const { millrace } = await startTestBroker(t, { workers: 1 })
  const producer = millrace.producer({ retryBackoffMs: 10, reconnectBackoffMs: 10 })
  const first = await producer.send({ topic: 'inside', partition: 0, value: 'a' })
  await millrace.killWorker(0)
  const second = await producer.send({ topic: 'inside', partition: 0, value: 'b' })
  assert.deepEqual([first.offset, second.offset], [0, 1])
})
