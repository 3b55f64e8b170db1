// Runs the nodes of a cluster as child processes of this one, each a plain `millrace serve`, until a signal. A node that
// ends by itself is told and started again, as a supervisor would.

import { type ChildProcess, spawn } from 'node:child_process'
import { join, resolve } from 'node:path'
import { makeDirectories } from '../../log/files.js'
import { CliError, ExitCode } from '../errors.js'
import { parseWhole } from '../options.js'
import { printJson } from '../output.js'

export interface LocalClusterFlags {
  readonly nodes?: string
  readonly dataDir?: string
  readonly basePort?: string
  readonly set?: string[]
  readonly logLevel?: string
  readonly json?: boolean
}

/** Distances from a node's Kafka port. */
const LINK = 100
const ENSEMBLE = 200
const ENSEMBLE_CLIENT = 300
const RESTART_AFTER_MS = 1000
const MAX_NODES = 32

export interface LocalNode {
  readonly id: number
  readonly kafka: string
  readonly ensembleClient: string
  readonly dataDir: string
  readonly args: readonly string[]
}

/** How each node is started. Pure. Voters are the first three nodes, or five of five and more; the rest observe. */
export function planLocalCluster(count: number, dir: string, basePort: number, extra: readonly string[]): LocalNode[] {
  const ids = Array.from({ length: count }, (_, i) => i + 1)
  const voters = ids.slice(0, count >= 5 ? 5 : count >= 3 ? 3 : 1)
  const address = (id: number, distance: number): string => `127.0.0.1:${basePort + id - 1 + distance}`
  const ensemble = voters.map((id) => `${id}@${address(id, ENSEMBLE)}`).join(',')
  return ids.map((id) => {
    const dataDir = join(dir, `node-${id}`)
    const args = ['serve', '--node-id', String(id), '--listen', address(id, 0), '--data-dir', dataDir]
    args.push('--link', address(id, LINK), '--ensemble', ensemble, '--ensemble-client', address(id, ENSEMBLE_CLIENT))
    return { id, kafka: address(id, 0), ensembleClient: address(id, ENSEMBLE_CLIENT), dataDir, args: [...args, ...extra] }
  })
}

export async function runLocalCluster(flags: LocalClusterFlags): Promise<number> {
  const count = flags.nodes === undefined ? 3 : parseWhole(flags.nodes, '--nodes', 1, MAX_NODES)
  const basePort =
    flags.basePort === undefined ? 9092 : parseWhole(flags.basePort, '--base-port', 1024, 65_535 - ENSEMBLE_CLIENT - MAX_NODES)
  const dir = resolve(flags.dataDir ?? './cluster')
  const replicas = Math.min(count, 3)
  const defaults = [`default.replication.factor=${replicas}`, `min.insync.replicas=${Math.max(1, replicas - 1)}`]
  const settings = [...defaults, `offsets.topic.replication.factor=${replicas}`, ...(flags.set ?? [])]
  const extra = ['--json', '--log-level', flags.logLevel ?? 'warn', '--workers', '1', ...settings.flatMap((setting) => ['--set', setting])]
  makeDirectories(dir)
  const started = performance.now()
  const nodes = planLocalCluster(count, dir, basePort, extra).map((plan) => new NodeProcess(plan))
  let stopping = false
  const stopped = new Promise<void>((done) => {
    const onSignal = (): void => {
      // The second one: whoever sent it does not want to wait.
      if (stopping) for (const node of nodes) node.kill()
      else process.stderr.write('stopping the nodes; a second signal ends them at once\n')
      stopping = true
      done()
    }
    process.on('SIGTERM', onSignal).on('SIGINT', onSignal)
  })
  try {
    await Promise.race([Promise.all(nodes.map((node) => node.start())), stopped])
    if (!stopping) printReady(nodes, dir, performance.now() - started, flags.json === true)
    await stopped
  } finally {
    await Promise.all(nodes.map((node) => node.stop()))
  }
  return ExitCode.ok
}

function printReady(nodes: readonly NodeProcess[], dir: string, ms: number, json: boolean): void {
  const kafka = nodes.map(({ plan }) => plan.kafka)
  if (json) {
    const rows = nodes.map(({ plan, pid }) => ({ id: plan.id, pid, kafka: plan.kafka, zookeeper: plan.ensembleClient, data: plan.dataDir }))
    printJson({ ready: true, kafka, data: dir, nodes: rows, totalMs: Math.round(ms) })
    return
  }
  process.stdout.write(
    `millrace cluster ready kafka=${kafka.join(',')} zookeeper=${nodes.map(({ plan }) => plan.ensembleClient).join(',')} data=${dir} in ${Math.round(ms)} ms\n` +
      `  millrace cluster status -b ${kafka[0]}\n`,
  )
}

class NodeProcess {
  readonly plan: LocalNode
  #child: ChildProcess | undefined
  #stopping = false

  constructor(plan: LocalNode) {
    this.plan = plan
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** Resolves when the node said that it is ready; rejects when it ends before. */
  start(): Promise<void> {
    // The very command line that runs here, whatever it was bundled into.
    // In a process group of its own: Ctrl-C reaches this process alone, and each node gets one signal from it, not two.
    const child = spawn(process.execPath, [...process.execArgv, process.argv[1]!, ...this.plan.args], {
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
    })
    this.#child = child
    return new Promise((ready, failed) => {
      let isReady = false
      child.stdout.on('data', () => {
        isReady = true
        ready()
      })
      child.on('error', failed)
      child.on('exit', (code, signal) => {
        const how = signal ?? `exit code ${code}`
        if (this.#stopping) return
        if (!isReady) failed(new CliError(`node ${this.plan.id} ended before it was ready (${how}); its message is above`))
        else this.#again(how)
      })
    })
  }

  #again(how: string): void {
    process.stderr.write(`node ${this.plan.id} ended (${how}); it is started again\n`)
    setTimeout(() => {
      if (!this.#stopping) this.start().catch((error: Error) => process.stderr.write(`${error.message}\n`))
    }, RESTART_AFTER_MS)
  }

  kill(): void {
    this.#child?.kill('SIGKILL')
  }

  async stop(): Promise<void> {
    this.#stopping = true
    const child = this.#child
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const exited = new Promise((done) => child.once('exit', done))
    child.kill('SIGTERM')
    await exited
  }
}
