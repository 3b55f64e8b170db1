// A member as its leader sees it: how far it has come since it asked to follow. Pure state.

import type { Core } from './core.js'
import type { Message } from './messages.js'

export interface Learner {
  readonly acceptedEpoch: number
  readonly virgin: boolean
  /** `asked`: told of the epoch when there is one; `promised`: waits for its history; `snapshot`; `fed`: gets every proposal. */
  state: 'asked' | 'promised' | 'snapshot' | 'fed'
  promise: { readonly currentEpoch: number; readonly base: bigint; readonly ends: Extract<Message, { kind: 'ackEpoch' }>['ends'] } | null
  /** `bytes` null: being made. The log is kept from `zxid` on. */
  snapshot: { readonly zxid: bigint; readonly bytes: Uint8Array | null; sent: number } | null
  /** Acknowledged newLeader: holds the history and the epoch. */
  current: boolean
  upToDate: boolean
  /** All up to here is durable there. */
  match: bigint
  heardAt: number
  /** The leader's log end when it was last heard. */
  heardEnd: bigint
  /** When it last had all that the leader had then; null: not yet. */
  caughtUpAt: number | null
  round: number
  /** The newest round it had answered when the round under way began. */
  basis: number
}

/** How far a member's log is durable, when it was heard of, and when it had all. */
export type LearnerProgress = Readonly<Pick<Learner, 'match' | 'heardAt' | 'caughtUpAt'>>

export function newLearner(acceptedEpoch: number, virgin: boolean, { now, log }: Core): Learner {
  return {
    acceptedEpoch,
    virgin,
    state: 'asked',
    promise: null,
    snapshot: null,
    current: false,
    upToDate: false,
    match: 0n,
    heardAt: now,
    heardEnd: log.last,
    caughtUpAt: null,
    round: 0,
    basis: 0,
  }
}

/** It was heard. Under load it never has the newest: having what the log ended with when it was heard `before`, it was caught up at that time. */
export function noteCaughtUp(learner: Learner, before: number, { log, now }: Core): void {
  if (learner.match >= log.last) learner.caughtUpAt = now
  else if (learner.match >= learner.heardEnd) learner.caughtUpAt = before
  learner.heardEnd = log.last
}
