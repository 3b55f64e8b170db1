// What this worker's partitions have for fetches that wait on other workers (`standing-look`): it tells at each move, and goes on from where a
// consumer is that takes all it was told. At most one answer ahead of that consumer: `LookCells` say how far it is, without a message. Runs on the
// worker that owns the partitions.

import type { FetchItem, FetchOutcome, FetchReader } from '../replica/fetch-plan.js'
import type { MailboxHandler } from '../threads/mailbox.js'
import { following, isEnough, LookCells, type LookNews, type LookRequest, type LookTerms, putAt } from './standing-look.js'

export interface WatchedLooksDoors {
  plan(items: readonly FetchItem[], reader: FetchReader, maxBytes: number): FetchOutcome[]
  /** Calls `moved` with the place of the item whose partition moved. Returns how to stop. */
  watch(items: readonly FetchItem[], moved: (place: number) => void): () => void
  /** The mailbox that a look's news go to. */
  tell(news: LookNews): void
}

interface WatchedLook {
  readonly cells: Int32Array | undefined
  /** Where its consumer is, once it has taken what it was told. */
  terms: LookTerms
  /** Answers so far that end a fetch. */
  told: number
  /** Places of what moved since. */
  readonly moved: Set<number>
  stop: () => void
  /** Of the question for the last news; it may come after them. */
  tellLast: ((outcomes: FetchOutcome[] | null) => void) | undefined
}

export class WatchedLooks {
  private readonly doors: WatchedLooksDoors
  private readonly looks = new Map<number, WatchedLook>()

  constructor(doors: WatchedLooksDoors) {
    this.doors = doors
  }

  /** What the other worker may say. */
  handlers(): [string, MailboxHandler][] {
    return [
      ['look', (request: LookRequest) => this.look(request)],
      ['news', (id: number) => this.lastNews(id)],
      ['go-on', (id: number) => this.tell(id)],
      ['unwatch', (id: number) => this.end(id, null)],
    ]
  }

  /** The other worker is gone. */
  endAll(): void {
    for (const id of Array.from(this.looks.keys())) this.end(id, null)
  }

  private look({ id, cells, ...terms }: LookRequest): FetchOutcome[] {
    const { items, reader, maxBytes, minBytes } = terms
    const outcomes = this.doors.plan(items, reader, maxBytes)
    if (minBytes <= 0) return outcomes
    const enough = isEnough(outcomes, minBytes)
    const next = enough ? following(items, outcomes, terms) : items
    if (!next) return outcomes
    const moved = new Set<number>()
    const stop = this.doors.watch(items, (place) => {
      // Once for all that a turn moves: other partitions that it writes move with the first.
      if (moved.size === 0) queueMicrotask(() => this.tell(id))
      moved.add(place)
    })
    this.looks.set(id, { cells, terms: { ...terms, items: next }, told: enough ? 1 : 0, moved, stop, tellLast: undefined })
    return outcomes
  }

  /** Null: nobody waits any more. */
  private lastNews(id: number): Promise<FetchOutcome[] | null> | null {
    const look = this.looks.get(id)
    return look ? new Promise((resolve) => (look.tellLast = resolve)) : null
  }

  private tell(id: number): void {
    const look = this.looks.get(id)
    if (!look || look.moved.size === 0 || this.isHeld(look)) return
    const { terms, moved } = look
    const places = Array.from(moved)
    moved.clear()
    const items = places.map((place) => terms.items[place]!)
    const outcomes = this.doors.plan(items, terms.reader, terms.maxBytes)
    const next = following(items, outcomes, terms)
    if (!next) {
      this.end(id, this.doors.plan(terms.items, terms.reader, terms.maxBytes))
      return
    }
    const all = [...terms.items]
    putAt(all, places, next)
    look.terms = { ...terms, items: all }
    if (isEnough(outcomes, terms.minBytes)) look.told++
    this.doors.tell({ id, places, outcomes })
  }

  /** The consumer is so far behind that it is told with its next fetch. */
  private isHeld({ cells, told }: WatchedLook): boolean {
    if (!cells || told <= Atomics.load(cells, LookCells.FOLLOWED) + 1) return false
    Atomics.store(cells, LookCells.HELD, 1)
    return told > Atomics.load(cells, LookCells.FOLLOWED) + 1
  }

  private end(id: number, outcomes: FetchOutcome[] | null): void {
    const look = this.looks.get(id)
    if (!look) return
    this.looks.delete(id)
    look.stop()
    look.tellLast?.(outcomes)
  }
}
