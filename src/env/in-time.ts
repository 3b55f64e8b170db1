// A limit on how long something is waited for. What is waited for goes on all the same.

import type { Timers } from './env.js'

/** Rejects with `late()` when `promise` takes longer than `limitMs`. */
export async function inTime<T>(promise: Promise<T>, limitMs: number, timers: Timers, late: () => Error): Promise<T> {
  let timer: { cancel(): void } | undefined
  const tooLate = new Promise<never>((_, reject) => {
    timer = timers.after(limitMs, () => reject(late()))
  })
  try {
    return await Promise.race([promise, tooLate])
  } finally {
    timer?.cancel()
  }
}
