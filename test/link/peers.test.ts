// Links between nodes that should not trust each other, over TLS, with workers that die and followers that stop.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { Worker } from 'node:worker_threads'
import WebSocket from 'ws'
import { LinkStatus } from '../../src/link/door.js'
import { FRAME_HEADER, FrameType, openFrame } from '../../src/link/frames.js'
import type { LinkThreadOptions } from '../../src/link/link-thread.js'
import { ask, askLong, dial, type LinkNode, linkNode, part, peerIs, text, TOPIC } from '../support/links.js'

const ECHO = 1

/** Dials with bytes of its own; what came back until the other end closed. */
function stranger(port: number, frames: readonly Uint8Array[]): Promise<Buffer[]> {
  return new Promise((resolve) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/link`)
    const received: Buffer[] = []
    socket.on('open', () => {
      for (const frame of frames) socket.send(frame)
    })
    socket.on('message', (data: Buffer) => received.push(data))
    socket.on('error', (error) => received.push(Buffer.from(error.message)))
    socket.on('close', () => resolve(received))
  })
}

test('a stranger’s garbage, a frame too large and silence each end the connection with a refusal at most', async (t) => {
  const b = await linkNode(t, 2)
  const [refusal] = await stranger(b.link.port, [Buffer.from('hello?')])
  assert.equal(openFrame(refusal!)?.type, FrameType.refused)
  assert.match(refusal!.subarray(FRAME_HEADER).toString(), /not a frame of a link/)
  assert.deepEqual(await stranger(b.link.port, [Buffer.alloc(200_000)]), [])
  const impatient = await linkNode(t, 3, { settings: { handshakeTimeoutMs: 300 } })
  assert.deepEqual(await stranger(impatient.link.port, []), [])
})

test('more connections without proof than the limit are turned away, and there is room again when they end', async (t) => {
  const [a, b] = [await linkNode(t, 1), await linkNode(t, 2, { settings: { maxUnauthenticated: 2, handshakeTimeoutMs: 600_000 } })]
  // They stay until they are ended here: whichever two come first, the others find no room.
  const silent = Array.from({ length: 4 }, () => new WebSocket(`ws://127.0.0.1:${b.link.port}/link`))
  const outcomes = silent.map(
    (socket) =>
      new Promise<string>((resolve) => {
        socket.on('open', () => resolve('let in'))
        socket.on('error', (error) => resolve(error.message))
      }),
  )
  const [one, two, ...rest] = (await Promise.all(outcomes)).toSorted()
  assert.deepEqual(rest, ['let in', 'let in'])
  for (const refused of [one, two]) assert.match(refused!, /503/)
  for (const socket of silent) socket.terminate()
  await dial(a, b, 2)
})

/** Resolves when the node has refused a handshake. */
async function refusedOnce(node: LinkNode): Promise<void> {
  while ((await node.link.stats())!.refused === 0);
}

test('a node of another secret is refused, hears nothing, and links once the secret is right', async (t) => {
  const b = await linkNode(t, 2)
  b.worker.handle(ECHO, () => assert.fail('a stranger’s call was handled'))
  const wrong = await linkNode(t, 3, { secret: 'a guess' })
  const ups: boolean[] = []
  wrong.worker.onPeer((_, up) => ups.push(up))
  wrong.link.setPeers(new Map([[2, { host: '127.0.0.1', port: b.link.port }]]))
  await refusedOnce(b)
  const a = await linkNode(t, 1)
  await dial(a, b, 2)
  assert.deepEqual(ups, [])
  assert.equal((await b.link.stats())?.links, 1)
  await wrong.link.close()
  const right = await linkNode(t, 3)
  await dial(right, b, 2)
})

function certificates(t: TestContext): { tls: NonNullable<LinkThreadOptions['tls']>; foreign: NonNullable<LinkThreadOptions['tls']> } {
  const dir = mkdtempSync(join(tmpdir(), 'millrace-link-tls-'))
  t.after(() => rmSync(dir, { recursive: true, force: true }))
  const openssl = (...args: string[]): void => void execFileSync('openssl', args, { cwd: dir, stdio: 'ignore' })
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  writeFileSync(join(dir, 'names'), 'subjectAltName=IP:127.0.0.1,DNS:localhost\n')
  for (const ca of ['ca', 'other']) {
    openssl('req', '-x509', ...key, '-keyout', `${ca}.key`, '-out', `${ca}.pem`, '-days', '2', '-subj', `/CN=${ca}`)
    openssl('req', ...key, '-keyout', `${ca}-node.key`, '-out', `${ca}.csr`, '-subj', '/CN=node')
    const signed = ['-in', `${ca}.csr`, '-CA', `${ca}.pem`, '-CAkey', `${ca}.key`, '-CAcreateserial', '-days', '2', '-extfile', 'names']
    openssl('x509', '-req', ...signed, '-out', `${ca}-node.pem`)
  }
  const file = (name: string): string => join(dir, name)
  return {
    tls: { keyFile: file('ca-node.key'), certFile: file('ca-node.pem'), caFile: file('ca.pem') },
    foreign: { keyFile: file('other-node.key'), certFile: file('other-node.pem'), caFile: file('ca.pem') },
  }
}

