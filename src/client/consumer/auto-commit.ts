// What of a consumer's progress is committed by itself: on a clock while it polls, and before partitions are given up.

import type { Cluster } from '../cluster/cluster.js'
import type { GroupOffsets, OffsetToCommit } from './group-offsets.js'
import type { ConsumerOptions } from './settings.js'
import { keyOf, type SubscriptionState } from './subscription.js'

export class AutoCommit {
  readonly #cluster: Cluster
  readonly #subscription: SubscriptionState
  readonly #options: ConsumerOptions
  /** Undefined: there is no group, and nothing to commit to. */
  readonly #offsets: GroupOffsets | undefined
  readonly #committed = new Map<string, number>()
  #nextAt: number
  #revokeTimeoutMs: number

  constructor(cluster: Cluster, subscription: SubscriptionState, options: ConsumerOptions, offsets: GroupOffsets | undefined) {
    this.#cluster = cluster
    this.#subscription = subscription
    this.#options = options
    this.#offsets = offsets
    this.#revokeTimeoutMs = options.sessionTimeoutMs
    this.#nextAt = this.#now() + options.autoCommitIntervalMs
  }

  /** Offsets of the next record of every partition that has a position. */
  consumed(): OffsetToCommit[] {
    const offsets: OffsetToCommit[] = []
    for (const { topic, partition, position, epoch } of this.#subscription.all()) {
      if (position >= 0) offsets.push({ topic, partition, offset: position, leaderEpoch: epoch })
    }
    return offsets
  }

  noteCommitted(offsets: readonly OffsetToCommit[]): void {
    for (const { topic, partition, offset } of offsets) this.#committed.set(keyOf(topic, partition), offset)
  }

  /** `run` would look whether there is something to commit. */
  isDue(): boolean {
    return this.#offsets !== undefined && this.#options.autoCommit && this.#now() >= this.#nextAt
  }

  /** Commits in the background what is due; a failure is logged, and the next round tries again. */
  run(): void {
    if (!this.#offsets || !this.isDue()) return
    this.#nextAt = this.#now() + this.#options.autoCommitIntervalMs
    const offsets = this.#uncommitted()
    if (offsets.length === 0) return
    this.#offsets.commit(offsets, this.#cluster.options.defaultApiTimeoutMs).then(
      () => this.noteCommitted(offsets),
      (error: unknown) => this.#cluster.env.logger.warn({ group: this.#options.groupId, err: error }, 'auto-commit failed'),
    )
  }

  /** Commits before partitions go to others. A failure is logged: they are given up all the same. */
  async beforeRevoke(): Promise<void> {
    if (!this.#options.autoCommit || !this.#offsets) return
    const offsets = this.#uncommitted()
    try {
      await this.#offsets.commit(offsets, this.#revokeTimeoutMs)
      this.noteCommitted(offsets)
    } catch (error) {
      this.#cluster.env.logger.warn({ group: this.#options.groupId, err: error }, 'auto-commit before giving partitions up failed')
    }
  }

  /** The consumer closes, and the last commit may take at most this long. */
  hurry(timeoutMs: number): void {
    this.#revokeTimeoutMs = Math.min(this.#revokeTimeoutMs, timeoutMs)
  }

  #uncommitted(): OffsetToCommit[] {
    return this.consumed().filter(({ topic, partition, offset }) => this.#committed.get(keyOf(topic, partition)) !== offset)
  }

  #now(): number {
    return this.#cluster.env.clock.monotonic()
  }
}
