import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { MemberOptions } from '../../../src/ensemble/member.js'
import { realDisk, type StoreDisk } from '../../../src/ensemble/store/disk.js'
import { Opcode, ZkCode } from '../../../src/ensemble/tree/codes.js'
import { EventType, OPEN_ACL } from '../../../src/ensemble/tree/types.js'
import type { ZkServerOptions } from '../../../src/ensemble/wire/server/options.js'
import * as records from '../../../src/ensemble/wire/jute/records.js'
import { bytes } from '../helpers.js'
import { startPort } from './ports.js'
import { RawConnection, read } from './raw.js'

async function start(t: TestContext, options: Partial<ZkServerOptions> = {}, more: Pick<MemberOptions, 'write'> = {}) {
  const port = await startPort(t, options, more)
  const open = (): RawConnection => {
    const raw = new RawConnection(port.address)
    t.after(() => raw.close())
    return raw
  }
  const session = async (): Promise<RawConnection> => {
    const raw = open()
    assert.ok((await raw.session())!.timeOut > 0)
    return raw
  }
  return { ...port, open, session }
}

const created = (path: string, more: object = {}) => ({ path, data: bytes('x'), acl: OPEN_ACL, flags: 0, ...more })

// ---- golden bytes, as Apache ZooKeeper 3.9.6 answered them

test('golden: a connect request of 44 bytes is answered without, one of 45 with the readOnly byte', async (t) => {
  const { open } = await start(t)
  const [old, recent] = [open(), open()]
  const hello = '00000000' + '0000000000000000' + '00000fa0' + '0000000000000000' + '00000010' + '00'.repeat(16)
  old.socket.write(Buffer.from('0000002c' + hello, 'hex'))
  recent.socket.write(Buffer.from('0000002d' + hello + '00', 'hex'))
  assert.match((await old.frame())!.toString('hex'), /^0000000000000fa001[0-9a-f]{14}00000010[0-9a-f]{32}$/)
  assert.match((await recent.frame())!.toString('hex'), /^0000000000000fa001[0-9a-f]{14}00000010[0-9a-f]{32}00$/)
})

test('golden: create, exists of nothing, getData, ping, setWatches, closeSession', async (t) => {
  const { session } = await start(t)
  const raw = await session()
  const send = async (hex: string): Promise<string> => {
    const payload = Buffer.from(hex, 'hex')
    const length = Buffer.alloc(4)
    length.writeInt32BE(payload.length)
    raw.socket.write(Buffer.concat([length, payload]))
    return (await raw.frame())!.toString('hex')
  }
  const openAcl = '00000001' + '0000001f' + '00000005776f726c64' + '00000006616e796f6e65'
  // xid 1, create "/a" "x", open, persistent -> xid 1, zxid, ok, "/a"
  assert.equal(
    await send('00000001' + '00000001' + '000000022f61' + '0000000178' + openAcl + '00000000'),
    '00000001' + '0000000100000002' + '00000000' + '000000022f61',
  )
  assert.equal(await send('00000002' + '00000003' + '000000022f62' + '00'), '00000002' + '0000000100000002' + 'ffffff9b')
  // getData: buffer, czxid, mzxid, ctime, mtime, version, cversion, aversion, owner, length, children, pzxid
  assert.match(
    await send('00000003' + '00000004' + '000000022f61' + '00'),
    /^00000003000000010000000200000000000000017800000001000000020000000100000002([0-9a-f]{16})\1(?:00000000){5}0000000100000000(?:0000000100000002)$/,
  )
  assert.equal(await send('fffffffe' + '0000000b'), 'fffffffe' + '0000000100000002' + '00000000')
  assert.equal(
    await send('fffffff8' + '00000065' + '0000000100000002' + '00000000'.repeat(3)),
    'fffffff8' + '0000000100000002' + '00000000',
  )
  assert.equal(await send('00000004' + 'fffffff5'), '00000004' + '0000000100000003' + '00000000')
  assert.equal(await raw.frame(), null)
})

