// Ingest at full rate at RF 3 for so long: no session expires, and nobody is elected, neither in the ensemble nor for a partition nor as
// controller. `--faults full-rate --duration 600`. The load is `millrace bench produce` as a process of its own, which ends at the first error.

import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, plan, start } from './launch.js'
import type { Options, System } from './options.js'
import { nothing, type Outcome } from './series.js'
import type { TestCluster } from './support/nodes.js'
import { controllerOf, leadersAt } from './support/state.js'
import { askWord } from './support/words.js'

const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))
const TOPIC = 'full-rate'
const PARTITIONS = 12
const LOOK_MS = 1000
/** What is older than this much of a partition goes, or minutes of it would fill the disk. */
const RETAINED = { 'retention.bytes': 128 << 20, 'segment.bytes': 32 << 20, 'file.delete.delay.ms': 1000 }

/** What is looked at every second, and how often it was another than before: that must be 0. */
class Watched {
  readonly #last = new Map<string, string>()
  readonly changes = new Map<string, number>()

  look(what: string, value: string): void {
    const last = this.#last.get(what)
    this.#last.set(what, value)
    if (last === undefined) this.changes.set(what, 0)
    else if (last !== value) this.changes.set(what, this.changes.get(what)! + 1)
  }
}

const WATCHES = {
  elections: "changes of the ensemble's leader",
  sessions: "changes of the brokers' sessions",
  controllers: 'changes of the controller',
  leaders: 'changes of partition leaders',
} as const

async function look(cluster: TestCluster, coordination: readonly string[], watched: Watched): Promise<void> {
  const servers = await Promise.all(coordination.map((address) => askWord(address, 'srvr').catch(() => '')))
  const leader = coordination[servers.findIndex((text) => /^Mode: (leader|standalone)/m.test(text))]
  const zxid = servers.map((text) => /^Zxid: 0x([0-9a-f]+)/m.exec(text)?.[1]).find((hex) => hex !== undefined)
  // An ensemble counts its elections in the upper half of the zxid.
  if (zxid !== undefined && leader !== undefined) watched.look(WATCHES.elections, `${leader} ${BigInt(`0x${zxid}`) >> 32n}`)
  if (leader !== undefined) watched.look(WATCHES.sessions, sessionsOf(await askWord(leader, 'dump')))
  watched.look(WATCHES.controllers, String(await controllerOf(cluster)))
  watched.look(WATCHES.leaders, await leadersAt(cluster.nodes[0]!.kafka, TOPIC))
}

/** The sessions that own ephemeral nodes: each broker's. */
function sessionsOf(dump: string): string {
  const owners = [...dump.slice(dump.indexOf('Sessions with Ephemerals')).matchAll(/^(0x[0-9a-f]+):$/gm)]
  return owners
    .map(([, id]) => id!)
    .toSorted()
    .join(' ')
}

async function ingest(cluster: TestCluster, seconds: number): Promise<string> {
  const pids = cluster.nodes.flatMap(({ pid }) => ['--pid', String(pid)])
  const args = [MAIN, 'bench', 'produce', '-b', cluster.bootstrap, '--topic', TOPIC, '-d', `${seconds}s`, '-w', '5s', ...pids, '--json']
  const { stdout } = await promisify(execFile)(process.execPath, args, { maxBuffer: 1 << 28 })
  return stdout
}

export async function fullRate(system: System, given: Options): Promise<Outcome> {
  const dir = mkdtempSync(join(tmpdir(), `${system}-full-rate-`))
  const errors: string[] = []
  const notes = new Map<string, number>()
  const settings = ['log.retention.check.interval.ms=5000']
  const cluster = await plan(system, given, { dir, tag: TOPIC, settings })
  try {
    await start(cluster, { name: TOPIC, partitions: PARTITIONS, configs: RETAINED })
    const coordination =
      given.zookeeper === undefined ? cluster.nodes.map(({ ensembleClient }) => ensembleClient) : given.zookeeper.split(',')
    const watched = new Watched()
    let done = false
    const watching = (async () => {
      for (; !done; await pause(LOOK_MS))
        await look(cluster, coordination, watched).catch((error: unknown) => notes.set(describe(error), 1))
    })()
    const said = await ingest(cluster, given.duration).finally(() => (done = true))
    await watching
    notes.set(summaryOf(said), 1)
    for (const [what, count] of watched.changes) {
      notes.set(`${what}: ${count}`, 1)
      if (count > 0) errors.push(`${count} ${what}`)
    }
    for (const what of Object.values(WATCHES)) if (!watched.changes.has(what)) errors.push(`${what} were not seen`)
  } catch (error) {
    errors.push(describe(error))
  }
  if (errors.length > 0) for (const node of cluster.nodes) process.stdout.write(`--- node ${node.id}\n${node.said.slice(-4000)}\n`)
  await cluster.close()
  if (errors.length === 0 && !given.keep) rmSync(dir, { recursive: true, force: true })
  else process.stdout.write(`the data is kept in ${dir}\n`)
  return { fault: TOPIC, system, client: 'bench produce', rounds: 1, wanted: 1, gapsMs: [], verdict: nothing(), notes, errors }
}

function summaryOf(json: string): string {
  const { rows } = JSON.parse(json) as {
    rows: readonly { megabytesPerSecond: number; records: number; serverCpuSecondsPerGb: number | null }[]
  }
  const { megabytesPerSecond, records, serverCpuSecondsPerGb } = rows[0]!
  const cpu = serverCpuSecondsPerGb === null ? '' : `, ${serverCpuSecondsPerGb.toFixed(1)} CPU-seconds per GB over all nodes`
  return `${records.toLocaleString('en-US')} records, ${megabytesPerSecond.toFixed(0)} MB/s${cpu}`
}
