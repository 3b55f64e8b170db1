// Run by processes.test.ts: one member of three over TCP in argv, with writers that print each number once it is acknowledged.
// stdin: `write` starts the writers. Lines out: `role R`, `acked N`.

import { parseConfig } from '../../../src/ensemble/quorum/config.js'
import { QuorumMember } from '../../../src/ensemble/quorum/quorum-member.js'
import { TcpTransport } from '../../../src/ensemble/quorum/tcp-transport.js'
import { realEnv } from '../../../src/env/real.js'
import type { ZnodeClient } from '../../../src/ensemble/znode-client.js'
import { ZnodeError } from '../../../src/ensemble/znode-client.js'

const [, , id, dir, servers, offset] = process.argv
if (id && dir && servers) {
  const env = realEnv()
  const config = parseConfig(servers.replaceAll('|', '\n'))!
  const own = config.servers.find((server) => server.id === Number(id))!
  const transport = await TcpTransport.listen({ env, memberId: own.id, listen: { host: own.host, port: own.port }, secret: 'a secret' })
  const member = QuorumMember.open({
    dir,
    env,
    memberId: own.id,
    config,
    transport,
    tickMs: 500,
    snapshotAfterBytes: 20_000,
    windowBytes: 20_000,
  })
  const say = (line: string): void => void process.stdout.write(`${line}\n`)
  member.onRoleChange((role) => say(`role ${role} ${member.epoch}`))
  process.on('disconnect', () => process.exit())
  let next = Number(offset)
  const writer = async (): Promise<void> => {
    let client: ZnodeClient | null = null
    for (;;) {
      const number = next++
      try {
        if (client === null || client.state === 'expired') client = await member.connect(4000)
        await client.create(`/n${number}`, Buffer.alloc(50, number))
        say(`acked ${number} ${Date.now()}`)
      } catch (error) {
        if (!(error instanceof ZnodeError)) throw error
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    }
  }
  process.on('message', (message) => {
    if (message === 'write') for (let i = 0; i < 4; i++) void writer()
    if (message === 'dump') process.send!([...member.tree.nodes.keys()])
    if (message === 'sync')
      member.sync().then(
        () => process.send!('synced'),
        () => process.send!('failed'),
      )
  })
}
