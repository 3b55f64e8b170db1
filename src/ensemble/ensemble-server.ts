// What the ZooKeeper port and the sessions of this process need of an ensemble member, whether it is one of several
// (`quorum/quorum-member.ts`) or the only one (`member.ts`). Everything here runs on the thread that opened the member.

import type { Txn, TxnResult, WatchEvent } from './tree/types.js'
import type { ZnodeTree } from './tree/znode-tree.js'

export type MemberRole = 'standalone' | 'leader' | 'follower' | 'observer' | 'looking'

/** One member as srvr, mntr, conf and /zookeeper/config show it. */
export interface MemberView {
  readonly id: number
  readonly host: string
  readonly port: number
  readonly voter: boolean
  /** Where its ZooKeeper port is reached, `host:port`; null when it opens none. */
  readonly clientAddress: string | null
  /** The newest transaction it is known to hold durably; -1n when nobody here knows (only the leader does). */
  readonly lastZxid: bigint
  readonly connected: boolean
}

/** A member's log as the leader knows it. Members that follow without being in the configuration are there too, as observers without an address. */
export interface LogView {
  readonly id: number
  readonly host: string
  /** 0: not known. */
  readonly port: number
  readonly voter: boolean
  /** The newest transaction that it is known to hold durably; -1n: it has not followed this leader. */
  readonly lastZxid: bigint
  /** Milliseconds since the leader heard of it; null: it has not. */
  readonly heardAgoMs: number | null
  /** Milliseconds since it had all that the leader had; null: not in this leader's time. */
  readonly caughtUpAgoMs: number | null
}

export interface QuorumView {
  readonly leaderId: number
  readonly epoch: number
  readonly committed: bigint
  readonly logs: readonly LogView[]
}

export interface NewSession {
  readonly sessionId: bigint
  readonly password: Uint8Array
  readonly timeoutMs: number
}

export interface EnsembleServer {
  readonly memberId: number
  /** This member's replica, one object for the member's life: callers read it and add watches, never apply. */
  readonly tree: ZnodeTree
  readonly role: MemberRole
  /** -1: not known. */
  readonly leaderId: number
  readonly tickMs: number
  /** Why it cannot store anything at the moment, or any more; null: it can. */
  readonly problem: string | null
  /**
   * Ordered by the leader, durable on a quorum, applied HERE before it resolves (events before answers). Resolves also
   * with a refusal. Rejects with ZnodeError connectionLoss when its fate is unknown.
   */
  submit(txn: Txn): Promise<TxnResult>
  /** Everything the leader had committed when it got this is applied here when it resolves. */
  sync(): Promise<void>
  /** `timeoutMs` is clamped to 2 to 20 ticks; ids have the member's number in the top byte. */
  createSession(timeoutMs: number): Promise<NewSession>
  /** Null: unknown session or wrong password. Else this member owns it from now on, and a former owner hears onSessionMoved. */
  reattach(sessionId: bigint, password: Uint8Array): Promise<{ readonly timeoutMs: number } | null>
  /** The client was heard. Collected and sent to the leader, who expires sessions. */
  touch(sessionId: bigint): void
  /**
   * Monotonic ms: touches made here before this moment have reached a leader that still was one afterwards. The sessions touched
   * live until this moment plus their timeout at least. Infinity where a session cannot end before its process does.
   */
  confirmedAt(): number
  /** `looking`: nothing is served until the next change; connections of clients are to be closed. */
  onRoleChange(listener: (role: MemberRole) => void): () => void
  /** A session owned here was taken over by another member. */
  onSessionMoved(listener: (sessionId: bigint) => void): () => void
  /** A session ended, by its client or by expiry; told on every member as it is applied there. */
  onSessionEnded(listener: (sessionId: bigint) => void): () => void
  members(): readonly MemberView[]
  /** What the leader alone knows; null: this member does not lead. */
  quorum(): QuorumView | null
}

/** What stands in the tree's watch tables; a delivery happens before the answer to the transaction that caused it. */
export interface TreeWatcher {
  deliver(event: WatchEvent): void
}

/** ZooKeeper's minSessionTimeout and maxSessionTimeout. */
export function clampTimeout(timeoutMs: number, tickMs: number): number {
  return Math.min(Math.max(timeoutMs, 2 * tickMs), 20 * tickMs)
}

export const DEFAULT_TICK_MS = 2000
/** Timeout of sessions without one: they live as long as the process of an ensemble of one. */
export const IN_PROCESS = 0
