import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import fc from 'fast-check'
import { ClientError, KafkaError, Producer, type ProducerSettings } from '../../src/client/index.js'
import type { BrokerAddress, Connection } from '../../src/client/transport.js'
import { errors } from '../../src/model/errors.js'
import type { MessageOf } from '../../src/protocol/schema/dsl.js'
import { apis } from '../../src/protocol/schema/index.js'
import { SimEnv } from '../support/sim-env.js'
import { type Fault, FakeCluster, OUT_OF_ORDER } from './fake-cluster.js'

function start(
  t: TestContext | undefined,
  settings: Partial<ProducerSettings> = {},
  cluster = new FakeCluster(),
): { env: SimEnv; cluster: FakeCluster; producer: Producer } {
  const env = new SimEnv()
  const producer = new Producer({ transport: cluster, env, lingerMs: 0, ...settings })
  t?.after(async () => {
    const closing = producer.close(1000)
    await drive(env, closing)
  })
  return { env, cluster, producer }
}

/** Lets virtual time pass until the promise settles. */
async function drive<T>(env: SimEnv, promise: Promise<T>): Promise<T> {
  let settled = false
  const watched = promise.finally(() => (settled = true))
  watched.catch(() => {})
  for (let i = 0; i < 5000 && !settled; i++) await env.advance(50)
  assert.ok(settled, 'did not settle in 250 s of virtual time')
  return watched
}

const texts = (count: number, from = 0): string[] => Array.from({ length: count }, (_, i) => `v${from + i}`)

async function sendAll(env: SimEnv, producer: Producer, values: readonly string[]): Promise<number[]> {
  const sent = await drive(env, Promise.all(values.map((value) => producer.send({ topic: 't', value }))))
  return sent.map(({ offset }) => offset)
}

test('records sent together travel in one batch and get their offsets in order', async (t) => {
  const { env, cluster, producer } = start(t)
  assert.deepEqual(await sendAll(env, producer, texts(20)), [...Array(20).keys()])
  assert.equal(cluster.produced.length, 1)
})

test('a batch waits lingerMs for more records', async (t) => {
  const { env, cluster, producer } = start(t, { lingerMs: 100 })
  await drive(env, producer.partitionsFor('t'))
  const sent = producer.send({ topic: 't', value: 'a' })
  await env.advance(50)
  const second = producer.send({ topic: 't', value: 'b' })
  await env.advance(20)
  assert.equal(cluster.produced.length, 0)
  await drive(env, Promise.all([sent, second]))
  assert.equal(cluster.produced.length, 1)
})

test('one request carries batches of many partitions', async (t) => {
  const cluster = new FakeCluster()
  cluster.partitionCount = 4
  const { env, producer } = start(t, {}, cluster)
  await drive(env, Promise.all([0, 1, 2, 3].map((partition) => producer.send({ topic: 't', partition, value: 'x' }))))
  assert.equal(cluster.produced.length, 1)
  assert.equal(cluster.produced[0]!.topicData[0]!.partitionData.length, 4)
})

test('an answer that was lost leaves no duplicate: the batch is recognised by its sequence', async (t) => {
  const { env, cluster, producer } = start(t)
  cluster.faults = ['loseAnswer']
  assert.deepEqual(await sendAll(env, producer, ['a', 'b']), [0, 1])
  assert.deepEqual(cluster.values(), ['a', 'b'])
  assert.equal(cluster.produced.length, 2)
})

test('a partition whose new leader is named in the refusal is written there without a pause', async (t) => {
  const { env, cluster, producer } = start(t, { retryBackoffMs: 60_000, retryBackoffMaxMs: 60_000 })
  await drive(env, producer.partitionsFor('t'))
  cluster.answers.set(apis.produce.key, (body: MessageOf<typeof apis.produce.request>) => {
    cluster.answers.delete(apis.produce.key)
    const row = { index: 0, errorCode: errors.NOT_LEADER_OR_FOLLOWER.code, currentLeader: { leaderId: 2, leaderEpoch: 1 } }
    return {
      responses: body.topicData.map(({ name, topicId }) => ({ name, topicId, partitionResponses: [row] })),
      nodeEndpoints: [{ nodeId: 2, host: 'fake', port: 2, rack: null }],
    }
  })
  const sent = producer.send({ topic: 't', value: 'a' })
  for (let i = 0; i < 20; i++) await env.advance(50)
  assert.deepEqual(cluster.values(), ['a'])
  await sent
})

