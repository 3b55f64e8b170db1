// Two listeners on one port, as two workers have them, with real sockets and a real port between them: who serves which connection.

import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import { MessageChannel } from 'node:worker_threads'
import { connectionCounts, ConnectionSharing } from '../../src/broker/connection-sharing.js'
import type { RequestHandler } from '../../src/broker/listener/connection.js'
import { type Admission, Listener } from '../../src/broker/listener/listener.js'
import { realRandom } from '../../src/env/real.js'
import { native } from '../../src/log/native.js'
import { Mailbox } from '../../src/threads/mailbox.js'
import { SimEnv } from '../support/sim-env.js'
import { until } from './wire-client.js'

const CLIENTS = 21

interface Workers {
  readonly listeners: readonly Listener[]
  readonly counts: Int32Array
  /** A client that has had an answer. */
  client(): Promise<Socket>
  /** What the second worker does with a connection that it is given. */
  readonly second: { listens: boolean; answers: boolean }
  /** The way between the two is gone. */
  part(): void
}

async function start(t: TestContext, admission: Admission): Promise<Workers> {
  const env = new SimEnv()
  const counts = connectionCounts(2)
  const second = { listens: true, answers: true }
  const echo: RequestHandler = { request: (_connection, _bytes, _start, _end, respond) => respond([Buffer.alloc(4)]), turnEnded: () => {} }
  const limits = { maxFrameBytes: 1024, maxInFlight: 4, maxBufferedBytes: 1024 }
  const { port1, port2 } = new MessageChannel()
  const listeners: Listener[] = []
  const peers: Mailbox[] = []
  for (const worker of [0, 1]) {
    const sharing = new ConnectionSharing({
      worker,
      counts,
      peer: () => peers[worker],
      listens: () => worker === 0 || second.listens,
      adopt: (_name, descriptor) => listeners[worker]!.adopt(descriptor),
    })
    const [[method, take]] = sharing.handlers() as [[string, (moved: never) => unknown]]
    const handler = (moved: never): unknown => (worker === 0 || second.answers ? take(moved) : new Promise(() => {}))
    peers.push(new Mailbox([port1, port2][worker]!, new Map([[method, handler]])))
    listeners.push(
      new Listener(
        { clock: env.clock, timers: env.timers, logger: env.logger, random: realRandom },
        { name: 'TEST', limits, maxIdleMs: 60_000, maxHeldBytes: 1 << 20, admission, sharing },
        echo,
      ),
    )
  }
  const [first, port] = native().listenSocket('127.0.0.1', 0, 64, true)
  await listeners[0]!.listen(first)
  await listeners[1]!.listen(native().listenSocket('127.0.0.1', port, 64, false)[0])
  t.after(() => {
    for (const listener of listeners) listener.close()
    port1.close()
  })
  const client = async (): Promise<Socket> => {
    const socket = connect(port, '127.0.0.1')
    t.after(() => socket.destroy())
    await new Promise<void>((resolve, reject) => {
      socket.on('error', reject)
      socket.on('close', () => reject(new Error('closed without an answer')))
      socket.once('data', () => resolve())
      socket.write(Buffer.from([0, 0, 0, 4, 1, 2, 3, 4]))
    })
    return socket
  }
  return { listeners, counts: new Int32Array(counts), client, second, part: () => port1.close() }
}

const OPEN_TO_ALL: Admission = { ask: () => undefined, opened: () => {}, closed: () => {} }

test('connections that come in any order end up evenly on both workers, and all are served', async (t) => {
  const { listeners, counts, client } = await start(t, OPEN_TO_ALL)
  const clients: Socket[] = []
  for (let i = 0; i < CLIENTS; i++) clients.push(await client())
  const served = listeners.map(({ connectionCount }) => connectionCount).toSorted((a, b) => a - b)
  assert.deepEqual(served, [10, 11])
  assert.deepEqual([...counts], [listeners[0]!.connectionCount, listeners[1]!.connectionCount])
  for (const socket of clients) socket.destroy()
  await until('none is counted any more', () => counts[0] === 0 && counts[1] === 0)
})

test('after one worker lost its connections the next ones are its own', async (t) => {
  const { listeners, counts, client } = await start(t, OPEN_TO_ALL)
  for (let i = 0; i < CLIENTS; i++) await client()
  for (const connection of listeners[1]!.all()) connection.destroy('a test')
  const before = listeners[0]!.connectionCount
  for (let i = 0; i < before; i++) await client()
  assert.deepEqual([...counts], [before, before])
})

test('a worker that does not listen yet leaves the connection to the one that has it', async (t) => {
  const { listeners, counts, client, second } = await start(t, OPEN_TO_ALL)
  second.listens = false
  let toFirst = 0
  while (toFirst < 4) {
    await client()
    toFirst = listeners[0]!.connectionCount
  }
  assert.deepEqual(
    [...counts],
    listeners.map(({ connectionCount }) => connectionCount),
  )
})

test('a worker that ends without taking the connection leaves it as well', async (t) => {
  const { listeners, counts, client, second, part } = await start(t, OPEN_TO_ALL)
  second.answers = false
  // The kernel chooses who accepts: until one was given away to the second worker, which says nothing.
  const waiting: Promise<Socket>[] = []
  while (counts[1] === listeners[1]!.connectionCount) {
    waiting.push(client())
    await until('it was placed', () => counts[0]! + counts[1]! === waiting.length)
  }
  part()
  await Promise.all(waiting)
  assert.equal(listeners[0]!.connectionCount + listeners[1]!.connectionCount, waiting.length)
  assert.deepEqual(
    [...counts],
    listeners.map(({ connectionCount }) => connectionCount),
  )
})

test('a connection that is not let in is not counted', async (t) => {
  const { listeners, counts, client } = await start(t, { ask: () => Promise.resolve(false), opened: () => {}, closed: () => {} })
  for (let i = 0; i < 6; i++) await assert.rejects(client())
  await until('none is counted', () => counts[0] === 0 && counts[1] === 0)
  assert.equal(listeners[0]!.connectionCount + listeners[1]!.connectionCount, 0)
})
