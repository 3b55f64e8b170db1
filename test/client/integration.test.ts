// Producer, consumer and admin against a real broker: ours, or any Kafka-compatible one named by MILLRACE_TEST_BOOTSTRAP.

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test, type TestContext } from 'node:test'
import { Kafka, logLevel } from 'kafkajs'
import {
  Admin,
  Consumer,
  type ConsumerRecord,
  type ConsumerSettings,
  KafkaError,
  Producer,
  type ProducerSettings,
  type StallReport,
  TcpTransport,
} from '../../src/client/index.js'
import type { BrokerAddress, Connection, Transport } from '../../src/client/transport.js'
import { bootstrap } from '../support/broker.js'
import { patience } from '../support/patience.js'

const WAIT_MS = 60_000

interface Bench {
  readonly servers: string
  readonly admin: Admin
  topic(partitions?: number, configs?: Record<string, string | number>): Promise<string>
  producer(settings?: ProducerSettings): Producer
  consumer(settings?: ConsumerSettings): Consumer
}

async function bench(t: TestContext): Promise<Bench | undefined> {
  const clients: { close(): Promise<void> }[] = []
  const topics: string[] = []
  const keep = <C extends { close(): Promise<void> }>(client: C): C => {
    clients.push(client)
    return client
  }
  let opened: Admin | undefined
  // Before the broker is asked for: what is registered first runs first, and clients end before their broker.
  t.after(async () => {
    await Promise.all(clients.map((client) => client.close()))
    if (topics.length > 0) await opened?.deleteTopics(topics, { timeoutMs: 5000 }).catch(() => {})
    await opened?.close()
  })
  const bootstrapServers = await bootstrap(t)
  if (bootstrapServers === undefined) return undefined
  const admin = (opened = new Admin({ bootstrapServers }))
  return {
    servers: bootstrapServers,
    admin,
    async topic(partitions = 1, configs = {}) {
      const name = `it-${randomUUID()}`
      await admin.createTopics([{ name, partitions, configs }])
      topics.push(name)
      return name
    },
    producer: (settings = {}) => keep(new Producer({ bootstrapServers, ...settings })),
    consumer: (settings = {}) => keep(new Consumer({ bootstrapServers, autoOffsetReset: 'earliest', fetchMaxWaitMs: 100, ...settings })),
  }
}

/** Polls until `done` says so. */
async function pollUntil(consumer: Consumer, done: (records: readonly ConsumerRecord[]) => boolean): Promise<ConsumerRecord[]> {
  const records: ConsumerRecord[] = []
  const left = patience(WAIT_MS)
  while (!done(records)) {
    assert.ok(left() > 0, `not done in ${WAIT_MS} ms with ${records.length} records`)
    records.push(...(await consumer.poll(200)))
  }
  return records
}

async function fill(b: Bench, topic: string, count: number, partitions = 1): Promise<void> {
  const producer = b.producer()
  await Promise.all(
    Array.from({ length: count }, (_, i) =>
      producer.send({ topic, partition: i % partitions, key: `k${i}`, value: `v${i}`, timestamp: 1_700_000_000_000 + i * 1000 }),
    ),
  )
  await producer.close()
}

for (const compressionType of ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const) {
  test(`records come back as they were sent (${compressionType})`, async (t) => {
    const b = await bench(t)
    if (!b) return
    const topic = await b.topic()
    const producer = b.producer({ compressionType })
    const value = Buffer.alloc(5000, 'abc')
    const sent = await Promise.all([
      producer.send({ topic, key: 'k', value, headers: { h: 'x', n: null } }),
      producer.send({ topic, value: null, timestamp: 1_234_567_890_123 }),
      producer.send({ topic, key: '', value: '☃' }),
    ])
    assert.deepEqual(
      sent.map(({ offset }) => offset),
      [0, 1, 2],
    )
    const consumer = b.consumer()
    consumer.assign([{ topic, partition: 0 }])
    const [first, second, third] = await pollUntil(consumer, (records) => records.length >= 3)
    assert.deepEqual(first!.value, value)
    assert.equal(first!.key!.toString(), 'k')
    assert.deepEqual(
      first!.headers.map(({ key, value: v }) => [key, v === null ? null : Buffer.from(v).toString()]),
      [
        ['h', 'x'],
        ['n', null],
      ],
    )
    assert.equal(second!.value, null)
    assert.equal(second!.key, null)
    assert.equal(second!.timestamp, 1_234_567_890_123)
    assert.equal(third!.key!.length, 0)
    assert.equal(third!.value!.toString(), '☃')
  })
}

