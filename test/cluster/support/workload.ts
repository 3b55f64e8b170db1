// The load of a round: writers with acks=all and idempotence, and a consumer of a group that watches all the time. Whoever's client it is,
// the same ledger says afterwards whether anything was lost, doubled or put out of order, and for how long nothing could be written.

import { eventually } from './state.js'
import { type Faithfulness, type Gap, Ledger, readAll } from './ledger.js'
import { Heard } from './observed.js'

const STARTED_MS = 60_000
const WATCHED_MS = 60_000

export interface WorkloadSpec {
  readonly bootstrap: string
  readonly topic: string
  readonly partitions: number
  /** Records a second of all writers. */
  readonly rate: number
}

export interface Verdict extends Faithfulness {
  /** Sends that failed; they may be there or not. */
  readonly failed: number
  readonly firstFailure: string | null
  /** What the clients heard, with counts. */
  readonly heard: Heard
}

/** A client that writes and one that reads. */
export interface Driver {
  start(): Promise<void>
  /** Writes no more; resolves when everything is acknowledged or has failed. */
  endWriting(): Promise<void>
  /** Reads no more. */
  close(): Promise<void>
}

export interface DriverSpec extends WorkloadSpec {
  readonly ledger: Ledger
  readonly heard: Heard
  /** A send that came to nothing. */
  failed(message: string): void
}

export class Workload {
  readonly #spec: WorkloadSpec
  readonly #driver: Driver
  readonly #ledger: Ledger
  readonly #heard = new Heard()
  #failed = 0
  #firstFailure: string | null = null

  constructor(spec: WorkloadSpec, driver: (spec: DriverSpec) => Driver) {
    this.#spec = spec
    this.#ledger = new Ledger(spec.partitions)
    const failed = (message: string): void => {
      this.#failed++
      this.#firstFailure ??= message
    }
    this.#driver = driver({ ...spec, ledger: this.#ledger, heard: this.#heard, failed })
  }

  /** Resolves when every partition has been written to and the watcher reads: what stops after that, a fault has stopped. */
  async start(): Promise<void> {
    await this.#driver.start()
    await eventually('every partition is written to, and watched', STARTED_MS, () =>
      Promise.resolve(this.#ledger.isEverywhere && this.#ledger.watched > 0 ? true : null),
    )
  }

  resetGaps(): void {
    this.#ledger.resetGaps()
  }

  get longestGap(): Gap {
    return this.#ledger.longestGap
  }

  get failed(): number {
    return this.#failed
  }

  /** Stops the writers, waits for their acknowledgements and for the watcher, reads everything and compares. */
  async finish(): Promise<Verdict> {
    const { bootstrap, topic, partitions } = this.#spec
    try {
      this.#ledger.close()
      await this.#driver.endWriting()
      await eventually('the watching consumer reads all', WATCHED_MS, () => Promise.resolve(this.#ledger.isWatched ? true : null)).catch(
        () => undefined,
      )
    } finally {
      await this.#driver.close()
    }
    const faithfulness = this.#ledger.judge(await readAll(bootstrap, topic, partitions))
    return { ...faithfulness, failed: this.#failed, firstFailure: this.#firstFailure, heard: this.#heard }
  }

  /** For when there is nothing to compare with. */
  async abandon(): Promise<void> {
    await this.#driver.close()
  }
}

export function isSound({ lost, doubled, reordered, misplaced, unseen, failed, heard }: Verdict): boolean {
  return lost + doubled + reordered + misplaced + unseen + failed + heard.unexpected.size === 0
}
