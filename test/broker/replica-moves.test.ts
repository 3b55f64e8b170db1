import assert from 'node:assert/strict'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import type { Millrace, OpenOptions } from '../../src/embedded/open.js'
import { open } from '../../src/embedded/open.js'
import { errors } from '../../src/model/errors.js'
import { apis } from '../../src/protocol/schema/index.js'
import { WireClient } from './wire-client.js'

const NAME = 'moving-0'
const nodes = new WeakMap<TestContext, Millrace[]>()

interface Node {
  readonly node: Millrace
  readonly wire: WireClient
  readonly dirs: readonly [string, string]
}

async function start(t: TestContext, options: Partial<OpenOptions> = {}, from?: readonly [string, string]): Promise<Node> {
  const root = from ? '' : mkdtempSync(join(tmpdir(), 'millrace-moves-'))
  const dirs = from ?? ([join(root, 'a'), join(root, 'b')] as const)
  const node = await open({ dataDir: dirs, workers: 1, listen: { port: 0 }, ...options })
  const opened = nodes.get(t)
  opened?.push(node)
  if (!opened) nodes.set(t, [node])
  // Every node of the test is closed BEFORE its directories go.
  if (!from) {
    t.after(async () => {
      for (const one of nodes.get(t)!) await one.close()
      rmSync(root, { recursive: true, force: true })
    })
  }
  return { node, wire: await WireClient.open(t, `127.0.0.1:${node.addresses[0]!.port}`), dirs }
}

async function move({ wire }: Node, path: string, topic = 'moving', partitions = [0]): Promise<number[]> {
  const answer = await wire.call(apis.alterReplicaLogDirs, 2, { dirs: [{ path, topics: [{ name: topic, partitions }] }] })
  return answer.results.flatMap((result) => result.partitions.map(({ errorCode }) => errorCode))
}

async function replicas({ wire, dirs }: Node): Promise<{ dir: string; lag: number; isFuture: boolean; size: number }[]> {
  const { results } = await wire.call(apis.describeLogDirs, 4, { topics: [{ topic: 'moving', partitions: [0] }] })
  return results.flatMap(({ logDir, topics }) =>
    topics.flatMap(({ partitions }) =>
      partitions.map(({ offsetLag, isFutureKey, partitionSize }) => ({
        dir: logDir === dirs[0] ? 'a' : 'b',
        lag: offsetLag,
        isFuture: isFutureKey,
        size: partitionSize,
      })),
    ),
  )
}

