// ZooKeeper's reconfig: which configuration a request makes, and what a member of several answers on its ZooKeeper port.

import assert from 'node:assert/strict'
import path from 'node:path'
import { test, type TestContext } from 'node:test'
import { formatConfig, parseConfig } from '../../../src/ensemble/quorum/config.js'
import { QuorumMember } from '../../../src/ensemble/quorum/quorum-member.js'
import { nextConfig, reconfigure, type Reconfiguration } from '../../../src/ensemble/quorum/reconfig.js'
import { TcpTransport } from '../../../src/ensemble/quorum/tcp-transport.js'
import { Opcode, ZkCode } from '../../../src/ensemble/tree/codes.js'
import * as records from '../../../src/ensemble/wire/jute/records.js'
import { ZkServer } from '../../../src/ensemble/wire/server/zk-server.js'
import { isZnodeError } from '../../../src/ensemble/znode-client.js'
import { realEnv } from '../../../src/env/real.js'
import { bytes, tempDir, text } from '../helpers.js'
import { RawConnection, read } from '../wire/raw.js'

const NOTHING: Reconfiguration = { joiningServers: '', leavingServers: '', newMembers: '', curConfigId: -1n }
const CURRENT = parseConfig('server.1=a:1:1:participant;a:9\nserver.2=b:1:1:participant;b:9\nserver.3=c:1:1:observer')!

test('a request says who joins and leaves, or all who are members', () => {
  const made = (asked: Partial<Reconfiguration>): string | null => {
    const next = nextConfig(CURRENT, { ...NOTHING, ...asked })
    return next && formatConfig(next)
  }
  const two = 'server.1=a:1:1:participant;a:9\nserver.2=b:1:1:participant;b:9'
  assert.equal(made({ leavingServers: '3' }), two)
  assert.equal(made({ leavingServers: '3, 7' }), two, 'who is no member has left')
  assert.equal(made({ joiningServers: 'server.4=d:1:2:observer;d:9', leavingServers: '3' }), `${two}\nserver.4=d:1:1:observer;d:9`)
  assert.equal(made({ joiningServers: 'server.3=c:1:1;c:9' }), `${two}\nserver.3=c:1:1:participant;c:9`, 'an observer becomes a voter')
  assert.equal(made({ newMembers: 'server.1=a:1:1:participant;a:9,server.2=b:1:1:participant;b:9' }), two)
  for (const asked of [
    { leavingServers: 'x' },
    { leavingServers: '1,2' },
    { joiningServers: 'server.4' },
    { joiningServers: 'server.4=d:1:1' },
    { joiningServers: 'server.4=d:0:1:observer;d:9' },
    { joiningServers: 'server.255=d:1:1:observer;d:9' },
    { joiningServers: 'server.4=a:1:1:observer;d:9' },
    { joiningServers: 'server.4=d:1:1:observer;a:9' },
    { newMembers: ',' },
    { newMembers: 'a' },
    { newMembers: 'server.1=a:1:1;a:9,server.1=b:1:1;b:9' },
    { newMembers: 'server.1=a:1:1:observer;a:9' },
  ]) {
    assert.equal(made(asked), null, JSON.stringify(asked))
  }
})

/** One voter and an observer, each with a ZooKeeper port. */
async function pair(t: TestContext) {
  const env = realEnv()
  const dir = tempDir(t)
  const listen = { host: '127.0.0.1', port: 0 }
  const transports = await Promise.all([1, 2].map((memberId) => TcpTransport.listen({ env, memberId, listen, secret: 'a secret' })))
  const servers = transports.map(({ port }, i) => ({ id: i + 1, host: '127.0.0.1', port, voter: i === 0, clientAddress: null }))
  const members = transports.map((transport, i) =>
    QuorumMember.open({ dir: path.join(dir, String(i)), env, memberId: i + 1, config: { servers }, transport, tickMs: 500 }),
  )
  const ports: ZkServer[] = []
  t.after(async () => {
    for (const port of ports) await port.close()
    for (const member of members) await member.close()
  })
  for (const member of members) {
    await member.connect()
    // super:test
    const superDigest = 'super:D/InIHSb7yEEbrWz8b9l71RjZJU='
    ports.push(
      await ZkServer.listen({ env, ensemble: member, ...listen, superDigest, reconfig: (request) => reconfigure(member, request) }),
    )
  }
  const ask = async (port: number, asked: Partial<Reconfiguration>, auth = 'super:test'): Promise<{ err: number; config: string }> => {
    const raw = new RawConnection(`127.0.0.1:${ports[port]!.port}`)
    try {
      assert.ok(await raw.session())
      await raw.ask(-4, Opcode.auth, records.AuthPacket, { type: 0, scheme: 'digest', auth: bytes(auth) })
      const answer = await raw.ask(1, Opcode.reconfig, records.ReconfigRequest, { ...NOTHING, ...asked })
      const { err, rest } = answer!
      return { err, config: err === ZkCode.ok ? text(read(records.GetDataResponse, rest).data) : '' }
    } finally {
      raw.close()
    }
  }
  return { members, servers, ask }
}

test('super changes the members through any of them; others, bad requests, old versions and members that are not there are refused', async (t) => {
  const { members, servers, ask } = await pair(t)
  const [one, two] = servers.map(({ id, host, port }) => `server.${id}=${host}:${port}:${port}:participant;${host}:${10_000 + id}`)
  assert.equal((await ask(0, { joiningServers: two! }, 'bob:secret')).err, ZkCode.noAuth)
  assert.equal((await ask(1, { joiningServers: 'server.2' })).err, ZkCode.badArguments)
  assert.equal((await ask(1, { joiningServers: two!, curConfigId: 5n })).err, ZkCode.badVersion)
  const absent = 'server.7=127.0.0.1:1:1:participant;127.0.0.1:2,server.8=127.0.0.1:3:3:participant;127.0.0.1:4'
  assert.equal((await ask(1, { joiningServers: absent })).err, ZkCode.newConfigNoQuorum)
  const joined = await ask(1, { joiningServers: two!, curConfigId: 0n })
  assert.equal(joined.err, ZkCode.ok)
  assert.match(joined.config, /^server\.1=[^;]+\nserver\.2=\S+:participant;127\.0\.0\.1:10002\nversion=[1-9a-f][0-9a-f]*$/)
  await members[0]!.sync()
  assert.equal(members[0]!.version, members[1]!.version)
  const whole = await ask(0, { newMembers: `${one},${two!.replace('participant', 'observer')}`, curConfigId: members[0]!.version })
  assert.match(whole.config, /^server\.1=\S+:participant;127\.0\.0\.1:10001\nserver\.2=\S+:observer;127\.0\.0\.1:10002\nversion=[0-9a-f]+$/)
})

test('one change at a time: what comes during another is told so, and what was made from an older configuration is not applied', async (t) => {
  const { members, servers } = await pair(t)
  const leader = members[0]!
  const config = { servers: servers.map((server) => ({ ...server, voter: true })) }
  const from = leader.version
  const results = await Promise.allSettled([leader.reconfigure(config, from), leader.reconfigure({ servers: [servers[0]!] }, from)])
  assert.equal(results[0].status, 'fulfilled')
  assert.ok(results[1].status === 'rejected' && isZnodeError(results[1].reason, ZkCode.reconfigInProgress))
  await assert.rejects(leader.reconfigure({ servers: [servers[0]!] }, from), (error) => isZnodeError(error, ZkCode.badVersion))
  assert.equal(leader.members().filter(({ voter }) => voter).length, 2)
})
