// The plans of one fetch whose partitions belong to several workers, kept as new as their owners tell while the fetch waits. An owner that has too
// little says so at once, and later, unasked, what it has by then: news cost one message, not a word that there are some, a question and
// its answer; and what this worker has itself waits for nobody. Runs on the worker that holds the connection.

import { errors } from '../model/errors.js'
import { failedFetch, type FetchItem, type FetchOutcome, type FetchReader } from '../replica/fetch-plan.js'
import type { Caller } from '../threads/mailbox.js'

/** Worker to owner: what has this worker's fetch `id` there? With less than `minBytes` its next move is to be told to `news`. */
export interface LookRequest {
  readonly id: number
  readonly items: readonly FetchItem[]
  readonly reader: FetchReader
  readonly maxBytes: number
  readonly minBytes: number
}

/** Whether a fetch that wants `minBytes` need not wait for more. */
export function isEnough(outcomes: readonly FetchOutcome[], minBytes: number): boolean {
  let bytes = 0
  for (const outcome of outcomes) {
    if (outcome.errorCode !== 0 || outcome.divergingEpoch || outcome.preferredReadReplica !== -1) return true
    bytes += outcome.plan?.size ?? 0
  }
  return bytes >= minBytes
}

export interface SpreadPlansDoors {
  /** -1: nobody. */
  owner(topic: string, partition: number): number
  isHere(owner: number): boolean
  peer(owner: number): Caller | undefined
  /** Never the same twice, on any worker. */
  newId(): number
  planHere(items: readonly FetchItem[], reader: FetchReader, maxBytes: number): FetchOutcome[]
  /** Wakes once for all that a turn moves. */
  watchHere(items: readonly FetchItem[], wake: () => void): () => void
}

/** The partitions of one owner. */
interface Share {
  readonly owner: number
  readonly indexes: number[]
  readonly items: FetchItem[]
  /** Ends what the owner watches for this fetch. */
  stop: (() => void) | undefined
}

export class SpreadPlans {
  /** In the order of the items. */
  readonly outcomes: FetchOutcome[]
  /** Told when an owner had news, after the first `look`. */
  onNews: () => void = () => undefined
  private readonly doors: SpreadPlansDoors
  private readonly reader: FetchReader
  private readonly maxBytes: number
  private readonly minBytes: number
  private readonly count: number
  private readonly shares = new Map<number, Share>()
  private stopped = false

  constructor(doors: SpreadPlansDoors, items: readonly FetchItem[], reader: FetchReader, maxBytes: number, minBytes: number) {
    this.doors = doors
    this.reader = reader
    this.maxBytes = maxBytes
    this.minBytes = minBytes
    this.count = items.length
    this.outcomes = Array.from({ length: items.length })
    items.forEach((item, i) => {
      const owner = doors.owner(item.topic, item.partition)
      let share = this.shares.get(owner)
      if (!share) this.shares.set(owner, (share = { owner, indexes: [], items: [], stop: undefined }))
      share.indexes.push(i)
      share.items.push(item)
    })
  }

  /** Owner → how many of the partitions are its own. */
  *owners(): Iterable<[number, number]> {
    for (const { owner, indexes } of this.shares.values()) yield [owner, indexes.length]
  }

  /** What all owners have now. Until `stop` they also tell what they have later. */
  async look(): Promise<void> {
    await Promise.all(Array.from(this.shares.values(), (share) => this.lookAt(share)))
  }

  /** Nobody needs to tell any more. */
  stop(): void {
    this.stopped = true
    for (const share of this.shares.values()) {
      share.stop?.()
      share.stop = undefined
    }
  }

  private get watches(): boolean {
    return this.minBytes > 0 && !this.stopped
  }

  private async lookAt(share: Share): Promise<void> {
    share.stop?.()
    share.stop = undefined
    if (this.doors.isHere(share.owner)) this.lookHere(share)
    else await this.lookThere(share)
  }

  private lookHere(share: Share): void {
    const look = (): void => this.fill(share, this.doors.planHere(share.items, this.reader, this.maxBytesOf(share)))
    if (this.watches) {
      share.stop = this.doors.watchHere(share.items, () => {
        look()
        this.onNews()
      })
    }
    look()
  }

  private async lookThere(share: Share): Promise<void> {
    const { reader, watches } = this
    const minBytes = watches ? this.minBytes : 0
    const peer = this.doors.peer(share.owner)
    const gone = (): FetchOutcome[] => share.items.map(() => failedFetch(errors.NOT_LEADER_OR_FOLLOWER.code))
    if (!peer) {
      this.fill(share, gone())
      return
    }
    const id = this.doors.newId()
    const question: LookRequest = { id, items: share.items, reader, maxBytes: this.maxBytesOf(share), minBytes }
    const looked = peer.call<FetchOutcome[]>('look', question)
    const stop = (): void => peer.notify('unwatch', id)
    if (watches) {
      share.stop = stop
      const told = (outcomes: FetchOutcome[] | null): void => {
        if (outcomes === null || share.stop !== stop) return
        share.stop = undefined
        this.fill(share, outcomes)
        this.onNews()
        // Not enough for whom it was told: on to the next.
        if (!this.stopped) void this.lookThere(share).then(() => this.stopped || this.onNews())
      }
      peer.call<FetchOutcome[] | null>('news', id).then(told, () => told(gone()))
    }
    const outcomes = await looked.catch(gone)
    if (watches && share.stop !== stop) return
    // Then it watches nothing.
    if (isEnough(outcomes, minBytes)) share.stop = undefined
    this.fill(share, outcomes)
  }

  /** Each owner may fill its share; the caller cuts the sum. A single batch over its share still goes out whole. */
  private maxBytesOf(share: Share): number {
    return Math.max(1, Math.floor((this.maxBytes * share.indexes.length) / this.count))
  }

  private fill({ indexes }: Share, outcomes: readonly FetchOutcome[]): void {
    indexes.forEach((i, at) => (this.outcomes[i] = outcomes[at]!))
  }
}
