// An ensemble of one: the tree, its durable store, and the order between them. Transactions get their zxid when
// submitted, go to the log, and are applied, shown to watches and answered only once they are durable. Runs on the
// thread that opened it (the thread coordinator). In-process sessions end with the process; those of the ZooKeeper
// port have a timeout and outlive a restart. Several members: `quorum/quorum-member.ts`.

import type { Env, Timer } from '../env/env.js'
import {
  clampTimeout,
  DEFAULT_TICK_MS,
  IN_PROCESS,
  type EnsembleServer,
  type MemberRole,
  type MemberView,
  type NewSession,
  type QuorumView,
  type TreeWatcher,
} from './ensemble-server.js'
import { Listeners } from './listeners.js'
import { LocalSession } from './local-session.js'
import { isTooLarge } from './request-size.js'
import { reapable } from './session/reaper.js'
import { firstSessionId } from './session/session-ids.js'
import { SessionTracker } from './session/session-tracker.js'
import { MemberStore, type StoreOptions } from './store/member-store.js'
import { nextZxid } from './store/frames.js'
import type { Txn, TxnResult } from './tree/types.js'
import type { ZnodeTree } from './tree/znode-tree.js'
import { ZkCode } from './tree/codes.js'
import { ZnodeError, type ZnodeClient } from './znode-client.js'

export interface MemberOptions {
  readonly dir: string
  readonly env: Env
  /** This member's number; the top byte of the session ids it gives out. */
  readonly memberId?: number
  /** ZooKeeper's tickTime: bounds of session timeouts, and how often expiry is looked at. */
  readonly tickMs?: number
  /** How often container and TTL nodes are looked at (ZooKeeper's znode.container.checkIntervalMs). */
  readonly reapIntervalMs?: number
  /** Where the ZooKeeper port is reached, for `members()`. */
  readonly clientAddress?: string
  readonly snapshotAfterBytes?: number
  /** See StoreOptions. */
  readonly write?: StoreOptions['write']
}

export const DEFAULT_REAP_INTERVAL_MS = 60_000

export class Member implements EnsembleServer {
  readonly memberId: number
  readonly tree: ZnodeTree
  readonly role: MemberRole = 'standalone'
  readonly leaderId: number
  readonly tickMs: number
  /** In-process sessions were left open: the process that had the directory before did not stop by closing them. */
  readonly stoppedUncleanly: boolean
  readonly #store: MemberStore
  readonly #env: Env
  readonly #options: MemberOptions
  readonly #tracker: SessionTracker
  readonly #ended = new Listeners<bigint>()
  #nextZxid: bigint
  #nextSession: bigint
  #ticks: Timer | null = null
  #reapAt = 0
  #closing: Promise<void> | null = null
  /** Settles with the newest transaction; never rejects. */
  #newest: Promise<unknown> = Promise.resolve()
  /** Settles when nothing of a former process is left in the tree. */
  #endingFormer: Promise<unknown> = Promise.resolve()

  private constructor(store: MemberStore, tree: ZnodeTree, options: MemberOptions) {
    this.#store = store
    this.tree = tree
    this.#env = options.env
    this.#options = options
    this.memberId = options.memberId ?? 1
    this.leaderId = this.memberId
    this.tickMs = options.tickMs ?? DEFAULT_TICK_MS
    this.stoppedUncleanly = [...tree.sessions.values()].some((session) => session.timeoutMs === IN_PROCESS)
    this.#nextZxid = firstAfter(tree)
    this.#nextSession = firstSessionId(this.memberId, options.env.clock.now(), tree.sessions.keys())
    const now = options.env.clock.monotonic()
    this.#tracker = new SessionTracker(this.tickMs, now)
    for (const [id, session] of tree.sessions) this.#tracker.add(id, session.timeoutMs, now)
  }

  get problem(): string | null {
    return this.#store.problem
  }

