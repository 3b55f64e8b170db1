// What a load costs: CPU and peak memory of the server's processes, CPU of this one, and how much everything else on the machine used,
// which is how far a figure can be trusted. Reads /proc; elsewhere than on Linux these figures are absent, never made up.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'

/** USER_HZ, the unit of /proc/PID/stat: 100 on every platform that Node runs on. */
const TICKS_PER_SECOND = 100
const KTHREADD = '2'

export interface Sample {
  readonly atMs: number
  /** Seconds. */
  readonly server: number
  readonly client: number
  readonly busy: number
  readonly steal: number
  readonly kernelThreads: number
  readonly residentBytes: number
}

export interface Cost {
  readonly seconds: number
  readonly serverCpuSeconds: number | null
  readonly serverCores: number | null
  readonly serverPeakMemoryBytes: number | null
  readonly clientCpuSeconds: number
  /** CPU of the kernel's own threads, such as write-back. */
  readonly kernelCpuSeconds: number | null
  /** CPU used by all that is neither server, load generator nor kernel, in percent of the whole machine. */
  readonly othersPercent: number | null
  /** Of it, taken by the hypervisor for other guests. */
  readonly stealPercent: number | null
}

export class Probe {
  readonly pids: readonly number[]
  readonly #linux = process.platform === 'linux'
  readonly #cores = cpus().length
  /** Whether the peak could be set back; otherwise it counts from the process' start. */
  peakIsOfRun = true

  constructor(pids: readonly number[]) {
    this.pids = pids
  }

  /** Pids that are not there, or may not be looked at. */
  missing(): number[] {
    return this.#linux ? this.pids.filter((pid) => statOf(pid) === undefined) : []
  }

  resetPeak(): void {
    for (const pid of this.pids) {
      try {
        writeFileSync(`/proc/${pid}/clear_refs`, '5')
      } catch {
        this.peakIsOfRun = false
      }
    }
  }

  /** Without `machine` only what is needed while a row runs: looking at every process of the machine takes a millisecond. */
  sample(machine = true): Sample {
    const usage = process.cpuUsage()
    const client = (usage.user + usage.system) / 1e6
    const atMs = performance.now()
    if (!this.#linux) return { atMs, server: 0, client, busy: 0, steal: 0, kernelThreads: 0, residentBytes: 0 }
    let server = 0
    let residentBytes = 0
    for (const pid of this.pids) {
      server += cpuOf(statOf(pid))
      residentBytes += memoryOf(pid, 'VmRSS')
    }
    if (!machine) return { atMs, server, client, busy: 0, steal: 0, kernelThreads: 0, residentBytes }
    return { atMs, server, client, ...machineBusy(), kernelThreads: kernelThreads(), residentBytes }
  }

  cost(before: Sample, after: Sample): Cost {
    const seconds = (after.atMs - before.atMs) / 1000
    const server = after.server - before.server
    const client = after.client - before.client
    const kernel = Math.max(0, after.kernelThreads - before.kernelThreads)
    const others = after.busy - before.busy - server - client - kernel
    const known = this.#linux && this.pids.length > 0
    const percent = (value: number): number => Math.max(0, (100 * value) / seconds / this.#cores)
    return {
      seconds,
      serverCpuSeconds: known ? server : null,
      serverCores: known ? server / seconds : null,
      serverPeakMemoryBytes: known ? this.pids.reduce((sum, pid) => sum + memoryOf(pid, 'VmHWM'), 0) : null,
      clientCpuSeconds: client,
      kernelCpuSeconds: this.#linux ? kernel : null,
      // Without the server's pid its use cannot be told from that of others.
      othersPercent: known ? percent(others) : null,
      stealPercent: this.#linux ? percent(after.steal - before.steal) : null,
    }
  }
}

/** Fields of /proc/PID/stat behind the name, which may hold anything: [1] parent, [11] and [12] CPU. */
function statOf(pid: number | string): string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return text.slice(text.lastIndexOf(')') + 2).split(' ')
  } catch {
    return undefined
  }
}

function cpuOf(stat: readonly string[] | undefined): number {
  return stat ? (Number(stat[11]) + Number(stat[12])) / TICKS_PER_SECOND : 0
}

function kernelThreads(): number {
  let total = 0
  for (const name of readdirSync('/proc')) {
    if (!/^\d/.test(name)) continue
    const stat = statOf(name)
    if (stat?.[1] === KTHREADD) total += cpuOf(stat)
  }
  return total
}

function machineBusy(): { busy: number; steal: number } {
  const [user, nice, system, , , irq, softirq, steal] = readFileSync('/proc/stat', 'latin1')
    .split('\n', 1)[0]!
    .trim()
    .split(/\s+/)
    .slice(1)
    .map(Number)
  const ticks = user! + nice! + system! + irq! + softirq! + steal!
  return { busy: ticks / TICKS_PER_SECOND, steal: steal! / TICKS_PER_SECOND }
}

export function memoryOf(pid: number, field: 'VmHWM' | 'VmRSS'): number {
  try {
    const kilobytes = new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]
    return Number(kilobytes ?? 0) * 1024
  } catch {
    return 0
  }
}
