// What a node is started with: flags become settings under Kafka's names, and settings become the options of a node. Pure.

import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import type { BrokerOptions } from '../../broker/broker.js'
import type { ClusterOptions } from '../../broker/cluster-options.js'
import { usageError } from '../errors.js'
import { formatAddress, parseHostPort, parseWhole } from '../options.js'
import type { HostPort } from '../options.js'
import type { ServeFlags } from '../serve.js'

/** The setting each flag stands for: the node then has one set of static settings, whatever they came by. */
export function flagSettings(flags: ServeFlags): Map<string, string> {
  const settings = new Map<string, string>()
  if (flags.listen)
    settings.set('listeners', flags.listen.map((text) => `PLAINTEXT://${formatAddress(parseHostPort(text, '--listen'))}`).join(','))
  if (flags.advertise) settings.set('advertised.listeners', `PLAINTEXT://${formatAddress(parseHostPort(flags.advertise, '--advertise'))}`)
  if (flags.dataDir) settings.set('log.dirs', flags.dataDir.join(','))
  if (flags.nodeId !== undefined) settings.set('node.id', String(parseWhole(flags.nodeId, '--node-id', 0, 2_147_483_647)))
  if (flags.link) settings.set('millrace.link.listener', formatAddress(parseHostPort(flags.link, '--link')))
  if (flags.ensemble) settings.set('millrace.ensemble', flags.ensemble)
  if (flags.ensembleClient)
    settings.set('millrace.ensemble.client.listener', formatAddress(parseHostPort(flags.ensembleClient, '--ensemble-client')))
  if (flags.zookeeper) settings.set('zookeeper.connect', flags.zookeeper)
  if (flags.workers !== undefined) settings.set('millrace.workers', String(parseWhole(flags.workers, '--workers', 1, 64)))
  if (flags.logLevel) settings.set('millrace.log.level', flags.logLevel)
  return settings
}

const DEFAULT_LISTEN: HostPort = { host: '127.0.0.1', port: 9092 }

/** What startBroker takes, from static settings; everything absent gets serve's default. */
export function brokerOptions(properties: ReadonlyMap<string, string>): Omit<BrokerOptions, 'logger' | 'onProgress'> {
  const listen = parseListeners(properties)
  const advertised = properties.get('advertised.listeners')?.split(',')[0]
  const dirs = properties.get('log.dirs') ?? properties.get('log.dir') ?? './data'
  const nodeId = Number(properties.get('node.id') ?? properties.get('broker.id') ?? 1)
  if (nodeId < 0) throw usageError(`node.id is ${nodeId}, and a node's id is 0 or more`, 'set node.id, or give --node-id')
  const workers = Number(properties.get('millrace.workers') ?? -1)
  return {
    nodeId,
    dataDirs: dirs.split(',').map((dir) => resolve(dir.trim())),
    listen,
    ...(advertised ? { advertise: parseHostPort(advertised, 'advertised.listeners') } : {}),
    workers: workers > 0 ? workers : defaultWorkers(),
    cluster: clusterOptions(properties, nodeId),
    properties,
    logLevel: properties.get('millrace.log.level') ?? 'info',
  }
}

/** Where this node stands in a cluster, from its settings; what does not go together is refused. */
function clusterOptions(properties: ReadonlyMap<string, string>, nodeId: number): ClusterOptions {
  const address = (name: string): HostPort | null => {
    const text = properties.get(name)
    return text === undefined ? null : parseHostPort(text, name)
  }
  const number = (name: string, initial: number): number => Number(properties.get(name) ?? initial)
  const members = parseMembers(properties.get('millrace.ensemble') ?? '')
  const zookeeper = properties.get('zookeeper.connect') ?? null
  const link = address('millrace.link.listener')
  if (zookeeper !== null && members.length > 0)
    throw usageError('both an embedded ensemble and ZooKeeper are given', 'give --ensemble or --zookeeper, not both')
  const others = members.filter(({ id }) => id !== nodeId)
  if ((others.length > 0 || zookeeper !== null) && !link)
    throw usageError('a node of a cluster must be reached by the others', 'give --link HOST:PORT')
  const keyFile = properties.get('millrace.link.tls.key.file')
  const certFile = properties.get('millrace.link.tls.cert.file')
  const caFile = properties.get('millrace.link.tls.ca.file')
  if ((keyFile === undefined) !== (certFile === undefined))
    throw usageError(
      'TLS between nodes needs both a key and a certificate',
      'set millrace.link.tls.key.file and millrace.link.tls.cert.file',
    )
  return {
    link,
    linkAdvertised: address('millrace.link.advertised'),
    members,
    ensembleListener: address('millrace.ensemble.listener'),
    ensembleClient: address('millrace.ensemble.client.listener'),
    superDigest: properties.get('millrace.ensemble.client.super.digest') ?? null,
    tickMs: number('millrace.ensemble.tick.ms', 2000),
    zookeeper,
    sessionTimeoutMs: zookeeper === null ? number('broker.session.timeout.ms', 9000) : number('zookeeper.session.timeout.ms', 18_000),
    connectTimeoutMs: number('zookeeper.connection.timeout.ms', 18_000),
    secret: properties.get('millrace.cluster.secret') ?? null,
    tls: keyFile !== undefined && certFile !== undefined ? { keyFile, certFile, ...(caFile === undefined ? {} : { caFile }) } : null,
  }
}

function parseMembers(text: string): { id: number; host: string; port: number }[] {
  const members = text
    .split(',')
    .filter((item) => item.trim() !== '')
    .map((item) => {
      const match = /^(\d+)@(.+)$/.exec(item.trim())
      if (!match) throw usageError(`--ensemble takes ID@HOST:PORT,…, and ${JSON.stringify(item)} is not one`)
      return { id: Number(match[1]), ...parseHostPort(match[2]!, '--ensemble') }
    })
  if (new Set(members.map(({ id }) => id)).size < members.length) throw usageError(`--ensemble names an id twice: ${text}`)
  return members
}

/** One core is left to the kernel's network and disk work, to clients on the same machine, and to the coordinator. */
function defaultWorkers(): number {
  return Math.max(1, Math.min(8, availableParallelism() - 1))
}

function parseListeners(properties: ReadonlyMap<string, string>): HostPort[] {
  const listeners = properties.get('listeners')
  if (listeners === undefined) return [DEFAULT_LISTEN]
  const controllers = new Set((properties.get('controller.listener.names') ?? '').split(',').filter((name) => name !== ''))
  const served = listeners.split(',').filter((listener) => !controllers.has(listener.split('://')[0]!))
  for (const listener of served) {
    const name = /^([A-Za-z_0-9]+):\/\//.exec(listener)?.[1]
    const protocols = properties.get('listener.security.protocol.map') ?? ''
    const mapped =
      protocols
        .split(',')
        .find((pair) => pair.split(':')[0] === name)
        ?.split(':')[1] ?? name
    if (mapped && mapped !== 'PLAINTEXT') {
      throw usageError(
        `the listener ${listener} needs ${mapped}, and this version serves PLAINTEXT only`,
        'use PLAINTEXT://HOST:PORT in listeners',
      )
    }
  }
  if (served.length === 0)
    throw usageError('listeners names no address for clients', 'set listeners=PLAINTEXT://127.0.0.1:9092, or give --listen')
  return served.map((listener) => parseHostPort(listener, 'listeners'))
}
