import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import uws from 'uWebSockets.js'
import { WebSocketServer } from 'ws'
import { WebSocketClient } from '../../src/link/websocket-client.js'
import { WebSocketReader, type WebSocketSink } from '../../src/link/websocket-frames.js'
import { seededRandom } from '../support/sim-env.js'

const MAX = 1 << 20

/** A binary frame as a server sends it. */
function frame(payload: Uint8Array, first = 0x82): Buffer {
  const { length } = payload
  const header = length < 126 ? Buffer.of(first, length) : Buffer.alloc(length < 0x1_0000 ? 4 : 10)
  if (length >= 126) header[0] = first
  if (length >= 126 && length < 0x1_0000) {
    header[1] = 126
    header.writeUInt16BE(length, 2)
  } else if (length >= 0x1_0000) {
    header[1] = 127
    header.writeBigUInt64BE(BigInt(length), 2)
  }
  return Buffer.concat([header, payload])
}

function reading(room: WebSocketSink['room'] = () => undefined): {
  reader: WebSocketReader
  messages: Buffer[]
  broken: string[]
  feed(bytes: Buffer, most: () => number): void
} {
  const messages: Buffer[] = []
  const broken: string[] = []
  const reader = new WebSocketReader(MAX, {
    room,
    message: (bytes) => messages.push(Buffer.from(bytes)),
    ping: () => {},
    closed: () => {},
    broken: (reason) => broken.push(reason),
  })
  const feed = (bytes: Buffer, most: () => number): void => {
    for (let at = 0; at < bytes.length;) {
      const taken = bytes.copy(reader.space().subarray(0, most()), 0, at)
      reader.came(taken)
      at += taken
    }
  }
  return { reader, messages, broken, feed }
}

test('messages come whole and in order, however the network cuts them', () => {
  const seed = 7
  const random = seededRandom(seed)
  const below = (limit: number): number => Math.floor(random.next() * limit)
  const sizes = [0, 1, 125, 126, 127, 4000, 65_535, 65_536, 70_000, 262_144, MAX]
  for (const [most, largest] of [
    [50, 4000],
    [5000, 262_144],
    [1 << 20, MAX],
  ] as const) {
    for (let round = 0; round < 6; round++) {
      const fitting = sizes.filter((size) => size <= largest)
      const sent = Array.from({ length: 30 }, () => Buffer.alloc(fitting[below(fitting.length)]!, below(256)))
      const { messages, broken, feed } = reading()
      feed(Buffer.concat(sent.map((message) => frame(message))), () => 1 + below(most))
      assert.deepEqual(broken, [])
      assert.equal(messages.length, sent.length)
      assert.ok(
        messages.every((message, i) => message.equals(sent[i]!)),
        `reads of up to ${most}, round ${round}, seed ${seed}`,
      )
    }
  }
})

test('what a server of links never sends breaks the connection, before its bytes are waited for', () => {
  const long = Buffer.alloc(10)
  long[0] = 0x82
  long[1] = 127
  long.writeBigUInt64BE(1n << 62n, 2)
  const cases: [Buffer, RegExp][] = [
    [long, /message of \d+ bytes; at most 1048576/],
    [frame(Buffer.alloc(3), 0x02), /several frames/],
    [frame(Buffer.alloc(3), 0x80), /several frames/],
    [frame(Buffer.alloc(3), 0xc2), /reserved bits/],
    [frame(Buffer.alloc(3), 0x81), /opcode 1/],
    [frame(Buffer.alloc(200), 0x89), /control frame of 200 bytes/],
    [Buffer.of(0x82, 0x83, 1, 2, 3, 4, 0, 0, 0), /masked/],
  ]
  for (const [bytes, reason] of cases) {
    const { messages, broken, feed } = reading()
    feed(bytes, () => 1 << 20)
    assert.match(broken[0] ?? '', reason)
    assert.equal(messages.length, 0)
  }
})

