// What a consumer reads: its topics (subscribed or assigned by hand) and, per partition, position and pause state.
// Pure state; the fetcher, the group membership and the user's calls all go through it.

import type { TopicPartition } from '../../model/topic-partition.js'
import { ClientError } from '../errors.js'

/** Where a partition starts when it has no position yet. */
export type OffsetReset = 'earliest' | 'latest' | 'none'

/** One assigned partition. The fetcher reads and writes it directly. */
export interface PartitionState {
  readonly topic: string
  readonly partition: number
  /** Next offset to hand to the user; -1 until it is known. */
  position: number
  /** Leader epoch of the last record before `position`; -1 when unknown. Committed with the offset. */
  epoch: number
  paused: boolean
  /** Set when the position has to be looked up by time or end: `earliest`, `latest`; undefined when not. */
  reset: 'earliest' | 'latest' | undefined
  /** Newest known high watermark (read_committed: last stable offset) and log start; -1 until a fetch answered. */
  endOffset: number
  logStartOffset: number
  /** Replica chosen by the leader for this rack (KIP-392); -1: read from the leader. */
  preferredReplica: number
  preferredUntil: number
  /** When the user last got something from it (or it was assigned), and the last fetch error's name; for stall reports. */
  progressAt: number
  lastError: string | undefined
  /** A retry must wait until this monotonic time. */
  backoffUntil: number
  /** Bumped by seek, pause…: an answer asked for under another number is thrown away. */
  revision: number
}

export function keyOf(topic: string, partition: number): string {
  return `${topic}/${partition}`
}

export type SubscriptionKind = 'none' | 'topics' | 'pattern' | 'assigned'

export class SubscriptionState {
  kind: SubscriptionKind = 'none'
  topics: ReadonlySet<string> = new Set()
  pattern: RegExp | undefined
  readonly #partitions = new Map<string, PartitionState>()
  /** Bumped whenever the set of partitions changes. */
  revision = 0

  subscribe(topics: readonly string[] | undefined, pattern: RegExp | undefined): void {
    if (this.kind === 'assigned')
      throw new ClientError('ERR_MILLRACE_STATE', 'this consumer has partitions assigned by hand; call unsubscribe() before subscribe()')
    this.kind = pattern ? 'pattern' : 'topics'
    this.pattern = pattern
    this.topics = new Set(topics ?? [])
  }

  /** Takes the topics that match the pattern now; true when that changed the subscription. */
  matchPattern(all: readonly string[], excludeInternal: (topic: string) => boolean): boolean {
    const pattern = this.pattern
    if (!pattern) return false
    const matching = all.filter((topic) => {
      pattern.lastIndex = 0
      return pattern.test(topic) && !excludeInternal(topic)
    })
    if (matching.length === this.topics.size && matching.every((topic) => this.topics.has(topic))) return false
    this.topics = new Set(matching.sort())
    return true
  }

  assignByHand(partitions: readonly { topic: string; partition: number; offset?: number }[], now: number): void {
    if (this.kind === 'topics' || this.kind === 'pattern') {
      throw new ClientError('ERR_MILLRACE_STATE', 'this consumer is subscribed; call unsubscribe() before assign()')
    }
    this.kind = 'assigned'
    this.topics = new Set(partitions.map((p) => p.topic))
    this.replace(partitions, now)
    for (const { topic, partition, offset } of partitions) if (offset !== undefined) this.seek(topic, partition, offset)
  }

  unsubscribe(): void {
    this.kind = 'none'
    this.topics = new Set()
    this.pattern = undefined
    this.replace([], 0)
  }

  /** Makes `partitions` the assignment; those that stay keep their state. */
  replace(partitions: readonly TopicPartition[], now: number): void {
    const keep = new Set(partitions.map((p) => keyOf(p.topic, p.partition)))
    for (const [key, state] of this.#partitions) {
      if (keep.has(key)) continue
      state.revision++
      this.#partitions.delete(key)
    }
    for (const { topic, partition } of partitions) {
      const key = keyOf(topic, partition)
      if (!this.#partitions.has(key)) this.#partitions.set(key, freshState(topic, partition, now))
    }
    this.revision++
  }

  all(): IterableIterator<PartitionState> {
    return this.#partitions.values()
  }

  get size(): number {
    return this.#partitions.size
  }

  list(): TopicPartition[] {
    return [...this.#partitions.values()].map(({ topic, partition }) => ({ topic, partition }))
  }

  get(topic: string, partition: number): PartitionState | undefined {
    return this.#partitions.get(keyOf(topic, partition))
  }

  /** The state, or an error that says what is assigned instead. */
  require(topic: string, partition: number): PartitionState {
    const state = this.get(topic, partition)
    if (!state)
      throw new ClientError('ERR_MILLRACE_STATE', `${topic}-${partition} is not assigned to this consumer (assigned: ${this.#describe()})`)
    return state
  }

  seek(topic: string, partition: number, offset: number): void {
    if (!Number.isSafeInteger(offset) || offset < 0)
      throw new ClientError('ERR_MILLRACE_ARGUMENT', `seek to ${offset}: an offset is an integer from 0`)
    const state = this.require(topic, partition)
    state.position = offset
    state.epoch = -1
    state.reset = undefined
    state.revision++
    state.backoffUntil = 0
  }

  seekByReset(topic: string, partition: number, reset: 'earliest' | 'latest'): void {
    const state = this.require(topic, partition)
    state.position = -1
    state.epoch = -1
    state.reset = reset
    state.revision++
    state.backoffUntil = 0
  }

  #describe(): string {
    if (this.#partitions.size === 0) return 'nothing yet'
    const names = [...this.#partitions.values()].slice(0, 8).map((s) => `${s.topic}-${s.partition}`)
    return names.join(', ') + (this.#partitions.size > 8 ? `, and ${this.#partitions.size - 8} more` : '')
  }
}

function freshState(topic: string, partition: number, now: number): PartitionState {
  return {
    topic,
    partition,
    position: -1,
    epoch: -1,
    paused: false,
    reset: undefined,
    endOffset: -1,
    logStartOffset: -1,
    preferredReplica: -1,
    preferredUntil: 0,
    progressAt: now,
    lastError: undefined,
    backoffUntil: 0,
    revision: 0,
  }
}
