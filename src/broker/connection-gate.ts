// Who may connect, counted over all workers and listeners of the node: max.connections, its per-listener and per-address kin, and
// the rates at which connections may come. Decides and counts; holds no socket. Runs on the thread coordinator.
//
// As Kafka has it: over max.connections or a rate a connection waits to be accepted, over its address's count it is closed at once,
// and when max.connections falls below what there is, the connections unused for longest are closed. Workers say what opened and
// closed always, and ask before they open one while any limit is set.

import type { Env, Timer } from '../env/env.js'
import { type AdmissionLimits, isLimit } from './admission-limits.js'

/** Accepted by the system and waiting for a place, per listener; more are closed. */
export const MAX_WAITING = 1024

/** One connection of a worker's listener. */
export interface ConnectionEvent {
  readonly worker: number
  readonly listener: string
  readonly address: string
}

interface Waiting extends ConnectionEvent {
  decide(granted: boolean): void
}

export interface ConnectionGateOptions {
  readonly env: Env
  limits(): AdmissionLimits
  /** The worker closes so many of its connections, those unused for longest first. */
  shed(worker: number, count: number): void
}

export class ConnectionGate {
  private readonly options: ConnectionGateOptions
  private limits: AdmissionLimits
  private total = 0
  private readonly byListener = new Map<string, number>()
  private readonly byAddress = new Map<string, number>()
  /** Worker → `listener address` → count: what goes when the worker goes. */
  private readonly byWorker = new Map<number, Map<string, number>>()
  private readonly waiting = new Map<string, Waiting[]>()
  private readonly buckets = new Map<string, Bucket>()
  private timer: Timer | undefined

  constructor(options: ConnectionGateOptions) {
    this.options = options
    this.limits = options.limits()
  }

  get count(): number {
    return this.total
  }

  opened({ worker, listener, address }: ConnectionEvent): void {
    this.change(worker, listener, address, 1)
  }

  closed({ worker, listener, address }: ConnectionEvent): void {
    this.change(worker, listener, address, -1)
    this.admit()
  }

  /** True: it is counted, and may be opened. May take as long as there is no place. */
  ask(event: ConnectionEvent): Promise<boolean> {
    const queue = this.queueOf(event.listener)
    if (queue.length >= MAX_WAITING || this.isAddressFull(event.address)) return Promise.resolve(false)
    const decided = new Promise<boolean>((decide) => queue.push({ ...event, decide }))
    this.admit()
    return decided
  }

  /** A worker ended, and its connections with it. */
  workerGone(worker: number): void {
    for (const [key, count] of this.byWorker.get(worker) ?? []) {
      const [listener = '', address = ''] = key.split(' ')
      this.change(worker, listener, address, -count)
    }
    this.byWorker.delete(worker)
    for (const [listener, queue] of this.waiting) {
      this.waiting.set(
        listener,
        queue.filter((one) => one.worker !== worker),
      )
    }
    this.admit()
  }

  /** Settings changed: who waits may get in, and who is too many has to go. */
  reconfigure(): void {
    this.limits = this.options.limits()
    this.buckets.clear()
    const shares = new Map([...this.byWorker].map(([worker, counts]) => [worker, sum(counts.values())]))
    const leaving = new Map<number, number>()
    for (let excess = this.total - this.limits.max; excess > 0; excess--) {
      const [worker, share] = [...shares].reduce((a, b) => (b[1] > a[1] ? b : a))
      shares.set(worker, share - 1)
      leaving.set(worker, (leaving.get(worker) ?? 0) + 1)
    }
    for (const [worker, count] of leaving) this.options.shed(worker, count)
    this.admit()
  }

  close(): void {
    this.timer?.cancel()
    for (const queue of this.waiting.values()) for (const { decide } of queue.splice(0)) decide(false)
  }

  /** Lets in whom it may, one listener after the other, the oldest of each first. */
  private admit(): void {
    let dueInMs = Infinity
    for (let progress = true; progress;) {
      progress = false
      for (const [listener, queue] of this.waiting) {
        const head = queue[0]
        if (!head) continue
        const waitMs = this.isAddressFull(head.address) ? -1 : this.placeIn(listener)
        if (waitMs > 0) {
          dueInMs = Math.min(dueInMs, waitMs)
          continue
        }
        queue.shift()
        if (waitMs === 0) this.opened(head)
        head.decide(waitMs === 0)
        progress = true
      }
    }
    this.timer?.cancel()
    this.timer = Number.isFinite(dueInMs) ? this.options.env.timers.after(Math.ceil(dueInMs), () => this.admit()) : undefined
  }

  /** Milliseconds until the rates let one more in, 0: now, and it is taken from them; Infinity: somebody has to leave first. */
  private placeIn(listener: string): number {
    const { limits } = this
    const own = limits.listeners.get(listener)
    if (this.total >= limits.max || (own && (this.byListener.get(listener) ?? 0) >= own.max)) return Infinity
    const buckets = [this.bucket('', limits.rate), this.bucket(listener, own?.rate ?? Infinity)].filter((bucket) => bucket !== undefined)
    const now = this.options.env.clock.monotonic()
    const waitMs = Math.max(0, ...buckets.map((bucket) => bucket.dueInMs(now)))
    if (waitMs === 0) for (const bucket of buckets) bucket.take()
    return waitMs
  }

  private bucket(name: string, rate: number): Bucket | undefined {
    if (!isLimit(rate)) return undefined
    let bucket = this.buckets.get(name)
    if (!bucket) {
      bucket = new Bucket(rate, rate * this.limits.burstSeconds, this.options.env.clock.monotonic())
      this.buckets.set(name, bucket)
    }
    return bucket
  }

  private isAddressFull(address: string): boolean {
    const { overrides, perAddress } = this.limits
    return (this.byAddress.get(address) ?? 0) >= (overrides.get(address) ?? perAddress)
  }

  private queueOf(listener: string): Waiting[] {
    let queue = this.waiting.get(listener)
    if (!queue) this.waiting.set(listener, (queue = []))
    return queue
  }

  private change(worker: number, listener: string, address: string, by: number): void {
    let counts = this.byWorker.get(worker)
    if (!counts) this.byWorker.set(worker, (counts = new Map()))
    add(counts, `${listener} ${address}`, by)
    add(this.byListener, listener, by)
    add(this.byAddress, address, by)
    this.total += by
  }
}

/** A rate with what may come at once. */
class Bucket {
  private readonly perMs: number
  private readonly size: number
  private level: number
  private at: number

  constructor(perSecond: number, size: number, now: number) {
    this.perMs = perSecond / 1000
    this.size = Math.max(size, Math.min(1, perSecond))
    this.level = this.size
    this.at = now
  }

  dueInMs(now: number): number {
    this.level = Math.min(this.size, this.level + (now - this.at) * this.perMs)
    this.at = now
    // A rate that adds up to one in so many steps must not wait for the last rounding error.
    return this.level >= 1 - 1e-9 ? 0 : (1 - this.level) / this.perMs
  }

  take(): void {
    this.level -= 1
  }
}

function add(counts: Map<string, number>, key: string, by: number): void {
  const count = (counts.get(key) ?? 0) + by
  if (count > 0) counts.set(key, count)
  else counts.delete(key)
}

function sum(values: Iterable<number>): number {
  let total = 0
  for (const value of values) total += value
  return total
}
