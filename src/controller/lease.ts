// Until when this node may act on what its image says of it, above all lead partitions: as long as its session with the ensemble is certain by
// its own clock (`mayActUntil`), which ends BEFORE the ensemble can end the session and anybody else be elected. Runs on the thread coordinator;
// who acts compares the deadline with the clock each time, so it holds also for a process that was stopped and goes on.
//
//   none ──heard of──▶ heard of ──registered, taken up, proved──▶ held
//     ▲                    └── deadline passed, or another session ──┘
//
// While the next confirmation of the ensemble comes before the deadline, the session cannot have ended in between. Proof is needed once a deadline
// was missed: a session that was heard of too late may have ended before, though nobody said so yet. So a transaction of the session must succeed
// that was sent AFTER the ensemble was heard of again: an end of the session would stand before it in the order. And the image, wherever the node
// acts, must have reached that transaction: what others decided meanwhile is known.

import type { Env, Timer } from '../env/env.js'
import type { ZnodeClient } from '../ensemble/znode-client.js'
import type { MetadataView } from './metadata-view.js'
import { brokerPath } from './paths.js'

export interface LeaseOptions {
  readonly env: Env
  readonly brokerId: number
  readonly view: Pick<MetadataView, 'image' | 'onChange' | 'reached'>
  /** The session in use; another one once it has ended. */
  client(): ZnodeClient
  /** Of the registration that stands; null: none. */
  brokerEpoch(): bigint | null
  /** Resolves when all that the view has published is in force wherever the node acts. */
  settled(): Promise<unknown>
  /** The deadline, monotonic ms; -Infinity: nothing may be done. */
  onDeadline(until: number): void
  /** The deadline passed: what waits for something that only a leader may do waits in vain. */
  onLost(): void
}

/** Time in which the ensemble was heard of again and again, each time before the deadline. */
interface Chain {
  readonly session: ZnodeClient
  until: number
  proved: boolean
}

/** Looks for an extension when this share of the time is left over. */
const LOOKS = 8
const SHORTEST_LOOK_MS = 20
const AGAIN_MS = 50

export class Lease {
  readonly #options: LeaseOptions
  #chain: Chain | null = null
  #timer: Timer | null = null
  #proving = false
  #lostAt: number | null = null
  #closed = false
  readonly #offView: () => void
  #waiting: (() => void)[] = []

  constructor(options: LeaseOptions) {
    this.#options = options
    this.#offView = options.view.onChange(() => {
      if (this.#chain?.proved !== true) this.#look()
    })
    this.#look()
  }

  get isHeld(): boolean {
    return this.#chain?.proved === true && this.#options.env.clock.monotonic() < this.#chain.until
  }

  /** Resolves when it is held; at once when it is. */
  held(): Promise<void> {
    if (this.isHeld) return Promise.resolve()
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
    this.#offView()
    this.#chain = null
    this.#options.onDeadline(-Infinity)
  }

  #look(): void {
    if (this.#closed) return
    this.#timer?.cancel()
    this.#timer = null
    const { env, client, onDeadline } = this.#options
    const now = env.clock.monotonic()
    const session = client()
    const until = session.state === 'expired' || session.state === 'closed' ? -Infinity : session.mayActUntil()
    if (this.#chain && (this.#chain.session !== session || now >= this.#chain.until || until === -Infinity)) this.#break(session, now)
    this.#chain ??= now < until ? { session, until, proved: false } : null
    const chain = this.#chain
    if (chain && until > chain.until) {
      chain.until = until
      if (chain.proved) onDeadline(until)
    }
    if (chain?.proved !== true) {
      if (chain && !this.#proving && session.state === 'connected' && this.#isTakenUp()) void this.#prove(chain)
      this.#lookIn(AGAIN_MS)
    } else if (chain.until !== Infinity) this.#lookIn((chain.until - now) / LOOKS)
  }

  #break(session: ZnodeClient, now: number): void {
    const { env, brokerId, onDeadline, onLost } = this.#options
    const held = this.#chain!.proved
    this.#chain = null
    if (!held) return
    this.#lostAt = now
    env.logger.warn({ brokerId, session: session.state }, 'the session with the ensemble is not certain: this node leads nothing for now')
    onDeadline(-Infinity)
    onLost()
  }

  #lookIn(ms: number): void {
    this.#timer = this.#options.env.timers.after(Math.max(SHORTEST_LOOK_MS, ms), () => this.#look())
  }

  async #prove(chain: Chain): Promise<void> {
    const { env, brokerId, view, settled } = this.#options
    this.#proving = true
    try {
      const { zxid } = await chain.session.multi([{ kind: 'check', path: brokerPath(brokerId), version: -1 }])
      await view.reached(zxid)
      await settled()
      if (!this.#closed) this.#proved(chain)
    } catch (error) {
      env.logger.debug({ error: (error as Error).message }, 'the session could not be proved alive; it is tried again')
    } finally {
      this.#proving = false
    }
  }

  #proved(chain: Chain): void {
    const { env, brokerId, onDeadline } = this.#options
    const now = env.clock.monotonic()
    if (chain !== this.#chain || now >= chain.until || !this.#isTakenUp()) return
    chain.proved = true
    onDeadline(chain.until)
    if (this.#lostAt !== null)
      env.logger.info({ brokerId, afterMs: Math.round(now - this.#lostAt) }, 'the session is certain again: this node leads what it led')
    this.#lostAt = null
    for (const resolve of this.#waiting.splice(0)) resolve()
    this.#look()
  }

  /** The controller knows this life of the node: what the image says of it was not said to a former one. */
  #isTakenUp(): boolean {
    const { view, brokerId, brokerEpoch } = this.#options
    const broker = view.image.brokers.get(brokerId)
    return broker !== undefined && !broker.fenced && broker.epoch === brokerEpoch()
  }
}
