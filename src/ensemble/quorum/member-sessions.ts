// The sessions of an ensemble as one of its members knows them: those of this process, which it keeps alive; of a leader when each was heard of, and
// which have expired; and up to when it is confirmed that nobody else ended them. The tree has what is agreed of them. Runs on the member's
// thread.

import type { Env } from '../../env/env.js'
import { asBuffer } from '../../model/bytes.js'
import { clampTimeout, IN_PROCESS, type NewSession } from '../ensemble-server.js'
import { Listeners } from '../listeners.js'
import { SessionTracker } from '../session/session-tracker.js'
import { opcodeOf, sessionOf } from '../store/txn-codec.js'
import { Opcode, ZkCode } from '../tree/codes.js'
import type { Txn, TxnResult } from '../tree/types.js'
import type { SessionRecord, ZnodeTree } from '../tree/znode-tree.js'
import { ZnodeError } from '../znode-client.js'
import type { QuorumMachine } from './machine.js'

/** Sessions expire in buckets of a tick divided by this. */
const EXPIRY_LOOKS = 10

export interface MemberSessionsOptions {
  readonly env: Env
  readonly memberId: number
  readonly tickMs: number
  readonly tree: ZnodeTree
  readonly machine: Pick<QuorumMachine, 'touch' | 'heardBefore'>
  /** The first id that no session of this member had. */
  readonly firstId: bigint
  /** A planted bug: see Planted. */
  readonly forgetsConfirmedTouches: boolean
  submit(txn: Txn): Promise<TxnResult>
  /** A transaction of the leader's own. */
  order(txn: Txn): void
}

export class MemberSessions {
  readonly moved = new Listeners<bigint>()
  readonly ended = new Listeners<bigint>()
  readonly #options: MemberSessionsOptions
  readonly #env: Env
  readonly #tree: ZnodeTree
  /** Sessions of this process: heard of as long as it runs. */
  readonly #local = new Set<bigint>()
  /** Of these, the ones whose end stands in the log and is not agreed yet: a touch after that is too late, whoever confirms it. */
  readonly #ending = new Set<bigint>()
  /** Of a leader: sessions have expired, and their ends wait behind the log's writes, so that nobody knows of them yet. */
  #endsQueued = false
  /** Of a leader. */
  #tracker: SessionTracker | null = null
  #confirmedAt = -Infinity
  #nextId: bigint

  constructor(options: MemberSessionsOptions) {
    this.#options = options
    this.#env = options.env
    this.#tree = options.tree
    this.#nextId = options.firstId
  }

  async create(timeoutMs: number): Promise<NewSession> {
    const { tickMs, memberId, submit } = this.#options
    const sessionId = this.#nextId++
    const password = this.#env.random.bytes(16)
    const session = { sessionId, password, timeoutMs: clampTimeout(timeoutMs, tickMs) }
    const body = { kind: 'createSession', timeoutMs: session.timeoutMs, password } as const
    const result = await submit({ sessionId, auth: [], body, via: memberId })
    if (result.code !== ZkCode.ok) throw new ZnodeError(result.code, null)
    return session
  }

  async reattach(sessionId: bigint, password: Uint8Array): Promise<{ timeoutMs: number } | null> {
    const { memberId, submit } = this.#options
    const result = await submit({ sessionId, auth: [], body: { kind: 'moveSession', password }, via: memberId })
    const session = this.#tree.sessions.get(sessionId)
    if (result.code !== ZkCode.ok || !session) return null
    this.touch(sessionId)
    return { timeoutMs: session.timeoutMs }
  }

  /** It is this process's own, until the function that is returned is called or it ends. */
  keepAlive(sessionId: bigint): () => void {
    this.#local.add(sessionId)
    return () => void this.#local.delete(sessionId)
  }

