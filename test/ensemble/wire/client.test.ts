import assert from 'node:assert/strict'
import { createServer, connect, type AddressInfo, type Socket } from 'node:net'
import { after, test, type TestContext } from 'node:test'
import { ZkCode } from '../../../src/ensemble/tree/codes.js'
import { Perm } from '../../../src/ensemble/tree/types.js'
import { WireClient, type WireClientOptions } from '../../../src/ensemble/wire/client.js'
import { parseConnectString } from '../../../src/ensemble/wire/client/connect-string.js'
import { WatchRegistry } from '../../../src/ensemble/wire/client/watch-registry.js'
import { isZnodeError, type ClientState, type ZnodeClient } from '../../../src/ensemble/znode-client.js'
import { realEnv } from '../../../src/env/real.js'
import { bytes } from '../helpers.js'
import { znodeClientSuite } from '../znode-client-suite.js'
import { startPort } from './ports.js'

const env = realEnv()

async function open(t: TestContext, servers: string, more: Partial<WireClientOptions> = {}): Promise<WireClient> {
  const client = await WireClient.connect({ env, servers, sessionTimeoutMs: 4000, ...more })
  t.after(() => client.close())
  return client
}

const shared = await startPort()
after(() => shared.stop())

znodeClientSuite({
  name: 'over TCP',
  connect: (t) => open(t, shared.address),
})

znodeClientSuite({
  name: 'over TCP below a chroot',
  connect: async (t) => {
    const root = await open(t, shared.address)
    await root.create('/chroot', null).catch((error: unknown) => assert.ok(isZnodeError(error, ZkCode.nodeExists)))
    return open(t, `${shared.address}/chroot`)
  },
})

test('a chroot that is missing is made on demand, by several clients at once, and one that may not be made says what to do', async (t) => {
  const makeChroot = { makeChroot: true }
  const all = await Promise.all([1, 2, 3].map(() => open(t, `${shared.address}/deep/er/still`, makeChroot)))
  await all[0]!.create('/here', bytes('x'))
  const root = await open(t, shared.address)
  assert.ok(await root.exists('/deep/er/still/here'))
  // Who may not create above the chroot may use one that is there.
  const owner = await open(t, shared.address, { auth: [{ scheme: 'digest', auth: 'owner:secret' }] })
  const acl = [
    { perms: Perm.all, scheme: 'auth', id: '' },
    { perms: Perm.read, scheme: 'world', id: 'anyone' },
  ]
  await owner.create('/closed', null, { acl })
  await owner.create('/closed/inside', null)
  const inside = await open(t, `${shared.address}/closed/inside`, makeChroot)
  assert.deepEqual((await inside.getChildren('/')).names, [])
  await assert.rejects(
    open(t, `${shared.address}/closed/other`, makeChroot),
    (error: Error) => isZnodeError(error, ZkCode.noAuth) && /\/closed\/other.*create it with an ACL/.test(error.message),
  )
})

/** A TCP proxy whose connections can be cut and refused. */
async function proxy(t: TestContext, target: string) {
  const [host, port] = [target.split(':')[0]!, Number(target.split(':')[1])]
  const sockets = new Set<Socket>()
  const state = { refuse: false, swallow: false }
  const server = createServer((near) => {
    if (state.refuse) return near.destroy()
    const far = connect(port, host)
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        near.destroy()
        far.destroy()
        sockets.delete(socket)
      })
    }
    near.pipe(far)
    far.on('data', (chunk) => {
      if (!state.swallow) near.write(chunk)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const cut = (): void => sockets.forEach((socket) => socket.destroy())
  t.after(() => {
    cut()
    server.close()
  })
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, state, cut }
}

function reaches(client: ZnodeClient, wanted: ClientState): Promise<void> {
  if (client.state === wanted) return Promise.resolve()
  return new Promise((resolve) => {
    const off = client.onState((state) => {
      if (state !== wanted) return
      off()
      resolve()
    })
  })
}

test('a broken connection rejects what was in flight, and the session goes on with its ephemerals', async (t) => {
  const port = await startPort(t)
  const between = await proxy(t, port.address)
  const client = await open(t, between.address)
  const { sessionId } = client
  await client.create('/e', null, { mode: 'ephemeral' })
  const other = await open(t, port.address)
  let onChange = (): void => undefined
  const changed = new Promise<void>((resolve) => (onChange = resolve))
  await other.getData('/e', () => onChange())
  between.state.swallow = true
  const lost = client.setData('/e', bytes('x'))
  const suspended = reaches(client, 'suspended')
  // It arrived, its answer does not.
  await changed
  between.cut()
  await assert.rejects(lost, (error) => isZnodeError(error, ZkCode.connectionLoss))
  await suspended
  between.state.swallow = false
  // Queued while nobody is there, sent after the session is back.
  const { stat } = await client.getData('/e')
  assert.deepEqual([client.sessionId, stat.ephemeralOwner, stat.version], [sessionId, sessionId, 1])
})

test('watches are armed again, and what changed meanwhile fires once', async (t) => {
  const port = await startPort(t)
  const between = await proxy(t, port.address)
  const client = await open(t, between.address)
  const other = await open(t, port.address)
  for (const each of ['/changed', '/same', '/gone', '/deep']) await client.create(each, null)
  const seen: string[] = []
  const note = ({ type, path: at }: { type: number; path: string }): unknown => seen.push(`${type} ${at}`)
  await client.getData('/changed', note)
  await client.getData('/same', note)
  await client.getChildren('/gone', note)
  await client.exists('/later', note)
  await client.addWatch('/deep', 'recursive', note)
  between.state.refuse = true
  between.cut()
  await reaches(client, 'suspended')
  await other.setData('/changed', null)
  await other.delete('/gone')
  await other.create('/later', null)
  between.state.refuse = false
  await client.sync('/')
  assert.deepEqual(seen.sort(), ['1 /later', '2 /gone', '3 /changed'])
  await other.setData('/same', null)
  await other.create('/deep/x', null)
  await other.setData('/changed', null)
  await client.sync('/')
  assert.deepEqual(seen.sort(), ['1 /deep/x', '1 /later', '2 /gone', '3 /changed', '3 /same'])
})

