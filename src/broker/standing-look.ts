// What another worker was asked for a fetch that waits, and what it has said: at once, and later, unasked, at each move. A consumer that takes all it
// was told asks next from there on, so both sides go on from there without a question (`following`): news of another worker's partitions then cost
// one message. As long as the owner watches, what it has said holds, but for what wakes nobody: where retention has a log begin. Runs on the worker
// that holds the connection; what the owner does is in `watched-looks`.

import { errors } from '../model/errors.js'
import { failedFetch, type FetchItem, type FetchOutcome, type FetchReader } from '../replica/fetch-plan.js'
import type { Caller } from '../threads/mailbox.js'

/** What a fetch wants of one owner. With less than `minBytes` it waits. */
export interface LookTerms {
  readonly items: readonly FetchItem[]
  readonly reader: FetchReader
  readonly maxBytes: number
  readonly minBytes: number
}

/** Worker to owner: what has this worker's fetch `id` there? With less than `minBytes` its next move is to be told. */
export interface LookRequest extends LookTerms {
  readonly id: number
  /** Shared by the two (`LookCells`), of a look that may go on. */
  readonly cells: Int32Array | undefined
}

/** Owner to worker, unasked: what there is for the look now, which goes on from there. Of the partitions that moved, by their place in its items. */
export interface LookNews {
  readonly id: number
  readonly places: readonly number[]
  readonly outcomes: readonly FetchOutcome[]
}

/**
 * How many answers of a look were followed by the fetch that goes on from there, and whether the owner has more and waits for that. Each side
 * writes its own cell before it reads the other's, so that one of them sees that there is something to do.
 */
export const LookCells = { FOLLOWED: 0, HELD: 1, COUNT: 2 } as const

/** Whether a fetch that wants `minBytes` need not wait for more. */
export function isEnough(outcomes: readonly FetchOutcome[], minBytes: number): boolean {
  let bytes = 0
  for (const outcome of outcomes) {
    if (outcome.errorCode !== 0 || outcome.divergingEpoch || outcome.preferredReadReplica !== -1) return true
    bytes += outcome.plan?.size ?? 0
  }
  return bytes >= minBytes
}

/** Each of `values` to its place in `target`. */
export function putAt<Value>(target: Value[], places: readonly number[], values: readonly Value[]): void {
  places.forEach((place, i) => (target[place] = values[i]!))
}

/** What a worker has that is not there. */
export function goneOutcomes(items: readonly FetchItem[]): FetchOutcome[] {
  return items.map(() => failedFetch(errors.NOT_LEADER_OR_FOLLOWER.code))
}

/**
 * What a consumer asks next of partitions of which it was told `outcomes`, if it takes all of that; undefined: hard to say, or there is more at once.
 * Both sides reckon alike. One that waits for more than a byte is told again and again before it is answered.
 */
export function following(items: readonly FetchItem[], outcomes: readonly FetchOutcome[], terms: LookTerms): FetchItem[] | undefined {
  if (terms.minBytes !== 1) return undefined
  const next: FetchItem[] = []
  for (let i = 0; i < items.length; i++) {
    const item = items[i]!
    const { errorCode, divergingEpoch, preferredReadReplica, plan, highWatermark, lastStableOffset } = outcomes[i]!
    if (errorCode !== 0 || divergingEpoch || preferredReadReplica !== -1) return undefined
    const end = terms.reader.readCommitted ? lastStableOffset : highWatermark
    // Without a plan though there is something: others used up the bytes of the answer.
    if (plan ? plan.size >= item.maxBytes : end > item.fetchOffset) return undefined
    next.push(plan ? { ...item, fetchOffset: end } : item)
  }
  return next
}

export interface LookDoors {
  readonly owner: number
  readonly peer: Caller
  readonly id: number
  readonly nowMs: number
  /** The owner tells nothing any more. */
  ended(): void
}

