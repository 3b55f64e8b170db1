// Members in one process over real TCP and disk: growing from one, a wrong secret, observers that become voters.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import path from 'node:path'
import { test } from 'node:test'
import { Member } from '../../../src/ensemble/member.js'
import { parseConfig } from '../../../src/ensemble/quorum/config.js'
import { TcpTransport } from '../../../src/ensemble/quorum/tcp-transport.js'
import { encodeSnapshot } from '../../../src/ensemble/store/snapshot.js'
import { ZkCode } from '../../../src/ensemble/tree/codes.js'
import { realEnv } from '../../../src/env/real.js'
import { isZnodeError } from '../../../src/ensemble/znode-client.js'
import { bytes, tempDir, text } from '../helpers.js'
import { listening, serving } from './members.js'

test('a directory of an ensemble of one becomes a member of three, and its history reaches the others', async (t) => {
  const dir = tempDir(t)
  const one = Member.open({ dir: path.join(dir, '1'), env: realEnv() })
  const old = one.connect()
  for (let i = 0; i < 50; i++) await old.create(`/n${i}`, bytes(`value ${i}`))
  await old.create('/gone', null, { mode: 'ephemeral' })
  await one.snapshot()
  await old.create('/last', bytes('last'))
  await one.close()
  const { open } = await listening(t, 3)
  const members = [open(1, path.join(dir, '1')), open(2, path.join(dir, '2')), open(3, path.join(dir, '3'))]
  await serving(...members)
  assert.equal(members[0]!.role, 'leader')
  const client = await members[1]!.connect()
  await client.create('/new', null)
  for (const member of members) await member.sync()
  for (const member of members) {
    assert.equal(text(member.tree.node('/n49')?.data ?? null), 'value 49')
    assert.equal(text(member.tree.node('/last')?.data ?? null), 'last')
    assert.equal(member.tree.node('/gone'), undefined)
  }
  assert.deepEqual(encodeSnapshot(members[2]!.tree), encodeSnapshot(members[0]!.tree))
  assert.ok(client.mayActUntil() < Infinity)
})

test('two new members do not start without the one that has history', async (t) => {
  const dir = tempDir(t)
  const { open } = await listening(t, 3)
  const [two, three] = [open(2, path.join(dir, '2')), open(3, path.join(dir, '3'))]
  await new Promise((resolve) => setTimeout(resolve, 1500))
  assert.deepEqual([two.role, three.role], ['looking', 'looking'])
  await assert.rejects(two.submit({ sessionId: 1n, auth: [], body: { kind: 'closeSession' } }), (error) =>
    isZnodeError(error, ZkCode.connectionLoss),
  )
})

test('who does not know the secret gets nothing but a greeting', async (t) => {
  const env = realEnv()
  const heard: string[] = []
  const transport = await TcpTransport.listen({ env, memberId: 1, listen: { host: '127.0.0.1', port: 0 }, secret: 'a secret' })
  const stranger = await TcpTransport.listen({ env, memberId: 2, listen: { host: '127.0.0.1', port: 0 }, secret: 'another' })
  t.after(() => Promise.all([transport.close(), stranger.close()]))
  transport.start({ onMessage: () => heard.push('message'), onPeer: () => heard.push('peer') })
  stranger.start({ onMessage: () => heard.push('stranger message'), onPeer: () => heard.push('stranger peer') })
  stranger.setMembers([{ id: 1, host: '127.0.0.1', port: transport.port, voter: true, clientAddress: null }])
  const socket = net.connect(transport.port, '127.0.0.1')
  socket.write(Buffer.alloc(42, 7))
  const received: Buffer[] = []
  socket.on('data', (chunk: Buffer) => received.push(chunk))
  await once(socket, 'close')
  assert.deepEqual([heard, received], [[], []])
})

test('an observer follows, and becomes a voter by a reconfiguration that all agree on', async (t) => {
  const dir = tempDir(t)
  const { open, config } = await listening(t, 3, 1)
  const members = [open(1, path.join(dir, '1')), open(2, path.join(dir, '2')), open(3, path.join(dir, '3'))]
  await serving(...members)
  assert.deepEqual(
    members.map(({ role }) => role),
    ['leader', 'observer', 'observer'],
  )
  const client = await members[2]!.connect()
  await client.create('/a', null)
  await members[1]!.reconfigure({ servers: config.servers.map((server) => ({ ...server, voter: true })) })
  await client.create('/b', null)
  for (const member of members) await member.sync()
  for (const member of members) {
    const data = text(member.tree.node('/zookeeper/config')!.data)
    assert.equal(parseConfig(data)!.servers.filter(({ voter }) => voter).length, 3)
    assert.match(data, /\nversion=[0-9a-f]+$/)
    assert.ok(member.tree.node('/b'))
  }
  await members[0]!.close()
  await serving(members[1]!, members[2]!)
  const other = await members[1]!.connect()
  await other.create('/c', null)
})
