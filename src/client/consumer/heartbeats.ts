// The heartbeat of a group member: when one is due, what its answer means for the next, and whether the user still polls. Runs on a timer
// of its own; what follows from it is decided by the membership.

import type { Timer } from '../../env/env.js'
import { errors } from '../../model/errors.js'
import { apis } from '../../protocol/schema/index.js'
import type { Cluster } from '../cluster/cluster.js'
import { isClientError } from '../errors.js'
import { type GroupCoordinator, meansAnotherCoordinator } from './group-coordinator.js'
import type { ConsumerOptions } from './settings.js'

export interface HeartbeatHooks {
  /** The member as the group knows it; undefined while it is none. */
  member(): { readonly memberId: string; readonly generationId: number } | undefined
  /** A JoinGroup is under way: its coordinator waits for others, and expects no heartbeats of those who have joined. */
  isJoining(): boolean
  /** The coordinator has begun a rebalance. */
  rebalance(): void
  /** The coordinator refused. */
  refused(code: number): void
  /** The user has not polled for `maxPollIntervalMs`. */
  pollTooLate(): void
}

/** Looked at this often at the least, so that a late poll is noticed in time. */
const LONGEST_PERIOD_MS = 1000

export class Heartbeats {
  readonly #cluster: Cluster
  readonly #coordinator: GroupCoordinator
  readonly #options: ConsumerOptions
  readonly #hooks: HeartbeatHooks
  #timer: Timer | undefined
  #sentAt = 0
  #okAt = 0
  #underWay = false
  #polledAt: number
  #polling = false

  constructor(cluster: Cluster, coordinator: GroupCoordinator, options: ConsumerOptions, hooks: HeartbeatHooks) {
    this.#cluster = cluster
    this.#coordinator = coordinator
    this.#options = options
    this.#hooks = hooks
    this.#polledAt = this.#now()
  }

  /** The user polls: the member is alive in the sense of `maxPollIntervalMs`. `busy` while inside a poll. */
  polled(busy: boolean): void {
    this.#polledAt = this.#now()
    this.#polling = busy
  }

  /** The member has joined. */
  start(): void {
    this.#okAt = this.#now()
    if (this.#timer) return
    const period = Math.max(1, Math.min(this.#options.heartbeatIntervalMs, LONGEST_PERIOD_MS))
    this.#timer = this.#cluster.env.timers.every(period, () => this.#beat())
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #beat(): void {
    const now = this.#now()
    if (!this.#hooks.member()) return
    if (!this.#polling && now - this.#polledAt > this.#options.maxPollIntervalMs) {
      this.#hooks.pollTooLate()
      return
    }
    if (now - this.#okAt > this.#options.sessionTimeoutMs) this.#coordinator.forget()
    if (this.#hooks.isJoining()) {
      this.#okAt = now
      return
    }
    if (this.#underWay || now - this.#sentAt < this.#options.heartbeatIntervalMs) return
    this.#underWay = true
    this.#sentAt = now
    this.#send()
      .catch((error: unknown) => {
        if (isClientError(error) && error.retriable) this.#coordinator.forget()
      })
      .finally(() => (this.#underWay = false))
  }

  async #send(): Promise<void> {
    const coordinator = await this.#coordinator.find()
    const member = this.#hooks.member()
    if (!member) return
    const { groupInstanceId, sessionTimeoutMs } = this.#options
    const answer = await coordinator.request(
      apis.heartbeat,
      { groupId: this.#coordinator.groupId, generationId: member.generationId, memberId: member.memberId, groupInstanceId },
      { timeoutMs: Math.min(sessionTimeoutMs, this.#cluster.options.requestTimeoutMs) },
    )
    // An answer to a generation that has passed says nothing about this one.
    if (member.generationId !== this.#hooks.member()?.generationId) return
    const code = answer.errorCode
    if (code === 0) this.#okAt = this.#now()
    else if (code === errors.REBALANCE_IN_PROGRESS.code) {
      this.#okAt = this.#now()
      this.#hooks.rebalance()
    } else if (meansAnotherCoordinator(code)) this.#coordinator.forget()
    else if (code !== errors.COORDINATOR_LOAD_IN_PROGRESS.code) this.#hooks.refused(code)
  }

  #now(): number {
    return this.#cluster.env.clock.monotonic()
  }
}
