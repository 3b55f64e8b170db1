// Two listeners on one port, as two workers have them, with real sockets and a real port between them: who serves which connection.

import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import { OPEN_TO_ALL, startTwo } from './two-listeners.js'
import { until } from './wire-client.js'

const CLIENTS = 21

/** The kernel chooses who accepts: clients come until one was given away to the second worker, which says nothing. */
async function untilGivenAway({ listeners, counts, client }: Awaited<ReturnType<typeof startTwo>>): Promise<Promise<Socket>[]> {
  const waiting: Promise<Socket>[] = []
  while (counts()[1] === listeners[1]!.connectionCount) {
    waiting.push(client())
    await until('it was placed', () => counts()[0]! + counts()[1]! === waiting.length)
  }
  return waiting
}

test('connections that come in any order end up evenly on both workers, and all are served', async (t) => {
  const { listeners, counts, client } = await startTwo(t, OPEN_TO_ALL)
  const clients: Socket[] = []
  for (let i = 0; i < CLIENTS; i++) clients.push(await client())
  const served = listeners.map(({ connectionCount }) => connectionCount).toSorted((a, b) => a - b)
  assert.deepEqual(served, [10, 11])
  assert.deepEqual(counts(), [listeners[0]!.connectionCount, listeners[1]!.connectionCount])
  for (const socket of clients) socket.destroy()
  await until('none is counted any more', () => counts()[0] === 0 && counts()[1] === 0)
})

test('after one worker lost its connections the next ones are its own', async (t) => {
  const { listeners, counts, client } = await startTwo(t, OPEN_TO_ALL)
  for (let i = 0; i < CLIENTS; i++) await client()
  for (const connection of listeners[1]!.all()) connection.destroy('a test')
  const before = listeners[0]!.connectionCount
  for (let i = 0; i < before; i++) await client()
  assert.deepEqual(counts(), [before, before])
})

test('a worker that does not listen yet leaves the connection to the one that has it', async (t) => {
  const { listeners, counts, client, second } = await startTwo(t, OPEN_TO_ALL)
  second.listens = false
  let toFirst = 0
  while (toFirst < 4) {
    await client()
    toFirst = listeners[0]!.connectionCount
  }
  assert.deepEqual(
    counts(),
    listeners.map(({ connectionCount }) => connectionCount),
  )
})

test('a worker that ends without taking the connection leaves it as well', async (t) => {
  const pair = await startTwo(t, OPEN_TO_ALL)
  const { listeners, counts, second, part } = pair
  second.answers = false
  const waiting = await untilGivenAway(pair)
  part()
  await Promise.all(waiting)
  assert.equal(listeners[0]!.connectionCount + listeners[1]!.connectionCount, waiting.length)
  assert.deepEqual(
    counts(),
    listeners.map(({ connectionCount }) => connectionCount),
  )
})

test('what is on its way to a worker that stops is closed there', async (t) => {
  const { listeners, counts, client } = await startTwo(t, OPEN_TO_ALL)
  const kept = await client()
  const closed = new Promise<void>((resolve) => kept.once('close', () => resolve()))
  const home = listeners.findIndex(({ connectionCount }) => connectionCount === 1)
  const [connection] = listeners[home]!.all()
  listeners[1 - home]!.close()
  assert.equal(connection!.isOpen, true)
  for (let i = 0; i < 64; i++) connection!.affinity!.asked(1 - home, 1)
  // Looked at once it reads.
  kept.write(Buffer.from([0, 0, 0, 4, 1, 2, 3, 4]))
  await closed
  await until('none is counted', () => counts()[0] === 0 && counts()[1] === 0)
})

test('a connection that is not let in is not counted', async (t) => {
  const { listeners, counts, client } = await startTwo(t, { ask: () => Promise.resolve(false), opened: () => {}, closed: () => {} })
  for (let i = 0; i < 6; i++) await assert.rejects(client())
  await until('none is counted', () => counts()[0] === 0 && counts()[1] === 0)
  assert.equal(listeners[0]!.connectionCount + listeners[1]!.connectionCount, 0)
})

test('a connection that comes back from a worker that was replaced meanwhile is not taken off the new one', async (t) => {
  const pair = await startTwo(t, OPEN_TO_ALL)
  const { listeners, counts, second, part, replaceSecond } = pair
  second.answers = false
  const waiting = await untilGivenAway(pair)
  // Its successor begins to count before the first worker hears of the end.
  replaceSecond()
  part()
  await Promise.all(waiting)
  assert.deepEqual(counts(), [listeners[0]!.connectionCount, 0])
})
