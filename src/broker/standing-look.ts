// What another worker was asked for a fetch that waits, and what it has said: at once, and later, once, unasked, what it has by then. As long as the
// owner watches, what it has said holds, but for what wakes nobody: where retention has a log begin. Runs on the worker that holds the connection.

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

/** Worker to owner: what has this worker's fetch `id` there? With less than `minBytes` its next move is to be told to `news`. */
export interface LookRequest extends LookTerms {
  readonly id: number
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

/** What a worker has that is not there. */
export function goneOutcomes(items: readonly FetchItem[]): FetchOutcome[] {
  return items.map(() => failedFetch(errors.NOT_LEADER_OR_FOLLOWER.code))
}

export class StandingLook {
  readonly owner: number
  readonly askedMs: number
  /** Settled when the owner has answered, or is gone. */
  readonly answered: Promise<void>
  /** What the owner said last; empty before it answered. */
  outcomes: readonly FetchOutcome[] = []
  /** Told when the owner had news, after its answer. */
  onNews: () => void = () => undefined
  private readonly peer: Caller
  private readonly request: LookRequest
  private isWatched: boolean

  /** Asks at once. The owner watches if the terms say that the fetch waits. */
  constructor(owner: number, peer: Caller, id: number, terms: LookTerms, nowMs: number) {
    this.owner = owner
    this.askedMs = nowMs
    this.peer = peer
    // A copy of just this: a fetch session changes its items with the next request.
    this.request = { ...terms, id, items: terms.items.map(itemOf) }
    this.isWatched = terms.minBytes > 0
    const gone = (): FetchOutcome[] => goneOutcomes(this.request.items)
    this.answered = peer.call<FetchOutcome[]>('look', this.request).then(
      (outcomes) => this.has(outcomes),
      () => this.has(gone()),
    )
    if (this.isWatched) {
      peer.call<FetchOutcome[] | null>('news', id).then(
        (outcomes) => this.told(outcomes),
        () => this.told(gone()),
      )
    }
  }

  /** The owner will tell when its answer changes. */
  get stands(): boolean {
    return this.isWatched
  }

  /** Asked for this, by the same worker's same life, the owner has nothing to add: what it has said holds still, or is news that are enough. */
  serves(peer: Caller | undefined, { items, reader, maxBytes, minBytes }: LookTerms): boolean {
    const { request } = this
    return (
      peer === this.peer &&
      maxBytes === request.maxBytes &&
      minBytes === request.minBytes &&
      isSameReader(reader, request.reader) &&
      items.length === request.items.length &&
      items.every((item, i) => isSameItem(item, request.items[i]!)) &&
      (this.isWatched || isEnough(this.outcomes, minBytes))
    )
  }

  /** Nobody needs to be told any more. */
  end(): void {
    if (!this.isWatched) return
    this.isWatched = false
    this.peer.notify('unwatch', this.request.id)
  }

  private has(outcomes: FetchOutcome[]): void {
    this.outcomes = outcomes
    // Then it watches nothing.
    if (isEnough(outcomes, this.request.minBytes)) this.isWatched = false
  }

  private told(outcomes: FetchOutcome[] | null): void {
    if (outcomes === null || !this.isWatched) return
    this.isWatched = false
    this.outcomes = outcomes
    this.onNews()
  }
}

function itemOf({ topic, partition, fetchOffset, maxBytes, currentLeaderEpoch, lastFetchedEpoch }: FetchItem): FetchItem {
  return { topic, partition, fetchOffset, maxBytes, currentLeaderEpoch, lastFetchedEpoch }
}

function isSameItem(a: FetchItem, b: FetchItem): boolean {
  return (
    a.fetchOffset === b.fetchOffset &&
    a.partition === b.partition &&
    a.topic === b.topic &&
    a.maxBytes === b.maxBytes &&
    a.currentLeaderEpoch === b.currentLeaderEpoch &&
    a.lastFetchedEpoch === b.lastFetchedEpoch
  )
}

function isSameReader(a: FetchReader, b: FetchReader): boolean {
  return a.readCommitted === b.readCommitted && a.rackId === b.rackId && a.rackAware === b.rackAware
}
