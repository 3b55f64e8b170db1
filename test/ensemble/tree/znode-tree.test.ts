import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeSnapshot, encodeSnapshot } from '../../../src/ensemble/store/snapshot.js'
import { isAllowed, maskedAcl, normalizeAcl } from '../../../src/ensemble/tree/acl.js'
import { ZkCode } from '../../../src/ensemble/tree/codes.js'
import {
  EventType,
  OPEN_ACL,
  Perm,
  type Acl,
  type AuthId,
  type CreateOp,
  type SingleOp,
  type TxnBody,
  type WatchEvent,
} from '../../../src/ensemble/tree/types.js'
import { statOf } from '../../../src/ensemble/tree/znode.js'
import { ZnodeTree } from '../../../src/ensemble/tree/znode-tree.js'

const SESSION = 0x7100000000000001n

/** A tree with a session and a counter of zxids; `run` applies one body. */
class Driver {
  readonly tree = new ZnodeTree()
  zxid = 0n

  constructor() {
    this.run({ kind: 'createSession', timeoutMs: 0, password: new Uint8Array(16) })
  }

  run(body: TxnBody, sessionId = SESSION, auth: readonly AuthId[] = []) {
    return this.tree.apply({ sessionId, auth, body }, ++this.zxid, Number(this.zxid) * 10)
  }

  stat(path: string) {
    return statOf(this.tree.node(path)!)
  }
}

function create(path: string, more: Partial<CreateOp> = {}): CreateOp {
  return { kind: 'create', path, data: Buffer.from(path), acl: OPEN_ACL, mode: 'persistent', sequential: false, ttlMs: 0, ...more }
}
const del = (path: string, version = -1): SingleOp => ({ kind: 'delete', path, version })
const set = (path: string, version = -1, data = 'x'): SingleOp => ({ kind: 'setData', path, data: Buffer.from(data), version })
const OPEN_READ: readonly Acl[] = [{ perms: Perm.read, scheme: 'world', id: 'anyone' }]
const check = (path: string, version: number): SingleOp => ({ kind: 'check', path, version })

test('a created node has its zxid as czxid, mzxid and pzxid', () => {
  const d = new Driver()
  const { result } = d.run(create('/a'))
  assert.equal(result.code, ZkCode.ok)
  assert.deepEqual(result.stat, {
    czxid: 2n,
    mzxid: 2n,
    pzxid: 2n,
    ctime: 20,
    mtime: 20,
    version: 0,
    cversion: 0,
    aversion: 0,
    ephemeralOwner: 0n,
    dataLength: 2,
    numChildren: 0,
  })
})

test('a child moves its parent cversion and pzxid by creation and by deletion, never mzxid', () => {
  const d = new Driver()
  d.run(create('/a'))
  d.run(create('/a/b'))
  d.run(del('/a/b'))
  const { mzxid, pzxid, cversion, version } = d.stat('/a')
  assert.deepEqual([mzxid, pzxid, cversion, version], [2n, 4n, 2, 0])
})

test('setData moves version, mzxid and mtime of the node alone', () => {
  const d = new Driver()
  d.run(create('/a'))
  d.run(create('/a/b'))
  d.run(set('/a/b'))
  assert.deepEqual([d.stat('/a/b').version, d.stat('/a/b').mzxid, d.stat('/a/b').mtime], [1, 4n, 40])
  assert.deepEqual([d.stat('/a').mzxid, d.stat('/a').pzxid], [2n, 3n])
})

test('sequence numbers count creations only, plain ones as well, and are shared by all prefixes', () => {
  const d = new Driver()
  d.run(create('/q'))
  assert.equal(d.run(create('/q/a-', { sequential: true })).result.path, '/q/a-0000000000')
  d.run(create('/q/plain'))
  d.run(del('/q/plain'))
  assert.equal(d.run(create('/q/b-', { sequential: true })).result.path, '/q/b-0000000002')
  assert.equal(d.run(create('/q/', { sequential: true })).result.path, '/q/0000000003')
})

test('a fresh root reads cversion -1, as ZooKeeper answers it', () => {
  assert.equal(new Driver().stat('/').cversion, -1)
  assert.equal(new Driver().stat('/zookeeper').cversion, -2)
})

