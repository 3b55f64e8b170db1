import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { Member } from '../../src/ensemble/member.js'
import { ZkCode } from '../../src/ensemble/tree/codes.js'
import { EventType } from '../../src/ensemble/tree/types.js'
import { isZnodeError } from '../../src/ensemble/znode-client.js'
import { realEnv } from '../../src/env/real.js'
import { bytes, openMember, tempDir, text } from './helpers.js'

const refusedWith = (code: number) => (error: unknown) => isZnodeError(error, code)

test('calls of one client take effect in the order they were made', async (t) => {
  const client = openMember(t).connect()
  const versions = Array.from({ length: 200 }, (_, i) =>
    i === 0 ? client.create('/a', bytes('0')) : client.setData('/a', bytes(String(i)), i - 1),
  )
  const read = client.getData('/a')
  await Promise.all(versions)
  const { data, stat } = await read
  assert.deepEqual([text(data), stat.version], ['199', 199])
})

test('an event is delivered before the answer that shows the change', async (t) => {
  const member = openMember(t)
  const [writer, reader] = [member.connect(), member.connect()]
  const seen: string[] = []
  await reader.exists('/a', (event) => seen.push(`event ${event.type}`))
  await writer.create('/a', null).then(() => seen.push('created'))
  assert.deepEqual(seen, [`event ${EventType.created}`, 'created'])
})

test('a change is not visible before it is durable', async (t) => {
  const member = openMember(t)
  const [writer, reader] = [member.connect(), member.connect()]
  await reader.exists('/')
  const write = writer.create('/a', null)
  assert.equal(member.tree.node('/a'), undefined)
  await write
  assert.ok(await reader.exists('/a'))
})

test('ephemerals of a closed session are gone, those of a stopped process too', async (t) => {
  const dir = path.join(tempDir(t), 'e')
  const member = openMember(t, dir)
  const [one, two] = [member.connect(), member.connect()]
  await one.create('/one', null, { mode: 'ephemeral' })
  await two.create('/two', null, { mode: 'ephemeral' })
  await one.close()
  assert.equal(await two.exists('/one'), null)
  await assert.rejects(one.create('/x', null), refusedWith(ZkCode.sessionExpired))
  await member.close()
  const again = openMember(t, dir)
  const client = again.connect()
  assert.equal(await client.exists('/two'), null)
  assert.ok(client.sessionId > two.sessionId)
  assert.equal(again.tree.sessions.size, 1)
})

test('multi resolves with every result, and rejects with every code', async (t) => {
  const client = openMember(t).connect()
  const made = await client.multi([
    { kind: 'create', path: '/a', data: bytes('x') },
    { kind: 'create', path: '/a/s-', data: null, sequential: true, mode: 'ephemeral' },
    { kind: 'setData', path: '/a', data: bytes('y'), version: 0 },
  ])
  assert.equal(made.results[1]!.path, '/a/s-0000000000')
  assert.equal(made.results[2]!.stat!.version, 1)
  const failing = client.multi([
    { kind: 'check', path: '/a', version: 1 },
    { kind: 'delete', path: '/a' },
    { kind: 'delete', path: '/a' },
  ])
  await assert.rejects(failing, (error: unknown) => {
    assert.ok(isZnodeError(error, ZkCode.notEmpty))
    assert.deepEqual(
      error.results.map((r) => r.code),
      [0, ZkCode.notEmpty, ZkCode.runtimeInconsistency],
    )
    return true
  })
})

test('persistent recursive watches hear of the subtree until they are taken off', async (t) => {
  const client = openMember(t).connect()
  await client.create('/a', null)
  const seen: string[] = []
  const watch = await client.addWatch('/a', 'recursive', ({ type, path: at }) => seen.push(`${type} ${at}`))
  await client.create('/a/b', null)
  await client.setData('/a/b', bytes('x'))
  await client.delete('/a/b')
  watch.remove()
  await client.create('/a/c', null)
  assert.deepEqual(seen, ['1 /a/b', '3 /a/b', '2 /a/b'])
})

test('more than ZooKeeper takes in one request is refused', async (t) => {
  const client = openMember(t).connect()
  await client.create('/a', new Uint8Array(900_000))
  await assert.rejects(client.setData('/a', new Uint8Array(1_100_000)), refusedWith(ZkCode.badArguments))
})

test('snapshots are written as the log grows, and a restart continues from them', async (t) => {
  const dir = path.join(tempDir(t), 'e')
  const member = openMember(t, dir, 20_000)
  const client = member.connect()
  for (let round = 0; round < 8; round++) {
    await Promise.all(Array.from({ length: 50 }, (_, i) => client.create(`/r${round}-${i}`, new Uint8Array(100))))
  }
  await member.close()
  const again = openMember(t, dir)
  const { names } = await again.connect().getChildren('/')
  assert.equal(names.length, 401)
})

/** A durable write that fails with `code` while `failing()`, leaving half of the bytes behind. */
function failingWrite(code: string, failing: () => boolean) {
  return async (fd: number, data: Buffer, position: number): Promise<void> => {
    const half = failing()
    fs.writeSync(fd, data, 0, half ? data.length >> 1 : data.length, position)
    fs.fdatasyncSync(fd)
    if (half) throw Object.assign(new Error(`${code}: injected`), { code })
  }
}

test('a full disk refuses changes, keeps reads, and takes changes again when there is space', async (t) => {
  const dir = path.join(tempDir(t), 'e')
  let full = false
  const member = Member.open({ dir, env: realEnv(), write: failingWrite('ENOSPC', () => full) })
  t.after(() => member.close())
  const client = member.connect()
  await client.create('/before', bytes('x'))
  full = true
  const refused = await Promise.allSettled([client.create('/a', null), client.create('/b', null)])
  assert.ok(refused.every((each) => each.status === 'rejected' && /is full/.test(String(each.reason))))
  assert.equal(text((await client.getData('/before')).data), 'x')
  full = false
  await client.create('/after', null)
  await member.close()
  const again = openMember(t, dir).connect()
  assert.deepEqual((await again.getChildren('/')).names.sort(), ['after', 'before', 'zookeeper'])
})

test('an I/O error ends writing for good, and a restart has what was acknowledged', async (t) => {
  const dir = path.join(tempDir(t), 'e')
  let broken = false
  const member = Member.open({ dir, env: realEnv(), write: failingWrite('EIO', () => broken) })
  t.after(() => member.close())
  const client = member.connect()
  await client.create('/before', null)
  broken = true
  await assert.rejects(client.create('/a', null), /until the node is restarted/)
  broken = false
  await assert.rejects(client.create('/b', null), /until the node is restarted/)
  await member.close()
  const again = openMember(t, dir).connect()
  assert.deepEqual((await again.getChildren('/')).names.sort(), ['before', 'zookeeper'])
})
