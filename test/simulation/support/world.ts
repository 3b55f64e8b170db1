// Virtual time for many nodes in one process: one queue of events, one seed. An event runs, then every promise that can
// settle does, then the next. Each life of a node has its own Env whose timers die with it.

import type { Clock, Env, Logger, Random, Timer, Timers } from '../../../src/env/env.js'
import { silentLogger } from '../../../src/env/real.js'
import { seededRandom } from '../../support/sim-env.js'

interface Event {
  readonly due: number
  readonly sequence: number
  readonly task: () => void
  cancelled: boolean
}

export class SimWorld {
  readonly random: Random
  readonly start = 1_700_000_000_000
  readonly #heap: Event[] = []
  #now = 0
  #sequence = 0
  events = 0

  constructor(seed: number) {
    this.random = seededRandom(seed)
  }

  /** Milliseconds since the world began. */
  get now(): number {
    return this.#now
  }

  chance(probability: number): boolean {
    return this.random.next() < probability
  }

  between(low: number, high: number): number {
    return low + this.random.next() * (high - low)
  }

  pick<T>(all: readonly T[]): T {
    return all[Math.floor(this.random.next() * all.length)]!
  }

  after(delayMs: number, task: () => void): Timer {
    const event: Event = { due: this.#now + Math.max(delayMs, 0), sequence: this.#sequence++, task, cancelled: false }
    this.#push(event)
    return {
      cancel: () => {
        event.cancelled = true
      },
    }
  }

  /** Runs until `end`, or until `done` says so after an event. False: `end` came first. */
  async run(end: number, check: () => void, done: () => boolean = () => false): Promise<boolean> {
    await settle()
    for (;;) {
      if (done()) return true
      const event = this.#heap[0]
      if (!event || event.due > end) break
      this.#pop()
      if (event.cancelled) continue
      this.#now = event.due
      this.events++
      event.task()
      await settle()
      check()
    }
    this.#now = end
    return false
  }

  /** A life of a node: `kill` makes its timers silent for ever. */
  life(logger: Logger = silentLogger): { env: Env; kill: () => void; alive: () => boolean } {
    let alive = true
    const guarded = (task: () => void) => () => {
      if (alive) task()
    }
    const clock: Clock = { now: () => this.start + Math.floor(this.#now), monotonic: () => this.#now }
    const every = (periodMs: number, task: () => void): Timer => {
      let timer: Timer
      const run = (): void => {
        timer = this.after(periodMs, guarded(run))
        task()
      }
      timer = this.after(periodMs, guarded(run))
      return { cancel: () => timer.cancel() }
    }
    const timers: Timers = { after: (delayMs, task) => this.after(delayMs, guarded(task)), every }
    const kill = (): void => {
      alive = false
    }
    return { env: { clock, timers, random: this.random, logger }, kill, alive: () => alive }
  }

  #push(event: Event): void {
    const heap = this.#heap
    let at = heap.push(event) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isBefore(event, heap[parent]!)) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = event
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()!
    if (heap.length === 0) return
    let at = 0
    for (;;) {
      let child = at * 2 + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
      if (!isBefore(heap[child]!, last)) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = last
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.due < b.due || (a.due === b.due && a.sequence < b.sequence)
}

/** Every promise that can settle does. Nothing here waits for a real device, so one turn of the event loop is enough. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** How often what happened. A kind that never did is a test that tests nothing. */
export class Counts {
  readonly #counts = new Map<string, number>()

  add(kind: string, by = 1): void {
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + by)
  }

  get(kind: string): number {
    return this.#counts.get(kind) ?? 0
  }

  addAll(other: Counts): void {
    for (const [kind, count] of other.#counts) this.add(kind, count)
  }

  toString(): string {
    return [...this.#counts]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([kind, count]) => `${kind} ${count}`)
      .join(', ')
  }
}
