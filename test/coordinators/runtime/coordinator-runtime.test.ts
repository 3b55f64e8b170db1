import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CoordinatorRecord, ReplayTarget } from '../../../src/coordinators/runtime/coordinator-record.js'
import { CoordinatorRuntime } from '../../../src/coordinators/runtime/coordinator-runtime.js'
import { decodeRecords } from '../../../src/coordinators/runtime/record-batches.js'
import { errors } from '../../../src/model/errors.js'
import { SimEnv } from '../../support/sim-env.js'
import { MemoryPartition } from '../support/memory-partition.js'

class Journal implements ReplayTarget {
  readonly entries: string[] = []
  readonly unloaded: number[] = []

  reset(): void {
    this.entries.length = 0
  }

  replay(record: CoordinatorRecord): void {
    this.entries.push(`${Buffer.from(record.key).toString()}=${record.value === null ? '' : Buffer.from(record.value).toString()}`)
  }

  onLoaded(): void {}

  onUnloaded(errorCode: number): void {
    this.unloaded.push(errorCode)
  }
}

const record = (key: string, value: string | null): CoordinatorRecord => ({
  key: Buffer.from(key),
  value: value === null ? null : Buffer.from(value),
})

async function setUp(maxBatchBytes = 100_000) {
  const env = new SimEnv()
  const partition = new MemoryPartition()
  const journal = new Journal()
  const runtime = new CoordinatorRuntime({ writer: partition, env, target: journal, maxBatchBytes: () => maxBatchBytes })
  await runtime.load()
  return { env, partition, journal, runtime }
}

const storedRecords = (partition: MemoryPartition) => partition.batches.map((batch) => [...decodeRecords(batch)].length)

test('a write is replayed and answered only after its commit, in the order of the log', async () => {
  const { env, partition, journal, runtime } = await setUp()
  partition.held = true
  const order: string[] = []
  const one = runtime
    .write(() => ({ records: [record('a', '1')], response: 'one' }))
    .then((outcome) => order.push(outcome.response ?? 'failed'))
  const two = runtime
    .write(() => ({ records: [record('a', '2')], response: 'two' }))
    .then((outcome) => order.push(outcome.response ?? 'failed'))
  await env.settle()
  assert.deepEqual([journal.entries, order], [[], []])
  partition.release()
  await Promise.all([one, two])
  assert.deepEqual(journal.entries, ['a=1', 'a=2'])
  assert.deepEqual(order, ['one', 'two'])
})

test('what arrives while an append is in flight shares the next batch', async () => {
  const { env, partition, runtime } = await setUp()
  partition.held = true
  const writes = [runtime.write(() => ({ records: [record('k', '0')], response: 0 }))]
  await env.settle()
  for (let i = 1; i <= 5; i++) writes.push(runtime.write(() => ({ records: [record('k', `${i}`)], response: i })))
  await env.settle()
  assert.equal(partition.pendingAppends, 1)
  partition.release()
  await Promise.all(writes)
  assert.deepEqual(storedRecords(partition), [1, 5])
})

test('records beyond one batch are split, and answered after the last', async () => {
  const { partition, journal, runtime } = await setUp(200)
  const records = Array.from({ length: 10 }, (_, index) => record(`k${index}`, 'x'.repeat(40)))
  assert.equal((await runtime.write(() => ({ records, response: 'done' }))).response, 'done')
  assert.equal(journal.entries.length, 10)
  assert.ok(partition.batches.length >= 3)
  assert.ok(partition.batches.every((batch) => batch.length <= 200 + 61))
})

test('operations of one key see the committed result of the one before; others do not wait', async () => {
  const { env, partition, journal, runtime } = await setUp()
  partition.held = true
  const next = () => ({ records: [record('n', `${journal.entries.length + 1}`)], response: journal.entries.length + 1 })
  const one = runtime.write(next, 'n')
  const two = runtime.write(next, 'n')
  const other = runtime.write(() => ({ records: [], response: 'free' }), 'm')
  await env.settle()
  assert.equal((await other).response, 'free')
  partition.release()
  assert.deepEqual([(await one).response, (await two).response], [1, 2])
})

test('a failed append answers its operations, leaves the state alone and lets the next ones through', async () => {
  const { partition, journal, runtime } = await setUp()
  partition.outcomes.push({ errorCode: errors.NOT_ENOUGH_REPLICAS.code, offset: -1 })
  assert.deepEqual(await runtime.write(() => ({ records: [record('a', '1')], response: 'x' })), {
    errorCode: errors.NOT_ENOUGH_REPLICAS.code,
  })
  assert.equal((await runtime.write(() => ({ records: [record('a', '2')], response: 'y' }))).response, 'y')
  assert.deepEqual(journal.entries, ['a=2'])
})

test('an append of unknown fate makes the shard load again and then agree with the log', async () => {
  const { env, partition, journal, runtime } = await setUp()
  partition.outcomes.push({ errorCode: errors.REQUEST_TIMED_OUT.code, offset: 0 })
  const outcome = await runtime.write(() => ({ records: [record('a', '1')], response: 'x' }))
  assert.equal(outcome.errorCode, errors.REQUEST_TIMED_OUT.code)
  await env.settle()
  assert.equal(partition.loads, 2)
  assert.equal(runtime.readiness, 0)
  assert.deepEqual(journal.entries, ['a=1'])
})

test('a partition that cannot be read is tried again', async () => {
  const env = new SimEnv()
  const journal = new Journal()
  let attempts = 0
  const writer = {
    append: async () => ({ errorCode: 0, offset: 0 }),
    // eslint-disable-next-line require-yield
    async *load(): AsyncIterable<Uint8Array> {
      if (++attempts < 3) throw new Error('disk')
    },
  }
  const runtime = new CoordinatorRuntime({ writer, env, target: journal, maxBatchBytes: () => 1_000 })
  await runtime.load()
  assert.equal(runtime.readiness, errors.COORDINATOR_LOAD_IN_PROGRESS.code)
  await env.advance(1_000)
  assert.equal(runtime.readiness, 0)
  assert.equal(env.lines.filter((line) => line.level === 'error').length, 2)
})

test('resigning answers everything queued and in flight, and a late commit changes nothing', async () => {
  const { env, partition, journal, runtime } = await setUp()
  partition.held = true
  const writes = [runtime.write(() => ({ records: [record('a', '1')], response: 1 }))]
  await env.settle()
  writes.push(
    runtime.write(() => ({ records: [record('a', '2')], response: 2 })),
    runtime.write(() => ({ records: [record('a', '3')], response: 3 }), 'k'),
  )
  runtime.resign()
  const outcomes = await Promise.all(writes)
  assert.deepEqual(
    outcomes.map((outcome) => outcome.errorCode),
    outcomes.map(() => errors.NOT_COORDINATOR.code),
  )
  partition.release()
  await env.settle()
  assert.deepEqual(journal.entries, [])
  assert.deepEqual(journal.unloaded, [errors.NOT_COORDINATOR.code])
})

test('a resigned shard that loads again serves, and drops nothing of the log', async () => {
  const { partition, journal, runtime } = await setUp()
  await runtime.write(() => ({ records: [record('a', '1'), record('b', null)], response: 1 }))
  runtime.resign()
  await runtime.load()
  assert.deepEqual(journal.entries, ['a=1', 'b='])
  assert.equal((await runtime.write(() => ({ records: [record('c', '')], response: 2 }))).response, 2)
  assert.equal(partition.batches.length, 2)
})
