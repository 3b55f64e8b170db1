// Our own nodes of a cluster, planned: addresses, directories, command lines. Starting and ending them is `node-process.ts`.

import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { SmallDisk } from './disk.js'
import type { Network } from './network.js'
import { ClusterNode } from './node-process.js'
import { TcpProxy } from './proxy.js'

export { ClusterNode } from './node-process.js'

/** It is opened by SIGUSR1 only (crash-thread.ts), at any port. */
const INSPECTOR = '--inspect-port=0'
const MAIN = fileURLToPath(new URL('../../../src/cli/main.js', import.meta.url))

export interface ClusterSpec {
  readonly count: number
  readonly dir: string
  /** Hosts of their own; absent: all on 127.0.0.1. */
  readonly network?: Network | undefined
  /** Each node has a disk of this size of its own, which can be filled. */
  readonly diskMebibytes?: number | undefined
  /** Connect string of a real ZooKeeper in place of the embedded ensemble. Hosts of their own reach it by proxies. */
  readonly zookeeper?: string
  readonly settings?: readonly string[]
  readonly workers?: number
  /** Of the nodes; what they say is beside their data, in `node-<id>.log`. */
  readonly logLevel?: string
}

/** Free ports, all different. Another process may take one before it is used: a start then fails loudly. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, () => {
      const server = createServer()
      return new Promise<typeof server>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', () => resolve(server)))
    }),
  )
  const ports = servers.map((server) => (server.address() as { port: number }).port)
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}

const chrootOf = (connect: string): string => (connect.includes('/') ? connect.slice(connect.indexOf('/')) : '')

/** One for each server of a connect string. */
function proxiesTo(connect: string, host: string): Promise<TcpProxy[]> {
  const servers = connect.slice(0, connect.length - chrootOf(connect).length).split(',')
  return Promise.all(servers.map((server) => TcpProxy.listen(host, server)))
}

export class TestCluster {
  readonly system: 'millrace' | 'kafka'
  readonly nodes: readonly ClusterNode[]
  readonly #proxies: readonly TcpProxy[]

  constructor(system: 'millrace' | 'kafka', nodes: readonly ClusterNode[], proxies: readonly TcpProxy[] = []) {
    this.system = system
    this.nodes = nodes
    this.#proxies = proxies
  }

  /** Plans the nodes; `start` runs them. */
  static async plan(spec: ClusterSpec): Promise<TestCluster> {
    const ports = await freePorts(spec.count * 4)
    const ids = Array.from({ length: spec.count }, (_, i) => i + 1)
    const host = (id: number): string => spec.network?.address(id) ?? '127.0.0.1'
    const address = (id: number, which: 0 | 1 | 2 | 3): string => `${host(id)}:${ports[(id - 1) * 4 + which]!}`
    const voters = ids.slice(0, spec.count >= 5 ? 5 : 3)
    const ensemble = voters.map((id) => `${id}@${address(id, 2)}`).join(',')
    const proxies = spec.network && spec.zookeeper !== undefined ? await proxiesTo(spec.zookeeper, spec.network.gateway) : []
    const zookeeper = proxies.length > 0 ? `${proxies.map((proxy) => proxy.address).join(',')}${chrootOf(spec.zookeeper!)}` : spec.zookeeper
    const coordination = (id: number): string[] =>
      zookeeper === undefined ? ['--ensemble', ensemble, '--ensemble-client', address(id, 3)] : ['--zookeeper', zookeeper]
    const settings = (spec.settings ?? []).flatMap((setting) => ['--set', setting])
    const nodes = ids.map((id) => {
      const dataDir = join(spec.dir, `node-${id}`)
      const args = ['--json', '--log-level', spec.logLevel ?? 'warn', '--node-id', String(id), '--listen', address(id, 0)]
      args.push('--data-dir', dataDir, '--link', address(id, 1), ...coordination(id), '--workers', String(spec.workers ?? 1), ...settings)
      const prefix = spec.network?.commandPrefix(id) ?? []
      return new ClusterNode({
        id,
        kafka: address(id, 0),
        ensembleClient: spec.zookeeper === undefined ? address(id, 3) : '',
        dataDir,
        logDir: dataDir,
        disk: spec.diskMebibytes === undefined ? undefined : new SmallDisk(dataDir, spec.diskMebibytes * 1024),
        command: (main = MAIN) => [...prefix, process.execPath, INSPECTOR, main, 'serve', ...args],
      })
    })
    return new TestCluster('millrace', nodes, proxies)
  }

  get bootstrap(): string {
    return this.nodes.map(({ kafka }) => kafka).join(',')
  }

  /** Where each node is asked by itself. */
  get addresses(): string[] {
    return this.nodes.map(({ kafka }) => kafka)
  }

  node(id: number): ClusterNode {
    const found = this.nodes.find((node) => node.id === id)
    if (!found) throw new Error(`there is no node ${id}`)
    return found
  }

  async close(): Promise<void> {
    for (const node of this.nodes) node.signal('SIGCONT')
    await Promise.all(this.nodes.map((node) => node.end('SIGKILL')))
    for (const { disk } of this.nodes) disk?.close()
    for (const proxy of this.#proxies) proxy.close()
  }
}
