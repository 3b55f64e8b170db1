// A node of a cluster as a process of its own, ours or another's: started, killed, paused, started again on its directory.

import { type ChildProcess, spawn } from 'node:child_process'
import { appendFileSync, mkdirSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { atExit } from './at-exit.js'
import { crashThread } from './crash-thread.js'
import type { SmallDisk } from './disk.js'

const READY_MS = 120_000
const ASK_AGAIN_MS = 25
const SAID_LIMIT = 20_000

export interface NodeSpec {
  readonly id: number
  /** Where clients reach it. */
  readonly kafka: string
  /** Where ZooKeeper clients reach it; empty: nowhere. */
  readonly ensembleClient: string
  /** What it says is beside it, in `<dataDir>.log`. */
  readonly dataDir: string
  /** The partitions' directories lie here. */
  readonly logDir: string
  /** Undefined: it shares the machine's. */
  readonly disk?: SmallDisk | undefined
  /** The whole command line; `main`: another build's. */
  readonly command: (main: string | undefined) => readonly string[]
  /** Undefined: it says so itself, with `"ready": true`. */
  readonly isReady?: () => Promise<boolean>
}

export class ClusterNode {
  readonly id: number
  readonly kafka: string
  readonly ensembleClient: string
  readonly dataDir: string
  readonly logDir: string
  readonly disk: SmallDisk | undefined
  readonly #spec: NodeSpec
  #child: ChildProcess | undefined
  #said = ''

  constructor(spec: NodeSpec) {
    this.id = spec.id
    this.kafka = spec.kafka
    this.ensembleClient = spec.ensembleClient
    this.dataDir = spec.dataDir
    this.logDir = spec.logDir
    this.disk = spec.disk
    this.#spec = spec
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
  async start(main?: string, readyMs = READY_MS): Promise<void> {
    const [command, ...args] = this.#spec.command(main)
    mkdirSync(this.dataDir, { recursive: true })
    const child = spawn(command!, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#child = child
    child.once(
      'exit',
      atExit(() => child.kill('SIGKILL')),
    )
    let over = false
    await new Promise<void>((resolve, reject) => {
      const limit = setTimeout(() => reject(new Error(`node ${this.id} was not ready within ${readyMs} ms:\n${this.#said}`)), readyMs)
      const hear = (chunk: Buffer): void => {
        this.#said = (this.#said + chunk.toString()).slice(-SAID_LIMIT)
        appendFileSync(`${this.dataDir}.log`, chunk)
        if (this.#spec.isReady === undefined && /"ready": ?true/.test(chunk.toString())) resolve()
      }
      child.stdout.on('data', hear)
      child.stderr.on('data', hear)
      child.once('error', reject)
      child.once('exit', (code, signal) => {
        clearTimeout(limit)
        reject(new Error(`node ${this.id} ended with ${signal ?? code}:\n${this.#said}`))
      })
      if (this.#spec.isReady !== undefined) void this.#ask(this.#spec.isReady, () => over).then(resolve)
    }).finally(() => (over = true))
  }

  async #ask(isReady: () => Promise<boolean>, isOver: () => boolean): Promise<void> {
    while (!isOver() && !(await isReady().catch(() => false))) await pause(ASK_AGAIN_MS)
  }

  /** Throws in a thread of it what nobody catches. */
  crashThread(name: string): Promise<void> {
    return crashThread(this, name)
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
