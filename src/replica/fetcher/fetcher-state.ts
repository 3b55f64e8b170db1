// What one worker fetches from one leader node: which partitions to ask for, when, and what follows from an answer. A pure state machine: no I/O,
// no clock of its own. `ReplicaFetcher` acts on what it returns.
//
//   ready ──take──▶ asked ──append, truncate, restart──▶ ready …        (the next ask goes out as soon as the answer is in the log)
//     ▲               └──error, link broken──▶ backing off ──time──▶ ready
//     └── a new leader epoch, from every state; answers to what was asked before are stale
//
// Each partition is asked for on its own: an idle one stays parked at the leader while others come and go, so frames of one leader overlap.

import { errors } from '../../model/errors.js'
import type { ByteBudget } from './byte-budget.js'
import type { ReplicaFetchAnswer } from './messages.js'
import { divergingPoint, type LocalLog, outOfRangePoint } from './truncation-point.js'
import type { ReplicationSettings } from '../settings.js'

/** The first pause after an error; it doubles up to replica.fetch.backoff.ms, so that a leader that is a moment late costs little. */
const FIRST_BACKOFF_MS = 20
/**
 * An idle partition waits longer at the leader, which answers at once when there is something: replica.fetch.wait.max.ms doubles from answer to
 * answer, up to this many times. A node with thousands of idle partitions would do little else. A replica that is not in sync is not idle: what
 * it is not let in for may be over any moment.
 */
export const IDLE_DOUBLINGS = 5
const CATCH_UP_DOUBLINGS = 2
/** Wrong checksums in a row from which on it is no accident of the way. */
const CORRUPT_REPORT_AFTER = 3

export interface Ask {
  readonly key: string
  /** Tells this ask from earlier and later ones of the partition. */
  readonly id: number
  readonly topicId: string
  readonly partition: number
  readonly leaderEpoch: number
  readonly maxBytes: number
  readonly minBytes: number
  readonly maxWaitMs: number
  /** What came with a wrong checksum last time; -1: nothing. */
  readonly corruptOffset: number
}

export type FetchStep =
  /** Of an ask that does not count any more. */
  | { readonly kind: 'stale' }
  | { readonly kind: 'append' }
  | { readonly kind: 'truncate'; readonly offset: number }
  | { readonly kind: 'restart'; readonly offset: number }
  | { readonly kind: 'wait'; readonly errorCode: number }

interface Entry {
  readonly key: string
  readonly topicId: string
  readonly partition: number
  leaderEpoch: number
  inSync: boolean
  /** follower.replication.throttled.replicas of its topic names it. */
  throttled: boolean
  /** It has taken records since the leader last heard how far it is. */
  isNews: boolean
  /** The ask that is out; 0: none. */
  asked: number
  readyAt: number
  failures: number
  emptyAnswers: number
  corruptInARow: number
  corruptOffset: number
}

export function fetchKey(topicId: string, partition: number): string {
  return `${topicId}-${partition}`
}

export class FetcherState {
  private readonly entries = new Map<string, Entry>()
  /** Those that no ask is out for: few, because idle partitions wait at the leader. */
  private readonly unasked = new Set<Entry>()
  /** follower.replication.throttled.rate, of the whole node. */
  private readonly budget: ByteBudget
  private nextAsk = 1
  private heldBack: Entry[] = []

  constructor(budget: ByteBudget) {
    this.budget = budget
  }

  get size(): number {
    return this.entries.size
  }

  /** This node follows a partition of this leader, in this epoch. The same epoch again changes at most whether it is in sync and throttled. */
  follow(topicId: string, partition: number, leaderEpoch: number, inSync: boolean, throttled: boolean, now: number): void {
    const key = fetchKey(topicId, partition)
    const known = this.entries.get(key)
    if (known && known.leaderEpoch >= leaderEpoch) {
      if (known.leaderEpoch === leaderEpoch) Object.assign(known, { inSync, throttled })
      return
    }
    if (known) this.unasked.delete(known)
    const entry: Entry = {
      key,
      topicId,
      partition,
      leaderEpoch,
      inSync,
      throttled,
      isNews: false,
      asked: 0,
      readyAt: now,
      failures: 0,
      emptyAnswers: 0,
      corruptInARow: 0,
      corruptOffset: -1,
    }
    this.entries.set(key, entry)
    this.unasked.add(entry)
  }

  unfollow(topicId: string, partition: number): void {
    const key = fetchKey(topicId, partition)
    const entry = this.entries.get(key)
    if (!entry) return
    this.entries.delete(key)
    this.unasked.delete(entry)
  }

  follows(key: string): boolean {
    return this.entries.has(key)
  }

  isAsked(key: string): boolean {
    return (this.entries.get(key)?.asked ?? 0) !== 0
  }

  /** What to ask now: replicas in sync first, then those that catch up; of these throttled ones while their rate allows. */
  take(now: number, settings: ReplicationSettings): Ask[] {
    this.budget.setRate(settings.followerThrottledRate, now)
    const isOpen = this.budget.isOpen(now)
    const live: Ask[] = []
    const catchingUp: Ask[] = []
    for (const entry of this.unasked) {
      if (entry.readyAt > now) continue
      if (entry.inSync) live.push(this.ask(entry, settings))
      else if (isOpen || !entry.throttled) catchingUp.push(this.ask(entry, settings))
      else if (entry.isNews) {
        entry.isNews = false
        this.heldBack.push(entry)
      }
    }
    return catchingUp.length === 0 ? live : [...live, ...catchingUp]
  }