const refusals: [string, SingleOp, number][] = [
  ['creating below nothing', create('/no/where'), ZkCode.noNode],
  ['creating what exists', create('/a'), ZkCode.nodeExists],
  ['creating below an ephemeral', create('/e/x'), ZkCode.noChildrenForEphemerals],
  ['a path without a slash', create('a'), ZkCode.badArguments],
  ['a path with an empty name', create('/a//b'), ZkCode.badArguments],
  ['a relative path', create('/a/../b'), ZkCode.badArguments],
  ['an empty access list', create('/n', { acl: [] }), ZkCode.invalidAcl],
  ['an unknown scheme', create('/n', { acl: [{ perms: 31, scheme: 'foo', id: 'bar' }] }), ZkCode.invalidAcl],
  ['auth without having authenticated', create('/n', { acl: [{ perms: 31, scheme: 'auth', id: '' }] }), ZkCode.invalidAcl],
  ['deleting nothing', del('/no'), ZkCode.noNode],
  ['deleting at a wrong version', del('/a/b', 7), ZkCode.badVersion],
  ['deleting a parent', del('/a'), ZkCode.notEmpty],
  ['deleting /zookeeper', del('/zookeeper'), ZkCode.badArguments],
  ['deleting the root', del('/'), ZkCode.badArguments],
  ['setting nothing', set('/no'), ZkCode.noNode],
  ['setting at a wrong version', set('/a', 3), ZkCode.badVersion],
  ['checking nothing', check('/no', 0), ZkCode.noNode],
  ['checking a wrong version', check('/a', 3), ZkCode.badVersion],
]

for (const [what, op, code] of refusals) {
  test(`${what} is refused with ${code} and changes nothing`, () => {
    const d = new Driver()
    for (const body of [create('/a'), create('/a/b'), create('/e', { mode: 'ephemeral' })]) d.run(body)
    const before = fingerprint(d.tree)
    assert.equal(d.run(op).result.code, code)
    assert.equal(fingerprint(d.tree), before)
  })
}

test('ephemerals go with their session, and their parents hear of it', () => {
  const d = new Driver()
  d.run(create('/a'))
  d.run(create('/a/e', { mode: 'ephemeral' }))
  assert.equal(d.stat('/a/e').ephemeralOwner, SESSION)
  d.run({ kind: 'closeSession' })
  assert.equal(d.tree.node('/a/e'), undefined)
  assert.deepEqual([d.stat('/a').numChildren, d.stat('/a').cversion], [0, 2])
  assert.equal(d.run(create('/later')).result.code, ZkCode.sessionExpired)
})

test('later operations of a multi see earlier ones, under one zxid', () => {
  const d = new Driver()
  const ops = [create('/p'), create('/p/c'), set('/p', 0), set('/p', 1), del('/p/c'), del('/p', 2), create('/r', { sequential: true })]
  const { result } = d.run({ kind: 'multi', ops })
  assert.deepEqual([result.code, result.results.map((r) => r.code)], [0, [0, 0, 0, 0, 0, 0, 0]])
  assert.equal(d.tree.node('/p'), undefined)
  // The root counted /p, and this is its second creation.
  assert.equal(result.results[6]!.path, '/r0000000001')
  assert.equal(d.stat('/r0000000001').czxid, 2n)
})

test('a failing multi answers 0 before, its code at, and -2 after the failing operation', () => {
  const d = new Driver()
  const { result } = d.run({ kind: 'multi', ops: [create('/p'), create('/p/c'), del('/nope'), set('/p')] })
  assert.equal(result.code, ZkCode.noNode)
  assert.deepEqual(
    result.results.map((r) => r.code),
    [0, 0, ZkCode.noNode, ZkCode.runtimeInconsistency],
  )
  assert.equal(d.tree.node('/p'), undefined)
})

test('an empty multi is an empty list', () => {
  assert.deepEqual(new Driver().run({ kind: 'multi', ops: [] }).result.results, [])
})

