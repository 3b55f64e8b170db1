// Gives assigned partitions their first position: what the group committed, else the beginning or end as
// autoOffsetReset says, else an error. Runs in the background; one look-up at a time.

import { errors } from '../../model/errors.js'
import type { Cluster } from '../cluster/cluster.js'
import { listOffsetsOnce, OffsetSpec } from '../cluster/list-offsets.js'
import { ClientError, isRetriable } from '../errors.js'
import type { GroupMembership } from './membership.js'
import type { ConsumerOptions } from './settings.js'
import { keyOf, type PartitionState, type SubscriptionState } from './subscription.js'

interface Wanted {
  readonly state: PartitionState
  readonly revision: number
}

export class PositionFinder {
  readonly #cluster: Cluster
  readonly #subscription: SubscriptionState
  readonly #options: ConsumerOptions
  readonly #membership: GroupMembership | undefined
  readonly #found: () => void
  #running = false
  #fatal: Error | undefined

  constructor(
    cluster: Cluster,
    subscription: SubscriptionState,
    options: ConsumerOptions,
    membership: GroupMembership | undefined,
    found: () => void,
  ) {
    this.#cluster = cluster
    this.#subscription = subscription
    this.#options = options
    this.#membership = membership
    this.#found = found
  }

  /** Starts looking for what lacks a position. Returns milliseconds until it should be called again; throws what cannot be repaired. */
  find(): number {
    if (this.#fatal) {
      const error = this.#fatal
      this.#fatal = undefined
      throw error
    }
    if (this.#running) return Infinity
    const now = this.#cluster.env.clock.monotonic()
    let retryIn = Infinity
    const wanted: Wanted[] = []
    for (const state of this.#subscription.all()) {
      if (state.position >= 0) continue
      if (state.backoffUntil > now) retryIn = Math.min(retryIn, state.backoffUntil - now)
      else wanted.push({ state, revision: state.revision })
    }
    if (wanted.length === 0) return retryIn
    this.#running = true
    this.#run(wanted)
      .catch((error: unknown) => this.#failed(wanted, error as Error))
      .finally(() => {
        this.#running = false
        this.#found()
      })
    return Infinity
  }

  async #run(wanted: readonly Wanted[]): Promise<void> {
    const uncommitted = await this.#fromCommitted(wanted)
    const policy = this.#options.autoOffsetReset
    const lost = uncommitted.find(({ state }) => state.reset === undefined)
    if (lost && policy === 'none') {
      const { topic, partition } = lost.state
      throw new ClientError(
        'ERR_MILLRACE_STATE',
        `${topic}-${partition} has no committed offset and autoOffsetReset is 'none'; seek it, or set autoOffsetReset`,
      )
    }
    if (uncommitted.length > 0) await this.#fromEnds(uncommitted, policy === 'latest' ? 'latest' : 'earliest')
  }

  /** Sets what the group has committed; returns the rest. */
  async #fromCommitted(wanted: readonly Wanted[]): Promise<Wanted[]> {
    const ask = this.#membership ? wanted.filter(({ state }) => state.reset === undefined) : []
    if (ask.length === 0) return [...wanted]
    const found = await this.#membership!.offsets.committed(
      ask.map(({ state }) => state),
      this.#cluster.options.defaultApiTimeoutMs,
    )
    const byKey = new Map(found.map((one) => [keyOf(one.topic, one.partition), one]))
    return wanted.filter(({ state, revision }) => {
      const committed = state.reset === undefined ? byKey.get(keyOf(state.topic, state.partition)) : undefined
      if (!committed) return true
      if (state.revision === revision) {
        state.position = committed.offset
        state.epoch = committed.leaderEpoch ?? -1
        state.lastError = undefined
      }
      return false
    })
  }

  async #fromEnds(wanted: readonly Wanted[], policy: 'earliest' | 'latest'): Promise<void> {
    if (wanted.some(({ state }) => this.#cluster.metadata.leader(state.topic, state.partition) < 0)) await this.#cluster.refresh()
    const queries = wanted.map(({ state: { topic, partition, reset } }) => ({ topic, partition, timestamp: OffsetSpec[reset ?? policy] }))
    const answers = await listOffsetsOnce(this.#cluster, queries, this.#options.isolationLevel)
    const byKey = new Map(answers.map((answer) => [keyOf(answer.topic, answer.partition), answer]))
    let stale = false
    for (const { state, revision } of wanted) {
      const answer = byKey.get(keyOf(state.topic, state.partition))
      if (!answer || state.revision !== revision) continue
      if (answer.error) {
        if (!answer.error.retriable && answer.error.code !== errors.UNKNOWN_SERVER_ERROR.code) throw answer.error
        this.#pause(state, answer.error)
        stale = true
        continue
      }
      state.position = answer.offset
      state.reset = undefined
      state.lastError = undefined
    }
    if (stale) this.#cluster.requestRefresh()
  }

  #failed(wanted: readonly Wanted[], error: Error): void {
    for (const { state } of wanted) if (state.position < 0) this.#pause(state, error)
    if (isRetriable(error)) this.#cluster.requestRefresh()
    else this.#fatal = error
  }

  #pause(state: PartitionState, error: Error): void {
    state.lastError = error.message
    state.backoffUntil = this.#cluster.env.clock.monotonic() + this.#cluster.options.retryBackoffMs
  }
}
