// The quorum state machine of one member: what it was told, and when, goes in; what is to be saved, sent and applied comes
// out, in order. It looks for a leader (`election.ts`), leads (`leading.ts`) or learns (`learning.ts`). No I/O, no clock, no
// randomness: `quorum-member.ts` acts.

import { Core, type CoreOptions, type Effect, type MachineRole } from './core.js'
import { Election } from './election.js'
import { Leading } from './leading.js'
import type { LearnerProgress } from './learner.js'
import { Learning } from './learning.js'
import type { Entry } from './log-window.js'
import type { Message } from './messages.js'
import type { EnsembleConfig } from './config.js'

export type Input =
  | { readonly kind: 'start' }
  | { readonly kind: 'tick' }
  | { readonly kind: 'peer'; readonly id: number; readonly up: boolean }
  | { readonly kind: 'message'; readonly from: number; readonly message: Message }
  /** Every save up to `seq` is durable. */
  | { readonly kind: 'persisted'; readonly seq: number }
  /** Only where `leads` is true; zxids go on from `nextZxid()`. */
  | { readonly kind: 'propose'; readonly entries: readonly Entry[] }
  /** A write or a sync of this member's own clients, to be sent to the leader. */
  | { readonly kind: 'request'; readonly request: number; readonly txn: Uint8Array }
  | { readonly kind: 'sync'; readonly request: number }
  | { readonly kind: 'refuse'; readonly to: number; readonly request: number; readonly code: number }
  /** Nothing can be saved at the moment; what was asked for waits. Null: all of it is durable. */
  | { readonly kind: 'disk'; readonly problem: string | null }
  | { readonly kind: 'snapshot'; readonly to: number; readonly zxid: bigint; readonly bytes: Uint8Array }
  | { readonly kind: 'checked'; readonly zxid: bigint; readonly snapshot: Buffer; readonly problem: string | null }

export class QuorumMachine {
  readonly #core: Core
  readonly #election: Election
  #leading: Leading | null = null
  #learning: Learning | null = null
  /** Members that asked to follow while this one was still looking. */
  readonly #early = new Map<number, Message>()
  /** Why the member last began to look. */
  lookingBecause = ''

  constructor(options: CoreOptions) {
    this.#core = new Core(options)
    this.#election = new Election(this.#core)
  }

