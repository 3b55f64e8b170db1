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

export interface Life {
  readonly env: Env
  /** Runs what comes to the node from outside: later while it is paused, never once it is dead. */
  run(task: () => void): void
  alive(): boolean
  kill(): void
  pause(): void
  resume(): void
  /** The wall clock moves; time does not. */
  jump(ms: number): void
}

export class SimWorld {
  readonly random: Random
  readonly start = 1_700_000_000_000
  /** Work on real files that is under way: time stands still until it is done. */
  busy = 0
  /** Nodes of this world read and write real files beside that. */
  readsFiles = false
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
    await this.#settle()
    for (;;) {
      if (done()) return true
      const event = this.#heap[0]
      if (!event || event.due > end) break
      this.#pop()
      if (event.cancelled) continue
      this.#now = event.due
      this.events++
      event.task()
      await this.#settle()
      check()
    }
    this.#now = end
    return false
  }

  /** Counts `work` as under way until it has settled. */
  async track<T>(work: Promise<T>): Promise<T> {
    this.busy++
    try {
      return await work
    } finally {
      this.busy--
    }
  }

  /** A life of a node: `kill` makes its timers silent for ever, `pause` until it is resumed. */
  life(logger: Logger = silentLogger): Life {
    let alive = true
    let paused = false
    let waiting: (() => void)[] = []
    let jumped = 0
    const run = (task: () => void): void => {
      if (!alive) return
      if (paused) waiting.push(task)
      else task()
    }
    const clock: Clock = { now: () => this.start + Math.floor(this.#now + jumped), monotonic: () => this.#now }
    const every = (periodMs: number, task: () => void): Timer => {
      let timer: Timer
      const again = (): void => {
        timer = this.after(periodMs, () => run(again))
        task()
      }
      timer = this.after(periodMs, () => run(again))
      return { cancel: () => timer.cancel() }
    }
    const timers: Timers = { after: (delayMs, task) => this.#cancellable(delayMs, task, run), every }
    return {
      env: { clock, timers, random: this.random, logger },
      run,
      alive: () => alive,
      kill: () => {
        alive = false
        waiting = []
      },
      pause: () => {
        paused = true
      },
      resume: () => {
        paused = false
        for (const task of waiting.splice(0)) this.after(0, () => run(task))
      },
      jump: (ms) => {
        jumped += ms
      },
    }
  }

  /** What fell due in a pause may be cancelled until it runs. */
  #cancellable(delayMs: number, task: () => void, run: (task: () => void) => void): Timer {
    let cancelled = false
    const timer = this.after(delayMs, () =>
      run(() => {
        if (!cancelled) task()
      }),
    )
    return {
      cancel: () => {
        cancelled = true
        timer.cancel()
      },
    }
  }

  /** Every promise that can settle does. Nothing waits for a real device but what reads and copies files. */
  async #settle(): Promise<void> {
    do await new Promise((resolve) => setImmediate(resolve))
    while (this.busy > 0 || (this.readsFiles && process.getActiveResourcesInfo().some(isOfFiles)))
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

/** A request to libuv's pool for a file; closing one has a name of its own. */
function isOfFiles(resource: string): boolean {
  return resource.startsWith('FSReq') || resource === 'CloseReq'
}

function isBefore(a: Event, b: Event): boolean {
  return a.due < b.due || (a.due === b.due && a.sequence < b.sequence)
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
