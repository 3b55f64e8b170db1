// One member of an ensemble of several: carries out what the quorum state machine decides (saves, sends, applies). This process's clients meet
// it here; what they ask is `member-requests`', their sessions are `member-sessions`'. Runs on the thread that opened it; disk writes run on
// libuv's pool. What the machine holds back until a save is durable is never sent by this file on its own.

import type { Env, Timer } from '../../env/env.js'
import { asBuffer } from '../../model/bytes.js'
import {
  DEFAULT_TICK_MS,
  type EnsembleServer,
  type MemberRole,
  type MemberView,
  type NewSession,
  type QuorumView,
  type TreeWatcher,
} from '../ensemble-server.js'
import { Listeners } from '../listeners.js'
import { LocalSession } from '../local-session.js'
import { reapable } from '../session/reaper.js'
import { MAX_MEMBER_ID } from '../session/session-ids.js'
import { realDisk, type StoreDisk } from '../store/disk.js'
import { MemberStore } from '../store/member-store.js'
import { encodeInSlices } from '../store/snapshot.js'
import { readTxn } from '../store/txn-codec.js'
import { ZkCode } from '../tree/codes.js'
import type { Txn, TxnResult } from '../tree/types.js'
import type { Delivery } from '../tree/watches.js'
import type { ZnodeTree } from '../tree/znode-tree.js'
import { ZnodeError, type ZnodeClient } from '../znode-client.js'
import { formatConfig, versionOf, type EnsembleConfig } from './config.js'
import type { Effect, PersistOp } from './core.js'
import { IncomingSnapshot, resealSnapshot } from './incoming-snapshot.js'
import type { Entry } from './log-window.js'
import { QuorumMachine, type Input } from './machine.js'
import { type MemberRecoveryOptions, recoverMember } from './member-recovery.js'
import { MemberRequests } from './member-requests.js'
import { MemberSessions } from './member-sessions.js'
import { decodeMessage, encodeMessage } from './message-codec.js'
import type { Message } from './messages.js'
import { configIn, configOf, configText } from './payload.js'
import type { PeerTransport } from './transport.js'
import { memberViews, quorumView } from './views.js'

export interface QuorumMemberOptions extends MemberRecoveryOptions {
  readonly transport: PeerTransport
  readonly reapIntervalMs?: number
  readonly disk?: StoreDisk
  /** Sees every effect before it is carried out. For tests and for looking into a problem. */
  readonly trace?: (effect: Effect) => void
}

export class QuorumMember implements EnsembleServer {
  readonly memberId: number
  readonly tree: ZnodeTree
  readonly tickMs: number
  readonly #options: QuorumMemberOptions
  readonly #env: Env
  readonly #store: MemberStore
  readonly #disk: StoreDisk
  readonly #machine: QuorumMachine
  readonly #requests: MemberRequests
  readonly #roles = new Listeners<MemberRole>()
  readonly #sessions: MemberSessions
  readonly #inputs: Input[] = []
  #stepping = false
  #role: MemberRole = 'looking'
  #reapAt = 0
  readonly #incoming = new IncomingSnapshot()
  #encoded: { readonly message: Message; readonly bytes: Buffer } | null = null
  #timer: Timer | null = null
  /** Why it takes part no more. */
  #halted: Error | null = null
  #closing: Promise<void> | null = null