test('a keyed record lands where Java puts it', async (t) => {
  const b = await bench(t)
  if (!b) return
  const topic = await b.topic(12)
  const { partition } = await b.producer().send({ topic, key: 'foobar', value: 'x' })
  assert.equal(partition, 6)
})

test('seek, ends, times and pause', async (t) => {
  const b = await bench(t)
  if (!b) return
  const topic = await b.topic()
  await fill(b, topic, 100)
  const consumer = b.consumer()
  const p = { topic, partition: 0 }
  consumer.assign([p])
  assert.deepEqual(await consumer.beginningOffsets([p]), [{ ...p, offset: 0 }])
  assert.deepEqual(await consumer.endOffsets([p]), [{ ...p, offset: 100 }])
  const [at, none] = await consumer.offsetsForTimes([{ ...p, timestamp: 1_700_000_041_500 }])
  assert.deepEqual(at, { ...p, offset: 42, timestamp: 1_700_000_042_000 })
  assert.equal(none, undefined)
  consumer.seek({ ...p, offset: 90 })
  assert.equal((await pollUntil(consumer, (records) => records.length >= 10))[0]!.offset, 90)
  consumer.seekToBeginning()
  assert.equal(await consumer.position(p), 0)
  consumer.pause([p])
  assert.deepEqual(await consumer.poll(300), [])
  consumer.resume(consumer.paused())
  assert.equal((await pollUntil(consumer, (records) => records.length > 0))[0]!.offset, 0)
  consumer.seekToEnd()
  assert.equal(await consumer.position(p), 100)
})

test('batches hold what was stored, and begin at the position', async (t) => {
  const b = await bench(t)
  if (!b) return
  const topic = await b.topic()
  await fill(b, topic, 50)
  const consumer = b.consumer()
  consumer.assign([{ topic, partition: 0, offset: 7 }])
  const offsets: number[] = []
  for await (const batch of consumer.batches()) {
    assert.ok(batch.baseOffset <= 7 || batch.startOffset === batch.baseOffset)
    const cursor = batch.records()
    while (cursor.next()) offsets.push(cursor.offset)
    if (batch.lastOffset === 49) break
  }
  assert.deepEqual(
    offsets,
    Array.from({ length: 43 }, (_, i) => i + 7),
  )
  assert.equal(await consumer.position({ topic, partition: 0 }), 50)
})

test('iteration yields every record once, and a second loop goes on', async (t) => {
  const b = await bench(t)
  if (!b) return
  const topic = await b.topic()
  await fill(b, topic, 1200)
  const consumer = b.consumer()
  consumer.assign([{ topic, partition: 0 }])
  const offsets: number[] = []
  for await (const record of consumer) if (offsets.push(record.offset) === 700) break
  for await (const record of consumer) if (offsets.push(record.offset) === 1200) break
  assert.deepEqual(offsets, [...Array(1200).keys()])
})

test('a committed position is where the next member starts', async (t) => {
  const b = await bench(t)
  if (!b) return
  const topic = await b.topic()
  await fill(b, topic, 20)
  const groupId = `g-${randomUUID()}`
  const first = b.consumer({ groupId, enableAutoCommit: false, maxPollRecords: 5 })
  first.subscribe({ topics: [topic] })
  const read = await pollUntil(first, (records) => records.length >= 5)
  assert.equal(read.length, 5)
  await first.commit()
  const [committed] = await first.committed([{ topic, partition: 0 }])
  assert.equal(committed?.offset, 5)
  await first.close()
  const second = b.consumer({ groupId })
  second.subscribe({ topics: [topic] })
  assert.equal((await pollUntil(second, (records) => records.length >= 15))[0]!.offset, 5)
  await second.close()
  const [offset] = await b.admin.groupOffsets(groupId)
  assert.deepEqual({ offset: offset!.offset, lag: offset!.lag }, { offset: 20, lag: 0 }, 'close commits what was read')
  await b.admin.resetOffsets(groupId, { shiftBy: -3 })
  assert.equal((await b.admin.groupOffsets(groupId))[0]!.lag, 3)
})

