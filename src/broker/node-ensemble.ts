// What coordinates this node: an ensemble of one in this process, a member of an embedded ensemble of several, or a ZooKeeper elsewhere.
// Opens it, its ZooKeeper port, and sessions with it. Runs on the thread coordinator.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { EnsembleServer } from '../ensemble/ensemble-server.js'
import { Member } from '../ensemble/member.js'
import type { Reconfiguration } from '../ensemble/quorum/reconfig.js'
import type { ZnodeClient } from '../ensemble/znode-client.js'
import type { Env } from '../env/env.js'
import { inTime } from '../env/in-time.js'
import type { Address, ClusterOptions } from './cluster-options.js'

/** Ticks without a word after which leader and members part: another is elected before the sessions that were confirmed last run out. */
const SYNC_LIMIT = 3
/** Ticks without a byte after which a connection between members is made anew: later than they part, so that it is never the reason. */
const DEAD_CONNECTION_TICKS = 4

export interface NodeEnsembleOptions {
  readonly env: Env
  readonly nodeId: number
  readonly dataDir: string
  readonly cluster: ClusterOptions
}

export interface NodeEnsemble {
  /** The member in this process; null with a ZooKeeper elsewhere. */
  readonly server: EnsembleServer | null
  /** Null: that is for the directories to say. An ensemble of one knows by the sessions it finds. */
  readonly stoppedUncleanly: boolean | null
  /** For the ZooKeeper port; null: the members cannot be changed. */
  readonly reconfig: ((request: Reconfiguration) => Promise<number>) | null
  /** A new session. Rejects when the ensemble cannot be had in time. */
  connect(): ZnodeClient | Promise<ZnodeClient>
  close(): Promise<void>
}

export async function openEnsemble(options: NodeEnsembleOptions): Promise<NodeEnsemble> {
  const { cluster } = options
  const ensemble = cluster.zookeeper !== null ? await zookeeper(options) : isAlone(options) ? alone(options) : await member(options)
  if (cluster.ensembleClient === null || !ensemble.server) return ensemble
  try {
    return await withPort(ensemble, ensemble.server, cluster.ensembleClient, options)
  } catch (error) {
    await ensemble.close()
    throw error
  }
}

/** Nobody else is named, and this node is not one that joins others. */
function isAlone({ nodeId, cluster }: NodeEnsembleOptions): boolean {
  return cluster.members.every(({ id }) => id === nodeId)
}

function clientAddress({ ensembleClient }: ClusterOptions): { clientAddress?: string } {
  return ensembleClient ? { clientAddress: `${ensembleClient.host}:${ensembleClient.port}` } : {}
}

const ensembleDir = (options: NodeEnsembleOptions): string => join(options.dataDir, 'ensemble')

function alone(options: NodeEnsembleOptions): NodeEnsemble {
  const { env, nodeId, cluster } = options
  const one = Member.open({ dir: ensembleDir(options), env, memberId: nodeId, tickMs: cluster.tickMs, ...clientAddress(cluster) })
  return { server: one, stoppedUncleanly: one.stoppedUncleanly, reconfig: null, connect: () => one.connect(), close: () => one.close() }
}

async function member(options: NodeEnsembleOptions): Promise<NodeEnsemble> {
  const { env, nodeId, cluster } = options
  // Only a node of a cluster pays for loading them.
  const [{ QuorumMember }, { reconfigure }, { TcpTransport }] = await Promise.all([
    import('../ensemble/quorum/quorum-member.js'),
    import('../ensemble/quorum/reconfig.js'),
    import('../ensemble/quorum/tcp-transport.js'),
  ])
  const own = cluster.members.find(({ id }) => id === nodeId)
  const listen: Address = cluster.ensembleListener ?? own ?? { host: cluster.link!.host, port: 0 }
  const client = clientAddress(cluster).clientAddress ?? null
  const voters = cluster.members.map(({ id, host, port }) => ({
    id,
    host,
    port,
    voter: true,
    clientAddress: id === nodeId ? client : null,
  }))
  const observer = { id: nodeId, host: listen.host, port: listen.port, voter: false, clientAddress: client }
  const transport = await TcpTransport.listen({
    env,
    memberId: nodeId,
    listen,
    secret: cluster.secret ?? '',
    deadAfterMs: DEAD_CONNECTION_TICKS * cluster.tickMs,
    ...(cluster.tls ? { tls: readTls(cluster.tls) } : {}),
  })
  try {
    const joined = QuorumMember.open({
      dir: ensembleDir(options),
      env,
      memberId: nodeId,
      config: { servers: own ? voters : [...voters, observer] },
      transport,
      tickMs: cluster.tickMs,
      syncLimit: SYNC_LIMIT,
    })
    return {
      server: joined,
      stoppedUncleanly: null,
      reconfig: (request) => reconfigure(joined, request),
      connect: () => withinConnectTimeout(joined.connect(cluster.sessionTimeoutMs), options, 'no quorum of the ensemble'),
      close: () => joined.close(),
    }
  } catch (error) {
    await transport.close()
    throw error
  }
}

/** The start of a node must not wait for others for ever; later sessions are tried again by who asks for them. */
function withinConnectTimeout<T>(connecting: Promise<T>, { env, cluster }: NodeEnsembleOptions, what: string): Promise<T> {
  return inTime(connecting, cluster.connectTimeoutMs, env.timers, () => {
    const members = cluster.members.map(({ id, host, port }) => `${id}@${host}:${port}`).join(',')
    const fix = 'start the other members, check the addresses and millrace.cluster.secret'
    return new Error(`${what} within ${cluster.connectTimeoutMs} ms (zookeeper.connection.timeout.ms); members are ${members}: ${fix}`)
  })
}

async function zookeeper({ env, cluster }: NodeEnsembleOptions): Promise<NodeEnsemble> {
  const { WireClient } = await import('../ensemble/wire/client.js')
  return {
    server: null,
    stoppedUncleanly: null,
    reconfig: null,
    connect: () =>
      WireClient.connect({
        env,
        servers: cluster.zookeeper!,
        sessionTimeoutMs: cluster.sessionTimeoutMs,
        connectTimeoutMs: cluster.connectTimeoutMs,
        makeChroot: true,
      }),
    close: () => Promise.resolve(),
  }
}

async function withPort(
  ensemble: NodeEnsemble,
  server: EnsembleServer,
  at: Address,
  { env, cluster, dataDir }: NodeEnsembleOptions,
): Promise<NodeEnsemble> {
  const { ZkServer } = await import('../ensemble/wire/server/zk-server.js')
  const tls = cluster.tls ? { tls: readTls(cluster.tls) } : {}
  const more = { ...(ensemble.reconfig ? { reconfig: ensemble.reconfig } : {}), ...superOf(cluster), ...tls }
  const port = await ZkServer.listen({ env, ensemble: server, host: at.host, port: at.port, dataDir, ...more })
  return {
    ...ensemble,
    connect: () => ensemble.connect(),
    close: async () => {
      await port.close()
      await ensemble.close()
    },
  }
}

/** ZooKeeper's superDigest. */
function superOf({ superDigest }: ClusterOptions): { superDigest?: string } {
  return superDigest === null ? {} : { superDigest }
}

function readTls(files: NonNullable<ClusterOptions['tls']>): { key: Buffer; cert: Buffer; ca?: Buffer } {
  return {
    key: readFileSync(files.keyFile),
    cert: readFileSync(files.certFile),
    ...(files.caFile === undefined ? {} : { ca: readFileSync(files.caFile) }),
  }
}