test('access lists are enforced, and auth is expanded at create', () => {
  const d = new Driver()
  const who: AuthId = { scheme: 'digest', id: 'bob:hash' }
  const acl: Acl[] = [{ perms: Perm.all, scheme: 'auth', id: '' }]
  d.run(create('/mine', { acl }), SESSION, [who])
  assert.deepEqual(d.tree.node('/mine')!.acl, [{ perms: 31, scheme: 'digest', id: 'bob:hash' }])
  assert.equal(d.run(set('/mine')).result.code, ZkCode.noAuth)
  assert.equal(d.run(create('/mine/x')).result.code, ZkCode.noAuth)
  assert.equal(d.run(set('/mine'), SESSION, [who]).result.code, ZkCode.ok)
  assert.equal(d.run(set('/mine'), SESSION, [{ scheme: 'super', id: '' }]).result.code, ZkCode.ok)
  const setAcl = { kind: 'setAcl', path: '/mine', acl: OPEN_ACL, version: 0 } as const
  assert.equal(d.run(setAcl, SESSION, [who]).result.stat!.aversion, 1)
  assert.equal(d.run(setAcl, SESSION, [who]).result.code, ZkCode.badVersion)
})

test('who may not administer a list is shown its names, not its hashes', () => {
  const acl: Acl[] = [{ perms: Perm.read, scheme: 'digest', id: 'bob:hash' }, ...OPEN_READ]
  assert.deepEqual(maskedAcl(acl, []), [{ perms: Perm.read, scheme: 'digest', id: 'bob:x' }, ...OPEN_READ])
  assert.equal(maskedAcl(acl, [{ scheme: 'super', id: '' }]), acl)
})

test('an ip entry matches an IPv6 network', () => {
  const acl: Acl[] = [{ perms: 31, scheme: 'ip', id: '2001:db8::/33' }]
  assert.equal(isAllowed(acl, Perm.read, [{ scheme: 'ip', id: '2001:db8:7fff::1' }]), true)
  assert.equal(isAllowed(acl, Perm.read, [{ scheme: 'ip', id: '2001:db8:8000::1' }]), false)
  assert.equal(isAllowed(acl, Perm.read, [{ scheme: 'ip', id: '10.0.0.1' }]), false)
  assert.equal(normalizeAcl([{ perms: 31, scheme: 'ip', id: '2001:db8::/129' }], []), ZkCode.invalidAcl)
})

// ---- quotas

const limit = (d: Driver, path: string): void => {
  for (const name of ['', '/zookeeper_limits', '/zookeeper_stats']) d.run(create(`/zookeeper/quota${path}${name}`, { data: null }))
}
const usage = (d: Driver, path: string): string => Buffer.from(d.tree.node(`/zookeeper/quota${path}/zookeeper_stats`)!.data!).toString()

test('a quota counts what its subtree holds when it is made, and every change from then on', () => {
  const d = new Driver()
  d.run(create('/q', { data: Buffer.from('12345') }))
  d.run(create('/q/a', { data: Buffer.from('123') }))
  d.run(create('/other', { data: Buffer.from('123') }))
  limit(d, '/q')
  assert.equal(usage(d, '/q'), 'count=2,bytes=8')
  d.run(create('/q/a/b', { data: Buffer.from('1') }))
  d.run(set('/q/a', -1, '1234567'))
  assert.equal(usage(d, '/q'), 'count=3,bytes=13')
  d.run({ kind: 'multi', ops: [del('/q/a/b'), del('/nope')] })
  assert.equal(usage(d, '/q'), 'count=3,bytes=13')
  d.run(del('/q/a/b'))
  assert.equal(usage(d, '/q'), 'count=2,bytes=12')
  assert.equal(d.stat('/zookeeper/quota/q/zookeeper_stats').version, 0)
  d.run(del('/zookeeper/quota/q/zookeeper_limits'))
  d.run(del('/q/a'))
  assert.equal(usage(d, '/q'), 'count=2,bytes=12')
})

test('a restored tree goes on counting', () => {
  const d = new Driver()
  d.run(create('/q', { data: null }))
  limit(d, '/q')
  const restored = decodeSnapshot(encodeSnapshot(d.tree)) as ZnodeTree
  assert.equal(restored.approximateDataBytes, d.tree.approximateDataBytes)
  restored.apply({ sessionId: SESSION, auth: [], body: create('/q/a', { data: Buffer.from('xyz') }) }, 100n, 0)
  assert.equal(Buffer.from(restored.node('/zookeeper/quota/q/zookeeper_stats')!.data!).toString(), 'count=2,bytes=3')
})

