// A member that was elected: ZAB's leader.
//
//   discovering --a quorum's accepted epochs are known: the new epoch is their highest + 1, saved BEFORE it is sent-->
//               --a quorum promised it, none of them ahead--> syncing
//   syncing     --a quorum holds the whole history and the epoch, durably--> established: the history is committed
//   established --proposals: own log and followers at once; committed when a quorum has them durably, in order
//
// Steps down when no quorum comes together in time, or when fewer than a quorum were heard of within syncLimit, or at once
// when their connections are gone. How a learner comes to the leader's history is `feeding`'s. No I/O, no clock.

import type { Core } from './core.js'
import { Feeding } from './feeding.js'
import { type Learner, type LearnerProgress, newLearner, noteCaughtUp } from './learner.js'
import { epochOf, type Entry } from './log-window.js'
import type { Message } from './messages.js'

export class Leading {
  readonly #core: Core
  readonly #stepDown: (why: string) => void
  /** Stepped down: nothing more is said in this epoch. */
  #over = false
  readonly #feeding: Feeding
  readonly #learners = new Map<number, Learner>()
  /** What was last known of those that followed and do not any more. */
  readonly #former = new Map<number, LearnerProgress>()
  #phase: 'discovering' | 'syncing' | 'established' = 'discovering'
  #epoch = -1
  #epochSaved = false
  /** This member's history when it was elected. */
  readonly #history: bigint
  readonly #startedAt: number
  #ownCurrent = false
  #ownMatch = 0n
  #round = 0
  #roundAt = -Infinity
  #roundConfirmed = true
  /** When anybody who promised this epoch last heard of another leader, on this member's clock: too late rather than too early. */
  #heardBefore: number

  constructor(core: Core, stepDown: (why: string) => void) {
    this.#core = core
    this.#feeding = new Feeding(core, () => this.#epoch)
    this.#stepDown = (why) => {
      if (this.#over) return
      this.#over = true
      stepDown(why)
    }
    this.#history = core.log.last
    this.#startedAt = core.now
    this.#heardBefore = core.heardAt
  }

  get heardBefore(): number {
    return this.#heardBefore
  }

  get established(): boolean {
    return this.#phase === 'established'
  }

  get epoch(): number {
    return this.#epoch
  }

  learner(id: number): { readonly match: bigint; readonly upToDate: boolean } | undefined {
    return this.#learners.get(id)
  }