test('while the host of a leader answers nothing, who leads is asked again and again, and records go to the next leader', async (t) => {
  const { env, cluster, producer } = start(t, { metadataMaxAgeMs: 300_000, enableIdempotence: false })
  let leaderId = 2
  const connect = cluster.connect.bind(cluster)
  cluster.connect = (address?: BrokerAddress) => (address?.port === 2 ? new Promise(() => undefined) : connect())
  cluster.answers.set(apis.metadata.key, (body: MessageOf<typeof apis.metadata.request>) => ({
    brokers: [1, 2].map((nodeId) => ({ nodeId, host: 'fake', port: nodeId })),
    topics: (body.topics ?? []).map(({ name }) => ({
      name,
      partitions: [{ partitionIndex: 0, leaderId, leaderEpoch: 2 - leaderId, replicaNodes: [1, 2], isrNodes: [1, 2] }],
    })),
  }))
  await drive(env, producer.partitionsFor('t'))
  const sent = producer.send({ topic: 't', value: 'a' })
  for (let i = 0; i < 40; i++) await env.advance(50)
  assert.deepEqual(cluster.values(), [])
  leaderId = 1
  for (let i = 0; i < 40; i++) await env.advance(50)
  assert.deepEqual(cluster.values(), ['a'])
  await sent
})

test('a leader that falls silent with batches on the way costs no request timeout once another leads', async (t) => {
  const { env, cluster, producer } = start(t, { metadataMaxAgeMs: 300_000 })
  let [leaderId, silent] = [2, false]
  const connect = cluster.connect.bind(cluster)
  cluster.connect = async (address?: BrokerAddress): Promise<Connection> => {
    const connection = await connect()
    if (address?.port !== 2) return connection
    // What it is asked once it is silent is on its way until the connection ends.
    const asked: ((error: Error) => void)[] = []
    const request: Connection['request'] = (...args) =>
      silent ? new Promise((_, reject) => asked.push(reject)) : connection.request(...args)
    const close = (): void => {
      connection.close()
      for (const reject of asked) reject(new ClientError('ERR_MILLRACE_DISCONNECTED', 'closed'))
    }
    return { direct: undefined, bufferedBytes: 0, isOpen: true, request, close }
  }
  cluster.answers.set(apis.metadata.key, (body: MessageOf<typeof apis.metadata.request>) => ({
    brokers: [2, 1].slice(2 - leaderId).map((nodeId) => ({ nodeId, host: 'fake', port: nodeId })),
    topics: (body.topics ?? []).map(({ name }) => ({
      name,
      partitions: [{ partitionIndex: 0, leaderId, leaderEpoch: 2 - leaderId, replicaNodes: [1, 2], isrNodes: [1, 2] }],
    })),
  }))
  await sendAll(env, producer, ['before'])
  silent = true
  const sent = producer.send({ topic: 't', value: 'a' })
  for (let i = 0; i < 60; i++) await env.advance(50)
  assert.deepEqual(cluster.values(), ['before'])
  leaderId = 1
  for (let i = 0; i < 40; i++) await env.advance(50)
  assert.deepEqual(cluster.values(), ['before', 'a'])
  await sent
})

test('a failed batch is sent again before the younger ones that were on the way with it', async (t) => {
  const { env, cluster, producer } = start(t, { batchSize: 100 })
  cluster.faults = [{ code: 6 }, 'none', 'none', 'none']
  const offsets = await sendAll(env, producer, texts(12))
  assert.deepEqual(cluster.values(), texts(12))
  assert.deepEqual(offsets, [...Array(12).keys()])
})

test('a broker that forgot the producer gets a new epoch with sequences from 0', async (t) => {
  const { env, cluster, producer } = start(t)
  await sendAll(env, producer, ['a'])
  cluster.forgetProducers()
  assert.deepEqual(await sendAll(env, producer, ['b']), [1])
  assert.deepEqual(cluster.values(), ['a', 'b'])
})