test('an ip entry matches its network', () => {
  const d = new Driver()
  d.run(create('/net', { acl: [{ perms: 31, scheme: 'ip', id: '10.1.0.0/16' }] }))
  assert.equal(d.run(set('/net'), SESSION, [{ scheme: 'ip', id: '10.1.2.3' }]).result.code, ZkCode.ok)
  assert.equal(d.run(set('/net'), SESSION, [{ scheme: 'ip', id: '10.2.2.3' }]).result.code, ZkCode.noAuth)
})

// ---- watches

type Told = [string, string]
const NAMES = {
  [EventType.created]: 'created',
  [EventType.deleted]: 'deleted',
  [EventType.dataChanged]: 'data',
  [EventType.childrenChanged]: 'children',
}

function told(applied: { deliveries: readonly { event: WatchEvent }[] }): Told[] {
  return applied.deliveries.map(({ event }) => [NAMES[event.type], event.path])
}

test('a one-shot watch fires once, an exists watch on nothing is told of the creation', () => {
  const d = new Driver()
  d.tree.watches.add('/a', {}, 'data')
  assert.deepEqual(told(d.run(create('/a'))), [['created', '/a']])
  assert.deepEqual(told(d.run(set('/a'))), [])
})

test('setData never fires child watches', () => {
  const d = new Driver()
  d.run(create('/a'))
  d.tree.watches.add('/a', {}, 'children')
  assert.deepEqual(told(d.run(set('/a'))), [])
  assert.deepEqual(told(d.run(create('/a/b'))), [['children', '/a']])
})

test('a watcher of data and children of a node hears of its deletion once, before its parent', () => {
  const d = new Driver()
  d.run(create('/a'))
  const watcher = {}
  d.tree.watches.add('/a', watcher, 'data')
  d.tree.watches.add('/a', watcher, 'children')
  d.tree.watches.add('/', watcher, 'children')
  assert.deepEqual(told(d.run(del('/a'))), [
    ['deleted', '/a'],
    ['children', '/'],
  ])
})

test('a persistent watch stays and hears of its children, a recursive one of the subtree without ChildrenChanged', () => {
  const d = new Driver()
  d.run(create('/a'))
  d.tree.watches.add('/a', { persistent: true }, 'persistent')
  d.tree.watches.add('/a', { recursive: true }, 'recursive')
  assert.deepEqual(told(d.run(create('/a/b'))), [
    ['created', '/a/b'],
    ['children', '/a'],
  ])
  assert.deepEqual(told(d.run(set('/a'))), [
    ['data', '/a'],
    ['data', '/a'],
  ])
  assert.deepEqual(told(d.run(create('/a/b/c'))), [['created', '/a/b/c']])
  assert.deepEqual(told(d.run(create('/ab'))), [])
})

test('a removed watch is silent, and removing what is not there says so', () => {
  const d = new Driver()
  const watcher = {}
  d.tree.watches.add('/a', watcher, 'recursive')
  assert.equal(d.tree.watches.remove('/a', watcher, 'data'), false)
  assert.equal(d.tree.watches.remove('/a', watcher, 'any'), true)
  assert.equal(d.tree.watches.remove('/a', watcher, 'any'), false)
  assert.deepEqual(told(d.run(create('/a'))), [])
})

test('a watcher with several kinds on one path hears of a change once and keeps the persistent one', () => {
  const d = new Driver()
  d.run(create('/a'))
  const watcher = {}
  for (const mode of ['data', 'persistent', 'recursive'] as const) d.tree.watches.add('/a', watcher, mode)
  assert.deepEqual(d.tree.watches.counts(), { watchers: 1, paths: 1, watches: 3 })
  assert.deepEqual(told(d.run(set('/a'))), [['data', '/a']])
  assert.deepEqual(d.tree.watches.counts(), { watchers: 1, paths: 1, watches: 2 })
  d.tree.watches.removeWatcher(watcher)
  assert.deepEqual(d.tree.watches.counts(), { watchers: 0, paths: 0, watches: 0 })
  assert.deepEqual(told(d.run(set('/a'))), [])
})

