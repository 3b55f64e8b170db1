import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeSnapshot, encodeInSlices, encodeSnapshot } from '../../../src/ensemble/store/snapshot.js'
import { OPEN_ACL, READ_ACL, type CreateMode, type SingleOp, type TxnBody } from '../../../src/ensemble/tree/types.js'
import { ZnodeTree } from '../../../src/ensemble/tree/znode-tree.js'

const SESSION = 7n
const names = fc.constantFrom('a', 'b', 'c')
const paths = fc.oneof(
  names.map((one) => `/${one}`),
  fc.tuple(names, names).map(([one, two]) => `/${one}/${two}`),
  fc.constantFrom('/zookeeper/quota/a', '/zookeeper/quota/a/zookeeper_limits', '/zookeeper/quota/a/zookeeper_stats'),
)
const data = fc.uint8Array({ maxLength: 6 })
const ops: fc.Arbitrary<SingleOp> = fc.oneof(
  fc.record({
    kind: fc.constant('create' as const),
    path: paths,
    data,
    acl: fc.constant(OPEN_ACL),
    mode: fc.constantFrom<CreateMode>('persistent', 'ephemeral', 'container', 'ttl'),
    sequential: fc.boolean(),
    ttlMs: fc.constant(5),
  }),
  fc.record({ kind: fc.constant('delete' as const), path: paths, version: fc.constant(-1) }),
  fc.record({ kind: fc.constant('setData' as const), path: paths, data, version: fc.constantFrom(-1, -1, 0) }),
  fc.record({ kind: fc.constant('setAcl' as const), path: paths, acl: fc.constantFrom(OPEN_ACL, READ_ACL), version: fc.constant(-1) }),
)
const bodies: fc.Arbitrary<TxnBody> = fc.oneof(
  { weight: 4, arbitrary: ops },
  { weight: 2, arbitrary: fc.array(ops, { maxLength: 4 }).map((many) => ({ kind: 'multi' as const, ops: many })) },
  { weight: 1, arbitrary: fc.constant({ kind: 'closeSession' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'createSession' as const, timeoutMs: 1000, password: new Uint8Array(16) }) },
)

test('property: a snapshot made in slices is that of the tree when it began, whatever changes meanwhile, and reads back', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(bodies, { maxLength: 60 }), fc.array(bodies, { maxLength: 60 }), async (before, meanwhile) => {
      const tree = new ZnodeTree()
      let zxid = 0n
      const apply = (body: TxnBody): void => void tree.apply({ sessionId: SESSION, auth: [], body }, ++zxid, Number(zxid) * 1000)
      apply({ kind: 'createSession', timeoutMs: 1000, password: new Uint8Array(16) })
      for (const body of before) apply(body)
      const expected = encodeSnapshot(tree)
      const made = await encodeInSlices(
        tree.image(),
        async () => {
          for (const body of meanwhile.splice(0, 4)) apply(body)
        },
        1,
      )
      assert.deepEqual(made, expected)
      const back = decodeSnapshot(made)
      assert.ok(typeof back !== 'string')
      assert.deepEqual(encodeSnapshot(back), expected)
      const now = decodeSnapshot(encodeSnapshot(tree))
      assert.ok(typeof now !== 'string')
      assert.deepEqual(encodeSnapshot(now), encodeSnapshot(tree))
    }),
    { numRuns: 300 },
  )
})