test('over TLS nodes of one authority link; a certificate of another, or no TLS, does not', async (t) => {
  const { tls, foreign } = certificates(t)
  const [a, b] = [await linkNode(t, 1, { tls }), await linkNode(t, 2, { tls })]
  b.worker.handle(ECHO, (_, parts, answer) => parts.forEach(({ body }, i) => answer(i, body)))
  await dial(a, b, 2)
  const body = Buffer.alloc(3 << 20, 'over tls ')
  assert.ok(body.equals((await ask(a.worker, 2, ECHO, [part(body)]))[0]!.body))
  const { long, short } = await askLong(a.worker, 2, ECHO)
  assert.ok(long.size === 1 && [...long].every((buffer) => !short.has(buffer)), 'long answers were copied')
  for (const options of [{ tls: foreign }, { tls: null }]) {
    const c = await linkNode(t, 3, options)
    c.worker.onPeer(() => assert.fail('a link without the right certificate'))
    c.link.setPeers(new Map([[2, { host: '127.0.0.1', port: b.link.port }]]))
    // TLS itself turns both away, before a frame; the link that is right goes on.
    assert.ok(body.equals((await ask(a.worker, 2, ECHO, [part(body)]))[0]!.body))
    assert.equal((await b.link.stats())?.links, 1)
    await c.link.close()
  }
})

const workerSource = `
  import { parentPort, workerData } from 'node:worker_threads'
  const { PortDoor } = await import(workerData.door)
  const { realEnv } = await import(workerData.env)
  const door = new PortDoor(realEnv())
  door.handle(1, (_, parts, answer) => parts.forEach(({ body }, i) => answer(i, Buffer.alloc(200_000, body))))
  door.handle(2, () => parentPort.postMessage('holding'))
  parentPort.on('message', (port) => { door.attach(port); parentPort.postMessage('ready') })
`

function workerThread(): Worker {
  const base = new URL('../../src/', import.meta.url)
  const workerData = { door: new URL('link/port-door.js', base).href, env: new URL('env/real.js', base).href }
  return new Worker(new URL(`data:text/javascript,${encodeURIComponent(workerSource)}`), { workerData })
}

test('a worker killed under load: what it had is OWNER_GONE, the link stays up, its successor goes on', async (t) => {
  const [a, b] = [await linkNode(t, 1), await linkNode(t, 2)]
  b.link.setPlacement(TOPIC, Int16Array.from([0, 5]))
  b.worker.handle(ECHO, (_, parts, answer) => parts.forEach(({ body }, i) => answer(i, body)))
  const said = (worker: Worker, what: string): Promise<void> =>
    new Promise((resolve) => worker.on('message', (message) => message === what && resolve()))
  const begin = async (): Promise<Worker> => {
    const worker = workerThread()
    const port = b.link.attachWorker(5)
    worker.postMessage(port, [port])
    await said(worker, 'ready')
    return worker
  }
  let worker = await begin()
  t.after(() => worker.terminate())
  await dial(a, b, 2)
  a.worker.onPeer((_, up) => assert.ok(up, 'the link went down'))
  for (let round = 0; round < 3; round++) {
    const holding = said(worker, 'holding')
    const held = ask(a.worker, 2, 2, [part('held', 1)])
    let stop = false
    const load = Array.from({ length: 8 }, async () => {
      const seen = new Set<LinkStatus>()
      while (!stop) {
        const [mine, other] = await ask(a.worker, 2, ECHO, [part('x', 1), part('y', 0)])
        seen.add(mine!.status)
        assert.equal(text(other!.body), 'y')
      }
      return seen
    })
    await holding
    await worker.terminate()
    assert.equal((await held)[0]?.status, LinkStatus.ownerGone)
    worker = await begin()
    const [again] = await ask(a.worker, 2, ECHO, [part('z', 1)])
    assert.equal(again?.body.length, 200_000)
    stop = true
    for (const seen of await Promise.all(load)) for (const status of seen) assert.notEqual(status, LinkStatus.failed)
  }
})