test('an event carries the access list of the node it names', () => {
  const d = new Driver()
  const acl: Acl[] = [{ perms: Perm.all, scheme: 'digest', id: 'bob:hash' }]
  d.tree.watches.add('/', {}, 'recursive')
  d.tree.watches.add('/', { second: true }, 'children')
  assert.deepEqual(
    d.run(create('/mine', { acl })).deliveries.map(({ event }) => event.acl),
    [acl, OPEN_ACL],
  )
})

test('a failing multi fires no watch', () => {
  const d = new Driver()
  d.tree.watches.add('/a', {}, 'data')
  assert.deepEqual(told(d.run({ kind: 'multi', ops: [create('/a'), del('/nope')] })), [])
  assert.deepEqual(told(d.run(create('/a'))), [['created', '/a']])
})

// ---- properties

const pathArb = fc.constantFrom('/a', '/b', '/a/x', '/a/y', '/a/x/z', '/b/s-')
const opArb: fc.Arbitrary<SingleOp> = fc.oneof(
  fc
    .record({ path: pathArb, mode: fc.constantFrom('persistent', 'ephemeral', 'container'), sequential: fc.boolean() })
    .map((r) => create(r.path, r as Partial<CreateOp>)),
  fc.tuple(pathArb, fc.constantFrom(-1, -1, 0, 1)).map(([path, version]) => del(path, version)),
  fc.tuple(pathArb, fc.constantFrom(-1, -1, 0, 1)).map(([path, version]) => set(path, version)),
  fc.tuple(pathArb, fc.constantFrom(-1, 0, 1)).map(([path, version]) => check(path, version)),
)
const bodyArb: fc.Arbitrary<TxnBody> = fc.oneof(
  opArb,
  fc.array(opArb, { maxLength: 6 }).map((ops): TxnBody => ({ kind: 'multi', ops })),
)

/** Everything a client can see. */
function fingerprint(tree: ZnodeTree): string {
  const rows = [...tree.nodes].map(([path, node]) => [
    path,
    Buffer.from(node.data ?? []).toString(),
    node.kind,
    [...node.children].sort(),
    { ...statOf(node), acl: node.acl },
  ])
  return JSON.stringify(
    rows.sort((a, b) => (String(a[0]) < String(b[0]) ? -1 : 1)),
    (_, value: unknown) => (typeof value === 'bigint' ? value.toString() : value),
  )
}

test('property: two trees that apply the same transactions are the same, and a refused one changes nothing', () => {
  fc.assert(
    fc.property(fc.array(bodyArb, { maxLength: 40 }), (bodies) => {
      const [one, two] = [new Driver(), new Driver()]
      for (const body of bodies) {
        const before = fingerprint(one.tree)
        const { result, deliveries } = one.run(body)
        assert.deepEqual(two.run(body).result, result)
        if (result.code === ZkCode.ok) continue
        assert.equal(fingerprint(one.tree), before)
        assert.equal(deliveries.length, 0)
      }
      assert.deepEqual(encodeSnapshot(one.tree), encodeSnapshot(two.tree))
    }),
    { numRuns: 300 },
  )
})

test('property: children, parents and ephemeral owners always agree', () => {
  fc.assert(
    fc.property(fc.array(bodyArb, { maxLength: 40 }), (bodies) => {
      const d = new Driver()
      for (const body of bodies) d.run(body)
      const owned = new Set(d.tree.ephemeralsOf(SESSION))
      let dataBytes = 0
      for (const [path, node] of d.tree.nodes) {
        dataBytes += path.length + (node.data?.length ?? 0)
        for (const name of node.children) assert.ok(d.tree.node(path === '/' ? `/${name}` : `${path}/${name}`))
        assert.equal(owned.has(path), node.ephemeralOwner === SESSION)
      }
      assert.equal(d.tree.approximateDataBytes, dataBytes)
      d.run({ kind: 'closeSession' })
      assert.ok([...d.tree.nodes.values()].every((node) => node.ephemeralOwner === 0n))
    }),
    { numRuns: 200 },
  )
})