test('golden: a failing multi answers error records, ended by a header', async (t) => {
  const { session } = await start(t)
  const raw = await session()
  // check "/" version 7, end
  const multi = '00000001' + '0000000e' + '0000000d00ffffffff' + '000000012f' + '00000007' + 'ffffffff01ffffffff'
  raw.socket.write(Buffer.from('00000023'.replace('23', (multi.length / 2).toString(16).padStart(2, '0')) + multi, 'hex'))
  assert.equal(
    (await raw.frame())!.toString('hex'),
    '00000001' + '0000000100000002' + '00000000' + 'ffffffff00ffffff99' + 'ffffff99' + 'ffffffff01ffffffff',
  )
})

// ---- order

test('answers leave in the order of the requests, and a read shows the writes before it but none after it', async (t) => {
  const { session } = await start(t)
  const raw = await session()
  raw.send(1, Opcode.create, records.CreateRequest, created('/a'))
  for (let i = 0; i < 50; i++) {
    raw.send(10 + 2 * i, Opcode.setData, records.SetDataRequest, { path: '/a', data: bytes(String(i)), version: i })
    raw.send(11 + 2 * i, Opcode.getData, records.PathWatch, { path: '/a', watch: false })
  }
  assert.equal((await raw.answer())!.xid, 1)
  for (let i = 0; i < 50; i++) {
    const [set, get] = [await raw.answer(), await raw.answer()]
    assert.deepEqual([set!.xid, set!.err, get!.xid], [10 + 2 * i, 0, 11 + 2 * i])
    const { data, stat } = read(records.GetDataResponse, get!.rest)
    assert.deepEqual([Buffer.from(data!).toString(), stat.version], [String(i), i + 1])
  }
})

test('an event of a change goes out before every answer that shows it', async (t) => {
  const { session } = await start(t)
  const [watcher, writer] = [await session(), await session()]
  await watcher.ask(1, Opcode.create, records.CreateRequest, created('/a'))
  await watcher.ask(2, Opcode.getData, records.PathWatch, { path: '/a', watch: true })
  await writer.ask(1, Opcode.setData, records.SetDataRequest, { path: '/a', data: bytes('y'), version: -1 })
  watcher.send(3, Opcode.getData, records.PathWatch, { path: '/a', watch: false })
  const [event, shown] = [await watcher.answer(), await watcher.answer()]
  assert.deepEqual([event!.xid, event!.zxid, shown!.xid], [-1, 0x1_0000_0004n, 3])
  assert.deepEqual(read(records.WatcherEvent, event!.rest), { type: 3, state: 3, path: '/a' })
})

test('who may not read a node is not told of it', async (t) => {
  const { session } = await start(t)
  const [stranger, owner] = [await session(), await session()]
  await stranger.ask(1, Opcode.addWatch, records.PathMode, { path: '/', mode: 1 })
  await owner.ask(-4, Opcode.auth, records.AuthPacket, { type: 0, scheme: 'digest', auth: bytes('bob:pw') })
  await owner.ask(1, Opcode.create, records.CreateRequest, created('/secret', { acl: [{ perms: 31, scheme: 'auth', id: '' }] }))
  await owner.ask(2, Opcode.create, records.CreateRequest, created('/open'))
  const event = await stranger.answer()
  assert.equal(read(records.WatcherEvent, event!.rest).path, '/open')
})

// ---- sessions

test('a session is re-attached by id and password, and the older connection ends', async (t) => {
  const { open } = await start(t)
  const [first, second, third] = [open(), open(), open()]
  const session = (await first.session())!
  await first.ask(1, Opcode.create, records.CreateRequest, created('/e', { flags: 1 }))
  const again = await second.session({ sessionId: session.sessionId, passwd: session.passwd })
  assert.deepEqual([again!.sessionId, again!.timeOut], [session.sessionId, 4000])
  assert.equal(await first.frame(), null)
  const { rest } = (await second.ask(1, Opcode.getEphemerals, records.PathRecord, { path: '/' }))!
  assert.deepEqual(read(records.GetEphemeralsResponse, rest).ephemerals, ['/e'])
  const refused = await third.session({ sessionId: session.sessionId, passwd: new Uint8Array(16).fill(7) })
  assert.deepEqual([refused!.timeOut, refused!.sessionId], [0, 0n])
  assert.equal(await third.frame(), null)
  assert.equal((await second.ask(2, Opcode.ping))!.xid, -2)
})