test('a batch refused for good fails alone; what follows goes under a new epoch', async (t) => {
  const { env, cluster, producer } = start(t, { batchSize: 1 })
  await sendAll(env, producer, ['a'])
  cluster.faults = [{ code: 87 }]
  const [bad, good] = await drive(
    env,
    Promise.allSettled([producer.send({ topic: 't', value: 'bad' }), producer.send({ topic: 't', value: 'good' })]),
  )
  assert.equal(bad.status, 'rejected')
  assert.ok(bad.reason instanceof KafkaError && bad.reason.name === 'INVALID_RECORD')
  assert.equal(good.status, 'fulfilled')
  assert.deepEqual(cluster.values(), ['a', 'good'])
})

test('DUPLICATE_SEQUENCE_NUMBER counts as success', async (t) => {
  const { env, cluster, producer } = start(t)
  cluster.faults = [{ codeAfterWrite: 46 }]
  assert.deepEqual(await sendAll(env, producer, ['a']), [-1])
  assert.deepEqual(cluster.values(), ['a'])
})

test('a batch the broker finds too large is split until it fits, in order', async (t) => {
  const { env, cluster, producer } = start(t)
  cluster.maxBatchBytes = 150
  assert.deepEqual(await sendAll(env, producer, texts(40)), [...Array(40).keys()])
  assert.deepEqual(cluster.values(), texts(40))
})

test('without idempotence an error that may pass is retried too', async (t) => {
  const { env, cluster, producer } = start(t, { enableIdempotence: false, acks: 1 })
  cluster.faults = [{ code: 6 }]
  assert.deepEqual(await sendAll(env, producer, ['a']), [0])
})

test('with acks 0 a send resolves with offset -1', async (t) => {
  const { env, cluster, producer } = start(t, { acks: 0 })
  assert.deepEqual(await sendAll(env, producer, ['a']), [-1])
  assert.deepEqual(cluster.values(), ['a'])
})

test('what is not delivered within deliveryTimeoutMs fails and says why', async (t) => {
  const { env, cluster, producer } = start(t, { deliveryTimeoutMs: 2000, requestTimeoutMs: 1000 })
  cluster.faults = Array.from({ length: 1000 }, (): Fault => ({ code: 19 }))
  const error = await drive(
    env,
    producer.send({ topic: 't', value: 'a' }).catch((caught: unknown) => caught),
  )
  assert.ok(error instanceof ClientError && error.code === 'ERR_MILLRACE_TIMEOUT')
  assert.match(error.message, /NOT_ENOUGH_REPLICAS/)
})

test('append says no when the buffer is full, and ready comes when there is room again', async (t) => {
  const { env, cluster, producer } = start(t, { batchSize: 1000, bufferMemory: 4000, lingerMs: 1000 })
  assert.equal(producer.append('t', -1, null, 'x'), false, 'the topic is not known yet')
  await drive(env, producer.ready('t'))
  const value = 'x'.repeat(400)
  let taken = 0
  while (producer.append('t', -1, null, value)) taken++
  assert.ok(taken >= 6 && taken <= 8, `took ${taken}`)
  await drive(env, producer.ready('t'))
  assert.equal(producer.append('t', -1, null, value), true)
  await drive(env, producer.flush())
  assert.equal(cluster.values().length, taken + 1)
})

test('sends that wait for buffer space keep their order', async (t) => {
  const { env, cluster, producer } = start(t, { batchSize: 200, bufferMemory: 400 })
  await sendAll(env, producer, texts(100))
  assert.deepEqual(cluster.values(), texts(100))
})

test('a per-call disk promise is refused where the server does not announce it', async (t) => {
  const { env, cluster, producer } = start(t)
  const error = await drive(
    env,
    producer.send({ topic: 't', value: 'a', ack: 'disk' }).catch((caught: unknown) => caught),
  )
  assert.ok(error instanceof ClientError && error.code === 'ERR_MILLRACE_UNSUPPORTED')
  assert.deepEqual(cluster.values(), [])
})

test('a per-call promise travels in the request; other promises get requests of their own', async (t) => {
  const cluster = new FakeCluster()
  cluster.features = [{ name: 'millrace.ack', minVersion: 0, maxVersion: 1 }]
  const { env, producer } = start(t, {}, cluster)
  await drive(env, Promise.all([producer.send({ topic: 't', value: 'a', ack: 'disk' }), producer.send({ topic: 't', value: 'b' })]))
  assert.deepEqual(
    cluster.produced.map(({ millraceAck }) => millraceAck),
    [2, 0],
  )
  assert.deepEqual(cluster.values(), ['a', 'b'])
})

