// A simulated Env: virtual time that moves only when a test says so, seeded randomness, a logger that remembers.
// Timers of one moment run in the order they were set; between two of them all promises settle, as on a real event loop.

import type { Clock, Env, Logger, Random, Timer, Timers } from '../../src/env/env.js'

export interface LoggedLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly fields: object
  readonly text: string
}

interface Entry {
  readonly due: number
  readonly sequence: number
  readonly task: () => void
  readonly periodMs: number | undefined
}

export class SimEnv implements Env {
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly logger: Logger
  readonly lines: LoggedLine[] = []
  private time: number
  private readonly start: number
  private sequence = 0
  private readonly entries = new Map<number, Entry>()

  constructor(seed = 1, start = 1_700_000_000_000) {
    this.time = start
    this.start = start
    // Whole milliseconds on the wall, as Date.now gives them.
    this.clock = { now: () => Math.floor(this.time), monotonic: () => this.time - this.start }
    this.timers = {
      after: (delayMs, task) => this.add(delayMs, task, undefined),
      every: (periodMs, task) => this.add(periodMs, task, periodMs),
    }
    this.random = seededRandom(seed)
    this.logger = this.createLogger({})
  }

  /** Lets every promise that can settle do so; time stands still. */
  async settle(): Promise<void> {
    await new Promise<void>((resolve) => setImmediate(resolve))
  }

  /** Moves time on by `ms`, running what falls due, in order. */
  async advance(ms: number): Promise<void> {
    const end = this.time + ms
    await this.settle()
    for (let entry = this.nextDue(end); entry !== undefined; entry = this.nextDue(end)) {
      this.time = Math.max(this.time, entry.due)
      this.entries.delete(entry.sequence)
      if (entry.periodMs !== undefined) this.entries.set(entry.sequence, { ...entry, due: entry.due + Math.max(entry.periodMs, 1) })
      entry.task()
      await this.settle()
    }
    this.time = end
  }

  get pendingTimers(): number {
    return this.entries.size
  }

  private add(delayMs: number, task: () => void, periodMs: number | undefined): Timer {
    const sequence = this.sequence++
    this.entries.set(sequence, { due: this.time + Math.max(delayMs, 0), sequence, task, periodMs })
    return { cancel: () => void this.entries.delete(sequence) }
  }

  private nextDue(end: number): Entry | undefined {
    let next: Entry | undefined
    for (const entry of this.entries.values()) {
      if (entry.due > end) continue
      if (next === undefined || entry.due < next.due || (entry.due === next.due && entry.sequence < next.sequence)) next = entry
    }
    return next
  }

  private createLogger(base: object): Logger {
    const log = (level: LoggedLine['level']) => (fields: object, text: string) =>
      void this.lines.push({ level, fields: { ...base, ...fields }, text })
    return {
      debug: log('debug'),
      info: log('info'),
      warn: log('warn'),
      error: log('error'),
      child: (fields) => this.createLogger({ ...base, ...fields }),
    }
  }
}

/** mulberry32: small, fast, and the same everywhere. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
  return { next, bytes: (count) => Uint8Array.from({ length: count }, () => Math.floor(next() * 256)) }
}
