// Real nodes of a cluster as processes: started, killed, paused, cut off, started again on their directories.

import { type ChildProcess, spawn } from 'node:child_process'
import { appendFileSync, mkdirSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { SmallDisk } from './disk.js'
import type { Network } from './network.js'

const MAIN = fileURLToPath(new URL('../../../src/cli/main.js', import.meta.url))
const READY_MS = 60_000

export interface ClusterSpec {
  readonly count: number
  readonly dir: string
  /** Hosts of their own; absent: all on 127.0.0.1. */
  readonly network?: Network
  /** Each node has a disk of this size of its own, which can be filled. */
  readonly diskMebibytes?: number
  /** Connect string of a real ZooKeeper in place of the embedded ensemble. */
  readonly zookeeper?: string
  readonly settings?: readonly string[]
  readonly workers?: number
  /** Another build's command line, for rolling upgrades. */
  readonly main?: string
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

export class ClusterNode {
  readonly id: number
  readonly kafka: string
  readonly ensembleClient: string
  readonly dataDir: string
  /** Undefined: it shares the machine's. */
  readonly disk: SmallDisk | undefined
  #args: readonly string[]
  #prefix: readonly string[]
  #child: ChildProcess | undefined
  #said = ''

  constructor(
    id: number,
    kafka: string,
    ensembleClient: string,
    dataDir: string,
    disk: SmallDisk | undefined,
    args: readonly string[],
    prefix: readonly string[],
  ) {
    this.id = id
    this.kafka = kafka
    this.ensembleClient = ensembleClient
    this.dataDir = dataDir
    this.disk = disk
    this.#args = args
    this.#prefix = prefix
  }

  /** Of the node itself: `ip netns exec` becomes the command it runs. */
  get pid(): number {
    return this.#child?.pid ?? -1
  }

  get isRunning(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** The end of what it printed, for messages. */
  get said(): string {
    return this.#said
  }

  /** Resolves when it is ready. `main`: another build's command line. */
  async start(main = MAIN, readyMs = READY_MS): Promise<void> {
    const [command, ...before] = [...this.#prefix, process.execPath]
    mkdirSync(this.dataDir, { recursive: true })
    const child = spawn(command!, [...before, main, 'serve', ...this.#args], { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#child = child
    await new Promise<void>((resolve, reject) => {
      const limit = setTimeout(() => reject(new Error(`node ${this.id} was not ready within ${readyMs} ms:\n${this.#said}`)), readyMs)
      const hear = (chunk: Buffer): void => {
        this.#said = (this.#said + chunk.toString()).slice(-20_000)
        appendFileSync(`${this.dataDir}.log`, chunk)
        if (!/"ready": ?true/.test(chunk.toString())) return
        clearTimeout(limit)
        resolve()
      }
      child.stdout.on('data', hear)
      child.stderr.on('data', hear)
      child.once('exit', (code, signal) => {
        clearTimeout(limit)
        reject(new Error(`node ${this.id} ended with ${signal ?? code}:\n${this.#said}`))
      })
    })
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal)
  }

  /** Resolves when it has ended. */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#child
    if (!child || !this.isRunning) return child?.exitCode ?? null
    const exited = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)))
    child.kill(signal)
    return exited
  }
}

export class TestCluster {
  readonly nodes: readonly ClusterNode[]

  private constructor(nodes: readonly ClusterNode[]) {
    this.nodes = nodes
  }

  /** Plans the nodes; `start` runs them. */
  static async plan(spec: ClusterSpec): Promise<TestCluster> {
    const ports = await freePorts(spec.count * 4)
    const ids = Array.from({ length: spec.count }, (_, i) => i + 1)
    const host = (id: number): string => spec.network?.address(id) ?? '127.0.0.1'
    const address = (id: number, which: 0 | 1 | 2 | 3): string => `${host(id)}:${ports[(id - 1) * 4 + which]!}`
    const voters = ids.slice(0, spec.count >= 5 ? 5 : 3)
    const ensemble = voters.map((id) => `${id}@${address(id, 2)}`).join(',')
    const coordination = (id: number): string[] =>
      spec.zookeeper === undefined ? ['--ensemble', ensemble, '--ensemble-client', address(id, 3)] : ['--zookeeper', spec.zookeeper]
    const settings = (spec.settings ?? []).flatMap((setting) => ['--set', setting])
    const nodes = ids.map((id) => {
      const dataDir = join(spec.dir, `node-${id}`)
      const args = [
        '--json',
        '--log-level',
        spec.logLevel ?? 'warn',
        '--node-id',
        String(id),
        '--listen',
        address(id, 0),
        '--data-dir',
        dataDir,
      ]
      args.push('--link', address(id, 1), ...coordination(id), '--workers', String(spec.workers ?? 1), ...settings)
      const disk = spec.diskMebibytes === undefined ? undefined : new SmallDisk(dataDir, spec.diskMebibytes)
      return new ClusterNode(id, address(id, 0), address(id, 3), dataDir, disk, args, spec.network?.commandPrefix(id) ?? [])
    })
    return new TestCluster(nodes)
  }

  static async start(spec: ClusterSpec): Promise<TestCluster> {
    const cluster = await TestCluster.plan(spec)
    await Promise.all(cluster.nodes.map((node) => node.start(spec.main)))
    return cluster
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
  }
}