test('a server that went silent is left after 2/3 of the timeout', async (t) => {
  const port = await startPort(t)
  const between = await proxy(t, port.address)
  const client = await open(t, between.address, { sessionTimeoutMs: 1000 })
  const until = client.mayActUntil()
  between.state.swallow = true
  await reaches(client, 'suspended')
  // Whoever acts on this session had stopped by then.
  const now = env.clock.monotonic()
  assert.ok(now >= until - 50 && client.mayActUntil() <= now + 350, 'too early, or acting for too long')
  between.state.swallow = false
  await reaches(client, 'connected')
})

test('an idle session is kept alive by pings, and what it may do with it', async (t) => {
  const port = await startPort(t)
  const client = await open(t, port.address, { sessionTimeoutMs: 1000 })
  const first = client.mayActUntil()
  await new Promise<void>((resolve) => {
    const look = env.timers.every(50, () => {
      if (client.mayActUntil() < first + 1200) return
      look.cancel()
      resolve()
    })
  })
  assert.equal(client.state, 'connected')
})

test('a session that the ensemble ended is expired: everything rejects, and it never comes back', async (t) => {
  const port = await startPort(t)
  const between = await proxy(t, port.address)
  const client = await open(t, between.address)
  between.state.refuse = true
  between.cut()
  await reaches(client, 'suspended')
  const queued = client.getData('/')
  await port.endSession(client.sessionId)
  between.state.refuse = false
  await assert.rejects(queued, (error) => isZnodeError(error, ZkCode.sessionExpired))
  assert.equal(client.state, 'expired')
  assert.equal(client.mayActUntil(), 0)
  await assert.rejects(client.getData('/'), (error) => isZnodeError(error, ZkCode.sessionExpired))
})

test('digest authentication is repeated on every connection', async (t) => {
  const port = await startPort(t)
  const between = await proxy(t, port.address)
  const client = await open(t, between.address, { auth: [{ scheme: 'digest', auth: 'bob:secret' }] })
  const stranger = await open(t, port.address)
  await client.create('/mine', bytes('x'), { acl: [{ perms: 31, scheme: 'auth', id: '' }] })
  await assert.rejects(stranger.getData('/mine'), (error) => isZnodeError(error, ZkCode.noAuth))
  const back = reaches(client, 'suspended').then(() => reaches(client, 'connected'))
  between.cut()
  await back
  await client.setData('/mine', bytes('y'))
})

test('a refused authentication closes the client', async (t) => {
  const port = await startPort(t)
  const client = await open(t, port.address, { auth: [{ scheme: 'unheard-of', auth: 'x' }] })
  await reaches(client, 'closed')
})

test('the next server is tried when one is not there', async (t) => {
  const port = await startPort(t)
  const nobody = await proxy(t, port.address)
  nobody.state.refuse = true
  const client = await open(t, `${nobody.address},${port.address}`)
  assert.equal(client.state, 'connected')
})

test('without any server connect rejects in time and says where it tried', async (t) => {
  const port = await startPort(t)
  const nobody = await proxy(t, port.address)
  nobody.state.refuse = true
  await assert.rejects(
    WireClient.connect({ env, servers: nobody.address, sessionTimeoutMs: 4000, connectTimeoutMs: 300 }),
    /no ZooKeeper session at 127\.0\.0\.1:\d+ within 300 ms/,
  )
})

test('what waits without a server is bounded in number and in time', async (t) => {
  const port = await startPort(t)
  const between = await proxy(t, port.address)
  const client = await open(t, between.address, { sessionTimeoutMs: 1000, maxOutstanding: 3 })
  between.state.refuse = true
  between.cut()
  await reaches(client, 'suspended')
  const calls = await Promise.allSettled(Array.from({ length: 4 }, () => client.getData('/')))
  const codes = calls.map((each) => (each.status === 'rejected' ? (each.reason as { zkCode: number }).zkCode : 0))
  assert.deepEqual(codes, [ZkCode.connectionLoss, ZkCode.connectionLoss, ZkCode.connectionLoss, ZkCode.throttledOp])
})

test('connect strings', () => {
  assert.deepEqual(parseConnectString('a:1,b,[::1]:3/x/y'), {
    servers: [
      { host: 'a', port: 1 },
      { host: 'b', port: 2181 },
      { host: '::1', port: 3 },
    ],
    chroot: '/x/y',
  })
  assert.equal(parseConnectString('a:1/').chroot, '')
  for (const wrong of ['', 'a:0', 'a:b', 'a:1/x/', 'a:1,,b:2']) assert.throws(() => parseConnectString(wrong), /ZooKeeper address/)
})

test('many watches are armed again in requests of a bounded size', () => {
  const watches = new WatchRegistry()
  for (let i = 0; i < 10_000; i++) watches.add(i % 2 ? 'data' : 'recursive', `/${'x'.repeat(40)}/${i}`, () => undefined)
  const chunks = watches.chunks()
  assert.ok(chunks.length > 3)
  assert.equal(
    chunks.reduce((sum, { data, recursive }) => sum + data.length + recursive.length, 0),
    10_000,
  )
  for (const chunk of chunks)
    assert.ok(
      Object.values(chunk)
        .flat()
        .reduce((sum, each) => sum + 4 + each.length, 0) <=
        128 * 1024,
    )
})
