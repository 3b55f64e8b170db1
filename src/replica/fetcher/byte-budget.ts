// A rate of bytes with one second's worth of burst, for all threads of a node together. What is spent may go into debt, since an answer is known
// only when it is made; then nothing is given until the debt is paid. No clock: the caller says what time it is, on one that all threads share.
//
// The whole state is two numbers in shared memory: when all that was spent is paid for, and the rate that this was counted with.

const BURST_US = 1_000_000
const PAID_AT = 0
const RATE = 1
const NO_LIMIT = -1n

export const BUDGET_BYTES = 16
/** What waits for a budget looks at it again after this at the latest: the rate may have changed. */
export const LONGEST_PAUSE_MS = 60_000

export class ByteBudget {
  private readonly cells: BigInt64Array
  /** Bytes a second as this thread knows it; Infinity: no limit. */
  private rate = Infinity

  /** `buffer`: of the node, from `offset` on. Without: a budget of its own. */
  constructor(buffer?: SharedArrayBuffer, offset = 0) {
    this.cells = new BigInt64Array(buffer ?? new SharedArrayBuffer(BUDGET_BYTES), offset, 2)
    Atomics.compareExchange(this.cells, RATE, 0n, NO_LIMIT)
  }

  setRate(bytesPerSecond: number, now: number): void {
    if (bytesPerSecond === this.rate) return
    this.rate = bytesPerSecond
    const rate = bytesPerSecond === Infinity ? NO_LIMIT : BigInt(Math.floor(bytesPerSecond))
    const before = Atomics.exchange(this.cells, RATE, rate)
    // The first thread to hear of it counts what is owed anew.
    if (before === rate) return
    const at = micros(now)
    this.change((paidAt) => {
      if (before === NO_LIMIT) return at - BURST_US
      return paidAt > at && bytesPerSecond > 0 ? at + ((paidAt - at) * Number(before)) / bytesPerSecond : paidAt
    })
  }

  isOpen(now: number): boolean {
    return this.rate === Infinity || (this.rate > 0 && this.paidAt < micros(now))
  }

  spend(bytes: number, now: number): void {
    if (this.rate === Infinity || this.rate <= 0) return
    const earliest = micros(now) - BURST_US
    this.change((paidAt) => Math.max(paidAt, earliest) + (bytes * 1e6) / this.rate)
  }

  /** When it opens; `now` when it is open; Infinity: not at this rate. */
  opensAt(now: number): number {
    if (this.isOpen(now)) return now
    return this.rate > 0 ? Math.floor(this.paidAt / 1000) + 1 : Infinity
  }

  private get paidAt(): number {
    return Number(Atomics.load(this.cells, PAID_AT))
  }

  private change(next: (paidAt: number) => number): void {
    for (;;) {
      const paidAt = Atomics.load(this.cells, PAID_AT)
      const wanted = BigInt(Math.round(next(Number(paidAt))))
      if (Atomics.compareExchange(this.cells, PAID_AT, paidAt, wanted) === paidAt) return
    }
  }
}

function micros(ms: number): number {
  return Math.round(ms * 1000)
}

/** The budgets of replicas that catch up, of a whole node. */
export interface Throttles {
  /** leader.replication.throttled.rate */
  readonly leader: ByteBudget
  /** follower.replication.throttled.rate */
  readonly follower: ByteBudget
}

/** `buffer`: what another thread of the node made with `throttleMemory`. */
export function throttlesIn(buffer: SharedArrayBuffer = throttleMemory()): Throttles {
  return { leader: new ByteBudget(buffer), follower: new ByteBudget(buffer, BUDGET_BYTES) }
}

export function throttleMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(2 * BUDGET_BYTES)
}
