// Pauses between attempts: exponential with jitter, and a sleep that keeps the process alive while a user waits.

import type { Env } from '../../env/env.js'

/** Pause before attempt `failures + 1`: `firstMs × 2^(failures − 1)`, at most `maxMs`, ±20 % so that clients spread. */
export function backoffMs(failures: number, firstMs: number, maxMs: number, random: number): number {
  const plain = Math.min(maxMs, firstMs * 2 ** Math.min(failures - 1, 30))
  return Math.round(plain * (0.8 + 0.4 * random))
}

/**
 * Counts what users wait for. While the count is not zero the process stays alive, although the timers of `env` and an
 * in-process transport would let it end in the middle of an `await`.
 */
export class KeepAlive {
  #count = 0
  #handle: NodeJS.Timeout | undefined

  hold(): void {
    if (this.#count++ > 0) return
    if (this.#handle) this.#handle.ref()
    else this.#handle = setInterval(() => {}, 1 << 30)
  }

  release(): void {
    if (--this.#count === 0) this.#handle?.unref()
  }

  close(): void {
    if (this.#handle) clearInterval(this.#handle)
    this.#handle = undefined
    this.#count = Number.MAX_SAFE_INTEGER / 2
  }
}

export function sleep(env: Env, ms: number): Promise<void> {
  return new Promise((resolve) => {
    env.timers.after(ms, resolve)
  })
}

/** Waits for `promise`, which must not reject, but no longer than `ms`. */
export function within(env: Env, promise: Promise<void>, ms: number): Promise<void> {
  if (ms === Infinity) return promise
  if (ms <= 0) return Promise.resolve()
  return new Promise((resolve) => {
    const timer = env.timers.after(ms, resolve)
    void promise.then(() => {
      timer.cancel()
      resolve()
    })
  })
}
