// One listener with real sockets and a handler of the test's own: limits of half-received frames, idle connections, slow readers.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { Listener, type ListenerOptions, type Sharing } from '../../../src/broker/listener/listener.js'
import type { RequestHandler } from '../../../src/broker/listener/connection.js'
import type { AnswerTransfer, FilePiece } from '../../../src/broker/listener/response-writer.js'
import { Transfers } from '../../../src/broker/listener/transfers.js'
import { realClock, realRandom } from '../../../src/env/real.js'
import { native } from '../../../src/log/native.js'
import { SimEnv } from '../../support/sim-env.js'
import { OPEN_TO_ALL } from '../two-listeners.js'
import { until } from '../wire-client.js'

const MIB = 1 << 20

const ALONE: Sharing = { worker: undefined, giveAway: () => false, makeRoom: () => false, move: () => {}, ended: () => {} }

interface Setup {
  readonly listener: Listener
  readonly env: SimEnv
  readonly requests: number[]
  /** Moves the clock on and runs the sweeps. */
  sweep(ms: number): Promise<void>
  client(): Promise<Socket>
}

/** `answer` decides what a request of that size gets; undefined: nothing yet. */
async function start(
  t: TestContext,
  over: Partial<ListenerOptions> = {},
  answer: (size: number, respond: Parameters<RequestHandler['request']>[4]) => void = () => {},
): Promise<Setup> {
  const env = new SimEnv()
  const requests: number[] = []
  const handler: RequestHandler = {
    request: (_connection, _bytes, start_, end, respond) => {
      requests.push(end - start_)
      answer(end - start_, respond)
    },
    turnEnded: () => {},
  }
  const limits = { maxFrameBytes: 8 * MIB, maxInFlight: 4, maxBufferedBytes: MIB }
  const listener = new Listener(
    { clock: env.clock, timers: env.timers, logger: env.logger, random: realRandom },
    {
      name: 'TEST',
      limits,
      maxIdleMs: 60_000,
      maxHeldBytes: 2 * MIB,
      admission: OPEN_TO_ALL,
      sharing: ALONE,
      transfers: new Transfers(() => 2),
      ...over,
    },
    handler,
  )
  const [fd, port] = native().listenSocket('127.0.0.1', 0, 16, true)
  await listener.listen(fd)
  t.after(() => listener.close())
  return {
    listener,
    env,
    requests,
    sweep: (ms) => env.advance(ms),
    client: async () => {
      const socket = connect(port, '127.0.0.1')
      socket.on('error', () => {})
      await new Promise<void>((resolve) => socket.once('connect', resolve))
      t.after(() => socket.destroy())
      return socket
    },
  }
}

interface RealFile {
  readonly path: string
  readonly bytes: Buffer
  range(position: number, length: number): FilePiece
}

/** Ranges of a file of `size` bytes as the real addon sends them. */
function fileOf(t: TestContext, size: number): RealFile {
  const dir = mkdtempSync(join(tmpdir(), 'millrace-listener-'))
  t.after(() => rmSync(dir, { recursive: true }))
  const path = join(dir, '00000000000000000000.log')
  const bytes = Buffer.alloc(size)
  for (let i = 0; i < size; i++) bytes[i] = (i % 251) ^ (i >> 16)
  writeFileSync(path, bytes)
  const handle = native().segmentOpen(dir, 0, false, -1, 4096, 0)
  t.after(() => native().segmentClose(handle))
  const range = (position: number, length: number): FilePiece => ({
    size: length,
    read: (skip, count, target) => {
      const read = native().segmentRead(handle, position + skip, count, target, 0)
      if (read !== count) throw new Error(`${read} bytes where ${count} were planned`)
    },
    send: (skip, count, descriptor) => native().segmentSend(handle, position + skip, count, descriptor),
    handOver: (skip, count, transfer: AnswerTransfer) => transfer.addSegment(handle, position + skip, count),
    release: () => {},
  })
  return { path, bytes, range }
}

function frame(size: number): Buffer {
  const bytes = Buffer.alloc(4 + size)
  bytes.writeInt32BE(size)
  return bytes
}

test('half-received frames beyond the limit wait for each other, and every one of them gets through', async (t) => {
  const { client, requests, listener } = await start(t, {}, (_size, respond) => respond([Buffer.alloc(4)]))
  const clients = await Promise.all(Array.from({ length: 6 }, client))
  const whole = frame(4 * MIB)
  for (const socket of clients) socket.write(whole.subarray(0, 3 * MIB))
  await until('all are accepted', () => listener.connectionCount === 6)
  for (const socket of clients) socket.write(whole.subarray(3 * MIB))
  await until('all six are whole', () => requests.length === 6)
  assert.ok(requests.every((size) => size === 4 * MIB))
})