  /** What the last `take` left to the throttle after it had taken records: the leader counts those as under way until it hears of it. */
  takeHeldBack(): readonly { readonly topicId: string; readonly partition: number }[] {
    const held = this.heldBack
    this.heldBack = []
    return held
  }

  /** When there will be something to take; Infinity: only an answer changes anything. */
  nextDue(now: number): number {
    let due = Infinity
    const opensAt = this.budget.opensAt(now)
    for (const entry of this.unasked) {
      const isHeld = entry.throttled && !entry.inSync
      due = Math.min(due, isHeld ? Math.max(entry.readyAt, opensAt) : entry.readyAt)
    }
    return due
  }

  /** An answer came. 'append': then `appended`, `corrupted` or `appendFailed` is owed; 'truncate' and 'restart': then `moved`. */
  answered(key: string, id: number, answer: ReplicaFetchAnswer, local: LocalLog, now: number, settings: ReplicationSettings): FetchStep {
    const entry = this.entries.get(key)
    if (!entry || entry.asked !== id) return { kind: 'stale' }
    this.unask(entry)
    if (answer.errorCode === errors.OFFSET_OUT_OF_RANGE.code && answer.logEndOffset >= 0) {
      const step = outOfRangePoint(answer, local)
      if (step.kind === 'continue') this.backOff(entry, now, settings)
      return step.kind === 'continue' ? { kind: 'wait', errorCode: answer.errorCode } : step
    }
    if (answer.errorCode !== errors.NONE.code || answer.leaderEpoch !== entry.leaderEpoch) {
      this.backOff(entry, now, settings)
      return { kind: 'wait', errorCode: answer.errorCode || errors.UNKNOWN_LEADER_EPOCH.code }
    }
    if (answer.divergingEndOffset >= 0) {
      return { kind: 'truncate', offset: divergingPoint(answer.divergingEpoch, answer.divergingEndOffset, local) }
    }
    return { kind: 'append' }
  }

  /** The answer is written; `bytes` 0: the leader had nothing new. */
  appended(key: string, bytes: number, now: number): void {
    const entry = this.entries.get(key)
    if (!entry) return
    // As Kafka, in sync or not.
    if (entry.throttled) this.budget.spend(bytes, now)
    entry.failures = 0
    entry.readyAt = now
    entry.emptyAnswers = bytes > 0 ? 0 : Math.min(entry.emptyAnswers + 1, IDLE_DOUBLINGS + 1)
    if (bytes > 0) {
      entry.isNews = true
      entry.corruptInARow = 0
      entry.corruptOffset = -1
    }
  }

  /** The log was cut or began anew: the next ask says so at once. */
  moved(key: string, now: number): void {
    const entry = this.entries.get(key)
    if (entry) entry.readyAt = now
  }

  /** A batch of the answer has a wrong checksum. Asked for again, at once the first time. True: it keeps happening, which is to be reported. */
  corrupted(key: string, offset: number, now: number, settings: ReplicationSettings): boolean {
    const entry = this.entries.get(key)
    if (!entry) return false
    entry.corruptOffset = offset
    entry.corruptInARow++
    entry.failures = entry.corruptInARow
    if (entry.corruptInARow === 1) entry.readyAt = now
    else this.backOff(entry, now, settings)
    return entry.corruptInARow === CORRUPT_REPORT_AFTER
  }

  /** This node could not write: the disk is full or the log is out of service. */
  appendFailed(key: string, now: number, settings: ReplicationSettings): void {
    const entry = this.entries.get(key)
    if (entry) this.backOff(entry, now, settings)
  }

  /** An ask that will not be answered: the link broke or its time ran out. */
  lost(key: string, id: number, now: number, settings: ReplicationSettings): void {
    const entry = this.entries.get(key)
    if (!entry || entry.asked !== id) return
    this.unask(entry)
    this.backOff(entry, now, settings)
  }

  /** The leader can be reached again: nothing is gained by waiting. */
  retryNow(now: number): void {
    for (const entry of this.unasked) entry.readyAt = Math.min(entry.readyAt, now)
  }

  private unask(entry: Entry): void {
    entry.asked = 0
    this.unasked.add(entry)
  }

  private ask(entry: Entry, settings: ReplicationSettings): Ask {
    entry.asked = this.nextAsk++
    entry.isNews = false
    this.unasked.delete(entry)
    const doublings = Math.min(Math.max(0, entry.emptyAnswers - 1), entry.inSync ? IDLE_DOUBLINGS : CATCH_UP_DOUBLINGS)
    return {
      key: entry.key,
      id: entry.asked,
      topicId: entry.topicId,
      partition: entry.partition,
      leaderEpoch: entry.leaderEpoch,
      maxBytes: settings.fetchMaxBytes,
      minBytes: settings.fetchMinBytes,
      maxWaitMs: settings.fetchWaitMaxMs * 2 ** doublings,
      corruptOffset: entry.corruptOffset,
    }
  }

  private backOff(entry: Entry, now: number, settings: ReplicationSettings): void {
    entry.readyAt = now + Math.min(settings.fetchBackoffMs, FIRST_BACKOFF_MS * 2 ** Math.min(entry.failures, 16))
    entry.failures++
  }
}
