// Rounds of faults on a cluster of real processes under load, with nothing lost, doubled or reordered; beside Apache Kafka, and with other
// people's clients where wanted. Command: npm run test:cluster -- --help. Not part of `npm test`.
//
// Each fault runs N rounds on one cluster while writers go on; then everything is read and compared. Ends with a table and a
// line `N passed, N failed, N skipped`.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { commandLine } from '../support/command-line.js'
import { Unavailable } from '../wire/clients/client.js'
import type { Fault } from './faults.js'
import { fullRate } from './full-rate.js'
import { type Options, parseOptions, type System, USAGE } from './options.js'
import { isGood, type LoadClient, type Outcome, Series } from './series.js'
import { unavailable as noDisk } from './support/disk.js'
import { FOREIGN_CLIENTS, ForeignClient } from './support/foreign-client.js'
import { unavailable as noKafka } from './support/kafka.js'
import { unavailable as noNetwork } from './support/network.js'
import { OwnClient } from './support/own-client.js'
import { startZookeeper } from './support/zookeeper.js'
import { header, row } from './table.js'
import { tenMillion } from './ten-million.js'

async function missing(fault: Fault, system: System): Promise<string | null> {
  if (fault.needsThreads && system === 'kafka') return 'its threads are no workers'
  if (fault.emptiesNode && system === 'kafka') return 'its directories have to be formatted'
  return (fault.needsNetwork ? noNetwork() : null) ?? (fault.needsDisk ? noDisk() : null) ?? (system === 'kafka' ? await noKafka() : null)
}

/** Or why there is none. */
async function clientOf(name: string): Promise<LoadClient | string> {
  const install = FOREIGN_CLIENTS[name]
  if (install === undefined) return { name, driver: (spec) => new OwnClient(spec) }
  try {
    const line = await install()
    return { name, driver: (spec) => new ForeignClient(line, spec) }
  } catch (error) {
    if (error instanceof Unavailable) return error.message
    throw error
  }
}

/** What is to be run: its name in lines, and how; or why it is not. */
interface Task {
  readonly name: string
  run(): Promise<Outcome | string>
}

async function series(fault: Fault, system: System, client: string, given: Options): Promise<Outcome | string> {
  const found = await clientOf(client)
  if (typeof found === 'string') return found
  return (await missing(fault, system)) ?? new Series(fault, system, found, given).run()
}

async function scenario(name: string, system: System, given: Options): Promise<Outcome | string> {
  const reason = (name === 'ten-million' ? noNetwork() : null) ?? (system === 'kafka' ? await noKafka() : null)
  return reason ?? (name === 'ten-million' ? tenMillion(system, given) : fullRate(system, given))
}

function tasks(given: Options): Task[] {
  const { faults, scenarios, systems, clients } = given
  const rounds = faults.flatMap((fault) =>
    systems.flatMap((system) =>
      clients.map((client) => ({ name: `${system} ${client} ${fault.name}`, run: () => series(fault, system, client, given) })),
    ),
  )
  const long = scenarios.flatMap((name) =>
    systems.map((system) => ({ name: `${system} ${name}`, run: () => scenario(name, system, given) })),
  )
  return [...rounds, ...long]
}

async function main(given: Options): Promise<void> {
  let [passed, failed, skipped] = [0, 0, 0]
  const rows: string[] = []
  for (const { name, run } of tasks(given)) {
    const outcome = await run()
    if (typeof outcome === 'string') {
      skipped++
      process.stdout.write(`${name} skipped: ${outcome}\n`)
      continue
    }
    if (isGood(outcome)) passed++
    else failed++
    rows.push(row(outcome))
    process.stdout.write(`${rows.at(-1)}\n`)
  }
  process.stdout.write(`\n${header()}\n${rows.join('\n')}\n\n${passed} passed, ${failed} failed, ${skipped} skipped\n`)
  process.exitCode = failed > 0 ? 1 : 0
}

/** With an ensemble of Apache ZooKeeper of its own, where that is wanted. */
async function withZookeeper(given: Options): Promise<void> {
  if (given.zookeeper !== 'start') return main(given)
  const dir = mkdtempSync(join(tmpdir(), 'zookeeper-'))
  const zookeeper = await startZookeeper(dir)
  try {
    await main({ ...given, zookeeper: zookeeper.connect })
  } finally {
    await zookeeper.close()
    rmSync(dir, { recursive: true, force: true })
  }
}

await withZookeeper(commandLine(parseOptions, USAGE))
