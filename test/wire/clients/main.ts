// Runs other people's clients against a Kafka-compatible server: this project's own unless --bootstrap names another.
// Command: npm run test:clients -- --help. Then Kafka's tools against three nodes; with the word `zookeeper`: other people's ZooKeeper suites
// instead (../zookeeper/main.ts).
// Ends with one line: N passed, N failed, N skipped.

import { commandLine } from '../../support/command-line.js'
import { Context } from '../odd-requests/context.js'
import { acrossScenarios } from './across.js'
import { endAllChildren } from './child.js'
import { codecScenario, Unavailable, type Bench, type Client, type Scenario } from './client.js'
import { ClusterBench } from './cluster/bench.js'
import { MOVE_SCENARIOS } from './cluster/moves.js'
import { STATE_SCENARIOS } from './cluster/state.js'
import { JAVA_TOOLS } from './java-tools.js'
import { installTools } from './kafka-tool.js'
import { KAFKAJS } from './kafkajs.js'
import { KCAT } from './kcat.js'
import { MILLRACE } from './millrace.js'
import { parseOptions, USAGE } from './options.js'
import { PROGRAMS } from './programs.js'
import { startServer } from './server.js'

const CLIENTS: readonly Client[] = [MILLRACE, KCAT, KAFKAJS, ...PROGRAMS, JAVA_TOOLS]

const OPTIONS = commandLine(parseOptions, USAGE)

const counts = { passed: 0, failed: 0, skipped: 0 }
const failures: string[] = []

function wanted(label: string): boolean {
  return OPTIONS.only === undefined || label.includes(OPTIONS.only)
}

async function timed(label: string, work: () => Promise<void>): Promise<void> {
  const began = performance.now()
  const seconds = (): string => `${((performance.now() - began) / 1000).toFixed(1)} s`
  try {
    await work()
    counts.passed++
    console.log(`  ok      ${label}  ${seconds()}`)
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
    counts.failed++
    failures.push(`${label}: ${text}`)
    console.log(`  FAILED  ${label}  ${seconds()}\n${text.replace(/^/gm, '          ')}`)
  }
}

/** The clients that could be installed; the others' scenarios are counted as skipped, and it is said why. */
async function installed(clients: readonly Client[]): Promise<Client[]> {
  const ready: Client[] = []
  for (const client of clients) {
    const began = performance.now()
    try {
      await client.install()
      ready.push(client)
      console.log(`  ready   ${client.name}  ${((performance.now() - began) / 1000).toFixed(1)} s`)
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error
      counts.skipped += 1 + client.scenarios.length
      console.log(`  SKIPPED ${client.name}: ${error.message}`)
    }
  }
  return ready
}

async function runAll(bench: Bench): Promise<void> {
  const tiers = (item: { readonly tier: 'short' | 'all' }): boolean => bench.all || item.tier === 'short'
  const clients = await installed(
    CLIENTS.filter(tiers).filter(
      (client) =>
        OPTIONS.only === undefined || scenariosOf(client).some(([label]) => wanted(label)) || OPTIONS.only.startsWith('real file'),
    ),
  )
  for (const client of clients) {
    for (const [label, scenario] of scenariosOf(client)) if (tiers(scenario) && wanted(label)) await timed(label, () => scenario.run(bench))
  }
  for (const scenario of acrossScenarios(clients)) if (wanted(scenario.name)) await timed(scenario.name, () => scenario.run(bench))
}

function scenariosOf(client: Client): [string, Scenario][] {
  return [codecScenario(client), ...client.scenarios].map((scenario) => [`${client.name}: ${scenario.name}`, scenario])
}

/** Three nodes are started once there is something to do with them. */
async function runCluster(system: 'millrace' | 'kafka'): Promise<void> {
  const all = [...STATE_SCENARIOS, ...MOVE_SCENARIOS].filter(({ tier }) => OPTIONS.all || tier === 'short')
  const scenarios = all
    .filter(({ ownOnly }) => system === 'millrace' || ownOnly !== true)
    .map((scenario) => ({ ...scenario, label: `java-tools on three nodes: ${scenario.name}` }))
    .filter(({ label }) => wanted(label))
  if (scenarios.length === 0) return
  try {
    await installTools()
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error
    counts.skipped += scenarios.length
    return console.log(`  SKIPPED java-tools on three nodes: ${error.message}`)
  }
  const bench = await ClusterBench.start(system)
  console.log(`three nodes of ${system}: ${bench.bootstrap}`)
  try {
    for (const { label, run } of scenarios) await timed(label, () => run(bench))
  } finally {
    await bench.close()
  }
}

async function runOne(): Promise<void> {
  const server = OPTIONS.bootstrap === undefined ? await startServer({ args: ['--set', 'group.initial.rebalance.delay.ms=0'] }) : null
  const bootstrap = server?.bootstrap ?? OPTIONS.bootstrap!
  const wire = new Context(bootstrap)
  console.log(`clients against ${bootstrap}`)
  try {
    await runAll({ bootstrap, dataDir: server?.dataDir ?? OPTIONS.dataDir ?? null, wire, all: OPTIONS.all })
    await wire.cleanUp()
  } finally {
    wire.close()
    await server?.stop()
    endAllChildren()
  }
}

async function main(): Promise<void> {
  const { cluster, bootstrap } = OPTIONS
  if (cluster === undefined) await runOne()
  if (bootstrap === undefined) await runCluster(cluster ?? 'millrace')
  if (failures.length > 0) console.log(`\nfailed:\n${failures.map((text) => `  ${text.split('\n')[0]}`).join('\n')}`)
  console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`)
  // kafkajs may leave timers behind.
  process.exit(counts.failed > 0 ? 1 : 0)
}

if (OPTIONS.zookeeper) {
  const { runZookeeperSuites } = await import('../zookeeper/main.js')
  process.exit((await runZookeeperSuites({ connect: OPTIONS.connect, only: OPTIONS.only })) > 0 ? 1 : 0)
}
await main()
