// A one-member ensemble with its ZooKeeper port, for tests.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { EnsembleServer, MemberRole } from '../../../src/ensemble/ensemble-server.js'
import { Member, type MemberOptions } from '../../../src/ensemble/member.js'
import { ZkServer } from '../../../src/ensemble/wire/server/zk-server.js'
import type { ZkServerOptions } from '../../../src/ensemble/wire/server/options.js'
import { realEnv } from '../../../src/env/real.js'

export interface TestPort {
  readonly address: string
  readonly server: ZkServer
  stop(): Promise<void>
  /** As expiry does. */
  endSession(sessionId: bigint): Promise<void>
  /** As when another member takes the session over. */
  moveSession(sessionId: bigint): void
  become(role: MemberRole): void
}

/** Without a test context the caller stops it. */
export async function startPort(
  t?: TestContext,
  options: Partial<ZkServerOptions> = {},
  more: Pick<MemberOptions, 'write'> = {},
): Promise<TestPort> {
  const dir = mkdtempSync(join(tmpdir(), 'millrace-zk-'))
  const env = realEnv()
  const member = Member.open({ dir: join(dir, 'ensemble'), env, tickMs: 500, ...more })
  let role: MemberRole = member.role
  const roles = new Set<(role: MemberRole) => void>()
  const moves = new Set<(sessionId: bigint) => void>()
  // A member of one never changes its role and never loses a session: what the port does then is steered from here.
  const ensemble: EnsembleServer = new Proxy(member, {
    get: (target, name) => {
      if (name === 'role') return role
      if (name === 'onRoleChange') return (listener: (role: MemberRole) => void) => listening(roles, listener)
      if (name === 'onSessionMoved') return (listener: (sessionId: bigint) => void) => listening(moves, listener)
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  const server = await ZkServer.listen({ env, ensemble, host: '127.0.0.1', port: 0, maxClientCnxns: 0, ...options })
  const stop = async (): Promise<void> => {
    await server.close()
    await member.close()
    rmSync(dir, { recursive: true, force: true })
  }
  t?.after(stop)
  const end = (sessionId: bigint) => member.submit({ sessionId, auth: [], body: { kind: 'closeSession' } })
  return {
    address: `127.0.0.1:${server.port}`,
    server,
    stop,
    endSession: async (sessionId) => void (await end(sessionId)),
    moveSession: (sessionId) => moves.forEach((listener) => listener(sessionId)),
    become: (next) => {
      role = next
      for (const listener of roles) listener(next)
    },
  }
}

function listening<T>(set: Set<T>, listener: T): () => void {
  set.add(listener)
  return () => void set.delete(listener)
}