async function untilMoved(node: Node, dir: 'a' | 'b'): Promise<void> {
  for (;;) {
    const found = await replicas(node)
    if (found.length === 1 && found[0]!.dir === dir) return
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

async function readAll({ node }: Node, count: number): Promise<string[]> {
  const consumer = node.consumer()
  consumer.assign([{ topic: 'moving', partition: 0, offset: 0 }])
  const values: string[] = []
  while (values.length < count) for (const { value } of await consumer.poll(500)) values.push(String(value))
  await consumer.close()
  return values
}

async function create({ node }: Node, configs: Record<string, string>): Promise<void> {
  await node.admin().createTopics([{ name: 'moving', partitions: 1, configs }])
}

async function lies(node: Node): Promise<'a' | 'b'> {
  return (await replicas(node))[0]!.dir as 'a' | 'b'
}

/** Sends until told to stop; resolves with what was acknowledged, in order. */
function load({ node }: Node): () => Promise<string[]> {
  const producer = node.producer({ lingerMs: 0 })
  const sent: { value: string; done: Promise<unknown> }[] = []
  let go = true
  const running = (async () => {
    for (let i = 0; go; i++) {
      const value = `${i} ${'x'.repeat(200)}`
      sent.push({ value, done: producer.send({ topic: 'moving', partition: 0, value }) })
      if (i % 20 === 0) await sent.at(-1)!.done
    }
  })()
  return async () => {
    go = false
    await running
    await Promise.all(sent.map(({ done }) => done))
    return sent.map(({ value }) => value)
  }
}

for (const workers of [0, 1, 2]) {
  for (const ack of ['process', 'disk']) {
    test(`a replica moves there and back under load, nothing lost or twice (workers ${workers}, ${ack})`, async (t) => {
      const node = await start(t, { workers })
      await create(node, { 'segment.bytes': '1048576', 'millrace.ack': ack, 'file.delete.delay.ms': '100' })
      const stop = load(node)
      for (let i = 0; i < 3; i++) {
        const to = (await lies(node)) === 'a' ? 'b' : 'a'
        assert.deepEqual(await move(node, node.dirs[to === 'a' ? 0 : 1]), [errors.NONE.code])
        await untilMoved(node, to)
      }
      const acknowledged = await stop()
      assert.deepEqual(await readAll(node, acknowledged.length), acknowledged)
      const at = await lies(node)
      assert.ok(existsSync(join(node.dirs[at === 'a' ? 0 : 1], NAME)))
      assert.ok(!existsSync(join(node.dirs[at === 'a' ? 1 : 0], NAME)))
      await node.node.close()

      const again = await start(t, { workers }, node.dirs)
      assert.deepEqual(await readAll(again, acknowledged.length), acknowledged)
    })
  }
}

test('a move keeps within its budget, is described meanwhile, and is called off by naming the current directory', async (t) => {
  const node = await start(t, { settings: { 'replica.alter.log.dirs.io.max.bytes.per.second': 20_000 } })
  await create(node, {})
  const producer = node.node.producer({ lingerMs: 0 })
  for (let i = 0; i < 100; i++) await producer.send({ topic: 'moving', partition: 0, value: Buffer.alloc(20_000) })
  const from = await lies(node)
  const [current, target] = from === 'a' ? node.dirs : ([node.dirs[1], node.dirs[0]] as const)
  assert.deepEqual(await move(node, target), [0])
  let future
  do future = (await replicas(node)).find(({ isFuture }) => isFuture)
  while (!future)
  assert.ok(future.dir !== from && future.lag > 0 && future.lag <= 100, JSON.stringify(future))
  assert.deepEqual(await move(node, current), [0])
  while (readdirSync(target).some((name) => name.endsWith('-future'))) await new Promise((resolve) => setTimeout(resolve, 20))
  assert.equal(await lies(node), from)

  assert.deepEqual(await move(node, target), [0])
  const configs = [{ name: 'replica.alter.log.dirs.io.max.bytes.per.second', configOperation: 0, value: '1000000000' }]
  await node.wire.call(apis.incrementalAlterConfigs, 1, {
    resources: [{ resourceType: 4, resourceName: '1', configs }],
    validateOnly: false,
  })
  await untilMoved(node, from === 'a' ? 'b' : 'a')
})

test("moves that cannot be get Kafka's codes; a partition that comes later lies where it was wished", async (t) => {
  const node = await start(t)
  await create(node, {})
  assert.deepEqual(await move(node, '/nowhere'), [errors.LOG_DIR_NOT_FOUND.code])
  assert.deepEqual(await move(node, 'relative'), [errors.LOG_DIR_NOT_FOUND.code])
  assert.deepEqual(await move(node, node.dirs[1], 'moving', [7]), [errors.REPLICA_NOT_AVAILABLE.code])
  assert.deepEqual(await move(node, node.dirs[1], 'x'.repeat(240)), [errors.INVALID_TOPIC_EXCEPTION.code])
  const wished = node.dirs[(await lies(node)) === 'a' ? 0 : 1]
  assert.deepEqual(await move(node, wished, 'later', [0, 1]), [errors.REPLICA_NOT_AVAILABLE.code, errors.REPLICA_NOT_AVAILABLE.code])
  await node.node.admin().createTopics([{ name: 'later', partitions: 2 }])
  assert.ok(existsSync(join(wished, 'later-0')) && existsSync(join(wished, 'later-1')))
})

test('records deleted before a move stay deleted after it and a restart', async (t) => {
  const node = await start(t)
  await create(node, {})
  const producer = node.node.producer({ lingerMs: 0 })
  for (let i = 0; i < 50; i++) await producer.send({ topic: 'moving', partition: 0, value: `${i}` })
  await node.wire.call(apis.deleteRecords, 2, {
    topics: [{ name: 'moving', partitions: [{ partitionIndex: 0, offset: 20 }] }],
    timeoutMs: 5000,
  })
  const to = (await lies(node)) === 'a' ? 'b' : 'a'
  await move(node, node.dirs[to === 'a' ? 0 : 1])
  await untilMoved(node, to)
  await node.node.close()
  const again = await start(t, {}, node.dirs)
  const { topics } = await again.wire.call(apis.listOffsets, 7, {
    replicaId: -1,
    isolationLevel: 0,
    topics: [{ name: 'moving', partitions: [{ partitionIndex: 0, currentLeaderEpoch: -1, timestamp: -2 }] }],
  })
  assert.equal(topics[0]!.partitions[0]!.offset, 20)
})

test('a worker killed during a move, again and again: its successor goes on with it, nothing acknowledged is lost', async (t) => {
  const node = await start(t, { workers: 2, settings: { 'replica.alter.log.dirs.io.max.bytes.per.second': 40_000_000 } })
  await create(node, { 'segment.bytes': '1048576' })
  const producer = node.node.producer({ lingerMs: 5, deliveryTimeoutMs: 60_000 })
  const values = Array.from({ length: 10_000 }, (_, i) => `${i} ${'x'.repeat(1000)}`)
  await Promise.all(values.map((value) => producer.send({ topic: 'moving', partition: 0, value })))
  const to = (await lies(node)) === 'a' ? 'b' : 'a'
  assert.deepEqual(await move(node, node.dirs[to === 'a' ? 0 : 1]), [0])
  // The owner is one of the two.
  await node.node.killWorker(0)
  await node.node.killWorker(1)
  const connect = (): Promise<WireClient> => WireClient.open(t, `127.0.0.1:${node.node.addresses[0]!.port}`).catch(() => connect())
  const after: Node = { ...node, wire: await connect() }
  await untilMoved(after, to)
  assert.deepEqual(await readAll(after, values.length), values)
})

test('after a stop in the middle of a move the old replica counts and the move begins anew', async (t) => {
  const node = await start(t)
  await create(node, {})
  await node.node.producer().send({ topic: 'moving', partition: 0, value: 'kept' })
  const from = await lies(node)
  const target = node.dirs[from === 'a' ? 1 : 0]
  await node.node.close()
  mkdirSync(join(target, `${NAME}.${'0'.repeat(32)}-future`))
  writeFileSync(join(target, `${NAME}.${'0'.repeat(32)}-future`, '00000000000000000000.log'), 'half a copy')
  const again = await start(t, {}, node.dirs)
  await untilMoved(again, from === 'a' ? 'b' : 'a')
  assert.deepEqual(await readAll(again, 1), ['kept'])
})

test('a stop between the two renames leaves the moved replica; two copies without a mark are refused by name', async (t) => {
  const node = await start(t)
  await create(node, {})
  await node.node.producer().send({ topic: 'moving', partition: 0, value: 'one' })
  const [current, other] = (await lies(node)) === 'a' ? node.dirs : ([node.dirs[1], node.dirs[0]] as const)
  await node.node.close()
  cpSync(join(current, NAME), join(other, NAME), { recursive: true })
  await assert.rejects(open({ dataDir: node.dirs, workers: 0 }), (error: Error & { code: string }) => {
    assert.equal(error.code, 'ERR_MILLRACE_DUPLICATE_PARTITION')
    return error.message.includes(node.dirs[0]) && error.message.includes(node.dirs[1])
  })
  writeFileSync(join(other, NAME, 'moved-in'), '')
  const again = await start(t, {}, node.dirs)
  assert.equal(await lies(again), other === node.dirs[0] ? 'a' : 'b')
  assert.deepEqual(await readAll(again, 1), ['one'])
  assert.ok(readdirSync(current).some((name) => name.startsWith(NAME) && name.endsWith('-stray')))
})
