// Ten million records over a cluster in which the leader is killed, then the controller, then a node is cut off, while they are produced with
// acks=all and idempotence: then all are read back and checked by the order of their keys and by content. `--faults ten-million`.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Checker, type KeyedRecords, produce, readBack, report, Sent, timed } from '../scenario/keyed-records.js'
import { type FaultContext, FAULTS } from './faults.js'
import { describe, heal, plan, SETTLED_MS, start } from './launch.js'
import type { Options, System } from './options.js'
import { nothing, type Outcome } from './series.js'
import { Network } from './support/network.js'
import { allInSync } from './support/state.js'
import type { Verdict } from './support/workload.js'

const TOPIC = 'ten-million'
const PARTITIONS = 12
const KEYS = 100_000
/** Each when so much is acknowledged. */
const PLAN = [
  { at: 0.2, name: 'kill-leader' },
  { at: 0.4, name: 'kill-controller' },
  { at: 0.6, name: 'cut-off' },
] as const
const REQUEST_TIMEOUT_MS = 5000

export async function tenMillion(system: System, given: Options): Promise<Outcome> {
  const records: KeyedRecords = { records: given.records, partitions: PARTITIONS, keys: Math.min(KEYS, given.records) }
  const dir = mkdtempSync(join(tmpdir(), `${system}-ten-million-`))
  const network = new Network()
  const errors: string[] = []
  const notes = new Map<string, number>()
  const cluster = await plan(system, given, { dir, network, tag: TOPIC })
  const sent = new Sent()
  let checker: Checker | undefined
  let done = 0
  try {
    await start(cluster, { name: TOPIC, partitions: PARTITIONS })
    const context = { cluster, network, topic: TOPIC, note: (text: string) => void notes.set(text, 1) }
    const faults = inTurn(context, sent, given.records, () => done++).catch(async (error: unknown) => {
      errors.push(describe(error))
      await heal(cluster, TOPIC, network)
    })
    const settings = { requestTimeoutMs: REQUEST_TIMEOUT_MS, maxBlockMs: 600_000 }
    await timed('produced', given.records, () => produce(cluster.bootstrap, TOPIC, records, sent, settings))
    await faults
    checker = await timed('read back', given.records, () => readBack(cluster.bootstrap, TOPIC, records))
    if (report(records, sent, checker) > 0) errors.push('records are not as they must be')
  } catch (error) {
    errors.push(describe(error))
    for (const node of cluster.nodes) process.stdout.write(`--- node ${node.id}\n${node.said.slice(-4000)}\n`)
  }
  await cluster.close()
  network.close()
  if (errors.length === 0 && !given.keep) rmSync(dir, { recursive: true, force: true })
  else process.stdout.write(`the data is kept in ${dir}\n`)
  const verdict = verdictOf(sent, checker)
  return { fault: TOPIC, system, client: 'millrace', rounds: done, wanted: PLAN.length, gapsMs: [], verdict, notes, errors }
}

async function inTurn(context: Omit<FaultContext, 'round'>, sent: Sent, records: number, onDone: () => void): Promise<void> {
  for (const [round, { at, name }] of PLAN.entries()) {
    await sent.reaches(Math.floor(records * at))
    const before = sent.acknowledged
    await FAULTS.find((fault) => fault.name === name)!.run({ ...context, round })
    await allInSync(context.cluster.addresses, context.topic, SETTLED_MS)
    process.stdout.write(
      `${name} at ${before.toLocaleString('en-US')} acknowledged; all in sync again at ${sent.acknowledged.toLocaleString('en-US')}\n`,
    )
    onDone()
  }
}

function verdictOf(sent: Sent, checker: Checker | undefined): Verdict {
  return {
    ...nothing(),
    acknowledged: sent.acknowledged,
    failed: sent.failed,
    firstFailure: sent.firstError?.message ?? null,
    lost: checker?.missing ?? 0,
    doubled: checker?.duplicates ?? 0,
    misplaced: (checker?.wrongPlace ?? 0) + (checker?.wrongContent ?? 0),
  }
}
