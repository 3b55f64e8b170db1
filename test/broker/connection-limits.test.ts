// Limits on connections over real sockets, held by a node of two workers together.

import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { NodeConnections } from '../../src/broker/node-connections.js'
import { RecoveryThreads } from '../../src/broker/recovery-threads.js'
import { ConfigStore } from '../../src/broker/config/config-store.js'
import { emptyImage } from '../../src/controller/image.js'
import type { TestBroker } from '../../src/embedded/testing.js'
import type { PoolTask } from '../../src/log/pool-tasks.js'
import type { Caller } from '../../src/threads/mailbox.js'
import { apis } from '../../src/protocol/schema/index.js'
import { startTestBroker } from '../support/broker.js'
import { SimEnv } from '../support/sim-env.js'
import { until, WireClient } from './wire-client.js'

const start = (t: TestContext, settings: Record<string, string | number>): Promise<TestBroker> =>
  startTestBroker(t, { workers: 2, settings })

async function connected(t: TestContext, broker: TestBroker): Promise<WireClient> {
  const client = await WireClient.open(t, broker.bootstrap)
  await client.call(apis.apiVersions, 3, { clientSoftwareName: 'test', clientSoftwareVersion: '1' })
  return client
}

/** Connected as far as the system is concerned, with a request on the way. */
async function hopeful(t: TestContext, broker: TestBroker): Promise<WireClient> {
  const client = await WireClient.open(t, broker.bootstrap)
  client.send(apis.apiVersions, 3, { clientSoftwareName: 'test', clientSoftwareVersion: '1' })
  return client
}

test('max.connections: one more waits over all workers, and is served when another closes', async (t) => {
  const broker = await start(t, { 'max.connections': 3 })
  const clients = [await connected(t, broker), await connected(t, broker), await connected(t, broker)]
  const waiting = await hopeful(t, broker)
  for (let i = 0; i < 10; i++) {
    for (const client of clients) await client.call(apis.apiVersions, 3, { clientSoftwareName: 'test', clientSoftwareVersion: '1' })
  }
  assert.equal(waiting.frames.length, 0)
  assert.equal(waiting.isClosed, false)
  clients[0]!.socket.destroy()
  await waiting.next()
})

test('max.connections.per.ip.overrides by host name: one more from there is closed', async (t) => {
  const broker = await start(t, { 'max.connections.per.ip.overrides': '127.0.0.1:2, localhost:2' })
  const first = await connected(t, broker)
  await connected(t, broker)
  await (await WireClient.open(t, broker.bootstrap)).closed()
  first.socket.destroy()
  // What closed is counted once its worker has said so.
  let next: WireClient | undefined
  await until('there is a place again', async () => {
    const client = await hopeful(t, broker)
    next = await client.next().then(
      () => client,
      () => undefined,
    )
    return next !== undefined
  })
})

test('max.connection.creation.rate: what comes faster waits', async (t) => {
  const broker = await start(t, { 'max.connection.creation.rate': 2, 'quota.window.num': 2 })
  const began = performance.now()
  for (let i = 0; i < 4; i++) await connected(t, broker)
  assert.ok(performance.now() - began >= 990, `four connections at 2 a second took ${performance.now() - began} ms`)
})

test('max.connections lowered at run time closes what is unused for longest', async (t) => {
  const broker = await startTestBroker(t, { workers: 1 })
  const [used, unused] = [await connected(t, broker), await connected(t, broker)]
  await used.call(apis.apiVersions, 3, { clientSoftwareName: 'test', clientSoftwareVersion: '1' })
  const admin = broker.millrace.admin()
  t.after(() => admin.close())
  await admin.incrementalAlterConfigs([{ type: 'broker', name: '', changes: [{ name: 'max.connections', value: 1 }] }])
  await unused.closed()
  await used.call(apis.apiVersions, 3, { clientSoftwareName: 'test', clientSoftwareVersion: '1' })
})

function listenCommands(properties: Record<string, string>, workers: number) {
  const configs = new ConfigStore({ nodeId: 1, properties: new Map(Object.entries(properties)) }, () => emptyImage('x'))
  const callers = Array.from({ length: workers }, () => ({}) as Caller)
  const connections = new NodeConnections({ env: new SimEnv(), configs: () => configs, callers: () => callers })
  return connections.begin([{ name: 'PLAINTEXT', host: '127.0.0.1', port: 9092 }])[0]!
}

test('the backlog is shared among the workers; the send buffer is as small as Kafka has it, the receive buffer set only when a setting says so', () => {
  const plain = listenCommands({}, 4)
  assert.deepEqual([plain.backlog, plain.sendBufferBytes, plain.receiveBufferBytes], [1024, 102_400, 0])
  assert.equal(listenCommands({ 'socket.send.buffer.bytes': '-1' }, 1).sendBufferBytes, 0)
  const explicit = listenCommands(
    { 'socket.listen.backlog.size': '50', 'socket.send.buffer.bytes': '20000', 'socket.receive.buffer.bytes': '-1' },
    4,
  )
  assert.deepEqual([explicit.backlog, explicit.sendBufferBytes, explicit.receiveBufferBytes], [13, 20000, 0])
})

test('num.recovery.threads.per.data.dir: so many scans at a time in each directory, and other work passes', async () => {
  const running = new Map<string, number>()
  const most = new Map<string, number>()
  const ends: (() => void)[] = []
  const run = async ({ name, ...task }: PoolTask): Promise<void> => {
    const dir = name === 'recoverSegment' ? (task as { dir: string }).dir.split('/')[1]! : name
    running.set(dir, (running.get(dir) ?? 0) + 1)
    most.set(dir, Math.max(most.get(dir) ?? 0, running.get(dir)!))
    await new Promise<void>((resolve) => ends.push(resolve))
    running.set(dir, running.get(dir)! - 1)
  }
  const threads = new RecoveryThreads(() => 2, run)
  const scan = (dir: string): PoolTask => ({
    name: 'recoverSegment',
    dir,
    baseOffset: 0,
    fromPosition: 0,
    indexIntervalBytes: 4096,
    maxUncompressed: 1,
  })
  const tasks = [...Array.from({ length: 5 }, (_, i) => scan(`/a/t-${i}`)), ...Array.from({ length: 5 }, (_, i) => scan(`/b/t-${i}`))]
  const all = Promise.all([...tasks, { name: 'copyFile', from: 'x', to: 'y' } as const].map((task) => threads.submit(task)))
  let done = false
  void all.then(() => (done = true))
  await new Promise(setImmediate)
  assert.deepEqual(Object.fromEntries(running), { a: 2, b: 2, copyFile: 1 })
  while (!done) {
    ends.shift()?.()
    await new Promise(setImmediate)
  }
  assert.deepEqual(Object.fromEntries(most), { a: 2, b: 2, copyFile: 1 })
})