export class StandingLook {
  /** When all of it was asked: news are of what moved. */
  readonly askedMs: number
  /** Settled when the owner has answered, or is gone. */
  readonly answered: Promise<void>
  /** Told when the owner had news for the fetch that waits, after its answer. */
  onNews: () => void = () => undefined
  private readonly doors: LookDoors
  private readonly cells: Int32Array | undefined
  private terms: LookTerms
  /** Of `terms.items`, in their order; empty before the owner answered. */
  private current: readonly FetchOutcome[] = []
  /** What was told for what follows `current`. */
  private ahead: readonly FetchOutcome[] | undefined
  /** What is there of `current` was part of an answer. */
  private isDelivered = false
  private isAnswered = false
  private followed = 0
  private isWatched: boolean
  /** Place in `terms.items` of each item of the fetch that uses this; undefined: the same. */
  private order: readonly number[] | undefined

  /** Asks at once. The owner watches if the terms say that the fetch waits. */
  constructor(doors: LookDoors, terms: LookTerms) {
    this.doors = doors
    this.askedMs = doors.nowMs
    // A copy of just this: a fetch session changes its items with the next request.
    this.terms = { ...terms, items: terms.items.map(itemOf) }
    this.isWatched = terms.minBytes > 0
    this.cells = terms.minBytes === 1 ? new Int32Array(new SharedArrayBuffer(4 * LookCells.COUNT)) : undefined
    const { peer, id } = doors
    const gone = (): FetchOutcome[] => goneOutcomes(this.terms.items)
    const request: LookRequest = { ...this.terms, id, cells: this.cells }
    this.answered = peer.call<FetchOutcome[]>('look', request).then(
      (outcomes) => this.has(outcomes),
      () => this.has(gone()),
    )
    if (!this.isWatched) return
    // Answered with the last news, or when nobody needs to be told any more.
    peer.call<FetchOutcome[] | null>('news', id).then(
      (outcomes) => this.hasLast(outcomes),
      () => this.hasLast(gone()),
    )
  }

  get owner(): number {
    return this.doors.owner
  }

  /** What the owner said last that concerns the fetch which uses this, in the order of its items. */
  get outcomes(): readonly FetchOutcome[] {
    const { current, order } = this
    return order && current.length > 0 ? order.map((at) => current[at]!) : current
  }

  /** The owner tells when there is more. */
  get stands(): boolean {
    return this.isWatched
  }

  /**
   * The fetch that used this is answered; `delivered`: with what this has. Whether this may serve the next one of the connection: until then its news
   * concern nobody.
   */
  leave(delivered: boolean): boolean {
    this.onNews = () => undefined
    this.isDelivered = delivered && this.hasNews
    return this.mayServe
  }

  /**
   * Asked for this, by the same worker's same life, the owner has nothing to add: what it has said holds still, or is news that are enough. If so, this
   * look is that fetch's from now on.
   */
  goesOnWith(peer: Caller | undefined, asked: LookTerms): boolean {
    const { terms } = this
    if (peer !== this.doors.peer || asked.maxBytes !== terms.maxBytes || asked.minBytes !== terms.minBytes) return false
    if (!isSameReader(asked.reader, terms.reader)) return false
    const items = this.isDelivered ? following(terms.items, this.current, terms) : terms.items
    const order = items && orderOf(asked.items, items)
    if (!order || !this.mayServe) return false
    if (this.isDelivered) this.follow(items)
    this.order = order
    return true
  }

  /** Nobody needs to be told any more. */
  end(): void {
    if (!this.isWatched) return
    this.doors.peer.notify('unwatch', this.doors.id)
    this.unwatched()
  }

  /** News, after which the owner goes on from there. */
  told(news: LookNews): void {
    // The answer may have come in the same message, and is a microtask away.
    if (!this.isAnswered) void this.answered.then(() => this.told(news))
    else if (this.isWatched) this.take(this.with(news))
  }