test('small requests are served while large ones wait for memory', async (t) => {
  const { client, requests } = await start(t)
  const large = await Promise.all(Array.from({ length: 4 }, client))
  for (const socket of large) socket.write(frame(8 * MIB).subarray(0, 4 * MIB))
  const small = await client()
  for (let i = 1; i <= 20; i++) {
    small.write(frame(100))
    // Unanswered requests of this one connection are limited to 4, so a new one is used for each few.
    if (i % 4 === 0) break
  }
  await until('the small ones came', () => requests.length === 4)
})

test('whoever keeps others waiting with a frame that does not get finished is closed', async (t) => {
  const { client, requests, listener, sweep } = await start(t)
  const hoarders = await Promise.all([client(), client()])
  for (const socket of hoarders) socket.write(frame(8 * MIB).subarray(0, 5 * MIB))
  await until('one of them holds more than the limit', () => hoarders.some((socket) => socket.writableLength === 0))
  const honest = await client()
  await until('it is accepted', () => listener.connectionCount === 3)
  honest.write(frame(3 * MIB))
  const closed = new Promise((resolve) => hoarders.forEach((socket) => socket.on('close', resolve)))
  await sweep(10_000)
  await sweep(10_000)
  await closed
  await sweep(20_000)
  await until('the honest one got through', () => requests.includes(3 * MIB))
})

test('an idle connection is closed after the limit, one that speaks is not', async (t) => {
  const { client, listener, sweep, requests } = await start(t, {}, (_size, respond) => respond([Buffer.alloc(4)]))
  const [idle, busy] = [await client(), await client()]
  await until('both are accepted', () => listener.connectionCount === 2)
  const closed = new Promise((resolve) => idle.on('close', resolve))
  idle.resume()
  for (let i = 1; i <= 5; i++) {
    busy.write(frame(10))
    await until('it was heard', () => requests.length === i)
    await sweep(15_000)
  }
  await closed
  assert.equal(listener.connectionCount, 1)
})

test('a connection with too many unanswered requests is not read any further until some are answered', async (t) => {
  const parked: (() => void)[] = []
  const limits = { maxFrameBytes: 8 * MIB, maxInFlight: 4, maxBufferedBytes: 100 * MIB }
  const { client, requests } = await start(t, { limits, maxHeldBytes: 100 * MIB }, (_size, respond) =>
    parked.push(() => respond([Buffer.alloc(4)])),
  )
  const socket = await client()
  // Each larger than one read, so that the limit is seen between them.
  for (let i = 0; i < 20; i++) socket.write(frame(300_000))
  await until('some came', () => requests.length >= 5)
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
  assert.ok(requests.length <= 6, `${requests.length} are unanswered`)
  while (requests.length < 20) {
    const before = requests.length
    for (const answer of parked.splice(0)) answer()
    await until('more came', () => requests.length > before)
  }
  assert.equal(requests.length, 20)
})

test('a connection whose unanswered requests are large is not read any further, however few they are', async (t) => {
  const parked: (() => void)[] = []
  const { client, requests } = await start(
    t,
    { limits: { maxFrameBytes: 8 * MIB, maxInFlight: 1000, maxBufferedBytes: MIB } },
    (_size, respond) => parked.push(() => respond([Buffer.alloc(4)])),
  )
  const socket = await client()
  for (let i = 0; i < 20; i++) socket.write(frame(600_000))
  await until('two came', () => requests.length >= 2)
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
  assert.ok(requests.length <= 3, `${requests.length} are unanswered`)
  while (requests.length < 20) {
    const before = requests.length
    for (const answer of parked.splice(0)) answer()
    await until('more came', () => requests.length > before)
  }
})

test('unanswered requests of many connections stay below the limit of all', async (t) => {
  const parked: (() => void)[] = []
  const limits = { maxFrameBytes: 8 * MIB, maxInFlight: 1000, maxBufferedBytes: 100 * MIB }
  const { client, requests } = await start(t, { limits }, (_size, respond) => parked.push(() => respond([Buffer.alloc(4)])))
  const clients = await Promise.all(Array.from({ length: 10 }, client))
  for (const socket of clients) for (let i = 0; i < 5; i++) socket.write(frame(600_000))
  await until('some came', () => requests.length >= 3)
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
  let most = requests.length
  while (requests.length < 50) {
    const before = requests.length
    for (const answer of parked.splice(0)) answer()
    await until('more came', () => requests.length > before)
    most = Math.max(most, parked.length)
  }
  // 2 MiB of the limit, one chunk a connection, and the one connection that goes on over it.
  assert.ok(most <= 20, `${most} requests of 600 kB were unanswered at once`)
})

test('a handler that throws closes the connection and no other', async (t) => {
  const { client, requests, listener } = await start(t, {}, (size) => {
    if (size === 13) throw new Error('cannot be understood')
  })
  const [bad, good] = [await client(), await client()]
  const closed = new Promise((resolve) => bad.on('close', resolve))
  bad.resume()
  bad.write(Buffer.concat([frame(10), frame(13), frame(11)]))
  await closed
  good.write(frame(12))
  await until('the good one is heard', () => requests.includes(12))
  assert.deepEqual(requests, [10, 13, 12])
  assert.equal(listener.connectionCount, 1)
  assert.ok(realClock.now() > 0)
})