  touch(sessionId: bigint): void {
    if (this.#tracker) this.#tracker.touch(sessionId, this.#env.clock.monotonic())
    else this.#options.machine.touch(sessionId)
  }

  touchLocal(): void {
    for (const id of this.#local) this.touch(id)
  }

  /** Of a leader: other members heard of them. */
  touched(sessions: readonly bigint[]): void {
    for (const id of sessions) this.#tracker?.touch(id, this.#env.clock.monotonic())
  }

  // --- what is confirmed

  get confirmedAt(): number {
    return this.#confirmedAt
  }

  confirmed(at: number): void {
    if (this.#ending.size === 0 && !this.#endsQueued) this.#confirmedAt = Math.max(this.#confirmedAt, at)
  }

  /** The confirmation of the next round comes to a member AFTER the end of its session, which then knows better. */
  get mayConfirm(): boolean {
    return !this.#endsQueued
  }

  /** What was ordered goes into the log, or was lost. */
  queueEmptied(): void {
    this.#endsQueued = false
  }

  /** Goes into the log. */
  logged(payload: Uint8Array): void {
    if (this.#local.size === 0) return
    const txn = asBuffer(payload)
    const sessionId = sessionOf(txn)
    if (this.#local.has(sessionId) && opcodeOf(txn) === Opcode.closeSession) this.#ending.add(sessionId)
  }

  /** The log was cut, or replaced. */
  logCut(): void {
    this.#ending.clear()
  }

  // --- what is agreed

  /** `owner`: whose it was before. */
  applied({ sessionId, body, via }: Txn, owner: number | undefined): void {
    if (body.kind === 'createSession') this.#tracker?.add(sessionId, body.timeoutMs, this.#env.clock.monotonic())
    else if (body.kind === 'closeSession') this.#over(sessionId)
    else if (body.kind === 'moveSession') {
      this.#tracker?.touch(sessionId, this.#env.clock.monotonic())
      const { memberId } = this.#options
      if (owner === memberId && via !== memberId) this.moved.tell(sessionId, this.#env.logger)
    }
  }

  /** The tree became another one; it had these before. */
  adopted(before: ReadonlyMap<bigint, SessionRecord>): void {
    const { memberId } = this.#options
    for (const [id, { owner }] of before) {
      const now = this.#tree.sessions.get(id)
      if (!now) this.#over(id)
      else if (owner === memberId && now.owner !== memberId) this.moved.tell(id, this.#env.logger)
    }
  }

  #over(sessionId: bigint): void {
    this.#ending.delete(sessionId)
    this.#tracker?.remove(sessionId)
    this.#local.delete(sessionId)
    this.ended.tell(sessionId, this.#env.logger)
  }

  // --- of a leader

  /**
   * A new leader does not know who was heard of when, but no session was confirmed later than its quorum heard of the leader before: from then
   * on each has its whole timeout, as whoever holds it counts. And half of it from now on at least, so that its client can find this leader.
   */
  lead(): void {
    const { machine, tickMs, order, forgetsConfirmedTouches } = this.#options
    const now = this.#env.clock.monotonic()
    const heardBefore = forgetsConfirmedTouches ? -Infinity : machine.heardBefore
    this.#tracker = new SessionTracker(tickMs / EXPIRY_LOOKS, now)
    for (const [id, { timeoutMs }] of this.#tree.sessions) {
      this.#tracker.add(id, timeoutMs, Math.min(now, Math.max(heardBefore, now - timeoutMs / 2)))
      // Left by a process that was an ensemble of one: nobody can come back for it.
      if (timeoutMs === IN_PROCESS) order({ sessionId: id, auth: [], body: { kind: 'closeSession' } })
    }
  }

  leadNoMore(): void {
    this.#tracker = null
  }

  /** Orders the end of those that were not heard of for too long. */
  expire(now: number): void {
    for (const sessionId of this.#tracker?.expire(now) ?? []) {
      this.#env.logger.info({ sessionId: `0x${BigInt.asUintN(64, sessionId).toString(16)}` }, 'session expired')
      this.#options.order({ sessionId, auth: [], body: { kind: 'closeSession' } })
      this.#endsQueued = true
    }
  }
}
