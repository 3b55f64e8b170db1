// ZooKeeper's administrative words: four letters instead of a connect request, answered in text. All of them only read.

import { availableParallelism, hostname, release } from 'node:os'
import type { EnsembleServer } from '../../ensemble-server.js'
import { Opcode } from '../../tree/codes.js'
import type { Statistics } from './statistics.js'
import type { Settings } from './options.js'

/** What clients parse as the version of the server: the one whose behaviour this is. */
export const COMPATIBLE_VERSION = '3.9.6'
/** The date in the form that the Go client's `srvr` parser knows. */
const VERSION_LINE = `${COMPATIBLE_VERSION}-millrace, built on 11/28/2026 00:00 UTC`

/** As `cons` shows them. */
const OPERATIONS: Readonly<Record<number, string>> = {
  [Opcode.create]: 'CREA',
  [Opcode.create2]: 'CREA',
  [Opcode.createContainer]: 'CREA',
  [Opcode.createTtl]: 'CREA',
  [Opcode.delete]: 'DELE',
  [Opcode.exists]: 'EXIS',
  [Opcode.getData]: 'GETD',
  [Opcode.setData]: 'SETD',
  [Opcode.getAcl]: 'GETA',
  [Opcode.setAcl]: 'SETA',
  [Opcode.getChildren]: 'GETC',
  [Opcode.getChildren2]: 'GETC',
  [Opcode.sync]: 'SYNC',
  [Opcode.ping]: 'PING',
  [Opcode.multi]: 'MULT',
  [Opcode.setWatches]: 'SETW',
  [Opcode.setWatches2]: 'SETW',
  [Opcode.closeSession]: 'CLOS',
}

export interface ConnectionView {
  readonly remote: string
  readonly queued: number
  readonly statistics: Statistics
  readonly sessionId: bigint
  readonly timeoutMs: number
  readonly lastOpcode: number
  readonly establishedAt: number
  readonly lastXid: number
  readonly lastZxid: bigint
  readonly lastResponseAt: number
  readonly lastLatencyMs: number
}

export interface View {
  readonly settings: Settings
  readonly port: number
  readonly ensemble: EnsembleServer
  readonly statistics: Statistics
  readonly outstanding: number
  connections(): readonly ConnectionView[]
}

type Word = (view: View) => string

const hex = (value: bigint): string => `0x${BigInt.asUintN(64, value).toString(16)}`
const mode = (ensemble: EnsembleServer): string => ensemble.role
/** ZooKeeper's sentence, and the reason where it is the disk. */
const notServing = ({ problem }: EnsembleServer): string =>
  `This ZooKeeper instance is not currently serving requests\n${problem === null ? '' : `Problem: ${problem}\n`}`

export const WORDS: Readonly<Record<string, Word>> = {
  ruok: () => 'imok',
  srvr: (view) => (view.ensemble.role === 'looking' ? notServing(view.ensemble) : `Zookeeper version: ${VERSION_LINE}\n${summary(view)}`),
  stat: (view) => {
    if (view.ensemble.role === 'looking') return notServing(view.ensemble)
    const clients = view.connections().map((each) => ` /${each.remote}[1](${traffic(each)})\n`)
    return `Zookeeper version: ${VERSION_LINE}\nClients:\n${clients.join('')}\n${summary(view)}`
  },
  isro: ({ ensemble }) => (ensemble.role === 'looking' ? 'ro' : 'rw'),
  mntr: (view) => (view.ensemble.role === 'looking' ? notServing(view.ensemble) : monitored(view)),
  envi: (view) => environment(view),
  conf: (view) => configuration(view),
  cons: (view) => `${view.connections().map(connection).join('')}\n`,
  dump: (view) => dump(view),
  wchs: ({ ensemble }) => {
    const { watchers, paths, watches } = ensemble.tree.watches.counts()
    return `${watchers} connections watching ${paths} paths\nTotal watches:${watches}\n`
  },
}

export const NOT_WHITELISTED = (word: string): string => `${word} is not executed because it is not in the whitelist.\n`

function summary(view: View): string {
  const { ensemble, statistics } = view
  const { min, avg, max } = statistics.latency
  const lines = [
    `Latency min/avg/max: ${min}/${avg}/${max}`,
    `Received: ${statistics.received}`,
    `Sent: ${statistics.sent}`,
    `Connections: ${view.connections().length}`,
    `Outstanding: ${view.outstanding}`,
    `Zxid: ${hex(ensemble.tree.lastZxid)}`,
    `Mode: ${mode(ensemble)}`,
    `Node count: ${ensemble.tree.size}`,
  ]
  if (ensemble.problem !== null) lines.push(`Problem: ${ensemble.problem}`)
  return `${lines.join('\n')}\n`
}

function traffic({ queued, statistics }: ConnectionView): string {
  return `queued=${queued},recved=${statistics.received},sent=${statistics.sent}`
}

