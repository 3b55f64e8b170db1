// The clients that are programs of their own with the same commands: Java, Python (two), Go.

import { join } from 'node:path'
import { run } from './child.js'
import { CODECS, type Bench, type Client, type Codec, type Scenario } from './client.js'
import { installFranzGo, installJavaClient, installPython, SOURCES } from './install.js'

interface Program {
  readonly name: string
  readonly tier: 'short' | 'all'
  readonly commands: readonly ('group' | 'time' | 'admin')[]
  /** The command line up to the bootstrap address. */
  readonly install: () => Promise<readonly string[]>
}

class ProgramClient implements Client {
  readonly name: string
  readonly tier: 'short' | 'all'
  readonly codecs = CODECS
  readonly scenarios: readonly Scenario[]
  private readonly program: Program
  private line: readonly string[] = []

  constructor(program: Program) {
    this.program = program
    this.name = program.name
    this.tier = program.tier
    this.scenarios = program.commands.map((command) => this[command]())
  }

  async install(): Promise<void> {
    this.line = await this.program.install()
  }

  private async command(bench: Bench, args: readonly string[], input = ''): Promise<string> {
    const [program, ...before] = this.line
    return (await run(program!, [...before, bench.bootstrap, ...args], { input, timeoutMs: 180_000 })).stdout
  }

  async produce(bench: Bench, topic: string, codec: Codec, rows: readonly string[]): Promise<void> {
    await this.command(bench, ['produce', topic, codec], rows.map((row) => `${row}\n`).join(''))
  }

  async consume(bench: Bench, topic: string, count: number): Promise<string[]> {
    return (await this.command(bench, ['consume', topic, String(count)])).split('\n').slice(0, -1)
  }

  private group(): Scenario {
    return {
      name: 'a group of two, one leaves',
      tier: 'short',
      run: async (bench) => {
        await this.command(bench, ['group', (await bench.wire.topic('shared', 4)).name, bench.wire.name('group')])
      },
    }
  }

  private time(): Scenario {
    return {
      name: 'seek by time',
      tier: 'short',
      run: async (bench) => {
        await this.command(bench, ['time', (await bench.wire.topic('times')).name])
      },
    }
  }

  private admin(): Scenario {
    return {
      name: 'admin',
      tier: 'short',
      run: async (bench) => {
        await this.command(bench, ['admin', bench.wire.name('admin')])
      },
    }
  }
}

const JVM = ['-Xmx256m', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC']

export const PROGRAMS: readonly Client[] = [
  new ProgramClient({
    name: 'java',
    tier: 'short',
    commands: ['group', 'time', 'admin'],
    install: async () => ['java', ...JVM, '-cp', await installJavaClient(), 'ClientScenario'],
  }),
  new ProgramClient({
    name: 'confluent',
    tier: 'short',
    commands: ['group', 'time', 'admin'],
    install: async () => [await installPython(), join(SOURCES, 'python/confluent.py')],
  }),
  new ProgramClient({
    name: 'franz-go',
    tier: 'short',
    commands: ['group', 'time', 'admin'],
    install: async () => [await installFranzGo()],
  }),
  new ProgramClient({
    name: 'kafka-python',
    tier: 'all',
    commands: ['group', 'time'],
    install: async () => [await installPython(), join(SOURCES, 'python/kafka_python.py')],
  }),
]
