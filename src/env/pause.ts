// Waiting by the node's own timers, so that it is virtual where time is.

import type { Timers } from './env.js'

/** Resolves after `ms`; 0: after what else is due now. */
export function pauseFor(ms: number, timers: Timers): Promise<void> {
  return new Promise((resolve) => void timers.after(ms, resolve))
}