/** Collects `size` bytes from a socket that reads `atOnce` at a time, with a turn of the loop between. */
async function collect(socket: Socket, size: number, atOnce: number): Promise<Buffer> {
  const parts: Buffer[] = []
  let bytes = 0
  while (bytes < size) {
    const part = socket.read(Math.min(atOnce, size - bytes, socket.readableLength || 1)) as Buffer | null
    if (part) {
      parts.push(part)
      bytes += part.length
    }
    await new Promise((resolve) => setImmediate(resolve))
  }
  return Buffer.concat(parts)
}

test('large answers of several connections arrive whole and in order, at the pace of their readers', async (t) => {
  const { bytes, range } = fileOf(t, 4 * MIB)
  // The size of the request says which answer it gets.
  const pieces = (size: number): (Buffer | FilePiece)[] => [
    Buffer.from(`<${size}|`),
    range(size, MIB + size),
    Buffer.from('|'),
    range(2 * MIB, size),
    Buffer.from('|'),
    range(3 * MIB - size, MIB),
    Buffer.from('>'),
  ]
  const whole = (size: number): Buffer =>
    Buffer.concat(
      pieces(size).map((piece, i) => {
        const from = [size, 2 * MIB, 3 * MIB - size][(i - 1) / 2]!
        return 'size' in piece ? bytes.subarray(from, from + piece.size) : piece
      }),
    )
  const { client } = await start(t, {}, (size, respond) => respond(pieces(size)))
  await Promise.all(
    [700, 100_000, 16_384, 1].map(async (atOnce, i) => {
      const socket = await client()
      socket.pause()
      const sizes = [10 + i, 300 + i, 20 + i]
      for (const size of sizes) socket.write(frame(size))
      const expected = Buffer.concat(sizes.map(whole))
      const got = await collect(socket, expected.length, atOnce === 1 ? Infinity : atOnce * 20)
      assert.ok(got.equals(expected), `reader of ${atOnce}`)
    }),
  )
})

test('a client that goes away in the middle of a large answer leaves the others alone', async (t) => {
  const { bytes, range } = fileOf(t, 8 * MIB)
  const { client, listener } = await start(t, {}, (_size, respond) => respond([range(0, 8 * MIB)]))
  for (let i = 0; i < 8; i++) {
    const [leaving, staying] = [await client(), await client()]
    leaving.write(frame(10))
    await new Promise((resolve) => leaving.once('data', resolve))
    leaving.destroy()
    staying.pause()
    staying.write(frame(10))
    assert.ok((await collect(staying, bytes.length, MIB)).equals(bytes))
    staying.destroy()
    await until('both are gone', () => listener.connectionCount === 0)
  }
})

test('a connection whose large answer is read slowly is not idle, one that reads nothing is', async (t) => {
  const { range } = fileOf(t, 32 * MIB)
  const { client, listener, sweep, env } = await start(t, {}, (_size, respond) => respond([range(0, 32 * MIB)]))
  const socket = await client()
  socket.pause()
  socket.write(frame(10))
  await until('it is being answered', () => socket.readableLength > 0)
  const [connection] = [...listener.all()]
  for (let i = 0; i < 5; i++) {
    await sweep(45_000)
    assert.equal(listener.connectionCount, 1)
    await collect(socket, 2 * MIB, MIB)
    await until('more of it was sent', () => connection!.lastActive === env.clock.monotonic())
  }
  socket.removeAllListeners('error')
  const closed = new Promise((resolve) => socket.on('error', resolve).on('close', resolve))
  // More than once: what was under way may still have moved.
  await until('it is closed', () => {
    void sweep(70_000)
    return listener.connectionCount === 0
  })
  socket.resume()
  await closed
})

test('a file that became shorter than its answer ends that connection, once the bytes before are sent', async (t) => {
  const { path, bytes, range } = fileOf(t, 4 * MIB)
  const { client, listener } = await start(t, {}, (size, respond) => {
    if (size === 13) truncateSync(path, MIB + 5)
    respond([range(0, size === 13 ? 4 * MIB : MIB)])
  })
  const [bad, good] = [await client(), await client()]
  const got: Buffer[] = []
  bad.on('data', (part: Buffer) => got.push(part))
  const closed = new Promise((resolve) => bad.on('close', resolve))
  bad.write(frame(13))
  await closed
  assert.ok(Buffer.concat(got).equals(bytes.subarray(0, MIB + 5)))
  good.pause()
  good.write(frame(10))
  assert.ok((await collect(good, MIB, MIB)).equals(bytes.subarray(0, MIB)))
  assert.equal(listener.connectionCount, 1)
})