test('a client that has seen more than this member has is sent away', async (t) => {
  const { open } = await start(t)
  assert.equal(await open().session({ lastZxidSeen: 0x7_0000_0000n }), null)
})

test('a session without a sign of life ends: its ephemerals go, its connection too', async (t) => {
  const { open, session } = await start(t)
  const [silent, other] = [open(), await session()]
  await other.ask(1, Opcode.addWatch, records.PathMode, { path: '/e', mode: 0 })
  // Sent with the hello: a session as short as this one may be over by the time that its answer is read.
  silent.hello({ timeOut: 1 })
  silent.send(1, Opcode.create, records.CreateRequest, created('/e', { flags: 1 }))
  assert.equal(read(records.ConnectResponse, (await silent.frame())!).timeOut, 1000)
  for (const type of [EventType.created, EventType.deleted])
    assert.deepEqual(read(records.WatcherEvent, (await other.answer())!.rest), { type, state: 3, path: '/e' })
  assert.equal((await silent.answer())!.err, 0)
  assert.equal(await silent.frame(), null)
})

test('a session that moved ends here, and a member without a leader serves nobody but read-only clients', async (t) => {
  const { open, moveSession, become } = await start(t)
  const moved = open()
  moveSession((await moved.session())!.sessionId)
  assert.equal(await moved.frame(), null)
  const cut = open()
  await cut.session()
  become('looking')
  assert.equal(await cut.frame(), null)
  assert.equal(await open().session(), null)
  const reader = open()
  assert.equal((await reader.session({}, true))!.readOnly, true)
  assert.equal((await reader.ask(1, Opcode.exists, records.PathWatch, { path: '/', watch: false }))!.err, 0)
  assert.equal((await reader.ask(2, Opcode.create, records.CreateRequest, created('/a')))!.err, ZkCode.notReadOnly)
  become('follower')
  assert.equal(await reader.frame(), null)
})

// ---- bad input and limits

test('what is no request ends its connection and nothing else', async (t) => {
  const { session, open } = await start(t)
  const good = await session()
  for (const hex of ['ffffffff', '7fffffff00', '00000004deadbeef', '00000000']) {
    const raw = await session()
    raw.socket.write(Buffer.from(hex, 'hex'))
    assert.equal(await raw.frame(), null, hex)
  }
  const noHello = open()
  noHello.socket.write(Buffer.from('0000000400000000', 'hex'))
  assert.equal(await noHello.frame(), null)
  assert.equal((await good.ask(1, Opcode.exists, records.PathWatch, { path: '/', watch: false }))!.err, 0)
})

test('a request that cannot be read, or is not known, is answered so', async (t) => {
  const { session } = await start(t)
  const raw = await session()
  assert.equal((await raw.ask(1, Opcode.getData))!.err, ZkCode.marshallingError)
  assert.equal((await raw.ask(2, Opcode.create, records.PathRecord, { path: '/a' }))!.err, ZkCode.marshallingError)
  assert.equal((await raw.ask(3, Opcode.create, records.CreateRequest, created('/a', { flags: 99 })))!.err, ZkCode.badArguments)
  assert.equal((await raw.ask(4, Opcode.reconfig, records.PathRecord, { path: '' }))!.err, ZkCode.reconfigDisabled)
  assert.equal((await raw.ask(5, 4711))!.err, ZkCode.unimplemented)
  assert.equal(await raw.frame(), null)
})

test('a request larger than jute.maxbuffer ends the connection', async (t) => {
  const { session } = await start(t, { juteMaxBuffer: 10_000 })
  const raw = await session()
  assert.equal((await raw.ask(1, Opcode.create, records.CreateRequest, created('/a', { data: Buffer.alloc(9_000) })))!.err, 0)
  assert.equal(await raw.ask(2, Opcode.create, records.CreateRequest, created('/b', { data: Buffer.alloc(10_000) })), null)
})