  /** All that is known with `news`. */
  private with({ places, outcomes }: LookNews): FetchOutcome[] {
    const all = this.hasNews ? [...(this.ahead ?? this.afterCurrent())] : [...this.current]
    putAt(all, places, outcomes)
    return all
  }

  private afterCurrent(): FetchOutcome[] {
    return this.current.map(withoutRecords)
  }

  /** What the owner said may be enough for a fetch that waits for this. */
  private get hasNews(): boolean {
    const { minBytes } = this.terms
    return minBytes > 0 && isEnough(this.current, minBytes)
  }

  private get mayServe(): boolean {
    return this.isWatched || (this.isDelivered ? this.ahead !== undefined : this.hasNews)
  }

  private take(outcomes: readonly FetchOutcome[]): void {
    if (this.hasNews) this.ahead = outcomes
    else {
      this.current = outcomes
      this.onNews()
    }
  }

  private has(outcomes: FetchOutcome[]): void {
    this.isAnswered = true
    this.current = outcomes
    // Then the owner watches only for what follows.
    if (this.hasNews && !following(this.terms.items, outcomes, this.terms)) this.unwatched()
  }

  private hasLast(outcomes: FetchOutcome[] | null): void {
    if (outcomes === null || !this.isWatched) return
    this.unwatched()
    this.take(outcomes)
  }

  private unwatched(): void {
    if (!this.isWatched) return
    this.isWatched = false
    this.doors.ended()
  }

  /** The fetch after the one that got `current` is here. */
  private follow(items: readonly FetchItem[]): void {
    const { cells } = this
    this.current = this.ahead ?? this.afterCurrent()
    this.terms = { ...this.terms, items }
    this.ahead = undefined
    this.isDelivered = false
    this.followed++
    if (!cells) return
    Atomics.store(cells, LookCells.FOLLOWED, this.followed)
    if (Atomics.exchange(cells, LookCells.HELD, 0) === 1) this.doors.peer.notify('go-on', this.doors.id)
  }
}

function withoutRecords(outcome: FetchOutcome): FetchOutcome {
  return outcome.plan ? { ...outcome, plan: null, abortedTransactions: outcome.abortedTransactions && [] } : outcome
}

function itemOf({ topic, partition, fetchOffset, maxBytes, currentLeaderEpoch, lastFetchedEpoch }: FetchItem): FetchItem {
  return { topic, partition, fetchOffset, maxBytes, currentLeaderEpoch, lastFetchedEpoch }
}

/** Where each of `asked` is in `known`; undefined: they are not the same. Clients, and fetch sessions, move partitions that had records to the end. */
function orderOf(asked: readonly FetchItem[], known: readonly FetchItem[]): number[] | undefined {
  if (asked.length !== known.length) return undefined
  let places: Map<string, number> | undefined
  const order: number[] = []
  for (let i = 0; i < asked.length; i++) {
    const item = asked[i]!
    let at = i
    if (!isSamePartition(item, known[i]!)) {
      places ??= new Map(known.map((one, place) => [`${one.topic}-${one.partition}`, place]))
      at = places.get(`${item.topic}-${item.partition}`) ?? -1
    }
    if (at === -1 || !isSameItem(item, known[at]!)) return undefined
    order.push(at)
  }
  return order
}

function isSamePartition(a: FetchItem, b: FetchItem): boolean {
  return a.partition === b.partition && a.topic === b.topic
}

function isSameItem(a: FetchItem, b: FetchItem): boolean {
  return (
    a.fetchOffset === b.fetchOffset &&
    a.maxBytes === b.maxBytes &&
    a.currentLeaderEpoch === b.currentLeaderEpoch &&
    a.lastFetchedEpoch === b.lastFetchedEpoch
  )
}

function isSameReader(a: FetchReader, b: FetchReader): boolean {
  return a.readCommitted === b.readCommitted && a.rackId === b.rackId && a.rackAware === b.rackAware
}
