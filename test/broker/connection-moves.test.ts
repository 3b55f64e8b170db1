// A connection goes to the worker that owns what it asks for: with real sockets between two listeners, and through a whole node.

import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import type { Connection, RequestHandler } from '../../src/broker/listener/connection.js'
import { ConnectionAffinity } from '../../src/broker/listener/connection-affinity.js'
import { startTestBroker } from '../../src/embedded/testing.js'
import { apis } from '../../src/protocol/schema/index.js'
import { OPEN_TO_ALL, startTwo } from './two-listeners.js'
import { createTopic, FETCH, fetchBody, until, WireClient } from './wire-client.js'

/** More than the first review looks at. */
const MANY = 200

/** Four bytes name the owner that is asked, then come any others: the answer has all of it. */
function request(owner: number, rest = Buffer.alloc(0)): Buffer {
  const frame = Buffer.alloc(8 + rest.length)
  frame.writeInt32BE(4 + rest.length)
  frame.writeInt32BE(owner, 4)
  rest.copy(frame, 8)
  return frame
}

class Echo implements RequestHandler {
  /** How many requests each connection object had. */
  readonly seen = new Map<Connection, number>()
  /** Answers are kept until `answerAll` while this is set. */
  holds = false
  private readonly held: (() => void)[] = []

  request(...[connection, bytes, start, end, respond]: Parameters<RequestHandler['request']>): void {
    this.seen.set(connection, (this.seen.get(connection) ?? 0) + 1)
    connection.affinity?.asked(bytes.readInt32BE(start), 1)
    const answer = Buffer.alloc(4 + end - start)
    answer.writeInt32BE(end - start)
    bytes.copy(answer, 4, start, end)
    if (this.holds) this.held.push(() => respond([answer]))
    else respond([answer])
  }

  answerAll(): void {
    this.holds = false
    for (const answer of this.held.splice(0)) answer()
  }

  turnEnded(): void {}
}

interface Client {
  readonly socket: Socket
  /** All bytes that came back. */
  received(): Buffer
}

async function clientOf(t: TestContext, port: number): Promise<Client> {
  const socket = connect(port, '127.0.0.1')
  t.after(() => socket.destroy())
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject))
  return { socket, received: () => Buffer.concat(chunks) }
}

/** The worker that serves the one connection there is. */
function servedBy(served: readonly number[]): number {
  return served.findIndex((count) => count > 0)
}

const countsOf = (listeners: readonly { connectionCount: number }[]): number[] => listeners.map(({ connectionCount }) => connectionCount)

/** `wantedHome`: the kernel chooses who accepts, so until it chose that one. */
async function oneClient(t: TestContext, handler: Echo, wantedHome?: number) {
  const workers = await startTwo(t, OPEN_TO_ALL, handler)
  for (;;) {
    const client = await clientOf(t, workers.port)
    client.socket.write(request(-1))
    await until('it is served', () => client.received().length === 8)
    const home = servedBy(countsOf(workers.listeners))
    if (wantedHome === undefined || home === wantedHome) return { ...workers, client, home, other: 1 - home }
    client.socket.destroy()
    await until('it is gone', () => workers.counts().every((count) => count === 0))
  }
}

test('a connection that asks for what the other worker has goes there, in the middle of a request, and loses nothing', async (t) => {
  const handler = new Echo()
  const { listeners, counts, client, home, other } = await oneClient(t, handler)
  const large = Buffer.alloc(700_000, 7)
  const requests = [...Array.from({ length: MANY }, () => request(other)), request(other, large), request(other)]
  const all = Buffer.concat(requests)
  // All but the end of the large one: it is not complete when the connection goes.
  const cut = all.length - 12 - 1000
  client.socket.write(all.subarray(0, cut))
  await until('it went', () => listeners[other]!.connectionCount === 1)
  client.socket.write(all.subarray(cut))
  await until('all is answered', () => client.received().length === 8 + all.length)
  assert.deepEqual(client.received().subarray(8), all)
  assert.deepEqual([counts()[home], counts()[other]], [0, 1])
  assert.equal(handler.seen.size, 2)
})

test('it goes only once everything is answered, and answers keep their order', async (t) => {
  const handler = new Echo()
  const { listeners, client, other } = await oneClient(t, handler)
  for (let i = 1; i < 62; i++) client.socket.write(request(other))
  await until('the first are answered', () => client.received().length === 8 * 62)
  handler.holds = true
  client.socket.write(Buffer.concat([request(other), request(other)]))
  await until('two more were read', () => [...handler.seen.values()].at(-1) === 64)
  client.socket.write(request(other))
  assert.equal(listeners[other]!.connectionCount, 0)
  handler.answerAll()
  await until('it went', () => listeners[other]!.connectionCount === 1)
  await until('all is answered', () => client.received().length === 8 * 65)
  assert.deepEqual([...handler.seen.values()], [64, 1])
})