test('a reader that stops leaves a bounded rest behind, and the link is cut when it stays so', { timeout: 60_000 }, async (t) => {
  const b = await linkNode(t, 2, {
    settings: { windowBytes: 1 << 20, chunkBytes: 256 << 10, queueBytes: 4 << 20, pingIntervalMs: 200, deadAfterMs: 2000 },
  })
  b.worker.handle(ECHO, (_, parts, answer) => parts.forEach((_, i) => answer(i, Buffer.allocUnsafeSlow(1 << 20).fill(1))))
  // A follower in a process of its own, which stops as a whole.
  const { fork } = await import('node:child_process')
  const child = fork(new URL('../support/link-follower.js', import.meta.url), [String(b.link.port)])
  t.after(() => child.kill('SIGKILL'))
  await new Promise((resolve) => child.once('message', resolve))
  const before = (await b.link.stats())!.arrayBuffers
  child.kill('SIGSTOP')
  let highest = 0
  for (let stats = await b.link.stats(); stats!.links > 0; stats = await b.link.stats()) highest = Math.max(highest, stats!.arrayBuffers)
  // 4 MiB of answers stop further requests; those that were with the worker (8 calls) bring their answers still; then come 2 MiB in the transport.
  assert.ok(highest - before < (4 + 8 + 8 + 4) << 20, `${highest - before} bytes wait for a stopped peer`)
  child.kill('SIGCONT')
  await new Promise((resolve) => child.once('message', resolve))
  assert.equal((await b.link.stats())?.links, 1, 'it dialed again')
})

test('a link cut on its way is made again, and calls open on it are rejected', async (t) => {
  const [a, b] = [await linkNode(t, 1), await linkNode(t, 2)]
  b.worker.handle(ECHO, (_, parts, answer) => answer(0, parts[0]!.body))
  b.worker.handle(2, () => proxy.cut())
  const proxy = await startProxy(t, b.link.port)
  a.link.setPeers(new Map([[2, { host: '127.0.0.1', port: proxy.port }]]))
  for (let round = 0; round < 3; round++) {
    await peerIs(a.worker, 2, true)
    assert.equal(text((await ask(a.worker, 2, ECHO, [part('whole')]))[0]!.body), 'whole')
    await assert.rejects(ask(a.worker, 2, 2, [part('never')]), (error: { code?: string }) => error.code === 'ERR_MILLRACE_LINK_DOWN')
  }
})

test('a link cut in the middle of long answers: those that came are whole, and the next link brings long ones into memory of its own', async (t) => {
  const [a, b] = [await linkNode(t, 1), await linkNode(t, 2)]
  b.worker.handle(ECHO, (_, parts, answer) => parts.forEach(({ body }, i) => answer(i, body)))
  const proxy = await startProxy(t, b.link.port)
  a.link.setPeers(new Map([[2, { host: '127.0.0.1', port: proxy.port }]]))
  const seen = new Set<ArrayBufferLike>()
  for (let round = 0; round < 5; round++) {
    await peerIs(a.worker, 2, true)
    const { long } = await askLong(a.worker, 2, ECHO)
    assert.equal(long.size, 1)
    assert.ok(![...long].some((buffer) => seen.has(buffer)), 'memory of a link that is gone')
    for (const buffer of long) seen.add(buffer)
    let came = 0
    const parts = Array.from({ length: 20 }, (_, i) => part(Buffer.alloc(250_000, `answer ${i}`)))
    const onAnswer = (index: number, body: Uint8Array): void => {
      if (Buffer.compare(body, parts[index]!.body) !== 0) came = -1000
      if (++came === 1 + round) proxy.cut()
    }
    const calls = Array.from({ length: 3 }, () => a.worker.call(2, ECHO, parts, onAnswer, 10_000))
    const ends = await Promise.allSettled(calls)
    assert.ok(ends.some(({ status }) => status === 'rejected'))
    assert.ok(came > round, 'an answer came wrong')
  }
})

async function startProxy(t: TestContext, to: number): Promise<{ port: number; cut(): void }> {
  const { createServer } = await import('node:net')
  const sockets = new Set<{ destroy(): void }>()
  const server = createServer((socket) => {
    const onward = createConnection(to, '127.0.0.1')
    for (const one of [socket, onward]) {
      sockets.add(one)
      one.on('error', () => one.destroy())
      one.on('close', () => (sockets.delete(one), socket.destroy(), onward.destroy()))
    }
    socket.pipe(onward)
    onward.pipe(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const cut = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  t.after(() => (cut(), server.close()))
  return { port: (server.address() as { port: number }).port, cut }
}