for (const strategy of ['range', 'roundrobin', 'cooperative-sticky'] as const) {
  test(`two members share the partitions, and one takes over when the other leaves (${strategy})`, async (t) => {
    const b = await bench(t)
    if (!b) return
    const topic = await b.topic(4)
    const groupId = `g-${randomUUID()}`
    const events: string[] = []
    const member = (name: string): Consumer => {
      const consumer = b.consumer({
        groupId,
        partitionAssignmentStrategy: [strategy],
        heartbeatIntervalMs: 100,
        onPartitionsAssigned: (partitions) => void events.push(`${name}+${partitions.map((p) => p.partition).join('')}`),
        onPartitionsRevoked: (partitions) => void events.push(`${name}-${partitions.map((p) => p.partition).join('')}`),
      })
      consumer.subscribe({ topics: [topic] })
      return consumer
    }
    const one = member('a')
    await pollUntil(one, () => one.assignment().length === 4)
    const two = member('b')
    const both = async (done: () => boolean): Promise<void> => {
      const left = patience(WAIT_MS)
      await Promise.all(
        [one, two].map(async (consumer) => {
          while (!done()) {
            assert.ok(left() > 0, `no agreement: ${events.join(' ')}`)
            await consumer.poll(50)
          }
        }),
      )
    }
    await both(() => one.assignment().length === 2 && two.assignment().length === 2)
    const owned = [...one.assignment(), ...two.assignment()].map((p) => p.partition).toSorted((a, b) => a - b)
    assert.deepEqual(owned, [0, 1, 2, 3])
    if (strategy === 'cooperative-sticky') {
      const revoked = events.filter((event) => event.startsWith('a-'))
      assert.equal(revoked.length, 1, `only what moves is revoked: ${events.join(' ')}`)
      assert.equal(revoked[0]!.length, 4)
    }
    await fill(b, topic, 40, 4)
    const values = new Set<string>()
    await Promise.all(
      [one, two].map(async (consumer) => {
        const left = patience(WAIT_MS)
        while (values.size < 40 && left() > 0) for (const record of await consumer.poll(50)) values.add(record.value!.toString())
      }),
    )
    assert.equal(values.size, 40)
    await two.close()
    await pollUntil(one, () => one.assignment().length === 4)
  })
}

test('a static member that comes back keeps its partitions without a rebalance', async (t) => {
  const b = await bench(t)
  if (!b) return
  const topic = await b.topic(2)
  const groupId = `g-${randomUUID()}`
  const member = (groupInstanceId: string): Consumer => {
    const consumer = b.consumer({ groupId, groupInstanceId, heartbeatIntervalMs: 100 })
    consumer.subscribe({ topics: [topic] })
    return consumer
  }
  const [one, two] = [member('x'), member('y')]
  const left = patience(WAIT_MS)
  const settled = (): boolean => one.assignment().length === 1 && two.assignment().length === 1
  await Promise.all(
    [one, two].map(async (consumer) => {
      while (!settled() && left() > 0) await consumer.poll(50)
    }),
  )
  const before = two.assignment()
  await two.close()
  const again = member('y')
  await pollUntil(again, () => again.assignment().length === 1)
  assert.deepEqual(again.assignment(), before)
  assert.equal(one.assignment().length, 1)
})

test('a pattern takes up topics that are created later', async (t) => {
  const b = await bench(t)
  if (!b) return
  const first = await b.topic()
  const consumer = b.consumer({ groupId: `g-${randomUUID()}`, metadataMaxAgeMs: 300, heartbeatIntervalMs: 100 })
  const prefix = first.slice(0, 8)
  consumer.subscribe({ pattern: new RegExp(`^${prefix}|^late-${prefix}`) })
  await pollUntil(consumer, () => consumer.assignment().length === 1)
  const late = `late-${first}`
  await b.admin.createTopics([{ name: late, partitions: 2, replicationFactor: 1 }])
  t.after(() => b.admin.deleteTopics([late]).catch(() => {}))
  await pollUntil(consumer, () => consumer.assignment().length === 3)
})

