// Members in one process over real TCP, for tests.

import type { TestContext } from 'node:test'
import type { EnsembleConfig } from '../../../src/ensemble/quorum/config.js'
import { QuorumMember } from '../../../src/ensemble/quorum/quorum-member.js'
import { TcpTransport } from '../../../src/ensemble/quorum/tcp-transport.js'
import { realEnv } from '../../../src/env/real.js'

interface Listening {
  readonly config: EnsembleConfig
  open(id: number, dir: string, config?: EnsembleConfig): QuorumMember
}

/** Transports for members 1 to `count`, the first `voters` of them voting. */
export async function listening(t: TestContext, count: number, voters = count): Promise<Listening> {
  const env = realEnv()
  const transports = await Promise.all(
    Array.from({ length: count }, (_, i) =>
      TcpTransport.listen({ env, memberId: i + 1, listen: { host: '127.0.0.1', port: 0 }, secret: 'a secret' }),
    ),
  )
  const servers = transports.map(({ port }, i) => ({ id: i + 1, host: '127.0.0.1', port, voter: i < voters, clientAddress: null }))
  t.after(() => Promise.all(transports.map((transport) => transport.close())))
  const open = (id: number, dir: string, config: EnsembleConfig = { servers }): QuorumMember => {
    const member = QuorumMember.open({ dir, env, memberId: id, config, transport: transports[id - 1]!, tickMs: 500 })
    t.after(() => member.close())
    return member
  }
  return { config: { servers }, open }
}

export async function serving(...members: QuorumMember[]): Promise<void> {
  await Promise.all(
    members.map((member) => {
      if (member.role !== 'looking') return Promise.resolve()
      return new Promise<void>((resolve) => {
        const unlisten = member.onRoleChange(() => {
          unlisten()
          resolve()
        })
      })
    }),
  )
}
