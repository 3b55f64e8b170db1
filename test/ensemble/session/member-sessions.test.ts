import assert from 'node:assert/strict'
import path from 'node:path'
import { test, type TestContext } from 'node:test'
import type { EnsembleServer } from '../../../src/ensemble/ensemble-server.js'
import { Member } from '../../../src/ensemble/member.js'
import { ZkCode } from '../../../src/ensemble/tree/codes.js'
import { OPEN_ACL, type CreateOp, type TxnResult } from '../../../src/ensemble/tree/types.js'
import { realEnv } from '../../../src/env/real.js'
import { SimEnv } from '../../support/sim-env.js'
import { tempDir } from '../helpers.js'

/** A member whose clock moves by hand; its disk is real, so a step waits for the write. */
function simMember(t: TestContext, options: { reapIntervalMs?: number } = {}): { env: SimEnv; member: Member } {
  const env = new SimEnv()
  const member = Member.open({ dir: path.join(tempDir(t), 'e'), env, tickMs: 1000, ...options })
  t.after(() => member.close())
  return { env, member }
}

function create(member: EnsembleServer, sessionId: bigint, node: Partial<CreateOp> & { path: string }): Promise<TxnResult> {
  const body = { kind: 'create', data: null, acl: OPEN_ACL, mode: 'persistent', sequential: false, ttlMs: 0, ...node } as const
  return member.submit({ sessionId, auth: [], body })
}

test('a session that nobody touches ends after its timeout, its ephemerals with it, and who listens is told', async (t) => {
  const { env, member } = simMember(t)
  const ended: bigint[] = []
  member.onSessionEnded((id) => ended.push(id))
  const { sessionId, timeoutMs } = await member.createSession(3000)
  const other = await member.createSession(3000)
  await create(member, sessionId, { path: '/e', mode: 'ephemeral' })
  for (let i = 0; i < 6; i++) {
    await env.advance(500)
    member.touch(other.sessionId)
    assert.ok(member.tree.node('/e'), 'before its time')
  }
  await env.advance(2000)
  await member.sync()
  assert.deepEqual([timeoutMs, member.tree.node('/e'), ended], [3000, undefined, [sessionId]])
  assert.equal((await create(member, sessionId, { path: '/x' })).code, ZkCode.sessionExpired)
  assert.ok(member.tree.sessions.has(other.sessionId))
})

test('timeouts are clamped to 2 to 20 ticks, and a re-attach needs the password', async (t) => {
  const { member } = simMember(t)
  assert.equal((await member.createSession(1)).timeoutMs, 2000)
  const session = await member.createSession(1e9)
  assert.equal(session.timeoutMs, 20_000)
  assert.deepEqual(await member.reattach(session.sessionId, session.password), { timeoutMs: 20_000 })
  assert.equal(await member.reattach(session.sessionId, new Uint8Array(16)), null)
  assert.equal(await member.reattach(99n, session.password), null)
})

test('sessions with a timeout outlive a restart and get it in full again', async (t) => {
  const dir = path.join(tempDir(t), 'e')
  const first = Member.open({ dir, env: realEnv() })
  const { sessionId, password } = await first.createSession(5000)
  await create(first, sessionId, { path: '/e', mode: 'ephemeral' })
  await first.close()
  const again = Member.open({ dir, env: realEnv() })
  t.after(() => again.close())
  assert.deepEqual(await again.reattach(sessionId, password), { timeoutMs: 5000 })
  assert.ok(again.tree.node('/e'))
})

test('a container goes once it has had a child and has none, a TTL node once its time is over', async (t) => {
  const { env, member } = simMember(t, { reapIntervalMs: 100 })
  const { sessionId } = await member.createSession(20_000)
  await create(member, sessionId, { path: '/fresh', mode: 'container' })
  await create(member, sessionId, { path: '/used', mode: 'container' })
  await create(member, sessionId, { path: '/used/child' })
  await create(member, sessionId, { path: '/ttl', mode: 'ttl', ttlMs: 500 })
  await env.advance(300)
  await member.sync()
  assert.deepEqual([...member.tree.transient].sort(), ['/fresh', '/ttl', '/used'])
  await member.submit({ sessionId, auth: [], body: { kind: 'delete', path: '/used/child', version: -1 } })
  await env.advance(400)
  await member.sync()
  assert.deepEqual([...member.tree.transient], ['/fresh'])
})