/** Memory that messages are read into, with some behind each; before and behind that nothing must be written. */
function rooms(behind: number): { room: WebSocketSink['room']; asked: number[]; given: Uint8Array[]; check(): void } {
  const AROUND = 600
  const memory = new Uint8Array(new SharedArrayBuffer(400_000)).fill(0xee)
  const asked: number[] = []
  const given: Uint8Array[] = []
  const check = (): void => {
    const last = given.at(-1)
    if (!last) return
    const end = last.byteOffset + last.length
    for (const edge of [memory.subarray(0, AROUND), memory.subarray(end, end + AROUND)])
      assert.ok(Buffer.alloc(AROUND, 0xee).equals(edge), 'bytes were written outside of what was given')
    memory.fill(0xee, last.byteOffset, end)
  }
  const room = (head: Uint8Array, bytes: number): Uint8Array | undefined => {
    assert.ok(head.length >= 64 && head.length < bytes)
    check()
    asked.push(bytes)
    // Every third one is read as ever.
    if (asked.length % 3 === 0) return undefined
    const one = memory.subarray(AROUND, AROUND + bytes + behind)
    given.push(one)
    return one
  }
  return { room, asked, given, check }
}

const LONG = 70_000

test('a long message is read into memory of the sink, wherever the network cuts it, and what follows it comes too', () => {
  const byte = (i: number, at: number): number => (i * 37 + at * 7) % 251
  const sizes = [10, LONG, LONG, 3, 0, LONG, LONG + 1, LONG, 200, LONG]
  const sent = sizes.map((size, i) => Buffer.from(Uint8Array.from({ length: size }, (_, at) => byte(i, at))))
  const bytes = Buffer.concat([
    ...sent.slice(0, 5).map((one) => frame(one)),
    frame(Buffer.from('ping'), 0x89),
    ...sent.slice(5).map((one) => frame(one)),
  ])
  const first = 2 + 10
  const cuts = [...Array.from({ length: 100 }, (_, i) => i + 1), ...Array.from({ length: 220 }, (_, i) => first + 10 + LONG - 110 + i)]
  for (let cut = 1000; cut < bytes.length; cut += 9973) cuts.push(cut)
  for (const behind of [0, 1, 80, 512])
    for (const cut of behind === 512 ? cuts : cuts.filter((_, i) => i % 7 === 0)) {
      const { room, asked, given, check } = rooms(behind)
      const { messages, broken, feed } = reading(room)
      feed(bytes.subarray(0, cut), () => 1 << 20)
      feed(bytes.subarray(cut), () => 1 << 20)
      assert.deepEqual(broken, [])
      assert.deepEqual(asked, sizes.filter((size) => size >= LONG).slice(0, asked.length), `cut at ${cut}`)
      assert.equal(messages.length, sent.length, `cut at ${cut}, ${behind} behind`)
      assert.ok(
        messages.every((message, i) => message.equals(sent[i]!)),
        `cut at ${cut}, ${behind} behind`,
      )
      assert.ok(given.length >= 3)
      check()
    }
})

test('of a long message little is copied, and of one that follows only what was read along', () => {
  const { room } = rooms(512)
  let copied: number[] = []
  const { reader, messages, feed } = reading((head, bytes) => {
    copied.push(head.length)
    return room(head, bytes)
  })
  for (let i = 0; i < 2; i++) feed(frame(Buffer.alloc(200_000)), () => 1 << 20)
  assert.equal(messages.length, 2)
  assert.ok(copied[0]! <= 64 << 10 && copied[1]! <= 512, `${copied.join(' and ')} bytes were copied`)
  copied = []
  const both = Buffer.concat([frame(Buffer.alloc(100)), frame(Buffer.alloc(20_000)), frame(Buffer.alloc(20_000))])
  feed(both, () => 1 << 20)
  assert.ok(reader.space().length >= 64 << 10, 'short messages are read many at once again')
})

test('a reader that was closed while a long message came hands over nothing and keeps nothing, whatever still comes', () => {
  const { room } = rooms(512)
  const { reader, messages, feed } = reading(room)
  feed(frame(Buffer.alloc(LONG)).subarray(0, 1000), () => 1 << 20)
  const given = reader.space()
  reader.close()
  assert.notEqual(reader.space().buffer, given.buffer)
  for (let i = 0; i < 100; i++) feed(frame(Buffer.alloc(LONG)), () => 1 << 20)
  assert.deepEqual(messages, [])
  assert.ok(reader.space().buffer.byteLength <= 1 << 18, 'it kept what nobody will see')
})

interface Opened {
  readonly client: WebSocketClient
  readonly messages: Buffer[]
  next(): Promise<Buffer>
  readonly closed: Promise<string>
}