  /** Of one that is away, or has just come back: what was last known of it. */
  progress(id: number): LearnerProgress | undefined {
    const learner = this.#learners.get(id)
    return learner && learner.caughtUpAt !== null ? learner : (this.#former.get(id) ?? learner)
  }

  get learnerIds(): number[] {
    return [...this.#learners.keys()]
  }

  start(): void {
    this.#chooseEpoch()
  }

  receive(from: number, message: Message): void {
    if (message.kind === 'followerInfo') {
      this.#join(from, message)
      return
    }
    const learner = this.#learners.get(from)
    if (!learner || !('epoch' in message) || message.epoch !== this.#epoch) return
    const before = learner.heardAt
    learner.heardAt = this.#core.now
    switch (message.kind) {
      case 'ackEpoch':
        this.#promised(from, learner, message)
        break
      case 'chunkAck':
        this.#feeding.sendChunks(from, learner, message.offset)
        break
      case 'ack':
        this.#acked(from, learner, message.zxid, message.newLeader)
        break
      case 'pong':
        learner.round = Math.max(learner.round, message.round)
        if (message.touched.length > 0) this.#core.effects.push({ kind: 'touched', sessions: message.touched })
        this.#confirmRound()
        break
      case 'request':
        if (this.established) this.#core.effects.push({ kind: 'request', from, request: message.request, txn: message.txn })
        break
      case 'sync':
        this.#core.send(from, { kind: 'synced', epoch: this.#epoch, request: message.request })
        break
      default:
    }
    noteCaughtUp(learner, before, this.#core)
  }

  #join(from: number, { acceptedEpoch, virgin }: Extract<Message, { kind: 'followerInfo' }>): void {
    this.#core.seenEpoch = Math.max(this.#core.seenEpoch, acceptedEpoch)
    if (this.#epoch !== -1 && acceptedEpoch > this.#epoch) {
      // It stood for leader by itself, or another one did, and may never follow this epoch: a new one takes it along.
      this.#stepDown(`member ${from} has promised epoch ${acceptedEpoch}`)
      return
    }
    this.#drop(from)
    this.#learners.set(from, newLearner(acceptedEpoch, virgin, this.#core))
    if (this.#epochSaved) this.#core.send(from, { kind: 'leaderInfo', epoch: this.#epoch })
    else this.#chooseEpoch()
  }

  #drop(id: number): void {
    const learner = this.#learners.get(id)
    if (learner && learner.caughtUpAt !== null) this.#former.set(id, learner)
    this.#learners.delete(id)
  }

  #chooseEpoch(): void {
    const core = this.#core
    if (this.#epoch !== -1 || !this.#electorate((learner) => learner.state === 'asked')) return
    const accepted = [
      core.seenEpoch,
      core.hard.acceptedEpoch,
      core.hard.currentEpoch,
      ...[...this.#learners.values()].map((each) => each.acceptedEpoch),
    ]
    this.#epoch = Math.max(...accepted) + 1
    core.saveEpochs({ acceptedEpoch: this.#epoch, acceptedFrom: core.id }, () => {
      this.#epochSaved = true
      for (const id of this.#learners.keys()) core.send(id, { kind: 'leaderInfo', epoch: this.#epoch })
      this.#checkPromises()
    })
  }

  /** Do this member and the learners that `counts` accepts form a quorum that knows history, or are they all voters? */
  #electorate(counts: (learner: Learner) => boolean): boolean {
    const core = this.#core
    const ids = new Set([core.id])
    const history = new Set(core.virgin ? [] : [core.id])
    for (const [id, learner] of this.#learners) {
      if (!counts(learner)) continue
      ids.add(id)
      if (!learner.virgin) history.add(id)
    }
    return core.isElectorate(ids, history)
  }

  #promised(from: number, learner: Learner, message: Extract<Message, { kind: 'ackEpoch' }>): void {
    if (learner.state !== 'asked') return
    const last = message.ends[0]?.last ?? message.base
    const { hard, planted } = this.#core
    const ahead = message.currentEpoch > hard.currentEpoch || (message.currentEpoch === hard.currentEpoch && last > this.#history)
    if (this.#phase === 'discovering' && ahead && this.#core.voters.has(from) && !planted.skipAheadCheck) {
      this.#stepDown(`member ${from} has newer history`)
      return
    }
    this.#heardBefore = Math.max(this.#heardBefore, this.#core.now - message.heardAgoMs)
    learner.promise = message
    learner.state = 'promised'
    if (this.#phase === 'discovering') this.#checkPromises()
    else this.#feeding.feed(from, learner)
  }

  #checkPromises(): void {
    const core = this.#core
    const promised = (learner: Learner): boolean => learner.promise !== null && learner.promise.currentEpoch >= 0
    if (!this.#epochSaved || this.#phase !== 'discovering' || !this.#electorate(promised)) return
    this.#phase = 'syncing'
    core.saveEpochs({ currentEpoch: this.#epoch }, () => {
      core.virgin = false
      this.#ownCurrent = true
      this.#ownMatch = this.#ownMatch > this.#history ? this.#ownMatch : this.#history
      this.#checkCurrent()
    })
    for (const [id, learner] of this.#learners) if (learner.promise) this.#feeding.feed(id, learner)
  }

  /** The edge encoded the tree as of `zxid`. */
  snapshot(to: number, zxid: bigint, bytes: Uint8Array): void {
    const learner = this.#learners.get(to)
    if (learner) this.#feeding.snapshot(to, learner, zxid, bytes)
  }

  #acked(id: number, learner: Learner, zxid: bigint, newLeader: boolean): void {
    if (learner.state !== 'fed') return
    if (zxid > learner.match) learner.match = zxid
    if (newLeader) learner.current = true
    if (!learner.current) return
    if (this.#phase !== 'established') this.#checkCurrent()
    else {
      this.#advance()
      this.#bringUp(id, learner)
    }
  }

  #bringUp(id: number, learner: Learner): void {
    if (learner.upToDate || !learner.current) return
    learner.upToDate = true
    // It has everything of the history; what is committed beyond what it was sent so far cannot be: proposals go out before commits.
    this.#core.send(id, { kind: 'commit', epoch: this.#epoch, zxid: this.#core.committed, upToDate: true })
  }

  #checkCurrent(): void {
    const core = this.#core
    if (this.#phase !== 'syncing' || !this.#ownCurrent) return
    const ids = new Set([core.id])
    for (const [id, learner] of this.#learners) if (learner.current) ids.add(id)
    if (!core.isQuorum(ids)) return
    this.#phase = 'established'
    core.commitUpTo(this.#history)
    core.effects.push({ kind: 'role', role: 'leader', leader: core.id })
    for (const [id, learner] of this.#learners) this.#bringUp(id, learner)
    this.#startRound()
  }

  /** The zxid that the next proposal has to carry; null when the epoch's counter is used up. */
  nextZxid(): bigint | null {
    const { last } = this.#core.log
    if (epochOf(last) !== this.#epoch) return (BigInt(this.#epoch) << 32n) | 1n
    return (last & 0xffffffffn) === 0xffffffffn ? null : last + 1n
  }

  /** Into the own log and to every learner at once; the order of zxids is the order of the log. */
  propose(entries: readonly Entry[]): void {
    const core = this.#core
    const previous = core.log.last
    const last = entries.at(-1)!.zxid
    const message = { kind: 'append', epoch: this.#epoch, previous, entries } as const
    for (const [id, learner] of this.#learners) if (learner.state === 'fed') core.send(id, message)
    core.append(entries, () => {
      if (last > this.#ownMatch) this.#ownMatch = last
      this.#advance()
    })
  }

  #advance(): void {
    const core = this.#core
    if (this.#phase !== 'established') return
    let committed: bigint | null = null
    for (const config of core.configs) {
      const held = config.servers.filter((server) => server.voter).map(({ id }) => this.#held(id))
      held.sort((a, b) => (a < b ? 1 : a > b ? -1 : 0))
      const agreed = core.planted.commitWithoutQuorum ? held[0]! : held[Math.floor(held.length / 2)]!
      if (committed === null || agreed < committed) committed = agreed
    }
    const before = core.committed
    if (committed === null || committed <= before) return
    // Learners hear of it BEFORE this member applies it: the other way round would only cost time.
    const known = committed
    for (const [id, learner] of this.#learners) {
      if (learner.upToDate) core.send(id, { kind: 'commit', epoch: this.#epoch, zxid: known, upToDate: false })
    }
    core.commitUpTo(known)
    core.trim(this.#feeding.pinnedBy(this.#learners.values()))
    if (!core.isVoter && !core.reconfiguring) this.#stepDown('the new configuration has this member no more as a voter')
    // With the new configuration alone more may be agreed.
    else if (core.configs.length > 0 && before !== core.committed) this.#advance()
  }

  #held(id: number): bigint {
    if (id === this.#core.id) return this.#ownMatch
    const learner = this.#learners.get(id)
    return learner?.current ? learner.match : 0n
  }

  tick(): void {
    const { now, timing } = this.#core
    if (this.#phase !== 'established') {
      if (now - this.#startedAt > timing.initLimit * timing.tickMs) this.#stepDown('no quorum came together in time')
      else if (this.#epoch === -1 && now - this.#startedAt > timing.tickMs) this.#stepDown('no quorum came to follow')
      return
    }
    for (const [id, learner] of this.#learners) {
      const limit = learner.upToDate ? timing.syncLimit : timing.initLimit
      if (now - learner.heardAt > limit * timing.tickMs) this.#drop(id)
    }
    this.#checkFollowing()
    if (this.#over) return
    if (now - this.#roundAt >= (this.#roundConfirmed ? timing.tickMs / 2 : timing.tickMs)) this.#startRound()
  }

  peerDown(id: number): void {
    this.#drop(id)
    this.#checkFollowing()
  }

  #checkFollowing(): void {
    const { core, connected } = { core: this.#core, connected: this.#core.connected }
    const ids = new Set([core.id])
    if (this.#phase === 'discovering') for (const id of connected) ids.add(id)
    else for (const id of this.#learners.keys()) ids.add(id)
    if (!core.isQuorum(ids)) this.#stepDown('fewer than a quorum of the voters follow')
  }

  #startRound(): void {
    const core = this.#core
    this.#round++
    this.#roundAt = core.now
    this.#roundConfirmed = false
    for (const [id, learner] of this.#learners) {
      learner.basis = learner.round
      if (learner.state === 'fed') core.send(id, { kind: 'ping', epoch: this.#epoch, round: this.#round, last: core.log.last })
      else if (learner.state === 'snapshot') core.send(id, { kind: 'ping', epoch: this.#epoch, round: this.#round, last: 0n })
    }
    this.#confirmRound()
  }

  /** A quorum answered the round: nobody else led when it began, so what was touched before it is safe with this leader. */
  #confirmRound(): void {
    const core = this.#core
    if (this.#roundConfirmed || !this.established) return
    const ids = new Set([core.id])
    for (const [id, learner] of this.#learners) if (learner.round >= this.#round) ids.add(id)
    if (!core.isQuorum(ids)) return
    this.#roundConfirmed = true
    core.effects.push({ kind: 'confirmed', at: this.#roundAt })
    for (const [id, learner] of this.#learners) {
      if (learner.upToDate && learner.basis > 0) core.send(id, { kind: 'confirm', epoch: this.#epoch, round: learner.basis })
    }
  }
}
