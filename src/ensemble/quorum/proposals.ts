// Of a leader: the transactions that wait for their place in the order, and when they become one proposal. What a turn of the event loop
// brings is one; while a write of the log is under way more wait and share the next; and where the disk makes each wait anyway, they wait a
// little for those that the last write answered (Gathering). Decides when; what a proposal is, its owner knows.

import type { Env, Timer } from '../../env/env.js'
import { Gathering } from '../store/gathering.js'
import type { Entry } from './log-window.js'

export interface Proposal {
  readonly payload: Buffer
  readonly origin: Entry['origin']
}

/** Log writes of proposals under way; more proposals wait and share the next. */
const MAX_WRITES_AHEAD = 1

export interface ProposalsOptions {
  readonly env: Pick<Env, 'clock' | 'timers'>
  /** False: they can have no place now, and wait on. */
  propose(proposals: readonly Proposal[]): boolean
}

export class Proposals {
  readonly #options: ProposalsOptions
  readonly #gathering = new Gathering()
  #waiting: Proposal[] = []
  /** They are looked at when this turn ends. */
  #turnEnds = false
  /** Set while they wait for more. */
  #patience: Timer | null = null
  #writesAhead = 0
  #closed = false

  constructor(options: ProposalsOptions) {
    this.#options = options
  }

  get waiting(): readonly Proposal[] {
    return this.#waiting
  }

  push(proposal: Proposal): void {
    this.#waiting.push(proposal)
    if (this.#patience && !this.#gathering.isEnough(this.#waiting.length)) return
    if (this.#turnEnds) return
    this.#turnEnds = true
    // One turn later: what this turn brings is one proposal.
    queueMicrotask(() => {
      this.#turnEnds = false
      if (this.#patience) this.#gathered()
      else this.look()
    })
  }

  /** Something that stood in their way may be over. They go at once, or after a little while that may bring more. */
  look(): void {
    if (this.#waiting.length === 0 || this.#patience || this.#writesAhead >= MAX_WRITES_AHEAD) return
    const { clock, timers } = this.#options.env
    const ms = this.#closed ? 0 : this.#gathering.patienceMs(this.#waiting.length, clock.monotonic())
    if (ms === 0) this.#go()
    else this.#patience = timers.after(ms, () => this.#gathered())
  }

  /** A write of so many entries began; the result is to be called when it ended, and then `look`. */
  writing(entries: number): () => void {
    const { clock } = this.#options.env
    const began = clock.monotonic()
    this.#writesAhead++
    return () => {
      this.#writesAhead--
      this.#gathering.wrote(entries, this.#waiting.length, began, clock.monotonic())
    }
  }

  /** This member leads no more. */
  drop(): void {
    this.#waiting = []
  }

  /** Nothing waits for more from now on. */
  close(): void {
    this.#closed = true
    this.#patience?.cancel()
  }

  #gathered(): void {
    this.#patience?.cancel()
    this.#patience = null
    this.#gathering.over(this.#waiting.length)
    this.#go()
  }

  #go(): void {
    if (this.#waiting.length === 0 || this.#writesAhead >= MAX_WRITES_AHEAD) return
    const proposals = this.#waiting
    // BEFORE they are proposed: that may bring others.
    this.#waiting = []
    if (!this.#options.propose(proposals)) this.#waiting = [...proposals, ...this.#waiting]
  }
}
