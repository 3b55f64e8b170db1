// The twin keeps the rules that link.test.ts asks of real links.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LinkStatus } from '../../src/link/door.js'
import { ask, part, text, TOPIC } from '../support/links.js'
import { COORDINATOR, MemoryLinks } from '../support/memory-links.js'
import { SimEnv } from '../support/sim-env.js'

const code = (expected: string) => (error: unknown) => (error as { code?: string }).code === expected

function two() {
  const env = new SimEnv()
  const net = new MemoryLinks({ env, delayMs: () => 5 })
  const [a, b] = [net.start(1), net.start(2)]
  a.setPeers([1, 2])
  b.setPlacement(TOPIC, Int16Array.from([0, -1]))
  return { env, net, a, b }
}

test('twin: parts reach their owners, the unknown is NOT_HERE, and answers come apart', async () => {
  const { env, a, b } = two()
  let finish: () => void = () => {}
  b.door(0).handle(1, (peer, parts, answer) => {
    const body = Buffer.from(parts[0]!.body)
    finish = () => answer(0, Buffer.concat([Buffer.from(`${peer} `), body]))
  })
  b.door(COORDINATOR).handle(1, (_, parts, answer) => answer(0, parts[0]!.body))
  const seen: [number, LinkStatus, string][] = []
  const parts = [part('slow'), part('none', 1), part('coordinator', 0, null)]
  const call = a.door(0).call(2, 1, parts, (index, body, status) => seen.push([index, status, text(body)]), 1000)
  await env.advance(10)
  assert.deepEqual(seen, [
    [1, LinkStatus.notHere, ''],
    [2, LinkStatus.ok, 'coordinator'],
  ])
  finish()
  await env.advance(5)
  await call
  assert.deepEqual(seen[2], [0, LinkStatus.ok, '1 slow'])
})

test('twin: a cut rejects open calls, loses what was on its way, and healing brings the peer back', async () => {
  const { env, net, a, b } = two()
  const notices: [number, boolean][] = []
  a.door(0).onPeer((peer, up) => notices.push([peer, up]))
  let calls = 0
  b.door(0).handle(1, () => void calls++)
  const open = assert.rejects(ask(a.door(0), 2, 1, [part('x')], 1000), code('ERR_MILLRACE_LINK_DOWN'))
  net.cut(1, 2)
  net.heal(1, 2)
  await open
  await env.advance(100)
  assert.equal(calls, 0)
  assert.deepEqual(notices, [
    [2, true],
    [2, false],
    [2, true],
  ])
})

test('twin: a killed worker answers OWNER_GONE, a silent one runs into the time-out', async () => {
  const { env, a, b } = two()
  b.door(0).handle(1, () => {})
  const gone = ask(a.door(0), 2, 1, [part('x')], 1000)
  await env.advance(5)
  b.kill(0)
  await env.advance(5)
  assert.equal((await gone)[0]?.status, LinkStatus.ownerGone)
  b.door(0).handle(1, () => {})
  const silent = assert.rejects(ask(a.door(0), 2, 1, [part('x')], 1000), code('ERR_MILLRACE_LINK_TIMEOUT'))
  await env.advance(1000)
  await silent
})