test('read_committed leaves out what a transaction aborted', async (t) => {
  const b = await bench(t)
  if (!b) return
  const topic = await b.topic()
  const other = new Kafka({ brokers: [b.servers.split(',')[0]!], logLevel: logLevel.NOTHING }).producer({
    transactionalId: `tx-${randomUUID()}`,
    maxInFlightRequests: 1,
    idempotent: true,
  })
  await other.connect()
  t.after(() => other.disconnect())
  const supported = await other.transaction().then(
    async (transaction) => {
      await transaction.send({ topic, messages: [{ value: 'kept-1' }] })
      await transaction.commit()
      return true
    },
    () => false,
  )
  if (!supported) {
    t.skip('the broker has no transactions')
    return
  }
  const aborted = await other.transaction()
  await aborted.send({ topic, messages: [{ value: 'dropped' }] })
  await aborted.abort()
  const last = await other.transaction()
  await last.send({ topic, messages: [{ value: 'kept-2' }] })
  await last.commit()
  const read = async (isolationLevel: 'read_committed' | 'read_uncommitted', count: number): Promise<string[]> => {
    const consumer = b.consumer({ isolationLevel })
    consumer.assign([{ topic, partition: 0 }])
    const records = await pollUntil(consumer, (all) => all.length >= count)
    return records.map(({ value }) => value!.toString())
  }
  assert.deepEqual(await read('read_committed', 2), ['kept-1', 'kept-2'])
  assert.deepEqual(await read('read_uncommitted', 3), ['kept-1', 'dropped', 'kept-2'])
})

/** Ends every connection after `requests` of them, with what is on the way. */
class FlakyTransport implements Transport {
  readonly bootstrap
  readonly #inner: TcpTransport
  readonly #requests: number
  ended = 0

  constructor(bootstrapServers: string, requests: number) {
    this.#inner = new TcpTransport({ bootstrapServers })
    this.#requests = requests
    this.bootstrap = this.#inner.bootstrap
  }

  async connect(address: BrokerAddress, timeoutMs: number): Promise<Connection> {
    const connection = await this.#inner.connect(address, timeoutMs)
    let left = this.#requests
    return {
      request: (pieces, correlationId, expectResponse) => {
        const answer = connection.request(pieces, correlationId, expectResponse)
        if (--left === 0) {
          this.ended++
          setImmediate(() => connection.close())
        }
        return answer
      },
      get isOpen() {
        return connection.isOpen
      },
      get bufferedBytes() {
        return connection.bufferedBytes
      },
      close: () => connection.close(),
    }
  }

  close(): void {
    this.#inner.close()
  }
}

test('connections that break lose no record, write none twice, and keep the order', async (t) => {
  const b = await bench(t)
  if (!b) return
  const topic = await b.topic(2)
  const transport = new FlakyTransport(b.servers, 8)
  const flaky = { transport, retryBackoffMs: 10, reconnectBackoffMs: 5 }
  const producer = new Producer({ ...flaky, batchSize: 200, lingerMs: 1 })
  const values = Array.from({ length: 600 }, (_, i) => `v${i}`)
  await Promise.all(values.map((value, i) => producer.send({ topic, partition: i % 2, value })))
  await producer.close()
  const consumer = new Consumer({ ...flaky, autoOffsetReset: 'earliest', fetchMaxWaitMs: 50, maxPartitionFetchBytes: 500 })
  consumer.assign([0, 1].map((partition) => ({ topic, partition })))
  const records = await pollUntil(consumer, (all) => all.length >= values.length)
  await consumer.close()
  transport.close()
  for (const half of [0, 1]) {
    const read = records.filter(({ partition }) => partition === half).map(({ value }) => value!.toString())
    assert.deepEqual(
      read,
      values.filter((_, i) => i % 2 === half),
    )
  }
  assert.ok(transport.ended > 3, `only ${transport.ended} connections were ended`)
})

test('a member that does not poll in time leaves, and joins again with its next poll', async (t) => {
  const b = await bench(t)
  if (!b) return
  const topic = await b.topic()
  const groupId = `g-${randomUUID()}`
  const lost: number[] = []
  const consumer = b.consumer({
    groupId,
    maxPollIntervalMs: 400,
    heartbeatIntervalMs: 50,
    onPartitionsLost: (partitions) => void lost.push(partitions.length),
  })
  consumer.subscribe({ topics: [topic] })
  await pollUntil(consumer, () => consumer.assignment().length === 1)
  const left = patience(WAIT_MS)
  const members = async (): Promise<number> => (await b.admin.describeGroups([groupId]))[0]!.members.length
  while ((await members()) > 0) assert.ok(left() > 0, 'still a member')
  // More than once where the machine leaves that long between two polls.
  await pollUntil(consumer, () => lost.length > 0 && consumer.assignment().length === 1)
})

