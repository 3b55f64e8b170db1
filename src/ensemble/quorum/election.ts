// Looking for a leader: ZooKeeper's fast leader election. Votes are compared by (epoch, zxid, id); a member adopts any better
// one it hears of and tells everybody. A quorum for one vote ends it, at once when every connected voter agrees, else after
// a moment in which a better vote may still come. Who is elected wrongly fails in discovery: safety does not rest here.

import type { Core } from './core.js'
import type { Notification, PeerState, Vote } from './messages.js'

/** What the member is when it does not look: it answers those who do. */
export interface Standing {
  readonly state: PeerState
  readonly leader: number
  readonly established: boolean
}

const NO_VOTE: Vote = { leader: -1, epoch: 0, zxid: 0n }
const LOOKING: Standing = { state: 'looking', leader: -1, established: false }

export class Election {
  readonly #core: Core
  #round = 0
  #vote: Vote
  readonly #votes = new Map<number, Notification>()
  /** Those who say that they lead or follow. */
  readonly #settled = new Map<number, Notification>()
  #decideAt = Infinity
  #resendAt = 0

  constructor(core: Core) {
    this.#core = core
    this.#vote = this.#ownVote()
  }

  get round(): number {
    return this.#round
  }

  #ownVote(): Vote {
    const { id, hard, log, isVoter } = this.#core
    return isVoter ? { leader: id, epoch: hard.currentEpoch, zxid: log.last } : NO_VOTE
  }

  /** Starts a round. Returns the leader when there is nothing to wait for. */
  start(): number | null {
    this.#round++
    this.#votes.clear()
    this.#settled.clear()
    this.#vote = this.#ownVote()
    this.#decideAt = Infinity
    this.#broadcast()
    return this.#decide()
  }

  /** Takes no part in what comes, and says so once: a vote for nobody, of a round before any. */
  standAside(): void {
    this.#votes.clear()
    this.#settled.clear()
    const notification = { ...this.#notification(LOOKING), ...NO_VOTE, round: 0 }
    for (const id of this.#core.connected) this.#core.send(id, notification)
  }

  /** Everybody's vote is repeated: a message may have been lost. */
  tick(): number | null {
    if (this.#core.now >= this.#resendAt) this.#broadcast()
    return this.#decide()
  }

  peerUp(id: number): void {
    this.#core.send(id, this.#notification(LOOKING))
  }

  peerDown(id: number): number | null {
    this.#votes.delete(id)
    this.#settled.delete(id)
    return this.#decide()
  }

  /** While looking. Returns the leader when one is found. */
  receive(from: number, message: Notification): number | null {
    const core = this.#core
    // Who does not vote waits for a leader to say that it is one.
    if (!core.voters.has(from)) return null
    if (message.state !== 'looking') return this.#receiveSettled(from, message)
    this.#settled.delete(from)
    if (message.leader === NO_VOTE.leader) {
      this.#votes.delete(from)
      // It stands aside: it can be elected no more.
      return this.#vote.leader === from ? this.start() : this.#decide()
    }
    if (message.round < this.#round) {
      if (core.isVoter) this.peerUp(from)
      return null
    }
    const better = isBetter(message, this.#vote)
    if (message.round > this.#round) {
      this.#round = message.round
      this.#votes.clear()
      const own = this.#ownVote()
      this.#adopt(isBetter(message, own) ? message : own)
    } else if (better) this.#adopt(message)
    this.#votes.set(from, message)
    return this.#decide()
  }

  #receiveSettled(from: number, message: Notification): number | null {
    // Who decided in this round stands by its vote: whoever it decided for may have to count it still.
    if (message.round === this.#round) this.#votes.set(from, message)
    else this.#votes.delete(from)
    this.#settled.set(from, message)
    const { leader } = message
    const word = this.#settled.get(leader)
    if (leader === this.#core.id || word?.state !== 'leading') return this.#decide()
    if (word.established) return leader
    const followers = [...this.#settled].filter(([, said]) => said.leader === leader).map(([id]) => id)
    // With this member itself: that one may be waiting for it, and a quorum that comes together without it is no better.
    return this.#core.isQuorum(new Set([this.#core.id, ...followers])) ? leader : this.#decide()
  }

  #adopt(vote: Vote): void {
    this.#decideAt = Infinity
    if (!this.#core.isVoter) return
    this.#vote = { leader: vote.leader, epoch: vote.epoch, zxid: vote.zxid }
    this.#broadcast()
  }

  #decide(): number | null {
    const core = this.#core
    if (!core.isVoter) return null
    const agreeing = [...this.#votes].filter(([, said]) => sameVote(said, this.#vote))
    const ids = new Set([core.id, ...agreeing.map(([id]) => id)])
    const history = new Set(agreeing.filter(([, said]) => !said.virgin).map(([id]) => id))
    if (!core.virgin) history.add(core.id)
    if (!core.isElectorate(ids, history)) {
      this.#decideAt = Infinity
      return null
    }
    const everybody = [...core.voters].every((id) => ids.has(id) || !core.connected.has(id))
    if (this.#decideAt === Infinity) this.#decideAt = core.now + Math.min(200, core.timing.tickMs / 5)
    return everybody || core.now >= this.#decideAt ? this.#vote.leader : null
  }

  /** Tells a member that looks where this one stands. */
  answer(to: number, standing: Standing): void {
    this.#core.send(to, this.#notification(standing))
  }

  #broadcast(): void {
    this.#resendAt = this.#core.now + this.#core.timing.tickMs / 2
    for (const id of this.#core.voters) if (id !== this.#core.id && this.#core.connected.has(id)) this.peerUp(id)
  }

  #notification({ state, leader, established }: Standing): Notification {
    const vote = state === 'looking' ? this.#vote : { ...this.#vote, leader }
    return { kind: 'notification', ...vote, round: this.#round, state, established, virgin: this.#core.virgin }
  }
}

function sameVote(a: Vote, b: Vote): boolean {
  return a.leader === b.leader && a.epoch === b.epoch && a.zxid === b.zxid
}

function isBetter(a: Vote, b: Vote): boolean {
  if (a.epoch !== b.epoch) return a.epoch > b.epoch
  if (a.zxid !== b.zxid) return a.zxid > b.zxid
  return a.leader > b.leader
}
