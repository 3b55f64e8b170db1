// What one client connection asks of which worker, and whether another would serve it better. A consumer has its few partitions, and so has many
// a producer: while they belong to another worker, each request crosses two mailboxes. So a connection goes where what it asks for is.
// Pure: it counts and decides. Who moves it, and whether there is room, is `connection-sharing`'s.

/** Partitions that are asked for before the first look at where they belong. */
const FIRST_REVIEW = 64
/** After each move it takes twice as many, up to FIRST_REVIEW * 2^this: what a client asks for may change, but who changes all the time stays. */
const MOST_DOUBLINGS = 12
/** How much more of what is asked for another worker must own. */
const WORTHWHILE_SHARE = 0.5

/** What a connection takes along. */
export interface AffinityState {
  readonly moves: number
  readonly fetchSession: number
}

export const NEVER_MOVED: AffinityState = { moves: 0, fetchSession: 0 }

export class ConnectionAffinity {
  /** Id of the session of its last fetch that had one; 0: none. */
  fetchSession: number
  private readonly worker: number
  private readonly moves: number
  private readonly asks = new Map<number, number>()
  private total = 0
  private readonly reviewAt: number

  constructor(worker: number, { moves, fetchSession }: AffinityState = NEVER_MOVED) {
    this.worker = worker
    this.moves = moves
    this.fetchSession = fetchSession
    this.reviewAt = FIRST_REVIEW * 2 ** Math.min(moves, MOST_DOUBLINGS)
  }

  /** A request named so many partitions of this worker's. */
  asked(owner: number, partitions: number): void {
    this.asks.set(owner, (this.asks.get(owner) ?? 0) + partitions)
    this.total += partitions
  }

  /** The worker that has most of what was asked for since the last time; -1: it is fine here, or too early to say. */
  review(): number {
    if (this.total < this.reviewAt) return -1
    let best = this.worker
    for (const [owner, count] of this.asks) if (count > this.of(best)) best = owner
    const isWorthwhile = this.of(best) - this.of(this.worker) >= this.total * WORTHWHILE_SHARE
    this.asks.clear()
    this.total = 0
    return isWorthwhile ? best : -1
  }

  /** As it is to be at the next worker. */
  moved(): AffinityState {
    return { moves: this.moves + 1, fetchSession: this.fetchSession }
  }

  private of(worker: number): number {
    return this.asks.get(worker) ?? 0
  }
}
