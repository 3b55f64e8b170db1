// Checks of addresses: ports that are free, what clients would be told, and whether a running broker's own answers can be
// followed from here.

import { lookup } from 'node:dns/promises'
import { connect, createServer } from 'node:net'
import { networkInterfaces } from 'node:os'
import type { Transport } from '../../client/index.js'
import type { ClusterDescription } from '../client.js'
import type { Finding } from '../doctor.js'
import { DEFAULT_BOOTSTRAP, formatAddress, parseHostPort } from '../options.js'
import type { HostPort } from '../options.js'

const CONNECT_TIMEOUT_MS = 2000
const WILDCARDS = new Set(['0.0.0.0', '::', ''])

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.')
}

/** Resolves with null once a TCP connection stands, else with what went wrong. */
export function tryConnect({ host, port }: HostPort, timeoutMs = CONNECT_TIMEOUT_MS): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = connect({ host, port })
    const finish = (problem: string | null): void => {
      socket.destroy()
      resolve(problem)
    }
    socket.setTimeout(timeoutMs, () => finish(`no answer within ${timeoutMs} ms`))
    socket.once('connect', () => finish(null))
    socket.once('error', (error: NodeJS.ErrnoException) => finish(error.code ?? error.message))
  })
}

/** The first of the servers that accepts a connection. */
export async function firstReachable(servers: readonly string[]): Promise<HostPort | undefined> {
  for (const server of servers) {
    const address = parseHostPort(server, '--bootstrap')
    if ((await tryConnect(address)) === null) return address
  }
  return undefined
}

/** `running` is the broker that answered: its own port being taken is as it should be. */
export async function checkPort(address: HostPort, running: HostPort | undefined): Promise<Finding> {
  const check = `port ${address.host}:${address.port}`
  const problem = await tryListen(address)
  if (problem === null) return { level: 'OK', check, text: 'free' }
  if (problem === 'EADDRINUSE' && running?.port === address.port) return { level: 'OK', check, text: 'a broker is listening' }
  if (problem === 'EADDRINUSE')
    return { level: 'FAIL', check, text: 'taken by another process', fix: 'stop it, or listen elsewhere with --listen HOST:PORT' }
  if (problem === 'EACCES') return { level: 'FAIL', check, text: 'this user may not listen there', fix: 'use a port above 1023' }
  return {
    level: 'FAIL',
    check,
    text: `cannot be listened on: ${problem}`,
    fix: 'name an address of this machine with --listen; 0.0.0.0 stands for all of them',
  }
}

function tryListen({ host, port }: HostPort): Promise<string | null> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(null)))
  })
}

/** What clients will be told, and whether they can use it. */
export async function checkAdvertised(listen: readonly HostPort[], advertise: HostPort | undefined): Promise<Finding[]> {
  const check = 'advertised address'
  if (advertise) return [await checkOne(advertise, check)]
  const wildcard = listen.find(({ host }) => WILDCARDS.has(host))
  if (wildcard) {
    const outside = outsideAddress()
    const text = `listening on every address; clients are told the one they reached${outside ? `, e.g. ${outside}:${wildcard.port}` : ''}`
    return [
      inContainer()
        ? {
            level: 'WARN',
            check,
            text: `${text}, which is the container's own and not reachable from outside it`,
            fix: 'give the address outside with --advertise HOST:PORT',
          }
        : { level: 'OK', check, text },
    ]
  }
  if (listen.every(({ host }) => isLoopback(host))) {
    return [{ level: 'OK', check, text: 'loopback only: clients on other machines cannot connect; --listen 0.0.0.0:9092 opens it' }]
  }
  return [{ level: 'OK', check, text: 'the listening address' }]
}