  get role(): MachineRole {
    if (this.#leading?.established) return 'leader'
    if (!this.#learning?.established) return 'looking'
    return this.#core.isVoter ? 'follower' : 'observer'
  }

  get leaderId(): number {
    if (this.#leading) return this.#core.id
    return this.#learning?.leader ?? -1
  }

  /** The epoch of the leader that is followed, or led. */
  get epoch(): number {
    return this.#leading?.epoch ?? this.#core.hard.currentEpoch
  }

  get committed(): bigint {
    return this.#core.committed
  }

  get lastZxid(): bigint {
    return this.#core.log.last
  }

  get config(): EnsembleConfig {
    return this.#core.active
  }

  get configs(): readonly EnsembleConfig[] {
    return this.#core.configs
  }

  get reconfiguring(): boolean {
    return this.#core.reconfiguring
  }

  get connected(): ReadonlySet<number> {
    return this.#core.connected
  }

  /** Can the other members be counted on for `config`? A quorum of it must be following, or it could never be agreed. */
  hasQuorumOf(config: EnsembleConfig): boolean {
    const voters = config.servers.filter((server) => server.voter)
    return voters.filter(({ id }) => id === this.#core.id || this.#leading?.learner(id)?.upToDate).length * 2 > voters.length
  }

  learner(id: number): { readonly match: bigint } | undefined {
    return this.#leading?.learner(id)
  }

  progress(id: number): LearnerProgress | undefined {
    return this.#leading?.progress(id)
  }

  get learnerIds(): readonly number[] {
    return this.#leading?.learnerIds ?? []
  }

  /** Of a leader: no session was confirmed to live longer than from this moment on, by whoever led before. */
  get heardBefore(): number {
    return this.#leading?.heardBefore ?? Infinity
  }

  nextZxid(): bigint | null {
    return this.#leading?.established ? this.#leading.nextZxid() : null
  }

  /** After a snapshot was adopted: the configuration that it holds. */
  adoptConfig(config: EnsembleConfig): void {
    this.#core.setActive(config)
  }

  /** The session was heard of here; told to the leader with the next pong. */
  touch(sessionId: bigint): void {
    this.#core.touches.add(sessionId)
  }

  step(input: Input, now: number): readonly Effect[] {
    this.#core.now = now
    // A former life may have answered until just before this one began.
    if (this.#core.heardAt === -Infinity) this.#core.heardAt = now
    this.#take(input)
    const { effects } = this.#core
    this.#core.effects = []
    return effects
  }

  #take(input: Input): void {
    const core = this.#core
    if (core.standsAside && this.#takeAside(input)) return
    switch (input.kind) {
      case 'start':
        this.#look('it starts')
        break
      case 'tick':
        if (this.#leading) this.#leading.tick()
        else if (this.#learning) this.#learning.tick()
        else this.#elected(this.#election.tick())
        break
      case 'peer':
        this.#peer(input.id, input.up)
        break
      case 'message':
        this.#receive(input.from, input.message)
        break
      case 'persisted':
        core.persisted(input.seq)
        break
      case 'propose':
        this.#leading!.propose(input.entries)
        break
      case 'request':
        if (this.#learning) {
          core.send(this.#learning.leader, { kind: 'request', epoch: this.#learning.epoch, request: input.request, txn: input.txn })
        }
        break
      case 'sync':
        if (this.#learning) core.send(this.#learning.leader, { kind: 'sync', epoch: this.#learning.epoch, request: input.request })
        break
      case 'refuse':
        if (this.#leading) core.send(input.to, { kind: 'refused', epoch: this.#leading.epoch, request: input.request, code: input.code })
        break
      case 'disk':
        this.#disk(input.problem)
        break
      case 'snapshot':
        this.#leading?.snapshot(input.to, input.zxid, input.bytes)
        break
      case 'checked':
        this.#learning?.checked(input.zxid, input.snapshot, input.problem)
    }
  }

  /** Whoever cannot save can promise and acknowledge nothing: others lead, and elect, without it. */
  #disk(problem: string | null): void {
    if (this.#core.standsAside === (problem !== null)) return
    this.#core.standsAside = problem !== null
    this.#look(problem ?? 'what it says can be saved again')
  }

  /** While it stands aside it only keeps up with who is there. True: there is no more to it. */
  #takeAside(input: Input): boolean {
    if (input.kind === 'disk' || input.kind === 'persisted') return false
    if (input.kind !== 'peer') return true
    if (input.up) this.#core.connected.add(input.id)
    else this.#core.connected.delete(input.id)
    return true
  }

  #peer(id: number, up: boolean): void {
    const core = this.#core
    if (up) {
      core.connected.add(id)
      if (this.#leading) this.#leading.peerDown(id)
      if (this.#learning) this.#learning.peerUp(id)
      if (!this.#leading && !this.#learning) this.#election.peerUp(id)
      return
    }
    core.connected.delete(id)
    this.#early.delete(id)
    if (this.#leading) this.#leading.peerDown(id)
    else if (this.#learning) {
      if (id === this.#learning.leader) this.#look('the connection to the leader is gone')
    } else this.#elected(this.#election.peerDown(id))
  }

  #receive(from: number, message: Message): void {
    const looking = !this.#leading && !this.#learning
    if (message.kind === 'notification') {
      if (looking) this.#elected(this.#election.receive(from, message))
      else if (message.state === 'looking') {
        if (this.#learning?.hasEpoch && from === this.#learning.leader) this.#look('the leader looks for another')
        else this.#election.answer(from, this.#standing())
      } else if (this.#learning && !this.#learning.established && from === this.#learning.leader && message.leader !== from) {
        this.#look('the one that was elected follows another')
      }
    } else if (this.#leading) this.#leading.receive(from, message)
    else if (this.#learning) {
      if (from === this.#learning.leader) this.#learning.receive(message)
      else if (message.kind === 'followerInfo') this.#election.answer(from, this.#standing())
    } else if (message.kind === 'followerInfo') this.#early.set(from, message)
  }

  #standing(): { state: 'leading' | 'following' | 'observing'; leader: number; established: boolean } {
    if (this.#leading) return { state: 'leading', leader: this.#core.id, established: this.#leading.established }
    return { state: this.#core.isVoter ? 'following' : 'observing', leader: this.#learning!.leader, established: false }
  }

  #elected(leader: number | null): void {
    if (leader === null) return
    const core = this.#core
    if (leader === core.id) {
      const leading = new Leading(core, (why) => this.#look(why))
      this.#leading = leading
      leading.start()
      for (const [from, message] of this.#early) if (this.#leading === leading) leading.receive(from, message)
    } else {
      this.#learning = new Learning(core, leader, (why) => this.#look(why))
      for (const from of this.#early.keys()) this.#election.answer(from, this.#standing())
    }
    this.#early.clear()
  }

  #look(why: string): void {
    const core = this.#core
    if (this.#leading?.established) core.heardAt = core.now
    const served = this.role !== 'looking' || this.#leading !== null || this.#learning !== null
    this.#leading = null
    this.#learning = null
    this.lookingBecause = why
    core.newLife()
    if (served) core.effects.push({ kind: 'role', role: 'looking', leader: -1 }, { kind: 'lost' })
    if (core.standsAside) {
      this.#early.clear()
      this.#election.standAside()
    } else this.#elected(this.#election.start())
  }
}