function connection(each: ConnectionView): string {
  const { min, avg, max } = each.statistics.latency
  const session =
    each.sessionId === 0n
      ? ''
      : `,sid=${hex(each.sessionId)},lop=${OPERATIONS[each.lastOpcode] ?? 'NA'},est=${each.establishedAt},to=${each.timeoutMs},lcxid=0x${(each.lastXid >>> 0).toString(16)}` +
        `,lzxid=${hex(each.lastZxid)},lresp=${each.lastResponseAt},llat=${Math.floor(each.lastLatencyMs)},minlat=${min},avglat=${Math.floor(avg)},maxlat=${max}`
  return ` /${each.remote}[1](${traffic(each)}${session})\n`
}

function monitored(view: View): string {
  const { ensemble, statistics } = view
  const { tree } = ensemble
  const { min, avg, max } = statistics.latency
  const memory = process.memoryUsage()
  const rows: [string, string | number][] = [
    ['version', VERSION_LINE],
    ['server_state', mode(ensemble)],
    ['peer_state', ensemble.role === 'standalone' ? 'leading - broadcast' : `${ensemble.role} - broadcast`],
    ['avg_latency', avg],
    ['max_latency', max],
    ['min_latency', min],
    ['packets_received', statistics.received],
    ['packets_sent', statistics.sent],
    ['num_alive_connections', view.connections().length],
    ['outstanding_requests', view.outstanding],
    ['znode_count', tree.size],
    ['watch_count', tree.watches.counts().watches],
    ['ephemerals_count', [...tree.ephemerals.values()].reduce((sum, paths) => sum + paths.size, 0)],
    ['approximate_data_size', tree.approximateDataBytes],
    ['global_sessions', tree.sessions.size],
    ['uptime', Math.round(process.uptime() * 1000)],
    ['resident_memory', memory.rss],
    ['heap_used', memory.heapUsed],
  ]
  if (ensemble.problem !== null) rows.push(['problem', ensemble.problem])
  if (ensemble.role === 'leader') {
    const others = ensemble.members().filter(({ id }) => id !== ensemble.memberId)
    const connected = others.filter((each) => each.connected)
    rows.push(['followers', connected.filter((each) => each.voter).length])
    rows.push(['learners', connected.length])
    rows.push(['synced_followers', connected.filter((each) => each.voter && each.lastZxid >= 0n).length])
    rows.push(['synced_observers', connected.filter((each) => !each.voter && each.lastZxid >= 0n).length])
    rows.push(['quorum_size', ensemble.members().filter((each) => each.voter).length])
  }
  return rows.map(([name, value]) => `zk_${name}\t${value}\n`).join('')
}

function environment({ settings }: View): string {
  const memory = process.memoryUsage()
  const rows: [string, string | number][] = [
    ['zookeeper.version', VERSION_LINE],
    ['host.name', hostname()],
    ['node.version', process.version],
    ['os.name', process.platform],
    ['os.arch', process.arch],
    ['os.version', release()],
    ['user.dir', settings.dataDir],
    ['os.processors', availableParallelism()],
    ['memory.resident', memory.rss],
    ['memory.heap.used', memory.heapUsed],
  ]
  return `Environment:\n${rows.map(([name, value]) => `${name}=${value}\n`).join('')}`
}

function configuration({ settings, port, ensemble }: View): string {
  const rows: [string, string | number | bigint][] = [
    [settings.tls ? 'secureClientPort' : 'clientPort', port],
    ['clientPortAddress', settings.host],
    ['dataDir', settings.dataDir],
    ['tickTime', ensemble.tickMs],
    ['maxClientCnxns', settings.maxClientCnxns],
    ['minSessionTimeout', 2 * ensemble.tickMs],
    ['maxSessionTimeout', 20 * ensemble.tickMs],
    ['serverId', ensemble.memberId],
    ['globalOutstandingLimit', settings.globalOutstandingLimit],
    ['jute.maxbuffer', settings.juteMaxBuffer],
  ]
  const members = ensemble
    .members()
    .map(
      (each) =>
        `server.${each.id}=${each.host}:${each.port}:${each.voter ? 'participant' : 'observer'}${each.clientAddress === null ? '' : `;${each.clientAddress}`}\n`,
    )
  return (
    rows.map(([name, value]) => `${name}=${value}\n`).join('') + (ensemble.role === 'standalone' ? '' : `membership:\n${members.join('')}`)
  )
}

function dump({ ensemble }: View): string {
  const { sessions, ephemerals } = ensemble.tree
  const listed = [...sessions].map(([id, { timeoutMs }]) => `${hex(id)}\t${timeoutMs}ms\n`)
  const owned = [...ephemerals].map(([id, paths]) => `${hex(id)}:\n${[...paths].map((path) => `\t${path}\n`).join('')}`)
  return (
    `SessionTracker dump:\nGlobal Sessions(${sessions.size}):\n${listed.join('')}` +
    `ephemeral nodes dump:\nSessions with Ephemerals (${ephemerals.size}):\n${owned.join('')}` +
    'Connections dump:\n'
  )
}
