// What every ZnodeClient promises, as tests: run on the in-process session, on the client over TCP against our own port, and (with the
// clients' suites) against Apache ZooKeeper. Each test works below a path of its own.

import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { ZkCode } from '../../src/ensemble/tree/codes.js'
import { EventType, Perm } from '../../src/ensemble/tree/types.js'
import { isZnodeError, type ZnodeClient } from '../../src/ensemble/znode-client.js'
import { realClock } from '../../src/env/real.js'
import { bytes, text } from './helpers.js'

export interface ClientSource {
  readonly name: string
  /** A read may show writes that the same client made after it, never miss those before it. */
  readonly readsMayBeNewer?: boolean
  /** A new session of the same ensemble; closed by the source when the test ends. */
  connect(t: TestContext): Promise<ZnodeClient>
}

const refusedWith = (code: number) => (error: unknown) => isZnodeError(error, code)
let made = 0

/** A node of this test's own. */
async function home(client: ZnodeClient): Promise<string> {
  return client.create(`/suite-${process.pid}-${++made}-`, null, { sequential: true })
}

export function znodeClientSuite(source: ClientSource): void {
  const claim = (what: string, check: (t: TestContext, client: ZnodeClient, base: string) => Promise<void>): void => {
    test(`${source.name}: ${what}`, async (t) => {
      const client = await source.connect(t)
      await check(t, client, await home(client))
    })
  }

  claim('a node has its data, its stat, and versions that rise', async (_, client, base) => {
    const { path, stat } = await client.create2(`${base}/a`, bytes('one'))
    assert.equal(path, `${base}/a`)
    assert.deepEqual([stat.version, stat.dataLength, stat.czxid === stat.mzxid, stat.pzxid === stat.czxid], [0, 3, true, true])
    const changed = await client.setData(path, bytes('three'), 0)
    assert.deepEqual([changed.version, changed.dataLength, changed.mzxid > changed.czxid], [1, 5, true])
    const read = await client.getData(path)
    assert.equal(text(read.data), 'three')
    assert.deepEqual(read.stat, changed)
    assert.deepEqual(await client.exists(path), changed)
    await assert.rejects(client.setData(path, null, 0), refusedWith(ZkCode.badVersion))
    await assert.rejects(client.delete(path, 7), refusedWith(ZkCode.badVersion))
    await client.delete(path, 1)
    assert.equal(await client.exists(path), null)
  })

  claim('empty data and data of every byte come back as they were', async (_, client, base) => {
    const all = Uint8Array.from({ length: 256 }, (_unused, i) => i)
    await client.create(`${base}/all`, all)
    await client.create(`${base}/empty`, new Uint8Array(0))
    assert.deepEqual(Buffer.from((await client.getData(`${base}/all`)).data!), Buffer.from(all))
    assert.equal((await client.getData(`${base}/empty`)).data?.length, 0)
  })

  claim('what is refused says why', async (_, client, base) => {
    await assert.rejects(client.getData(`${base}/none`), refusedWith(ZkCode.noNode))
    await assert.rejects(client.getChildren(`${base}/none`), refusedWith(ZkCode.noNode))
    await assert.rejects(client.create(`${base}/none/x`, null), refusedWith(ZkCode.noNode))
    await assert.rejects(client.create(base, null), refusedWith(ZkCode.nodeExists))
    await client.create(`${base}/e`, null, { mode: 'ephemeral' })
    await assert.rejects(client.create(`${base}/e/x`, null), refusedWith(ZkCode.noChildrenForEphemerals))
    await assert.rejects(client.delete(base), refusedWith(ZkCode.notEmpty))
    await assert.rejects(client.create(`${base}/acl`, null, { acl: [] }), refusedWith(ZkCode.invalidAcl))
    await assert.rejects(client.create(`${base}/\u0001`, null), refusedWith(ZkCode.badArguments))
    const closed = [{ perms: Perm.read, scheme: 'world', id: 'anyone' }]
    await client.create(`${base}/closed`, null, { acl: closed })
    await assert.rejects(client.setData(`${base}/closed`, null), refusedWith(ZkCode.noAuth))
  })

  claim('sequential names count the creations of their parent', async (_, client, base) => {
    const names = [
      await client.create(`${base}/a-`, null, { sequential: true }),
      await client.create(`${base}/b-`, null, { sequential: true }),
    ]
    await client.delete(names[1]!)
    names.push(await client.create(`${base}/c-`, null, { sequential: true, mode: 'ephemeral' }))
    assert.deepEqual(names, [`${base}/a-0000000000`, `${base}/b-0000000001`, `${base}/c-0000000002`])
    const { names: children, stat } = await client.getChildren(base)
    assert.deepEqual(children.sort(), ['a-0000000000', 'c-0000000002'])
    assert.deepEqual([stat.numChildren, stat.cversion], [2, 4])
  })

  claim('calls of one client take effect in the order they were made', async (_, client, base) => {
    const writes: Promise<unknown>[] = []
    const reads: Promise<{ data: Uint8Array | null }>[] = []
    for (let i = 0; i < 100; i++) {
      writes.push(client.setData(base, bytes(String(i)), i))
      reads.push(client.getData(base))
    }
    await Promise.all(writes)
    const shown = (await Promise.all(reads)).map(({ data }) => Number(text(data)))
    if (source.readsMayBeNewer) assert.ok(shown.every((version, i) => version >= i))
    else
      assert.deepEqual(
        shown,
        Array.from({ length: 100 }, (_unused, i) => i),
      )
  })

  claim('an event is delivered once, and before any answer that shows the change', async (t, client, base) => {
    const other = await source.connect(t)
    const seen: string[] = []
    await client.getData(base, ({ type, path }) => seen.push(`event ${type} ${path}`))
    await client.exists(`${base}/new`, ({ type, path }) => seen.push(`event ${type} ${path}`))
    await other.setData(base, bytes('x'))
    await other.create(`${base}/new`, null)
    await other.setData(base, bytes('y'))
    await client.sync(base)
    seen.push(text((await client.getData(base)).data))
    assert.deepEqual(seen, [`event ${EventType.dataChanged} ${base}`, `event ${EventType.created} ${base}/new`, 'y'])
    const own: string[] = []
    await client.getChildren(base, ({ type }) => own.push(`event ${type}`))
    await client.create(`${base}/child`, null).then(() => own.push('answer'))
    assert.deepEqual(own, [`event ${EventType.childrenChanged}`, 'answer'])
  })

  claim('persistent watches hear of their node and children, recursive ones of the subtree, until taken off', async (_, client, base) => {
    const seen: string[] = []
    const note = (kind: string) => (event: { type: number; path: string }) =>
      seen.push(`${kind} ${event.type} ${event.path.slice(base.length)}`)
    const plain = await client.addWatch(base, 'persistent', note('plain'))
    const recursive = await client.addWatch(base, 'recursive', note('deep'))
    await client.create(`${base}/a`, null)
    await client.create(`${base}/a/b`, null)
    await client.setData(base, bytes('x'))
    await client.delete(`${base}/a/b`)
    plain.remove()
    await client.setData(base, bytes('y'))
    recursive.remove()
    await client.setData(base, bytes('z'))
    await client.sync(base)
    assert.deepEqual(seen.sort(), ['deep 1 /a', 'deep 1 /a/b', 'deep 2 /a/b', 'deep 3 ', 'deep 3 ', 'plain 3 ', 'plain 4 '])
  })

  claim('a multi is all or nothing under one zxid', async (_, client, base) => {
    const { zxid, results } = await client.multi([
      { kind: 'create', path: `${base}/m`, data: bytes('1') },
      { kind: 'create', path: `${base}/m/s-`, data: null, sequential: true, mode: 'ephemeral' },
      { kind: 'setData', path: `${base}/m`, data: bytes('2'), version: 0 },
      { kind: 'check', path: `${base}/m`, version: 1 },
      { kind: 'delete', path: `${base}/m/s-0000000000` },
    ])
    assert.deepEqual(
      results.map(({ code, path, stat }) => [code, path, stat?.version ?? null]),
      [
        [0, `${base}/m`, 0],
        [0, `${base}/m/s-0000000000`, 0],
        [0, null, 1],
        [0, null, null],
        [0, null, null],
      ],
    )
    assert.equal((await client.exists(`${base}/m`))!.mzxid, zxid)
    const failing = client.multi([
      { kind: 'setData', path: `${base}/m`, data: bytes('3') },
      { kind: 'check', path: `${base}/m`, version: 7 },
      { kind: 'delete', path: `${base}/m` },
    ])
    await assert.rejects(failing, (error: unknown) => {
      assert.ok(isZnodeError(error, ZkCode.badVersion))
      assert.deepEqual(
        error.results.map(({ code }) => code),
        [ZkCode.ok, ZkCode.badVersion, ZkCode.runtimeInconsistency],
      )
      return true
    })
    assert.equal(text((await client.getData(`${base}/m`)).data), '2')
    assert.deepEqual((await client.multi([])).results, [])
  })

  claim('ephemerals belong to their session and go with it', async (t, client, base) => {
    const other = await source.connect(t)
    const { stat } = await other.create2(`${base}/e`, null, { mode: 'ephemeral' })
    assert.equal(stat.ephemeralOwner, other.sessionId)
    const gone = new Promise<number>((resolve) => {
      void client.exists(`${base}/e`, ({ type }) => resolve(type))
    })
    await client.sync(base)
    await other.close()
    assert.equal(await gone, EventType.deleted)
    await client.sync(base)
    assert.equal(await client.exists(`${base}/e`), null)
    await assert.rejects(other.create(`${base}/late`, null), refusedWith(ZkCode.sessionExpired))
  })

  claim('a session tells its state, and until when its holder may act', async (t) => {
    const client = await source.connect(t)
    const states: string[] = []
    const off = client.onState((state) => states.push(state))
    client.onState((state) => states.push(`again ${state}`))
    assert.equal(client.state, 'connected')
    assert.ok(client.mayActUntil() > realClock.monotonic())
    off()
    await client.close()
    assert.deepEqual(states, ['again closed'])
    assert.equal(client.state, 'closed')
    assert.equal(client.mayActUntil(), 0)
  })

  claim('container and TTL nodes are made, and read as owned by nobody', async (_, client, base) => {
    const container = await client.create2(`${base}/c`, null, { mode: 'container' })
    const ttl = await client.create2(`${base}/t`, null, { mode: 'ttl', ttlMs: 3_600_000 })
    assert.deepEqual([container.stat.ephemeralOwner, ttl.stat.ephemeralOwner], [0n, 0n])
    await assert.rejects(client.create(`${base}/t0`, null, { mode: 'ttl', ttlMs: 0 }), refusedWith(ZkCode.badArguments))
  })

  claim('more than ZooKeeper takes in one request is refused, and the session goes on', async (_, client, base) => {
    await client.create(`${base}/large`, new Uint8Array(900_000))
    await assert.rejects(client.setData(base, new Uint8Array(1_100_000)), refusedWith(ZkCode.badArguments))
    assert.equal((await client.getData(`${base}/large`)).data?.length, 900_000)
  })
}
