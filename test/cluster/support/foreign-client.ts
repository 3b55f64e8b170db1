// Other people's clients as the load of a round: a program each with a producer and a watching consumer (test/wire/clients, `stream`), whose
// settings are the clients' own defaults but for acks=all and idempotence. What they print is entered in the ledger.

import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { installFranzGo, installJavaClient, installPython, SOURCES } from '../../wire/clients/install.js'
import { atExit } from './at-exit.js'
import type { Driver, DriverSpec } from './workload.js'

const GROUP = 'watchers'
const WRITTEN_MS = 300_000
const SAID_LIMIT = 4000

/** The command line up to the bootstrap address; installs what it needs, and throws `Unavailable` where it cannot. */
export const FOREIGN_CLIENTS: Readonly<Record<string, () => Promise<readonly string[]>>> = {
  java: async () => ['java', '-Xmx256m', '-XX:+UseSerialGC', '-cp', await installJavaClient(), 'StreamScenario'],
  librdkafka: async () => [await installPython(), join(SOURCES, 'python/confluent_stream.py')],
  'franz-go': async () => [await installFranzGo()],
}

export class ForeignClient implements Driver {
  readonly #spec: DriverSpec
  readonly #line: readonly string[]
  #child: ChildProcess | undefined
  #isClosing = false
  #said = ''
  #written: (() => void) | undefined
  #ended: ((error: Error) => void) | undefined

  constructor(line: readonly string[], spec: DriverSpec) {
    this.#line = line
    this.#spec = spec
  }

  start(): Promise<void> {
    const { bootstrap, topic, partitions, rate } = this.#spec
    const [command, ...args] = [...this.#line, bootstrap, 'stream', topic, String(partitions), String(rate), GROUP]
    const child = spawn(command!, args, { stdio: ['pipe', 'pipe', 'pipe'] })
    this.#child = child
    child.once(
      'exit',
      atExit(() => child.kill('SIGKILL')),
    )
    child.stdin.on('error', () => undefined)
    child.stderr.on('data', (chunk: Buffer) => (this.#said = (this.#said + chunk.toString()).slice(-SAID_LIMIT)))
    createInterface({ input: child.stdout }).on('line', (line) => this.#hear(line))
    child.once('exit', (code, signal) => {
      if (this.#isClosing) return
      const error = new Error(`the client ended with ${signal ?? code}: ${this.#said}`)
      this.#spec.failed(error.message)
      this.#ended?.(error)
    })
    return new Promise((resolve, reject) => child.once('spawn', resolve).once('error', reject))
  }

  #hear(line: string): void {
    const { ledger, heard, failed } = this.#spec
    const rest = line.slice(2)
    if (line.startsWith('+ ')) {
      const [n, partition, offset] = rest.split(' ').map(Number)
      ledger.acknowledge({ writer: 0, n: n!, partition: partition!, offset: offset! })
    } else if (line.startsWith('= ')) {
      const [writer, n] = rest.split(':').map(Number)
      ledger.watch(writer!, n!)
    } else if (line.startsWith('- ')) failed(rest)
    else if (line.startsWith('! ')) heard.count(rest)
    else if (line === 'written') this.#written?.()
  }

  endWriting(): Promise<void> {
    if (this.#child!.exitCode !== null) return Promise.reject(new Error(`the client ended with ${this.#child!.exitCode}: ${this.#said}`))
    return new Promise((resolve, reject) => {
      const limit = setTimeout(() => reject(new Error(`the client did not end its writing within ${WRITTEN_MS} ms`)), WRITTEN_MS)
      this.#written = () => {
        clearTimeout(limit)
        resolve()
      }
      this.#ended = (error) => {
        clearTimeout(limit)
        reject(error)
      }
      this.#child!.stdin!.write('end\n')
    })
  }

  close(): Promise<void> {
    const child = this.#child
    this.#isClosing = true
    if (!child || child.exitCode !== null || child.signalCode !== null) return Promise.resolve()
    return new Promise((resolve) => {
      const limit = setTimeout(() => child.kill('SIGKILL'), 5000)
      child.once('exit', () => {
        clearTimeout(limit)
        resolve()
      })
      child.stdin!.end()
    })
  }
}