test('connections of one address are limited', async (t) => {
  const { open, server } = await start(t, { maxClientCnxns: 2 })
  const [one, two, three] = [open(), open(), open()]
  assert.ok((await one.session()) && (await two.session()))
  assert.equal(await three.session(), null)
  one.close()
  await one.text()
  while (server.connectionCount > 1) await new Promise((resolve) => setImmediate(resolve))
  assert.ok(await open().session())
})

test('requests above the outstanding limit wait unread, and all are answered in the end', async (t) => {
  const { session, server } = await start(t, { globalOutstandingLimit: 10 })
  const raw = await session()
  raw.send(1, Opcode.create, records.CreateRequest, created('/a'))
  for (let i = 0; i < 3000; i++) raw.send(2 + i, Opcode.setData, records.SetDataRequest, { path: '/a', data: bytes('x'), version: -1 })
  let most = 0
  for (let i = 0; i <= 3000; i++) {
    assert.equal((await raw.answer())!.xid, 1 + i)
    most = Math.max(most, server.outstanding)
  }
  assert.ok(most <= 12, `${most} were under way`)
})

test('for a client that does not read its answers no more is worked on than it takes, and one that only gets events is cut off', async (t) => {
  const { session, server } = await start(t, { maxBufferedBytes: 3_000_000 })
  const raw = await session()
  await raw.ask(1, Opcode.create, records.CreateRequest, created('/large', { data: Buffer.alloc(900_000) }))
  await raw.ask(2, Opcode.addWatch, records.PathMode, { path: '/', mode: 1 })
  raw.socket.pause()
  for (let i = 0; i < 20; i++) raw.send(10 + i, Opcode.getData, records.PathWatch, { path: '/large', watch: false })
  // It is not read from any more: what waits is bounded by one answer above the socket's own buffer.
  const other = await session()
  await other.ask(1, Opcode.create, records.CreateRequest, created('/other'))
  assert.equal(server.connectionCount, 2)
  raw.socket.resume()
  for (let i = 0; i < 20; i++) {
    const answer = await raw.answer()
    if (answer!.xid === -1) i--
    else assert.equal(answer!.xid, 10 + i)
  }
  // Events cannot wait: what is too much for the limit ends the connection.
  raw.socket.pause()
  const name = `/${'n'.repeat(100_000)}`
  for (let i = 0; server.connectionCount === 2; i++) {
    assert.ok(i < 1000, 'it was never cut off')
    await other.ask(2, Opcode.create, records.CreateRequest, created(name))
    await other.ask(3, Opcode.delete, records.PathVersion, { path: name, version: -1 })
  }
})

test('one answer may be larger than what may wait: the names of many children come whole', async (t) => {
  const { session } = await start(t, { maxBufferedBytes: 100_000 })
  const raw = await session()
  await raw.ask(1, Opcode.create, records.CreateRequest, created('/many'))
  for (let i = 0; i < 100; i++) {
    await raw.ask(2 + i, Opcode.create, records.CreateRequest, created(`/many/${String(i).padStart(3, '0')}${'n'.repeat(10_000)}`))
  }
  raw.send(200, Opcode.getChildren, records.PathWatch, { path: '/many', watch: false })
  const answer = await raw.answer()
  assert.equal(answer!.xid, 200)
  await raw.ask(201, Opcode.exists, records.PathWatch, { path: '/many', watch: false })
})

// ---- administration

