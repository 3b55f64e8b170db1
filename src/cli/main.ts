#!/usr/bin/env node
// The command line. Registers every command's flags; what a command needs is loaded when it runs, so that `--help` and
// small commands answer at once.

import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { registerCluster } from './cluster.js'
import { registerConfigs } from './configs.js'
import { registerConsume } from './consume.js'
import { registerDoctor } from './doctor.js'
import { registerDumpLog } from './dump-log.js'
import { EXIT_CODE_HELP, ExitCode } from './errors.js'
import { registerGroups } from './groups.js'
import { quietOnClosedPipe } from './output.js'
import { registerProduce } from './produce.js'
import { registerServe } from './serve.js'
import { registerTopics } from './topics.js'

function version(): string {
  const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

/** The benchmark commands bring their own flags and live in a folder of their own. */
async function registerBench(program: Command): Promise<void> {
  const [, , first, second] = process.argv
  if (first !== 'bench' && !(first === 'help' && second === 'bench')) {
    program.command('bench').description('measure produce, consume and latency against any Kafka-compatible broker').helpOption(false)
    return
  }
  // In the bundle it is a promise: these modules stay outside.
  const { registerBenchCommand } = (await import('./bench/command.js')) as { registerBenchCommand(program: Command): void | Promise<void> }
  await registerBenchCommand(program)
}

async function main(): Promise<void> {
  quietOnClosedPipe()
  const program = new Command('millrace')
    .description('A partitioned, replicated, durable commit log that speaks the Kafka protocol.')
    .version(version(), '-V, --version')
    .showHelpAfterError('(add --help for the flags)')
    .showSuggestionAfterError()
    .exitOverride()
    .enablePositionalOptions()
    .addHelpText('after', EXIT_CODE_HELP)
  registerServe(program)
  registerTopics(program)
  registerProduce(program)
  registerConsume(program)
  registerGroups(program)
  registerConfigs(program)
  registerCluster(program)
  registerDumpLog(program)
  await registerBench(program)
  registerDoctor(program)
  try {
    await program.parseAsync()
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    // Commander has printed its message. Asking for help or the version is no error; asking with nothing at all is.
    process.exitCode = error.exitCode === 0 ? ExitCode.ok : ExitCode.usage
  }
}

void main()
