// `append` has a short way for bytes that go where the record before went. It must be the long way in everything but time: the same batches
// in the same requests. Strings never take it, so a producer of strings says what a producer of bytes must send.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Producer, type ProducerSettings } from '../../src/client/index.js'
import { SimEnv } from '../support/sim-env.js'
import { FakeCluster } from './fake-cluster.js'

interface Step {
  readonly topic: string
  readonly partition: number
  readonly key: string | null
  readonly length: number
  /** Milliseconds beside the clock; undefined: none is given. */
  readonly late: number | undefined
  readonly headers: boolean
  /** What comes after it. */
  readonly after: 'nothing' | 'time' | 'flush' | 'send'
}

const step: fc.Arbitrary<Step> = fc.record({
  topic: fc.oneof({ weight: 6, arbitrary: fc.constant('t') }, fc.constant('u')),
  partition: fc.oneof({ weight: 3, arbitrary: fc.constant(-1) }, { weight: 3, arbitrary: fc.constant(0) }, fc.constant(1)),
  key: fc.oneof({ weight: 5, arbitrary: fc.constant(null) }, fc.constantFrom('a', 'b', 'c')),
  length: fc.oneof({ weight: 5, arbitrary: fc.nat(40) }, { weight: 2, arbitrary: fc.nat(400) }, fc.integer({ min: 8000, max: 17_000 })),
  late: fc.oneof({ weight: 4, arbitrary: fc.constant(undefined) }, fc.integer({ min: -100, max: 100 }), fc.constant(10_000_000)),
  headers: fc.oneof({ weight: 8, arbitrary: fc.constant(false) }, fc.constant(true)),
  after: fc.oneof(
    { weight: 12, arbitrary: fc.constant('nothing' as const) },
    fc.constantFrom('time' as const, 'flush' as const, 'send' as const),
  ),
})

/** What a cluster is sent, and what each `append` said. */
async function sent(steps: readonly Step[], settings: Partial<ProducerSettings>, asBytes: boolean): Promise<unknown> {
  const env = new SimEnv()
  const cluster = new FakeCluster()
  cluster.partitionCount = 3
  const producer = new Producer({ transport: cluster, env, lingerMs: 3, ...settings })
  const drive = async (promise: Promise<unknown>): Promise<void> => {
    let settled = false
    const watched = promise.finally(() => (settled = true))
    watched.catch(() => {})
    for (let i = 0; i < 5000 && !settled; i++) await env.advance(1)
    await watched
  }
  const said: unknown[] = []
  for (const name of ['t', 'u']) await drive(producer.ready(name))
  for (const { topic, partition, key, length, late, headers, after } of steps) {
    const text = 'x'.repeat(length)
    const list = headers ? [{ key: 'h', value: 'v' }] : undefined
    const at = late === undefined ? undefined : env.clock.now() + late
    try {
      said.push(producer.append(topic, partition, key, asBytes ? Buffer.from(text) : text, list, at))
    } catch (error) {
      said.push((error as Error).message)
    }
    if (after === 'time') await env.advance(1)
    if (after === 'flush') await drive(producer.flush())
    if (after === 'send') producer.send({ topic, partition: 0, value: text }).catch((error: Error) => said.push(error.message))
  }
  await drive(producer.close())
  const { produced } = cluster
  return { said, produced: produced.map((request) => ({ ...request, topicData: request.topicData.map((topic) => ({ ...topic })) })) }
}

for (const [name, settings] of Object.entries<() => Partial<ProducerSettings>>({
  'small batches': () => ({ batchSize: 300 }),
  'large batches': () => ({ batchSize: 262_144 }),
  'little memory': () => ({ batchSize: 300, bufferMemory: 1200 }),
  'a record limit below the batch size': () => ({ batchSize: 20_000, maxRequestSize: 400 }),
  'a partitioner': () => {
    let calls = 0
    return { batchSize: 300, partitioner: (_topic, _key, count) => calls++ % count }
  },
})) {
  test(`append of bytes sends what append of text sends: ${name}`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 80 }), async (steps) => {
        assert.deepEqual(await sent(steps, settings(), true), await sent(steps, settings(), false))
      }),
      { numRuns: 40, verbose: true },
    )
  })
}

test('append of a closed producer throws, also where the record before was taken', async () => {
  const env = new SimEnv()
  const producer = new Producer({ transport: new FakeCluster(), env })
  const ready = producer.ready('t')
  await env.advance(100)
  await ready
  const value = Buffer.from('x')
  assert.equal(producer.append('t', 0, null, value), true)
  assert.equal(producer.append('t', 0, null, value), true)
  const closing = producer.close()
  assert.throws(() => producer.append('t', 0, null, value), /closed/)
  await env.advance(1000)
  await closing
})
