// ZooKeeper's reconfig request on a member of several: which configuration it asks for, by the rules of Apache ZooKeeper, and its answer.
// One port serves both of ZooKeeper's two: the first of a server's ports counts.

import { MAX_MEMBER_ID } from '../session/session-ids.js'
import { ZkCode } from '../tree/codes.js'
import { ZnodeError } from '../znode-client.js'
import { parseConfig, votersOf, type EnsembleConfig, type ServerSpec } from './config.js'
import type { QuorumMember } from './quorum-member.js'

/** As on the wire: `newMembers` replaces everything, the others add to and take from what there is; '' where nothing is said. */
export interface Reconfiguration {
  /** `server.N=host:port:port[:role];client address`, separated by commas. */
  readonly joiningServers: string
  /** Ids, separated by commas. */
  readonly leavingServers: string
  readonly newMembers: string
  /** The version that the caller has seen; -1n: whatever it is. */
  readonly curConfigId: bigint
}

/** The configuration that `asked` makes of `current`; null when it makes none (BadArguments). Pure. */
export function nextConfig(current: EnsembleConfig, asked: Reconfiguration): EnsembleConfig | null {
  const next = asked.newMembers === '' ? changed(current, asked) : replaced(asked.newMembers)
  if (!next || votersOf(next).length === 0) return null
  const { servers } = next
  if (servers.some(({ id }) => id > MAX_MEMBER_ID) || new Set(servers.map(({ id }) => id)).size < servers.length) return null
  const addresses = servers.flatMap((server) => addressesOf(server))
  return new Set(addresses).size < addresses.length ? null : next
}

function replaced(members: string): EnsembleConfig | null {
  const servers = list(members).map((each) => serverOf(each))
  return servers.some((server) => server === null) ? null : { servers: servers as ServerSpec[] }
}

function changed({ servers }: EnsembleConfig, { joiningServers, leavingServers }: Reconfiguration): EnsembleConfig | null {
  const next = new Map(servers.map((server) => [server.id, server]))
  for (const id of list(leavingServers)) {
    if (!/^\d+$/.test(id)) return null
    next.delete(Number(id))
  }
  for (const each of list(joiningServers)) {
    const server = serverOf(each)
    // As ZooKeeper: who joins says where clients reach it.
    if (!server?.clientAddress) return null
    next.set(server.id, server)
  }
  return { servers: [...next.values()] }
}

function list(text: string): string[] {
  return text
    .split(/[,\n]/)
    .map((each) => each.trim())
    .filter((each) => each !== '' && !each.startsWith('version='))
}

function serverOf(text: string): ServerSpec | null {
  let server: ServerSpec | undefined
  try {
    server = parseConfig(text)?.servers[0]
  } catch {
    // What is wrong with it has one answer on the wire, whatever it is.
    return null
  }
  return server && isPort(server.port) ? server : null
}

const isPort = (port: number): boolean => port >= 1 && port <= 65_535

/** Where it listens; the wildcard address says nothing of whose it is, so only ports of named hosts can clash. */
function addressesOf({ host, port, clientAddress }: ServerSpec): string[] {
  return clientAddress?.includes(':') && !clientAddress.startsWith('0.0.0.0') ? [`${host}:${port}`, clientAddress] : [`${host}:${port}`]
}

/** What a request is answered with. Rejects when its fate is not known (connectionLoss). */
export async function reconfigure(member: QuorumMember, asked: Reconfiguration): Promise<number> {
  // What this member knows may be old: the leader's configuration is what is changed, and the leader refuses if it has moved on by then.
  await member.sync()
  const { version } = member
  if (asked.curConfigId !== -1n && asked.curConfigId !== version) return ZkCode.badVersion
  const next = nextConfig({ servers: member.members() }, asked)
  if (!next) return ZkCode.badArguments
  try {
    await member.reconfigure(next, version)
    return ZkCode.ok
  } catch (error) {
    if (error instanceof ZnodeError && error.zkCode !== ZkCode.connectionLoss) return error.zkCode
    throw error
  }
}
