// Notices that a consumer which is polled gets nothing, and says why, again and again while it lasts.

import type { Timer } from '../../env/env.js'
import type { Cluster } from '../cluster/cluster.js'
import type { ConsumerOptions } from './settings.js'
import { stallReport, stallText } from './stall.js'
import type { SubscriptionState } from './subscription.js'

export class StallWatch {
  readonly #cluster: Cluster
  readonly #subscription: SubscriptionState
  readonly #options: ConsumerOptions
  /** What the group is busy with; undefined: nothing. */
  readonly #groupStatus: () => string | undefined
  #progressAt: number
  #polledAt = -1
  #polling = false
  #reportedAt: number
  #timer: Timer | undefined
  #stopped = false

  constructor(cluster: Cluster, subscription: SubscriptionState, options: ConsumerOptions, groupStatus: () => string | undefined) {
    this.#cluster = cluster
    this.#subscription = subscription
    this.#options = options
    this.#groupStatus = groupStatus
    this.#progressAt = this.#now()
    this.#reportedAt = this.#progressAt
  }

  /** Something was read, or the consumer was set to read something else. */
  progress(): void {
    this.#progressAt = this.#now()
  }

  /** `busy` while inside a poll. The first one starts the watch. */
  polled(busy: boolean): void {
    this.#polling = busy
    if (!busy) this.#polledAt = this.#now()
    else if (!this.#timer) this.#start()
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
  }

  #start(): void {
    const { stallWarningMs } = this.#options
    if (stallWarningMs === 0 || this.#stopped) return
    this.progress()
    this.#timer = this.#cluster.env.timers.every(Math.max(10, Math.min(1000, stallWarningMs / 4)), () => this.#check())
  }

  #check(): void {
    const { stallWarningMs, onStall } = this.#options
    const now = this.#now()
    const sinceMs = now - this.#progressAt
    if (sinceMs < stallWarningMs || now - this.#reportedAt < stallWarningMs) return
    if (this.#subscription.kind === 'none') return
    this.#reportedAt = now
    const subscribed = this.#subscription.kind !== 'assigned'
    const report = stallReport(this.#subscription.all(), {
      now,
      sinceMs,
      polledMsAgo: this.#polling ? 0 : now - this.#polledAt,
      group: subscribed ? this.#groupStatus() : undefined,
      subscribed,
      leader: (topic, partition) => this.#cluster.metadata.leader(topic, partition),
    })
    if (onStall) onStall(report)
    else if (report.consumer !== undefined || report.partitions.some(({ reason }) => reason !== 'at the end')) {
      this.#cluster.env.logger.warn({ stall: report }, stallText(report))
    }
  }

  #now(): number {
    return this.#cluster.env.clock.monotonic()
  }
}
