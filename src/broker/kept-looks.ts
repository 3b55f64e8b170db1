// What other workers watch for a fetch that was answered, kept for the next one of its connection: a consumer at the end of its partitions mostly asks
// each of the other owners just what it asked before, or goes on from what it was told. Its life is short. So a client that does not come again, and a
// connection that closes or goes to another worker, need no care, and what wakes nobody is told at most that much later. Runs on the worker that holds
// the connections.

import type { Env, Timer } from '../env/env.js'
import type { StandingLook } from './standing-look.js'

/** As long as a consumer's fetch waits, by Kafka's default of fetch.max.wait.ms. */
export const KEPT_LOOK_LIFE_MS = 500

export class KeptLooks {
  private readonly env: Pick<Env, 'clock' | 'timers'>
  private readonly ofConnections = new Map<object, readonly StandingLook[]>()
  private timer: Timer | undefined

  constructor(env: Pick<Env, 'clock' | 'timers'>) {
    this.env = env
  }

  /** They are the caller's: another fetch of the connection meanwhile finds none. */
  take(connection: object): readonly StandingLook[] {
    const looks = this.ofConnections.get(connection)
    if (!looks) return []
    this.ofConnections.delete(connection)
    return this.young(looks)
  }

  /** In place of what was kept for the connection. */
  keep(connection: object, looks: readonly StandingLook[]): void {
    for (const look of this.ofConnections.get(connection) ?? []) look.end()
    if (looks.length > 0) this.ofConnections.set(connection, looks)
    else this.ofConnections.delete(connection)
    this.endLater()
  }

  private endLater(): void {
    if (this.ofConnections.size > 0) this.timer ??= this.env.timers.after(KEPT_LOOK_LIFE_MS, () => this.endOld())
  }

  private endOld(): void {
    this.timer = undefined
    for (const [connection, looks] of this.ofConnections) {
      const young = this.young(looks)
      if (young.length > 0) this.ofConnections.set(connection, young)
      else this.ofConnections.delete(connection)
    }
    this.endLater()
  }

  /** The others end. */
  private young(looks: readonly StandingLook[]): StandingLook[] {
    const since = this.env.clock.monotonic() - KEPT_LOOK_LIFE_MS
    return looks.filter((look) => {
      if (look.askedMs > since) return true
      look.end()
      return false
    })
  }
}
