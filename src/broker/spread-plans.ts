// The plans of one fetch whose partitions belong to several workers, kept as new as their owners tell while the fetch waits. An owner that has too
// little says so at once, and later, unasked, what it has by then: news cost one message, not a word that there are some, a question and
// its answer. What an owner watches is left to the next fetch of the connection, which mostly asks it the same or goes on from there
// (`kept-looks`). Runs on the worker that holds the connection.

import type { FetchItem, FetchOutcome, FetchReader } from '../replica/fetch-plan.js'
import type { Caller } from '../threads/mailbox.js'
import { goneOutcomes, type LookTerms, putAt, type StandingLook } from './standing-look.js'

export interface SpreadPlansDoors {
  /** -1: nobody. */
  owner(topic: string, partition: number): number
  isHere(owner: number): boolean
  peer(owner: number): Caller | undefined
  /** Asks another worker at once. */
  ask(owner: number, peer: Caller, terms: LookTerms): StandingLook
  planHere(items: readonly FetchItem[], reader: FetchReader, maxBytes: number): FetchOutcome[]
  /** Wakes once for all that a turn moves. */
  watchHere(items: readonly FetchItem[], wake: () => void): () => void
}

/** The partitions of one owner. */
interface Share {
  readonly owner: number
  readonly indexes: number[]
  readonly items: FetchItem[]
  /** Ends what this worker watches of its own for this fetch. */
  stop: (() => void) | undefined
  /** At another worker. */
  look: StandingLook | undefined
  /** One of the fetch before, which serves in place of the first. */
  kept: StandingLook | undefined
  /** What `look` has is among the outcomes. */
  isShown: boolean
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

  /** `kept`: what the fetch before has left, which is this one's to use or to end. */
  constructor(
    doors: SpreadPlansDoors,
    items: readonly FetchItem[],
    reader: FetchReader,
    maxBytes: number,
    minBytes: number,
    kept: readonly StandingLook[],
  ) {
    this.doors = doors
    this.reader = reader
    this.maxBytes = maxBytes
    this.minBytes = minBytes
    this.count = items.length
    this.outcomes = Array.from({ length: items.length })
    items.forEach((item, i) => {
      const owner = doors.owner(item.topic, item.partition)
      let share = this.shares.get(owner)
      if (!share) {
        share = { owner, indexes: [], items: [], stop: undefined, look: undefined, kept: undefined, isShown: false }
        this.shares.set(owner, share)
      }
      share.indexes.push(i)
      share.items.push(item)
    })
    for (const look of kept) this.takeOver(look)
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
    for (const share of this.shares.values()) this.end(share)
  }

  /** As `stop`, but for what other workers watch or have told since: that is the caller's to keep or to end. */
  leave(): StandingLook[] {
    const looks: StandingLook[] = []
    for (const share of this.shares.values()) {
      const { look, isShown } = share
      if (!look?.leave(isShown)) continue
      looks.push(look)
      share.look = undefined
    }
    this.stop()
    return looks
  }

  private get watches(): boolean {
    return this.minBytes > 0 && !this.stopped
  }

  private takeOver(look: StandingLook): void {
    const share = this.shares.get(look.owner)
    if (share && look.goesOnWith(this.doors.peer(look.owner), this.termsOf(share))) share.kept = look
    else look.end()
  }

  private end(share: Share): void {
    share.stop?.()
    share.stop = undefined
    share.look?.end()
    share.look = undefined
  }

  private async lookAt(share: Share): Promise<void> {
    this.end(share)
    if (this.doors.isHere(share.owner)) this.lookHere(share)
    else await this.lookThere(share)
  }

  private lookHere(share: Share): void {
    const look = (): void => putAt(this.outcomes, share.indexes, this.doors.planHere(share.items, this.reader, this.maxBytesOf(share)))
    if (this.watches) {
      share.stop = this.doors.watchHere(share.items, () => {
        look()
        this.onNews()
      })
    }
    look()
  }

  private async lookThere(share: Share): Promise<void> {
    const look = share.kept ?? this.ask(share)
    share.kept = undefined
    share.look = look
    share.isShown = false
    if (!look) {
      putAt(this.outcomes, share.indexes, goneOutcomes(share.items))
      return
    }
    look.onNews = () => {
      this.show(share, look)
      if (!look.stands) share.look = undefined
      this.onNews()
      // Not enough for whom it was told: on to the next.
      if (!this.stopped && !look.stands) void this.lookThere(share).then(() => this.stopped || this.onNews())
    }
    await look.answered
    if (share.look === look) this.show(share, look)
  }

  private show(share: Share, look: StandingLook): void {
    share.isShown = true
    putAt(this.outcomes, share.indexes, look.outcomes)
  }

  /** Undefined: there is no such worker. */
  private ask(share: Share): StandingLook | undefined {
    const peer = this.doors.peer(share.owner)
    return peer && this.doors.ask(share.owner, peer, this.termsOf(share))
  }

  private termsOf(share: Share): LookTerms {
    const { reader, watches } = this
    return { items: share.items, reader, maxBytes: this.maxBytesOf(share), minBytes: watches ? this.minBytes : 0 }
  }

  /** Each owner may fill its share; the caller cuts the sum. A single batch over its share still goes out whole. */
  private maxBytesOf(share: Share): number {
    return Math.max(1, Math.floor((this.maxBytes * share.indexes.length) / this.count))
  }
}