async function checkOne(address: HostPort, check: string): Promise<Finding> {
  const name = `${address.host}:${address.port}`
  if (WILDCARDS.has(address.host))
    return {
      level: 'FAIL',
      check,
      text: `${name} is no address a client can connect to`,
      fix: 'advertise a name or address that clients reach',
    }
  try {
    const { address: resolved } = await lookup(address.host)
    const text = resolved === address.host ? name : `${name} resolves to ${resolved}`
    if (isLoopback(resolved))
      return {
        level: 'WARN',
        check,
        text: `${text}, which every client takes for its own machine`,
        fix: 'fine for clients on this machine; else advertise an address of the network',
      }
    return { level: 'OK', check, text }
  } catch {
    return {
      level: 'FAIL',
      check,
      text: `${address.host} does not resolve here`,
      fix: 'check the name, or add it to DNS or /etc/hosts of every client',
    }
  }
}

function outsideAddress(): string | undefined {
  return Object.values(networkInterfaces())
    .flat()
    .find((info) => info && !info.internal && info.family === 'IPv4')?.address
}

function inContainer(): boolean {
  return process.env['KUBERNETES_SERVICE_HOST'] !== undefined || process.env['container'] !== undefined
}

/**
 * The cluster as the broker at `asked` describes it. Every connection goes to that one address, whatever the answer
 * advertises: the advertised addresses are what is being checked.
 */
async function askCluster(asked: HostPort, timeoutMs: number): Promise<ClusterDescription> {
  const { TcpTransport } = await import('../../client/tcp-transport.js')
  const { openAdmin } = await import('../admin.js')
  const tcp = new TcpTransport({ bootstrapServers: [formatAddress(asked)] })
  const pinned: Transport = {
    bootstrap: tcp.bootstrap,
    connect: (_, connectTimeoutMs) => tcp.connect(tcp.bootstrap[0]!, connectTimeoutMs),
    close: () => tcp.close(),
  }
  const { admin, close } = openAdmin({
    transport: pinned,
    clientId: 'millrace-cli',
    requestTimeoutMs: timeoutMs,
    defaultApiTimeoutMs: timeoutMs,
  })
  try {
    return await admin.describeCluster()
  } finally {
    await close()
    tcp.close()
  }
}

/** Asks a running broker for the cluster and follows every address it gives. */
export async function checkBroker(asked: HostPort, timeoutMs: number): Promise<Finding[]> {
  const where = formatAddress(asked)
  let brokers: ClusterDescription['brokers']
  const findings: Finding[] = []
  try {
    const cluster = await askCluster(asked, timeoutMs)
    brokers = cluster.brokers
    const text = `${where} answers: cluster ${cluster.clusterId}, ${brokers.length} ${brokers.length === 1 ? 'node' : 'nodes'}`
    findings.push(
      brokers.length > 0
        ? { level: 'OK', check: 'broker', text }
        : { level: 'FAIL', check: 'broker', text, fix: 'no node is registered: look at the log of the broker' },
    )
  } catch (error) {
    return [
      {
        level: 'FAIL',
        check: 'broker',
        text: `${where} accepts connections and does not answer as a Kafka broker: ${(error as Error).message}`,
        fix: `check that it is a PLAINTEXT listener of a broker; ${DEFAULT_BOOTSTRAP} is the default`,
      },
    ]
  }
  for (const broker of brokers) findings.push(await checkNode(broker, asked))
  return findings
}

async function checkNode(broker: HostPort & { readonly nodeId: number }, asked: HostPort): Promise<Finding> {
  const check = `node ${broker.nodeId}`
  const name = `${broker.host}:${broker.port}`
  if (WILDCARDS.has(broker.host))
    return { level: 'FAIL', check, text: `advertises ${name}, which is no address`, fix: 'start the node with --advertise HOST:PORT' }
  const problem = await tryConnect(broker)
  if (problem !== null) {
    const fix =
      isLoopback(broker.host) && !isLoopback(asked.host)
        ? 'it tells remote clients a loopback address: start it with --advertise HOST:PORT'
        : 'start the node with --advertise set to an address that clients reach, or open the firewall'
    return { level: 'FAIL', check, text: `advertises ${name}, which cannot be reached from here: ${problem}`, fix }
  }
  return { level: 'OK', check, text: `advertises ${name}, reachable from here` }
}
