// Rounds of faults on a cluster of real processes under load, with nothing lost, doubled or reordered.
// Command: node dist/test/cluster/main.js [--rounds N] [--faults a,b] [--nodes N] [--zookeeper HOST:PORT]
//   [--session-ms MS] [--log-level LEVEL] [--keep] [--from MAIN_JS]
//
// --from: dist/src/cli/main.js of another build, which the nodes are started with; `rolling-restart` then is a rolling upgrade.
//
// Each fault runs N rounds on one cluster while writers go on; then everything is read and compared. Ends with a table and a
// line `N passed, N failed, N skipped`. Not part of `npm test`: `npm run test:cluster`.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { FAULTS, type Fault } from './faults.js'
import { unavailable as noDisk } from './support/disk.js'
import { Network, unavailable as noNetwork } from './support/network.js'
import { TestCluster } from './support/nodes.js'
import { allInSync, eventually, withAdmin } from './support/state.js'
import { isSound, type Verdict, Workload } from './support/workload.js'

const TOPIC = 'rounds'
const PARTITIONS = 6
const SETTLED_MS = 90_000
const BETWEEN_MS = 2000
const DISK_MEBIBYTES = 128

interface Options {
  readonly rounds: number
  readonly nodes: number
  readonly faults: readonly Fault[]
  readonly zookeeper: string | undefined
  readonly sessionMs: number
  readonly logLevel: string
  /** Leaves the data and the logs of the nodes where they are, also when all is well. */
  readonly keep: boolean
  readonly from: string | undefined
}

interface Outcome {
  readonly fault: string
  readonly rounds: number
  readonly gapsMs: readonly number[]
  readonly verdict: Verdict
  readonly error: string | null
}

function options(): Options {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '20' },
      nodes: { type: 'string', default: '3' },
      faults: { type: 'string' },
      zookeeper: { type: 'string' },
      'session-ms': { type: 'string', default: '3000' },
      'log-level': { type: 'string', default: 'warn' },
      keep: { type: 'boolean', default: false },
      from: { type: 'string' },
    },
  })
  const wanted = values.faults?.split(',')
  const unknown = wanted?.find((name) => !FAULTS.some((fault) => fault.name === name))
  if (unknown !== undefined) throw new Error(`there is no fault ${unknown}; there are ${FAULTS.map(({ name }) => name).join(', ')}`)
  return {
    rounds: Number(values.rounds),
    nodes: Number(values.nodes),
    faults: FAULTS.filter(({ name }) => wanted === undefined || wanted.includes(name)),
    zookeeper: values.zookeeper,
    sessionMs: Number(values['session-ms']),
    logLevel: values['log-level'],
    keep: values.keep,
    from: values.from,
  }
}

async function runFault(fault: Fault, given: Options): Promise<Outcome> {
  const dir = mkdtempSync(join(tmpdir(), 'millrace-cluster-'))
  const network = fault.needsNetwork ? new Network() : undefined
  const zookeeper = given.zookeeper === undefined ? {} : { zookeeper: `${given.zookeeper}/${fault.name}-${process.pid}` }
  const session = given.zookeeper === undefined ? 'broker.session.timeout.ms' : 'zookeeper.session.timeout.ms'
  const settings = [`${session}=${given.sessionMs}`, 'millrace.ensemble.tick.ms=500', 'offsets.topic.num.partitions=3']
  const gapsMs: number[] = []
  const cluster = await TestCluster.plan({
    count: given.nodes,
    dir,
    ...(network ? { network } : {}),
    ...(fault.needsDisk ? { diskMebibytes: DISK_MEBIBYTES } : {}),
    ...zookeeper,
    settings,
    logLevel: given.logLevel,
  })
  let workload: Workload | undefined
  let error: string | null = null
  try {
    await Promise.all(cluster.nodes.map((node) => node.start(given.from)))
    await withAdmin(cluster.bootstrap, (admin) =>
      eventually('the topic is made', SETTLED_MS, async () => {
        const spec = { name: TOPIC, partitions: PARTITIONS, replicationFactor: 3, configs: { 'min.insync.replicas': 2 } }
        await admin.createTopics([spec])
        return true
      }),
    )
    await allInSync(cluster.addresses, TOPIC, SETTLED_MS)
    workload = new Workload({ bootstrap: cluster.bootstrap, topic: TOPIC, partitions: PARTITIONS, writers: 2, rate: 300 })
    workload.start()
    for (let round = 0; round < given.rounds; round++) {
      await pause(BETWEEN_MS)
      workload.resetGaps()
      await fault.run({ cluster, network, topic: TOPIC, round, ...(given.from === undefined ? {} : { from: given.from }) })
      await allInSync(cluster.addresses, TOPIC, SETTLED_MS)
      const { ms, partition, beganMs } = workload.longestGap
      gapsMs.push(Math.round(ms))
      const where = `partition ${partition}, from ${Math.round(beganMs)} ms after the round began`
      process.stdout.write(`${fault.name} ${round + 1}/${given.rounds}: longest time without a write ${Math.round(ms)} ms (${where})\n`)
    }
  } catch (cause) {
    error = describe(cause)
    for (const node of cluster.nodes) process.stdout.write(`--- node ${node.id}\n${node.said.slice(-4000)}\n`)
  }
  const verdict = await workload?.finish().catch((cause: unknown) => {
    error ??= describe(cause)
    return undefined
  })
  await cluster.close()
  network?.close()
  if (error === null && !given.keep) rmSync(dir, { recursive: true, force: true })
  else process.stdout.write(`the data is kept in ${dir}\n`)
  return { fault: fault.name, rounds: gapsMs.length, gapsMs, verdict: verdict ?? nothing(), error }
}

function describe(error: unknown): string {
  const cause = (error as Error).cause
  return `${(error as Error).message}${cause instanceof Error ? ` (${cause.message})` : ''}`
}

function nothing(): Verdict {
  return { acknowledged: 0, failed: 0, lost: 0, doubled: 0, reordered: 0, misplaced: 0, longestGapMs: 0, firstFailure: null }
}

function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}

async function main(): Promise<void> {
  const given = options()
  let [passed, failed, skipped] = [0, 0, 0]
  const rows: string[] = []
  for (const fault of given.faults) {
    const missing = (fault.needsNetwork ? noNetwork() : null) ?? (fault.needsDisk ? noDisk() : null)
    if (missing !== null) {
      skipped++
      rows.push(`${fault.name}\tskipped: ${missing}`)
      continue
    }
    const { rounds, gapsMs, verdict: v, error } = await runFault(fault, given)
    const good = error === null && isSound(v) && v.failed === 0
    if (good) passed++
    else failed++
    const gaps = `p50 ${percentile(gapsMs, 0.5)} p99 ${percentile(gapsMs, 0.99)} max ${Math.max(0, ...gapsMs)}`
    const found = `acknowledged ${v.acknowledged}, failed ${v.failed}, lost ${v.lost}, doubled ${v.doubled}, reordered ${v.reordered}, misplaced ${v.misplaced}`
    rows.push(
      `${fault.name}\t${rounds} rounds\tno write for ms: ${gaps}\t${found}${(error ?? v.firstFailure) ? `\t${error ?? v.firstFailure}` : ''}`,
    )
  }
  process.stdout.write(`${rows.join('\n')}\n${passed} passed, ${failed} failed, ${skipped} skipped\n`)
  process.exitCode = failed > 0 ? 1 : 0
}

await main()