function dial(port: number): Promise<Opened> {
  return new Promise((resolve, reject) => {
    const messages: Buffer[] = []
    let waiting: (() => void) | undefined
    let ended!: (reason: string) => void
    const closed = new Promise<string>((done) => (ended = done))
    const next = async (): Promise<Buffer> => {
      while (messages.length === 0) await new Promise<void>((done) => (waiting = done))
      return messages.shift()!
    }
    const client: WebSocketClient = new WebSocketClient(
      { host: '127.0.0.1', port, path: '/link', tls: null, maxMessageBytes: MAX },
      {
        open: () => resolve({ client, messages, next, closed }),
        message: (bytes) => {
          messages.push(Buffer.from(bytes))
          waiting?.()
        },
        drained: () => {},
        closed: (reason) => {
          reject(new Error(reason))
          ended(reason)
        },
      },
    )
  })
}

async function wsServer(t: TestContext): Promise<{ server: WebSocketServer; port: number }> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, maxPayload: MAX })
  t.after(() => {
    for (const socket of server.clients) socket.terminate()
    server.close()
  })
  await once(server, 'listening')
  return { server, port: (server.address() as AddressInfo).port }
}

test("another implementation's server gets every message and its answers come back", { timeout: 30_000 }, async (t) => {
  const { server, port } = await wsServer(t)
  server.on('connection', (socket) => socket.on('message', (data) => socket.send(data as Buffer)))
  const { client, next } = await dial(port)
  for (const size of [0, 1, 125, 126, 65_535, 65_536, 300_000, MAX]) {
    const message = Buffer.from(Uint8Array.from({ length: size }, (_, i) => (i * 7) % 251))
    client.cork(() => assert.ok(client.send(message)))
    assert.ok((await next()).equals(message), `${size} bytes`)
  }
  client.terminate()
})

test('a ping is answered, a close is answered and told, and so is an end without one', { timeout: 30_000 }, async (t) => {
  const { server, port } = await wsServer(t)
  server.on('connection', (socket) => {
    socket.on('pong', (data) => socket.close(4001, `after ${data.toString()}`))
    socket.ping('here')
  })
  const first = await dial(port)
  assert.match(await first.closed, /\(4001\): after here/)
  assert.equal(first.client.send(Buffer.of(1)), false)
  server.removeAllListeners('connection')
  server.on('connection', (socket) => socket.terminate())
  assert.match(await (await dial(port)).closed, /closed|reset/)
})

test('what does not answer as a WebSocket server does is named', { timeout: 30_000 }, async (t) => {
  const answers = [
    'HTTP/1.1 503 Service Unavailable\r\n\r\n',
    'SSH-2.0-x\r\n\r\n',
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n',
    'x'.repeat(20_000),
  ]
  const reasons = [/HTTP 503/, /does not speak HTTP/, /something else/, /no answer to a WebSocket upgrade/]
  const sockets: Socket[] = []
  const server = createServer((socket) => {
    const answer = answers[sockets.push(socket) - 1]!
    socket.on('error', () => {})
    socket.once('data', () => socket.write(answer))
  }).listen(0, '127.0.0.1')
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  await once(server, 'listening')
  for (const reason of reasons) await assert.rejects(dial((server.address() as AddressInfo).port), reason)
})

test('uWebSockets.js sends from shared memory, which may be written as soon as it returns', { timeout: 30_000 }, async (t) => {
  const COUNT = 24
  const memory = new SharedArrayBuffer(MAX + 64)
  const app = uws.App().ws('/link', {
    maxBackpressure: 2 * COUNT * MAX,
    open: (socket) =>
      void socket.cork(() => {
        // More than the kernel takes at once, so that the rest is kept.
        for (let i = 0; i < COUNT; i++) {
          const message = new Uint8Array(memory, 36, MAX - i).fill(i + 1)
          assert.notEqual(socket.send(message, true, false), 2)
          message.fill(0xee)
        }
        assert.ok(socket.getBufferedAmount() > MAX, 'the kernel took everything')
      }),
  })
  t.after(() => void app.close())
  const port = await new Promise<number>((resolve) => app.listen('127.0.0.1', 0, (socket) => resolve(uws.us_socket_local_port(socket))))
  const { client, next } = await dial(port)
  for (let i = 0; i < COUNT; i++) {
    const message = await next()
    assert.ok(message.length === MAX - i && message.every((byte) => byte === i + 1), `message ${i}`)
  }
  client.terminate()
})
