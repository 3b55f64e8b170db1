// Writes of an ensemble of one and of three in this process (loopback TCP, fsync on): `node dist/bench/system/ensemble.js [seconds]`.
// All members share one thread here, so three are slower than in three processes.

import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { Member } from '../../src/ensemble/member.js'
import { QuorumMember } from '../../src/ensemble/quorum/quorum-member.js'
import { TcpTransport } from '../../src/ensemble/quorum/tcp-transport.js'
import type { ZnodeClient } from '../../src/ensemble/znode-client.js'
import { realEnv } from '../../src/env/real.js'

const seconds = Number(process.argv[2] ?? 3)
const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'millrace-bench-'))
const env = realEnv()

async function measure(name: string, client: ZnodeClient, outstanding: number): Promise<void> {
  const root = `/${name.replaceAll(' ', '-')}-${outstanding}`
  await client.create(root, null)
  const end = performance.now() + seconds * 1000
  const cpu = process.cpuUsage()
  let count = 0
  const worker = async (n: number): Promise<void> => {
    for (let i = 0; performance.now() < end; i++) {
      await client.create(`${root}/${n}-${i}`, Buffer.alloc(100))
      count++
    }
  }
  await Promise.all(Array.from({ length: outstanding }, (_, n) => worker(n)))
  const { user, system } = process.cpuUsage(cpu)
  const perSecond = (count / seconds).toFixed(0)
  console.log(`${name}, ${outstanding} outstanding: ${perSecond} creates/s, ${((user + system) / count).toFixed(0)} µs of CPU each`)
}

const one = Member.open({ dir: path.join(dir, 'one'), env })
const local = one.connect()
for (const outstanding of [1, 64]) await measure('one', local, outstanding)
await one.close()

const transports = await Promise.all(
  [1, 2, 3].map((memberId) => TcpTransport.listen({ env, memberId, listen: { host: '127.0.0.1', port: 0 }, secret: 's' })),
)
const config = { servers: transports.map(({ port }, i) => ({ id: i + 1, host: '127.0.0.1', port, voter: true, clientAddress: null })) }
const members = transports.map((transport, i) =>
  QuorumMember.open({ dir: path.join(dir, String(i + 1)), env, memberId: i + 1, config, transport }),
)
const clients = await Promise.all(members.map((member) => member.connect()))
const leader = members.findIndex(({ role }) => role === 'leader')
for (const outstanding of [1, 64]) {
  await measure('three at the leader', clients[leader]!, outstanding)
  await measure('three at a follower', clients[(leader + 1) % 3]!, outstanding)
}
await Promise.all(members.map((member) => member.close()))
fs.rmSync(dir, { recursive: true })