test('an offset that is gone resets by autoOffsetReset, or is an error', async (t) => {
  const b = await bench(t)
  if (!b) return
  const topic = await b.topic()
  await fill(b, topic, 10)
  await b.admin.deleteRecords([{ topic, partition: 0, offset: 6 }])
  const consumer = b.consumer()
  consumer.assign([{ topic, partition: 0, offset: 2 }])
  assert.equal((await pollUntil(consumer, (records) => records.length > 0))[0]!.offset, 6)
  const strict = b.consumer({ autoOffsetReset: 'none' })
  strict.assign([{ topic, partition: 0, offset: 2 }])
  await assert.rejects(
    pollUntil(strict, () => false),
    (error: unknown) => error instanceof KafkaError && error.name === 'OFFSET_OUT_OF_RANGE',
  )
})

test('a consumer that gets nothing says why, per partition', async (t) => {
  const b = await bench(t)
  if (!b) return
  const topic = await b.topic(2)
  const reports: StallReport[] = []
  const consumer = b.consumer({ stallWarningMs: 200, onStall: (report) => void reports.push(report) })
  consumer.assign([0, 1].map((partition) => ({ topic, partition })))
  consumer.pause([{ topic, partition: 1 }])
  const left = patience(WAIT_MS)
  while (!reports.some(({ partitions }) => partitions[0]?.reason === 'at the end') && left() > 0) await consumer.poll(100)
  const report = reports.find(({ partitions }) => partitions[0]?.reason === 'at the end')
  assert.deepEqual(
    report?.partitions.map(({ reason }) => reason),
    ['at the end', 'paused'],
  )
})

test('topics are described, grown and configured', async (t) => {
  const b = await bench(t)
  if (!b) return
  const topic = await b.topic(1, { 'retention.ms': 100_000 })
  await b.admin.createPartitions({ [topic]: 3 })
  const [described] = await b.admin.describeTopics([topic])
  assert.equal(described!.partitions.length, 3)
  await b.admin.incrementalAlterConfigs([{ type: 'topic', name: topic, changes: [{ name: 'retention.ms', value: 50_000 }] }])
  const [settings] = await b.admin.describeConfigs([{ type: 'topic', name: topic }], { names: ['retention.ms'] })
  const [retention] = settings!.entries
  assert.deepEqual([retention!.value, retention!.source], ['50000', 'topic'])
  assert.ok((await b.admin.listTopics()).some(({ name, partitionCount }) => name === topic && partitionCount === 3))
  await assert.rejects(b.admin.createTopics([{ name: topic }]), (error: unknown) => error instanceof KafkaError && error.code === 36)
  await assert.rejects(b.admin.describeTopics([`no-${topic}`]), (error: unknown) => error instanceof KafkaError && error.code === 3)
  const cluster = await b.admin.describeCluster()
  assert.ok(cluster.brokers.length >= 1 && cluster.clusterId.length > 0)
  const dirs = await b.admin.describeLogDirs()
  assert.ok(dirs.some(({ partitions }) => partitions.some((p) => p.topic === topic)))
})

test('groups are listed, described and deleted', async (t) => {
  const b = await bench(t)
  if (!b) return
  const topic = await b.topic()
  const groupId = `g-${randomUUID()}`
  const consumer = b.consumer({ groupId, clientId: 'it-client' })
  consumer.subscribe({ topics: [topic] })
  await pollUntil(consumer, () => consumer.assignment().length === 1)
  const [group] = await b.admin.describeGroups([groupId])
  assert.equal(group!.state, 'Stable')
  assert.deepEqual(
    group!.members.map(({ clientId, assignment }) => ({ clientId, assignment })),
    [{ clientId: 'it-client', assignment: [{ topic, partition: 0 }] }],
  )
  await assert.rejects(
    b.admin.alterGroupOffsets(groupId, [{ topic, partition: 0, offset: 0 }]),
    (error: unknown) => error instanceof KafkaError && error.name === 'NON_EMPTY_GROUP',
  )
  await consumer.close()
  assert.ok((await b.admin.listGroups()).some((one) => one.groupId === groupId))
  await b.admin.deleteGroups([groupId])
  await assert.rejects(b.admin.describeGroups([groupId]), (error: unknown) => error instanceof KafkaError && error.code === 69)
})