  private constructor(options: QuorumMemberOptions) {
    const { env, memberId } = options
    if (!Number.isInteger(memberId) || memberId < 0 || memberId > MAX_MEMBER_ID) {
      throw new RangeError(`member id ${memberId} is not a whole number from 0 to ${MAX_MEMBER_ID}: it is the top byte of session ids`)
    }
    this.#options = options
    this.#env = env
    this.memberId = memberId
    this.tickMs = options.tickMs ?? DEFAULT_TICK_MS
    this.#disk = options.disk ?? realDisk
    const { store, tree, machine, firstId } = recoverMember(options, this.#disk, {
      stalled: (error) => this.#standAside(error),
      resumed: () => this.#takePartAgain(),
    })
    this.#store = store
    this.tree = tree
    this.#machine = machine
    this.#requests = new MemberRequests({
      env,
      memberId,
      machine,
      role: () => this.#role,
      isClosing: () => this.#closing !== null,
      isHalted: () => this.#halted !== null,
      version: () => this.version,
      step: (input) => this.#step(input),
      onProposed: () => this.#sessions.queueEmptied(),
    })
    this.#sessions = new MemberSessions({
      env,
      memberId,
      tickMs: this.tickMs,
      tree,
      machine,
      firstId,
      forgetsConfirmedTouches: options.planted?.forgetsConfirmedTouches === true,
      submit: (txn) => this.submit(txn),
      order: (txn) => this.#requests.order(txn),
    })
  }

  /** Recovers the directory (synchronously) and starts looking for the others. */
  static open(options: QuorumMemberOptions): QuorumMember {
    const member = new QuorumMember(options)
    member.#start()
    return member
  }

  #start(): void {
    this.#step({ kind: 'start' })
    this.#options.transport.start({
      onMessage: (from, bytes) => this.#receive(from, bytes),
      onPeer: (id, up) => this.#step({ kind: 'peer', id, up }),
    })
    this.#tellMembers()
    this.#timer = this.#env.timers.every(Math.max(this.tickMs / 5, 5), () => this.#tick())
  }

  get role(): MemberRole {
    return this.#role
  }

  get leaderId(): number {
    return this.#role === 'looking' ? -1 : this.#machine.leaderId
  }

  get epoch(): number {
    return this.#machine.epoch
  }

  /** What this member knows to be agreed, and the end of its log. */
  get progress(): { readonly committed: bigint; readonly last: bigint } {
    return { committed: this.#machine.committed, last: this.#machine.lastZxid }
  }

  get problem(): string | null {
    return this.#halted?.message ?? this.#store.problem
  }

  /** Set when the member stopped taking part by itself: its disk failed, or its data contradicts the ensemble's. */
  get failure(): Error | null {
    return this.#halted
  }

  /** How many durable writes of the log there were. */
  get flushes(): number {
    return this.#store.flushes
  }

  // --- the machine ---

  #step(input: Input): void {
    this.#inputs.push(input)
    if (this.#stepping) return
    this.#stepping = true
    for (let next = this.#inputs.shift(); next && !this.#halted; next = this.#inputs.shift()) {
      for (const effect of this.#machine.step(next, this.#env.clock.monotonic())) this.#act(effect)
    }
    this.#stepping = false
  }

  #receive(from: number, bytes: Buffer): void {
    let message: Message
    try {
      message = decodeMessage(bytes, configOf)
    } catch (error) {
      this.#env.logger.warn({ from, error: (error as Error).message }, 'a message of another member cannot be read')
      return
    }
    this.#step({ kind: 'message', from, message })
  }

  #act(effect: Effect): void {
    this.#options.trace?.(effect)
    switch (effect.kind) {
      case 'persist':
        this.#persist(effect.seq, effect.op)
        break
      case 'send':
        this.#send(effect.to, effect.message)
        break
      case 'commit':
        for (const entry of effect.entries) this.#apply(entry)
        break
      case 'check':
        this.#check(effect.zxid, effect.snapshot)
        break
      case 'adopt':
        this.#adopt()
        break
      case 'snapshot':
        void this.#encodeFor(effect.to)
        break
      case 'role':
        this.#becomes(effect.role)
        break
      case 'lost':
        this.#loseWaiting()
        break
      case 'request':
        this.#requests.take(effect)
        break
      case 'refused':
        this.#requests.refused(effect.request, effect.code)
        break
      case 'touched':
        this.#sessions.touched(effect.sessions)
        break
      case 'synced':
        this.#requests.synced(effect.request)
        break
      case 'confirmed':
        this.#sessions.confirmed(effect.at)
        break
      case 'fatal':
        this.#halt(
          new Error(
            `member ${this.memberId} left the ensemble: ${effect.reason}. Empty its directory to let it join anew, if the others are right`,
          ),
        )
    }
  }

  #send(to: number, message: Message): void {
    if (message.kind === 'confirm' && !this.#sessions.mayConfirm) return
    // One proposal goes to several members.
    if (this.#encoded?.message !== message) this.#encoded = { message, bytes: encodeMessage(message) }
    this.#options.transport.send(to, this.#encoded.bytes)
  }

  #persist(seq: number, op: PersistOp): void {
    const wrote = op.kind === 'append' ? this.#requests.writing(op.entries.length) : null
    const done = (error: Error | null): void => {
      wrote?.()
      if (error) this.#halt(error)
      else this.#step({ kind: 'persisted', seq })
      this.#requests.look()
    }
    if (op.kind === 'truncate' || op.kind === 'install') this.#sessions.logCut()
    if (op.kind === 'truncate') this.#store.truncate(op.after, done)
    else if (op.kind === 'install') this.#store.install(op.zxid, op.snapshot, done)
    else if (op.kind === 'epochs') this.#store.saveEpochs(op.state, done)
    else {
      const ignore = (): void => undefined
      for (const [i, { zxid, payload }] of op.entries.entries()) {
        this.#sessions.logged(payload)
        this.#store.appendPayload(zxid, payload, i === op.entries.length - 1 ? done : ignore)
      }
    }
  }

  /** What it promised and took waits to be saved, in its order. */
  #standAside(error: Error): void {
    const tells = { member: this.memberId, error: error.message }
    this.#env.logger.error(tells, 'the ensemble member takes no part until it can write again; it tries by itself')
    this.#step({ kind: 'disk', problem: error.message })
  }

  #takePartAgain(): void {
    this.#env.logger.warn({ member: this.memberId }, 'the ensemble member can write again and takes part')
    this.#step({ kind: 'disk', problem: null })
  }

  /** A member whose disk failed must not go on: what it says would no longer be what it holds. */
  #halt(error: Error): void {
    if (this.#halted || this.#closing) return
    this.#halted = error
    this.#env.logger.error({ error: error.message }, 'the ensemble member stopped taking part')
    this.#timer?.cancel()
    void this.#options.transport.close()
    this.#becomes('looking')
    this.#loseWaiting()
  }

  // --- applying ---

  #apply(entry: Entry): void {
    const { txn, time, zxid } = readTxn(asBuffer(entry.payload), 0)
    const owner = this.tree.sessions.get(txn.sessionId)?.owner
    const { result, deliveries } = this.tree.apply(txn, zxid, time)
    // Events BEFORE the answer: whoever awaits the result has seen what it changed.
    deliver(deliveries)
    if (result.code === ZkCode.ok) this.#sessions.applied(txn, owner)
    if (entry.config) this.#tellMembers()
    this.#requests.applied(entry, result)
    if (this.#store.wantsSnapshot) void this.#store.snapshot(this.tree)
  }

  async #encodeFor(to: number): Promise<void> {
    const image = this.tree.image()
    const bytes = await encodeInSlices(image, () => this.#disk.breathe())
    this.#step({ kind: 'snapshot', to, zxid: image.lastZxid, bytes })
  }

  #check(zxid: bigint, snapshot: Buffer): void {
    if (this.#options.planted?.trustSnapshot) resealSnapshot(snapshot)
    const problem = this.#incoming.check(zxid, snapshot)
    this.#step({ kind: 'checked', zxid, snapshot, problem })
  }

  #adopt(): void {
    const before = new Map(this.tree.sessions)
    const deliveries = this.tree.become(this.#incoming.take())
    this.#machine.adoptConfig(configIn(this.tree) ?? this.#options.config)
    this.#tellMembers()
    deliver(deliveries)
    this.#sessions.adopted(before)
  }

  #tellMembers(): void {
    const servers = new Map(this.#machine.configs.flatMap((config) => config.servers).map((server) => [server.id, server]))
    this.#options.transport.setMembers([...servers.values()])
  }

  // --- roles ---

  #becomes(role: MemberRole): void {
    if (role === 'leader') this.#sessions.lead()
    else this.#sessions.leadNoMore()
    if (role === this.#role) return
    this.#role = role
    this.#env.logger.info({ role, leader: this.leaderId, epoch: this.epoch, because: this.#machine.lookingBecause }, 'ensemble role')
    this.#roles.tell(role, this.#env.logger)
  }

  #tick(): void {
    const now = this.#env.clock.monotonic()
    this.#sessions.touchLocal()
    this.#step({ kind: 'tick' })
    if (this.#role !== 'leader') return
    this.#sessions.expire(now)
    if (now < this.#reapAt) return
    this.#reapAt = now + (this.#options.reapIntervalMs ?? 60_000)
    for (const txn of reapable(this.tree, this.#env.clock.now())) this.#requests.order(txn)
  }

  // --- requests ---

  submit(txn: Txn): Promise<TxnResult> {
    return this.#requests.submit(txn)
  }

  sync(): Promise<void> {
    return this.#requests.sync()
  }

  #loseWaiting(): void {
    this.#sessions.queueEmptied()
    this.#requests.lose()
  }

  /** Of the configuration that is agreed: the zxid of the change that made it, 0 when none did. */
  get version(): bigint {
    return versionOf(configText(this.tree) ?? '') ?? 0n
  }

  /**
   * A new set of members, agreed by a quorum of the old and of the new one. Joining voters must follow already (as observers). `from`: the
   * version that it was made from; refused (badVersion) when the leader has another.
   */
  async reconfigure(config: EnsembleConfig, from?: bigint): Promise<void> {
    const base = from === undefined ? '' : `version=${from.toString(16)}\n`
    await this.submit({ sessionId: 0n, auth: [], body: { kind: 'reconfig', config: base + formatConfig(config) } })
  }

  // --- sessions ---

  createSession(timeoutMs: number): Promise<NewSession> {
    return this.#sessions.create(timeoutMs)
  }

  reattach(sessionId: bigint, password: Uint8Array): Promise<{ timeoutMs: number } | null> {
    return this.#sessions.reattach(sessionId, password)
  }

  touch(sessionId: bigint): void {
    this.#sessions.touch(sessionId)
  }

  confirmedAt(): number {
    return this.#sessions.confirmedAt
  }

  /** A session of this process, once there is a leader to make it; kept alive as long as the process runs. */
  async connect(timeoutMs: number = 10 * this.tickMs): Promise<ZnodeClient> {
    for (;;) {
      await this.#serving()
      const since = this.#env.clock.monotonic()
      try {
        const session = await this.createSession(timeoutMs)
        const over = this.#sessions.keepAlive(session.sessionId)
        return new LocalSession(this, { ...session, since, readable: Promise.resolve(), logger: this.#env.logger, over })
      } catch (error) {
        if (!(error instanceof ZnodeError) || error.zkCode !== ZkCode.connectionLoss) throw error
      }
    }
  }

  #serving(): Promise<void> {
    if (this.#halted) return Promise.reject(this.#halted)
    if (this.#closing) return Promise.reject(new ZnodeError(ZkCode.connectionLoss, null))
    if (this.#role !== 'looking') return Promise.resolve()
    return new Promise<void>((resolve) => {
      const unlisten = this.#roles.add(() => {
        unlisten()
        resolve()
      })
    }).then(() => this.#serving())
  }

  // --- what others ask ---

  onRoleChange(listener: (role: MemberRole) => void): () => void {
    return this.#roles.add(listener)
  }

  onSessionMoved(listener: (sessionId: bigint) => void): () => void {
    return this.#sessions.moved.add(listener)
  }

  onSessionEnded(listener: (sessionId: bigint) => void): () => void {
    return this.#sessions.ended.add(listener)
  }

  members(): readonly MemberView[] {
    return memberViews(this.#machine, this.memberId)
  }

  quorum(): QuorumView | null {
    return quorumView(this.#machine, this.memberId, this.#env.clock.monotonic())
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
    this.#timer?.cancel()
    this.#requests.close()
    await this.#options.transport.close()
    this.#becomes('looking')
    this.#loseWaiting()
    await this.#store.close(this.tree)
    this.#roles.tell('looking', this.#env.logger)
  }
}

function deliver(deliveries: readonly Delivery[]): void {
  for (const { watcher, event } of deliveries) (watcher as TreeWatcher).deliver(event)
}