test('a broker without the needed API is named with what it lacks', async (t) => {
  const cluster = new FakeCluster()
  cluster.maxVersions.set(0, 2)
  const { env, producer } = start(t, {}, cluster)
  const error = await drive(
    env,
    producer.send({ topic: 't', value: 'a' }).catch((caught: unknown) => caught),
  )
  assert.ok(error instanceof ClientError && error.code === 'ERR_MILLRACE_UNSUPPORTED', String(error))
  assert.match(error.message, /Produce: the broker at fake:1 serves versions 3 to 2/)
})

test('a partition that does not exist is an error that names the range', async (t) => {
  const { env, producer } = start(t)
  await assert.rejects(drive(env, producer.send({ topic: 't', partition: 7, value: 'a' })), /it has 1 \(0 to 0\)/)
})

test('close flushes', async (t) => {
  const { env, cluster, producer } = start(t, { lingerMs: 60_000, deliveryTimeoutMs: 120_000 })
  const sent = producer.send({ topic: 't', value: 'a' })
  await drive(env, producer.close())
  await sent
  assert.deepEqual(cluster.values(), ['a'])
})

const faults: fc.Arbitrary<Fault> = fc.oneof(
  { weight: 4, arbitrary: fc.constant<Fault>('none') },
  fc.constant<Fault>('lose'),
  fc.constant<Fault>('loseAnswer'),
  fc.constant<Fault>({ code: 6 }),
  fc.constant<Fault>({ codeAfterWrite: 7 }),
  fc.constant<Fault>({ codeAfterWrite: 20 }),
)

/** Sends records while the broker does as the script says; every one of them must be in the log once and in order. */
async function writtenOnceInOrder(script: readonly Fault[], count: number, maxInFlightRequestsPerConnection: number): Promise<void> {
  const cluster = new FakeCluster()
  cluster.faults = [...script]
  const { env, producer } = start(undefined, { batchSize: 120, maxInFlightRequestsPerConnection }, cluster)
  await sendAll(env, producer, texts(count))
  await drive(env, producer.close())
  assert.deepEqual(cluster.values(), texts(count))
}

test('whatever is lost on the way, every record is written once and in order', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(faults, { maxLength: 25 }),
      fc.integer({ min: 1, max: 60 }),
      fc.integer({ min: 1, max: 5 }),
      writtenOnceInOrder,
    ),
    { numRuns: 60, verbose: true },
  )
})

test('a batch that is written and refused again and again is not left behind by more batches than the broker remembers', async () => {
  const refused: Fault = { codeAfterWrite: 20 }
  await writtenOnceInOrder([refused, 'none', 'none', 'none', refused], 16, 4)
  await writtenOnceInOrder([refused, 'none', 'none', 'none', 'none', refused, refused, 'none', refused], 60, 5)
})

test('a batch out of order after younger ones were accepted fails: under another epoch it could be there twice', async (t) => {
  const { env, cluster, producer } = start(t, { batchSize: 1 })
  cluster.faults = [{ codeAfterWrite: 20 }, 'none', { code: OUT_OF_ORDER }]
  const [older, younger] = await drive(
    env,
    Promise.allSettled([producer.send({ topic: 't', value: 'a' }), producer.send({ topic: 't', value: 'b' })]),
  )
  assert.equal(younger.status, 'fulfilled')
  assert.equal(older.status, 'rejected')
  assert.ok(older.reason instanceof KafkaError && older.reason.name === 'OUT_OF_ORDER_SEQUENCE_NUMBER')
  assert.deepEqual(await sendAll(env, producer, ['c']), [2])
  assert.deepEqual(cluster.values(), ['a', 'b', 'c'])
})

test('out of order as the oldest batch is repaired, not repeated for ever', async (t) => {
  const { env, cluster, producer } = start(t)
  cluster.faults = ['none', { code: OUT_OF_ORDER }]
  await sendAll(env, producer, ['a'])
  assert.deepEqual(await sendAll(env, producer, ['b']), [1])
})
