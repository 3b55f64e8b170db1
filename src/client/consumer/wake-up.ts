// What ends a poll's wait before its time: something happened that it has to look at. A wake that comes while nobody waits ends the next
// wait at once.

import type { Env } from '../../env/env.js'
import { within } from '../cluster/backoff.js'

export class WakeUp {
  readonly #env: Env
  #woken = false
  #waiters: (() => void)[] = []

  constructor(env: Env) {
    this.#env = env
  }

  wake(): void {
    this.#woken = true
    for (const waiter of this.#waiters.splice(0)) waiter()
  }

  /** From here on is looked at; what happened before needs no wake. */
  clear(): void {
    this.#woken = false
  }

  async wait(ms: number): Promise<void> {
    if (this.#woken) {
      this.#woken = false
      return
    }
    let wake = (): void => {}
    const woken = new Promise<void>((resolve) => {
      wake = resolve
      this.#waiters.push(resolve)
    })
    await within(this.#env, woken, ms)
    this.#waiters = this.#waiters.filter((waiter) => waiter !== wake)
  }
}
