// Rounds of one fault on one system: on one cluster as long as all goes well, on a fresh one after a round that failed.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Fault } from './faults.js'
import { describe, heal, plan, SETTLED_MS, start } from './launch.js'
import type { Options, System } from './options.js'
import { Network } from './support/network.js'
import type { TestCluster } from './support/nodes.js'
import { Heard } from './support/observed.js'
import { allInSync } from './support/state.js'
import { type Driver, type DriverSpec, isSound, type Verdict, Workload } from './support/workload.js'

const TOPIC = 'rounds'
const PARTITIONS = 6
const RATE = 600
/** A server whose code has not run yet is slower than it will be. */
const WARM_MS = 5000
const BETWEEN_MS = 2000
const DISK_MEBIBYTES = 128

export interface Outcome {
  readonly fault: string
  readonly system: string
  readonly client: string
  /** That came to their end. */
  readonly rounds: number
  readonly wanted: number
  readonly gapsMs: readonly number[]
  readonly verdict: Verdict
  readonly notes: ReadonlyMap<string, number>
  readonly errors: readonly string[]
}

/** Who writes and watches. */
export interface LoadClient {
  readonly name: string
  readonly driver: (spec: DriverSpec) => Driver
}

export function isGood({ rounds, wanted, verdict, errors }: Outcome): boolean {
  return rounds === wanted && errors.length === 0 && isSound(verdict)
}

export class Series {
  readonly #fault: Fault
  readonly #system: System
  readonly #client: LoadClient
  readonly #given: Options
  readonly #gapsMs: number[] = []
  readonly #notes = new Map<string, number>()
  readonly #errors: string[] = []
  #verdict: Verdict = nothing()
  #tried = 0

  constructor(fault: Fault, system: System, client: LoadClient, given: Options) {
    this.#fault = fault
    this.#system = system
    this.#client = client
    this.#given = given
  }

  async run(): Promise<Outcome> {
    while (this.#tried < this.#given.rounds) await this.#onOneCluster()
    return {
      fault: this.#fault.name,
      system: this.#system,
      client: this.#client.name,
      rounds: this.#gapsMs.length,
      wanted: this.#given.rounds,
      gapsMs: this.#gapsMs,
      verdict: this.#verdict,
      notes: this.#notes,
      errors: this.#errors,
    }
  }

  /** All rounds that are left, or up to one that fails. */
  async #onOneCluster(): Promise<void> {
    const dir = mkdtempSync(join(tmpdir(), `${this.#system}-cluster-`))
    const network = this.#fault.needsNetwork ? new Network() : undefined
    const failedBefore = this.#errors.length
    let cluster: TestCluster | undefined
    let workload: Workload | undefined
    try {
      const needs = {
        dir,
        network,
        diskMebibytes: this.#fault.needsDisk ? DISK_MEBIBYTES : undefined,
        tag: `${this.#fault.name}-${this.#tried}`,
      }
      cluster = await plan(this.#system, this.#given, needs)
      await start(cluster, { name: TOPIC, partitions: PARTITIONS }, this.#given.from)
      workload = new Workload({ bootstrap: cluster.bootstrap, topic: TOPIC, partitions: PARTITIONS, rate: RATE }, this.#client.driver)
      await workload.start()
      await pause(WARM_MS)
      while (this.#tried < this.#given.rounds) await this.#round(cluster, network, workload)
    } catch (error) {
      // A cluster that does not come up is a round that failed, or this would not end.
      if (workload === undefined) this.#tried++
      this.#fail(error, cluster)
      if (cluster) await heal(cluster, TOPIC, network)
    }
    if (workload) await this.#judge(workload)
    await cluster?.close()
    network?.close()
    if (this.#errors.length === failedBefore && !this.#given.keep) rmSync(dir, { recursive: true, force: true })
    else this.#say(`the data is kept in ${dir}`)
  }

  async #round(cluster: TestCluster, network: Network | undefined, workload: Workload): Promise<void> {
    const round = this.#tried++
    await pause(BETWEEN_MS)
    workload.resetGaps()
    const noted: string[] = []
    const note = (text: string): void => {
      noted.push(text)
    }
    const { from } = this.#given
    await this.#fault.run({ cluster, network, topic: TOPIC, round, note, ...(from === undefined ? {} : { from }) })
    await allInSync(cluster.addresses, TOPIC, SETTLED_MS)
    const { ms, partition, beganMs } = workload.longestGap
    this.#gapsMs.push(Math.round(ms))
    for (const text of noted) this.#notes.set(text, (this.#notes.get(text) ?? 0) + 1)
    const where = `partition ${partition}, from ${Math.round(beganMs)} ms after the round began`
    const failed = workload.failed > 0 ? `, ${workload.failed} sends failed so far` : ''
    this.#say(`longest time without a write ${Math.round(ms)} ms (${where})${failed}${noted.map((text) => `; ${text}`).join('')}`)
  }

  #fail(error: unknown, cluster: TestCluster | undefined): void {
    this.#errors.push(`round ${this.#tried}: ${describe(error)}`)
    this.#say(`FAILED: ${describe(error)}`)
    for (const node of cluster?.nodes ?? []) process.stdout.write(`--- node ${node.id}\n${node.said.slice(-4000)}\n`)
  }

  async #judge(workload: Workload): Promise<void> {
    try {
      const verdict = await workload.finish()
      this.#verdict = sum(this.#verdict, verdict)
      if (!isSound(verdict)) this.#errors.push('records or sends are not as they must be')
    } catch (error) {
      this.#errors.push(`reading back: ${describe(error)}`)
      await workload.abandon().catch(() => undefined)
    }
  }

  #say(text: string): void {
    process.stdout.write(`${this.#system} ${this.#client.name} ${this.#fault.name} ${this.#tried}/${this.#given.rounds}: ${text}\n`)
  }
}

export function nothing(): Verdict {
  const faithful = { acknowledged: 0, lost: 0, doubled: 0, reordered: 0, misplaced: 0, unseen: 0 }
  return { ...faithful, failed: 0, firstFailure: null, heard: new Heard() }
}

function sum(a: Verdict, b: Verdict): Verdict {
  const heard = new Heard()
  heard.add(a.heard)
  heard.add(b.heard)
  return {
    acknowledged: a.acknowledged + b.acknowledged,
    lost: a.lost + b.lost,
    doubled: a.doubled + b.doubled,
    reordered: a.reordered + b.reordered,
    misplaced: a.misplaced + b.misplaced,
    unseen: a.unseen + b.unseen,
    failed: a.failed + b.failed,
    firstFailure: a.firstFailure ?? b.firstFailure,
    heard,
  }
}