test('it stays where the other worker owns too little of what is asked', async (t) => {
  const { listeners, client, home, other } = await oneClient(t, new Echo())
  for (let i = 0; i < MANY; i++) client.socket.write(request(i % 3 === 0 ? home : other))
  await until('all is answered', () => client.received().length === 8 * (1 + MANY))
  assert.equal(listeners[home]!.connectionCount, 1)
})

test('of many that want to the same worker only so many go that it has two more', async (t) => {
  const { listeners, port } = await startTwo(t, OPEN_TO_ALL, new Echo())
  const clients: Client[] = []
  for (let i = 0; i < 6; i++) {
    const client = await clientOf(t, port)
    client.socket.write(request(-1))
    await until('it is served', () => client.received().length === 8)
    clients.push(client)
  }
  assert.deepEqual(countsOf(listeners), [3, 3])
  for (const { socket } of clients) for (let i = 0; i < MANY; i++) socket.write(request(1))
  await until('all are answered', () => clients.every(({ received }) => received().length === 8 * (1 + MANY)))
  await until('they have settled', () => listeners[1]!.connectionCount === 4)
  assert.deepEqual(countsOf(listeners), [2, 4])
})

test('when the other worker is gone on the way, it is served on where it was', async (t) => {
  const handler = new Echo()
  const { listeners, counts, client, home, other, second, part } = await oneClient(t, handler, 0)
  second.answers = false
  const all = Buffer.concat(Array.from({ length: 100 }, () => request(other)))
  client.socket.write(all)
  await until('it left', () => listeners[home]!.connectionCount === 0)
  part()
  client.socket.write(request(other))
  await until('all is answered', () => client.received().length === 16 + all.length)
  assert.deepEqual([counts()[home], counts()[other]], [1, 0])
  assert.equal(listeners[home]!.connectionCount, 1)
})

test('one that closes while it waits to go is not counted anywhere', async (t) => {
  const handler = new Echo()
  const { counts, client, other } = await oneClient(t, handler)
  handler.holds = true
  client.socket.write(Buffer.concat(Array.from({ length: MANY }, () => request(other))))
  await until('room was made', () => counts()[other] === 1)
  for (const connection of handler.seen.keys()) connection.destroy('a test')
  assert.deepEqual(counts(), [0, 0])
})

test('one that comes back after the other worker was replaced is not taken off the new one', async (t) => {
  const handler = new Echo()
  const { listeners, counts, client, home, other, second, part, replaceSecond } = await oneClient(t, handler, 0)
  second.answers = false
  client.socket.write(Buffer.concat(Array.from({ length: 100 }, () => request(other))))
  await until('it left', () => listeners[home]!.connectionCount === 0)
  replaceSecond()
  part()
  await until('it is back', () => listeners[home]!.connectionCount === 1)
  assert.deepEqual(counts(), [1, 0])
})

test('an affinity asks to go for half of what is asked, and each move makes the next come later', () => {
  const affinity = new ConnectionAffinity(0)
  affinity.asked(1, 63)
  assert.equal(affinity.review(), -1)
  affinity.asked(0, 20)
  assert.equal(affinity.review(), 1)
  affinity.asked(1, 47)
  affinity.asked(0, 17)
  assert.equal(affinity.review(), -1, '30 of 64 more is too little')
  affinity.fetchSession = 9
  const moved = affinity.moved()
  assert.deepEqual(moved, { moves: 1, fetchSession: 9 })
  const next = new ConnectionAffinity(1, moved)
  next.asked(0, 127)
  assert.equal(next.review(), -1)
  next.asked(0, 1)
  assert.equal(next.review(), 0)
})

test('a client keeps its fetch session while its connection goes from worker to worker', async (t) => {
  const broker = await startTestBroker({ workers: 2 })
  t.after(() => broker.close())
  const client = await WireClient.open(t, broker.bootstrap)
  await createTopic(client, 'both', 2)
  const full = { ...fetchBody('both', [[0, 0]]), sessionId: 0, sessionEpoch: 0, maxWaitMs: 0 }
  const { sessionId } = await client.call(apis.fetch, FETCH, full)
  assert.notEqual(sessionId, 0)
  let sessionEpoch = 1
  // Wherever it is now: one of the two partitions, and then the other, belongs to the other worker.
  for (const [wanted, forgotten] of [
    [0, 1],
    [1, 0],
    [0, 1],
  ] as const) {
    for (let i = 0; i < 600; i++) {
      const change =
        i === 0
          ? { ...fetchBody('both', [[wanted, 0]]), forgottenTopicsData: [{ topic: 'both', partitions: [forgotten] }] }
          : { ...fetchBody('both', []), topics: [] }
      const answer = await client.call(apis.fetch, FETCH, { ...change, sessionId, sessionEpoch, maxWaitMs: 0 })
      assert.equal(answer.errorCode, 0, `fetch ${sessionEpoch} in the session`)
      sessionEpoch++
    }
  }
})
