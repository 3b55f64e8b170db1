// Timers with names: setting one again replaces it. Runs on the worker that owns the shard.

import type { Timer, Timers } from '../../env/env.js'

export class KeyedTimers {
  private readonly running = new Map<string, Timer>()
  private readonly timers: Timers

  constructor(timers: Timers) {
    this.timers = timers
  }

  set(key: string, delayMs: number, task: () => void): void {
    this.running.get(key)?.cancel()
    const timer = this.timers.after(delayMs, () => {
      if (this.running.get(key) === timer) this.running.delete(key)
      task()
    })
    this.running.set(key, timer)
  }

  cancel(key: string): void {
    this.running.get(key)?.cancel()
    this.running.delete(key)
  }

  cancelAll(): void {
    for (const timer of this.running.values()) timer.cancel()
    this.running.clear()
  }

  get size(): number {
    return this.running.size
  }
}
