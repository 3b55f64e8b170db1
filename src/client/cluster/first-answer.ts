// Asks one after the other until one answers. Who is silent is not given up, but does not keep the next from being asked. Pure but for the timer.

import type { Timer, Timers } from '../../env/env.js'
import { SILENT_AFTER_MS } from './broker.js'

/** Fails with the last error when all have failed. There must be one to ask. */
export function firstAnswer<Asked, Answer>(
  candidates: readonly Asked[],
  timers: Timers,
  ask: (candidate: Asked) => Promise<Answer>,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    let [next, failed] = [0, 0]
    let timer: Timer | undefined
    const askNext = (): void => {
      timer?.cancel()
      timer = undefined
      if (next === candidates.length) return
      const asked = ask(candidates[next++]!)
      timer = timers.after(SILENT_AFTER_MS, askNext)
      asked.then(
        (answer) => {
          // Nobody else is asked.
          next = candidates.length
          timer?.cancel()
          resolve(answer)
        },
        (error: unknown) => {
          if (++failed === candidates.length) reject(error as Error)
          else askNext()
        },
      )
    }
    askNext()
  })
}