  /** Recovers the directory and ends what the last process left behind. Synchronous up to the first write. */
  static open(options: MemberOptions): Member {
    const { store, tree } = MemberStore.open({
      dir: options.dir,
      logger: options.env.logger,
      clock: options.env.clock,
      ...(options.snapshotAfterBytes === undefined ? {} : { snapshotAfterBytes: options.snapshotAfterBytes }),
      ...(options.write === undefined ? {} : { write: options.write }),
    })
    const member = new Member(store, tree, options)
    member.#endFormerSessions()
    member.#armTicks()
    return member
  }

  /** In-process sessions of a former process cannot come back: their ephemerals go, before any new session sees the tree. */
  #endFormerSessions(): void {
    for (const [id, session] of this.tree.sessions) {
      if (session.timeoutMs !== IN_PROCESS) continue
      this.#endingFormer = this.#closeSession(id, 'ending a former session failed')
    }
  }

  #closeSession(sessionId: bigint, whatFailed: string): Promise<unknown> {
    return this.submit({ sessionId, auth: [], body: { kind: 'closeSession' } }).catch((error: Error) => {
      this.#env.logger.error({ error: error.message, sessionId: `0x${sessionId.toString(16)}` }, whatFailed)
    })
  }

  /** A new in-process session. Its first calls travel with its creation: one durable write covers them all. */
  connect(): ZnodeClient {
    const sessionId = this.#nextSession++
    const password = this.#env.random.bytes(16)
    const created = this.submit({ sessionId, auth: [], body: { kind: 'createSession', timeoutMs: IN_PROCESS, password } })
    // A failed store fails every call after this one too, each with its reason.
    created.catch(() => undefined)
    return new LocalSession(this, { sessionId, timeoutMs: IN_PROCESS, since: 0, readable: this.#endingFormer, logger: this.#env.logger })
  }

  async createSession(timeoutMs: number): Promise<NewSession> {
    const session = {
      sessionId: this.#nextSession++,
      password: this.#env.random.bytes(16),
      timeoutMs: clampTimeout(timeoutMs, this.tickMs),
    }
    const { sessionId, password } = session
    const result = await this.submit({ sessionId, auth: [], body: { kind: 'createSession', timeoutMs: session.timeoutMs, password } })
    if (result.code !== ZkCode.ok) throw new ZnodeError(result.code, null)
    return session
  }

  async reattach(sessionId: bigint, password: Uint8Array): Promise<{ timeoutMs: number } | null> {
    const result = await this.submit({ sessionId, auth: [], body: { kind: 'moveSession', password } })
    const session = this.tree.sessions.get(sessionId)
    if (result.code !== ZkCode.ok || !session) return null
    this.touch(sessionId)
    return { timeoutMs: session.timeoutMs }
  }

  touch(sessionId: bigint): void {
    this.#tracker.touch(sessionId, this.#env.clock.monotonic())
  }

  confirmedAt(): number {
    return Infinity
  }

  /** Orders, logs and applies one transaction. Resolves with its result (also a refusing one), rejects when the store fails. */
  submit(txn: Txn): Promise<TxnResult> {
    if (this.#closing && txn.body.kind !== 'closeSession') return Promise.reject(new ZnodeError(ZkCode.connectionLoss, null))
    if (isTooLarge(txn.body)) return Promise.reject(new ZnodeError(ZkCode.badArguments, null))
    const zxid = this.#nextZxid
    this.#nextZxid = nextZxid(zxid)
    const time = this.#env.clock.now()
    const submitted = new Promise<TxnResult>((resolve, reject) => {
      this.#store.append(zxid, time, txn, (error) => {
        if (error) {
          // Nothing after it was taken either, so the order goes on where the tree stands.
          this.#nextZxid = firstAfter(this.tree)
          reject(error)
        } else resolve(this.#apply(txn, zxid, time))
      })
    })
    this.#newest = submitted.catch(() => undefined)
    return submitted
  }

  /** Nothing is ahead of this member; what is in flight here is visible once it is applied. */
  async sync(): Promise<void> {
    await this.#newest
  }

  #apply(txn: Txn, zxid: bigint, time: number): TxnResult {
    const { result, deliveries } = this.tree.apply(txn, zxid, time)
    // Events BEFORE the answer: whoever awaits the result has seen what it changed.
    for (const { watcher, event } of deliveries) (watcher as TreeWatcher).deliver(event)
    if (result.code === ZkCode.ok) this.#noteSession(txn)
    if (this.#store.wantsSnapshot) void this.#store.snapshot(this.tree)
    return result
  }

  #noteSession({ sessionId, body }: Txn): void {
    if (body.kind === 'createSession') this.#tracker.add(sessionId, body.timeoutMs, this.#env.clock.monotonic())
    else if (body.kind === 'closeSession') {
      this.#tracker.remove(sessionId)
      this.#ended.tell(sessionId, this.#env.logger)
    }
    this.#armTicks()
  }

  /** A node without timed sessions and transient nodes has no timer. */
  #armTicks(): void {
    const wanted = !this.#closing && (this.#tracker.size > 0 || this.tree.transient.size > 0)
    if (wanted === (this.#ticks !== null)) return
    this.#ticks?.cancel()
    const period = Math.min(this.tickMs, this.#reapIntervalMs)
    this.#ticks = wanted ? this.#env.timers.every(period, () => this.#tick()) : null
  }

  get #reapIntervalMs(): number {
    return this.#options.reapIntervalMs ?? DEFAULT_REAP_INTERVAL_MS
  }

  #tick(): void {
    const now = this.#env.clock.monotonic()
    for (const sessionId of this.#tracker.expire(now)) {
      this.#env.logger.info({ sessionId: `0x${sessionId.toString(16)}` }, 'session expired')
      void this.#closeSession(sessionId, 'ending an expired session failed').then(() => this.#tryLater(sessionId))
    }
    if (now < this.#reapAt) return
    this.#reapAt = now + this.#reapIntervalMs
    for (const txn of reapable(this.tree, this.#env.clock.now())) {
      this.submit(txn).catch((error: Error) => this.#env.logger.error({ error: error.message }, 'reaping a znode failed'))
    }
  }

  /** Where its end could not be stored the session has another timeout. */
  #tryLater(sessionId: bigint): void {
    const session = this.tree.sessions.get(sessionId)
    if (session && !this.#closing) this.#tracker.add(sessionId, session.timeoutMs, this.#env.clock.monotonic())
  }

  onRoleChange(): () => void {
    return () => undefined
  }

  onSessionMoved(): () => void {
    return () => undefined
  }

  onSessionEnded(listener: (sessionId: bigint) => void): () => void {
    return this.#ended.add(listener)
  }

  members(): readonly MemberView[] {
    const view = { id: this.memberId, host: '', port: 0, voter: true, connected: true }
    return [{ ...view, clientAddress: this.#options.clientAddress ?? null, lastZxid: this.tree.lastZxid }]
  }

  quorum(): QuorumView {
    const { lastZxid } = this.tree
    const log = { id: this.memberId, host: '', port: 0, voter: true, lastZxid, heardAgoMs: 0, caughtUpAgoMs: 0 }
    return { leaderId: this.memberId, epoch: Number(lastZxid >> 32n), committed: lastZxid, logs: [log] }
  }

  /** Writes a snapshot now. */
  snapshot(): Promise<void> {
    return this.#store.snapshot(this.tree)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#ticks?.cancel()
    await this.#store.close(this.tree)
  }
}

/** History starts at counter 1 of epoch 1. */
function firstAfter(tree: ZnodeTree): bigint {
  return tree.lastZxid === 0n ? (1n << 32n) | 1n : nextZxid(tree.lastZxid)
}
