// What members say to each other, as objects. `message-codec.ts` has the bytes. Every message of a leader and its learners
// carries the epoch: an epoch belongs to one attempt of one leader, so what arrives late from another is known by it.

import type { EpochEnd, Entry } from './log-window.js'

export interface Vote {
  readonly leader: number
  readonly epoch: number
  readonly zxid: bigint
}

export type PeerState = 'looking' | 'leading' | 'following' | 'observing'

export interface Notification extends Vote {
  readonly kind: 'notification'
  readonly round: number
  readonly state: PeerState
  /** A leader whose quorum follows it. */
  readonly established: boolean
  /** The sender has never held any history. */
  readonly virgin: boolean
}

export type Message =
  | Notification
  | { readonly kind: 'followerInfo'; readonly acceptedEpoch: number; readonly virgin: boolean }
  | { readonly kind: 'leaderInfo'; readonly epoch: number }
  /**
   * `currentEpoch` -1: the epoch was promised to another leader before, do not count this one. `heardAgoMs`: since the sender last did what a
   * leader said; from now on it listens to none of an older epoch. 0 from a member that does not say.
   */
  | {
      readonly kind: 'ackEpoch'
      readonly epoch: number
      readonly currentEpoch: number
      readonly base: bigint
      readonly ends: readonly EpochEnd[]
      readonly heardAgoMs: number
    }
  /** What the learner's log is to be cut to. */
  | { readonly kind: 'truncate'; readonly epoch: number; readonly after: bigint }
  | {
      readonly kind: 'chunk'
      readonly epoch: number
      readonly zxid: bigint
      readonly offset: number
      readonly total: number
      readonly bytes: Uint8Array
    }
  | { readonly kind: 'chunkAck'; readonly epoch: number; readonly offset: number }
  /** Entries that follow `previous` directly; acknowledged once durable. */
  | { readonly kind: 'append'; readonly epoch: number; readonly previous: bigint; readonly entries: readonly Entry[] }
  | { readonly kind: 'newLeader'; readonly epoch: number; readonly last: bigint }
  | { readonly kind: 'ack'; readonly epoch: number; readonly zxid: bigint; readonly newLeader: boolean }
  /** All up to `zxid` is committed. `upToDate`: from here on the learner serves. */
  | { readonly kind: 'commit'; readonly epoch: number; readonly zxid: bigint; readonly upToDate: boolean }
  | { readonly kind: 'ping'; readonly epoch: number; readonly round: number; readonly last: bigint }
  | { readonly kind: 'pong'; readonly epoch: number; readonly round: number; readonly touched: readonly bigint[] }
  /** The leader led still after it had the learner's pong of `round`. */
  | { readonly kind: 'confirm'; readonly epoch: number; readonly round: number }
  | { readonly kind: 'request'; readonly epoch: number; readonly request: number; readonly txn: Uint8Array }
  | { readonly kind: 'refused'; readonly epoch: number; readonly request: number; readonly code: number }
  | { readonly kind: 'sync'; readonly epoch: number; readonly request: number }
  | { readonly kind: 'synced'; readonly epoch: number; readonly request: number }