test('four-letter words are answered in text, and the connection ends', async (t) => {
  const { open, session } = await start(t, { dataDir: '/somewhere' })
  const raw = await session()
  await raw.ask(1, Opcode.create, records.CreateRequest, created('/e', { flags: 1 }))
  await raw.ask(2, Opcode.exists, records.PathWatch, { path: '/x', watch: true })
  const expected: Record<string, RegExp> = {
    ruok: /^imok$/,
    srvr: /^Zookeeper version: 3\.9\.6-millrace.*\nLatency min\/avg\/max: [\d.]+\/[\d.]+\/[\d.]+\nReceived: 2\nSent: 2\nConnections: 2\nOutstanding: 0\nZxid: 0x100000002\nMode: standalone\nNode count: 5\n$/,
    stat: /Clients:\n \/127\.0\.0\.1:\d+\[1\]\(queued=0,recved=2,sent=2\)\n/,
    mntr: /zk_server_state\tstandalone\n[^]*zk_znode_count\t5\nzk_watch_count\t1\nzk_ephemerals_count\t1\n/,
    isro: /^rw$/,
    envi: /^Environment:\nzookeeper\.version=3\.9\.6-/,
    conf: /^clientPort=\d+\n[^]*dataDir=\/somewhere\ntickTime=500\n/,
    cons: / \/127\.0\.0\.1:\d+\[1\]\(queued=0,recved=2,sent=2,sid=0x1[0-9a-f]+,lop=EXIS,est=\d+,to=4000,lcxid=0x2,lzxid=0x100000002,/,
    dump: /Sessions with Ephemerals \(1\):\n0x1[0-9a-f]+:\n\t\/e\n/,
    wchs: /^1 connections watching 1 paths\nTotal watches:1\n$/,
    crst: /^crst is not executed because it is not in the whitelist\.\n$/,
  }
  for (const [word, pattern] of Object.entries(expected)) {
    const admin = open()
    admin.socket.write(word.slice(0, 2))
    admin.socket.write(word.slice(2))
    assert.match(await admin.text(), pattern, word)
  }
})

test('super by digest may do everything, and whoAmI shows names without hashes', async (t) => {
  const { session } = await start(t, { superDigest: 'super:D/InIHSb7yEEbrWz8b9l71RjZJU=' })
  const raw = await session()
  const closed = created('/closed', { acl: [{ perms: 1, scheme: 'world', id: 'anyone' }] })
  await raw.ask(1, Opcode.create, records.CreateRequest, closed)
  const change = { path: '/closed', data: bytes('y'), version: -1 }
  assert.equal((await raw.ask(2, Opcode.setData, records.SetDataRequest, change))!.err, ZkCode.noAuth)
  const auth = { type: 0, scheme: 'digest', auth: bytes('super:test') }
  assert.equal((await raw.ask(-4, Opcode.auth, records.AuthPacket, auth))!.err, 0)
  assert.equal((await raw.ask(3, Opcode.setData, records.SetDataRequest, change))!.err, 0)
  const { rest } = (await raw.ask(4, Opcode.whoAmI))!
  assert.deepEqual(read(records.WhoAmIResponse, rest).clientInfo, [
    { authScheme: 'ip', user: '127.0.0.1' },
    { authScheme: 'super', user: '' },
    { authScheme: 'digest', user: 'super' },
  ])
  assert.equal((await raw.ask(-4, Opcode.auth, records.AuthPacket, { ...auth, scheme: 'nope' }))!.err, ZkCode.authFailed)
  assert.equal(await raw.frame(), null)
})

test('a full disk is answered as an error, and the connection goes on', async (t) => {
  let full = false
  const write: StoreDisk['write'] = async (fd, data, position) => {
    if (full) throw Object.assign(new Error('ENOSPC: injected'), { code: 'ENOSPC' })
    await realDisk.write(fd, data, position)
  }
  const { session, open } = await start(t, {}, { write })
  const raw = await session()
  const admin = async (word: string): Promise<string> => {
    const connection = open()
    connection.socket.write(word)
    return connection.text()
  }
  assert.equal((await raw.ask(1, Opcode.create, records.CreateRequest, created('/a')))!.err, ZkCode.ok)
  full = true
  assert.equal((await raw.ask(2, Opcode.create, records.CreateRequest, created('/b')))!.err, ZkCode.systemError)
  assert.equal((await raw.ask(3, Opcode.getData, records.PathWatch, { path: '/a', watch: false }))!.err, ZkCode.ok)
  assert.match(await admin('mntr'), /\nzk_problem\tthe disk of .* is full/)
  assert.match(await admin('srvr'), /\nProblem: the disk of .* is full/)
  full = false
  assert.equal((await raw.ask(4, Opcode.create, records.CreateRequest, created('/b')))!.err, ZkCode.ok)
  assert.doesNotMatch(await admin('mntr'), /zk_problem/)
})
