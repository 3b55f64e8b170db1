// The loop behind every way of reading: what a poll works on (membership, positions, fetches, commits) until there is something to hand
// out, and what that is. Polls do not overlap; nothing of it runs between them but requests that are under way.

import { errors } from '../../model/errors.js'
import { within } from '../cluster/backoff.js'
import type { Cluster } from '../cluster/cluster.js'
import { ClientError } from '../errors.js'
import type { AutoCommit } from './auto-commit.js'
import type { ConsumerBatch, ConsumerRecord, Fetched } from './fetched.js'
import type { Fetcher } from './fetcher.js'
import type { GroupMembership } from './membership.js'
import type { PositionFinder } from './positions.js'
import type { ConsumerOptions } from './settings.js'
import type { StallWatch } from './stall-watch.js'
import type { SubscriptionState } from './subscription.js'
import type { WakeUp } from './wake-up.js'

/** A topic that is subscribed to but missing is asked for again this often. */
const MISSING_TOPIC_RETRY_MS = 1000

/** What a poll works with. */
export interface PollParts {
  readonly cluster: Cluster
  readonly options: ConsumerOptions
  readonly subscription: SubscriptionState
  readonly fetcher: Fetcher
  readonly positions: PositionFinder
  readonly membership: GroupMembership | undefined
  readonly commits: AutoCommit
  readonly stalls: StallWatch
  readonly wakeUp: WakeUp
}

export class PollLoop {
  readonly #parts: PollParts
  #polling = false
  #askedMissingAt = -Infinity
  #closed = false

  constructor(parts: PollParts) {
    this.#parts = parts
  }

  get closed(): boolean {
    return this.#closed
  }

  /** The poll under way, and all later ones, end with nothing. */
  close(): void {
    this.#closed = true
    this.#parts.wakeUp.wake()
  }

  /** Works on what is due until `take` gives something, or `deadline`, or close. */
  async until<T>(deadline: number, take: () => T | undefined): Promise<T | undefined> {
    const { subscription, stalls, cluster, membership } = this.#parts
    if (this.#closed) return undefined
    if (this.#polling)
      throw new ClientError('ERR_MILLRACE_STATE', 'a poll of this consumer is under way; polls and iterations must not overlap')
    if (subscription.kind === 'none')
      throw new ClientError('ERR_MILLRACE_STATE', 'the consumer reads nothing; call subscribe() or assign() first')
    this.#polling = true
    stalls.polled(true)
    cluster.keepAlive.hold()
    membership?.polled(true)
    try {
      return await this.#run(deadline, take)
    } finally {
      this.#polling = false
      stalls.polled(false)
      membership?.polled(false)
      cluster.keepAlive.release()
    }
  }

  async #run<T>(deadline: number, take: () => T | undefined): Promise<T | undefined> {
    const { wakeUp, commits, positions, fetcher, stalls } = this.#parts
    for (;;) {
      wakeUp.clear()
      await this.#keepMembership(deadline)
      if (this.#closed) return undefined
      commits.run()
      const locateIn = positions.find()
      const taken = take()
      const fetchIn = fetcher.sendFetches()
      if (taken !== undefined) {
        stalls.progress()
        return taken
      }
      const left = deadline - this.#now()
      if (left <= 0) return undefined
      await wakeUp.wait(Math.min(left, locateIn, fetchIn, MISSING_TOPIC_RETRY_MS))
      if (this.#closed) return undefined
    }
  }

  async #keepMembership(deadline: number): Promise<void> {
    const { cluster, subscription, membership } = this.#parts
    cluster.refreshIfOld()
    const { kind, topics } = subscription
    if (kind === 'assigned') return
    const now = this.#now()
    const missing = kind === 'pattern' ? cluster.metadata.brokers.size === 0 : [...topics].some((topic) => !isKnown(cluster, topic))
    if (missing && now - this.#askedMissingAt >= MISSING_TOPIC_RETRY_MS) {
      this.#askedMissingAt = now
      // Before the first join it is worth waiting for: the group then forms once instead of twice.
      const refresh = cluster.refresh().catch(() => {})
      if (membership!.memberId === '') await within(cluster.env, refresh, deadline - now)
    }
    // Members that keep partitions through a rebalance go on reading them meanwhile.
    await membership!.ensureActive(subscription.size > 0 && membership!.needsRejoin ? this.#now() : deadline)
  }

  /** Up to `maxPollRecords` of them; undefined: none is there. */
  takeRecords(): ConsumerRecord[] | undefined {
    const { maxPollRecords } = this.#parts.options
    const records: ConsumerRecord[] = []
    try {
      while (records.length < maxPollRecords) {
        const fetched = this.nextFetched()
        if (!fetched) break
        records.push(fetched.take())
        while (records.length < maxPollRecords && fetched.next()) records.push(fetched.take())
      }
    } catch (error) {
      // The position is behind those that were taken: they are handed out first, and the next poll meets the damage again.
      if (records.length === 0) throw error
    }
    return records.length === 0 ? undefined : records
  }

  /** What holds the next record, already moved to it. */
  nextFetched(): Fetched | undefined {
    for (;;) {
      const fetched = this.#parts.fetcher.current()
      if (!fetched || fetched.next()) return fetched
      this.#parts.fetcher.drop(fetched)
    }
  }

  nextBatch(): ConsumerBatch | undefined {
    for (;;) {
      const fetched = this.#parts.fetcher.current()
      if (!fetched) return undefined
      const batch = fetched.nextBatch()
      if (batch) {
        fetched.took(batch)
        return batch
      }
      this.#parts.fetcher.drop(fetched)
    }
  }

  /** Between two records of one answer: nothing happened that a poll has to deal with. */
  mayGoOn(fetched: Fetched): boolean {
    const membership = this.#parts.membership
    if (fetched.isStale || fetched.state.paused) return false
    if (membership && this.#parts.subscription.kind !== 'assigned' && membership.needsRejoin) return false
    return !this.#parts.commits.isDue()
  }

  #now(): number {
    return this.#parts.cluster.env.clock.monotonic()
  }
}

function isKnown(cluster: Cluster, topic: string): boolean {
  const known = cluster.metadata.topics.get(topic)
  return known !== undefined && known.errorCode === errors.NONE.code && known.partitions.length > 0
}
