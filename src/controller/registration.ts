// This node's broker in the ensemble: its ephemeral znode under /brokers/ids, whose czxid is the broker epoch. Runs on
// the thread coordinator. After each new session it registers again, in a loop with a growing pause, until it stands
// or the id turns out to be somebody else's. It never trusts an answer that was lost: it reads back and compares the
// incarnation.
//
// A node that exists already is (by owner, incarnation, identity)
//   this registration, its answer lost         → done
//   of an earlier session or life of this node → deleted at its version and made anew, in one multi
//   of a stranger                              → waited for, up to a limit, then `failed`: two nodes share an id
//
// States: starting (fenced: it reads the metadata) → running → stopping. With no `catchUp` it registers as running.

import type { Env } from '../env/env.js'
import { pauseFor } from '../env/pause.js'
import { ZkCode } from '../ensemble/tree/codes.js'
import type { Stat } from '../ensemble/tree/types.js'
import { isZnodeError, readIfPresent, type NodeData, type ZnodeClient } from '../ensemble/znode-client.js'
import type { BrokerEndpoint, FeatureRange } from './image.js'
import type { MetadataView } from './metadata-view.js'
import { connected } from './metadata-writer.js'
import { brokerPath } from './paths.js'
import { decodeBroker, encodeBroker, type BrokerState } from './znode-data.js'

export interface BrokerAnnouncement {
  /** By listener name; the one named LINK is for other nodes. */
  readonly endpoints: readonly BrokerEndpoint[]
  readonly rack: string | null
  readonly features: ReadonlyMap<string, FeatureRange>
  readonly logDirs: readonly string[]
  /** The life before this process ended without a clean stop. */
  readonly uncleanShutdown: boolean
  /** Acknowledged records may be missing from its logs: it may not lead, nor count as in sync, while others do (KIP-966). */
  readonly lostWrites: boolean
}

export interface RegistrationHealth {
  readonly state: 'registering' | 'registered' | 'failed' | 'stopped'
  /** Monotonic milliseconds since when. */
  readonly since: number
  readonly error: string | null
}

export interface BrokerRegistrationOptions {
  readonly env: Env
  readonly view: MetadataView
  readonly brokerId: number
  /** Names the data directory: the same over restarts. */
  readonly identity: string
  readonly announcement: BrokerAnnouncement
  /** What is between being registered and being of use; resolves when the node has caught up. Absent: nothing. */
  readonly catchUp?: () => Promise<void>
  /** How long a stranger with the same id is waited for. */
  readonly strangerLimitMs?: number
}

const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 5_000
const STRANGER_LIMIT_MS = 60_000
const STRANGER_CHECK_MS = 200

export class BrokerRegistration {
  readonly #options: BrokerRegistrationOptions
  readonly #env: Env
  readonly #path: string
  #announcement: BrokerAnnouncement
  #health: RegistrationHealth
  readonly #listeners = new Set<(health: RegistrationHealth) => void>()
  readonly #stopListening: () => void
  /** The session it runs on; another one ends the loop of the former. */
  #client: ZnodeClient | null = null
  #incarnation = ''
  #state: BrokerState
  #epoch: bigint | null = null
  #version = 0
  #stopping = false

  constructor(options: BrokerRegistrationOptions) {
    this.#options = options
    this.#env = options.env
    this.#announcement = options.announcement
    this.#path = brokerPath(options.brokerId)
    this.#state = 'starting'
    this.#health = { state: 'registering', since: options.env.clock.monotonic(), error: null }
    this.#stopListening = options.view.onChange(() => this.#checkStanding())
  }

  get health(): RegistrationHealth {
    return this.#health
  }

  /** The broker epoch of the registration that stands; null while none does. */
  get epoch(): bigint | null {
    return this.#epoch
  }

  onHealth(listener: (health: RegistrationHealth) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** A new session: registers on it until it stands. */
  start(client: ZnodeClient): void {
    this.#client = client
    this.#epoch = null
    this.#incarnation = Buffer.from(this.#env.random.bytes(12)).toString('base64url')
    this.#state = this.#stopping ? 'stopping' : this.#options.catchUp ? 'starting' : 'running'
    this.#setHealth('registering', null)
    void this.#register(client).catch((error: Error) => {
      this.#env.logger.error({ error: error.message, brokerId: this.#options.brokerId }, 'this broker is not registered')
      this.#setHealth('failed', error.message)
    })
  }

  /** Other endpoints, or another rack. */
  async announce(change: Partial<BrokerAnnouncement>): Promise<void> {
    this.#announcement = { ...this.#announcement, ...change }
    if (this.#epoch !== null) await this.#replace(this.#client!)
  }

  /**
   * The controller has taken this life up, and with it how the one before ended. Another session says nothing of it any more: what this life
   * was counted on for since then is all there.
   */
  pastIsKnown(): void {
    this.#announcement = { ...this.#announcement, uncleanShutdown: false, lostWrites: false }
  }

  /** Says that the broker is about to stop: it gets no leadership any more, also by the next registration. */
  async announceStop(): Promise<void> {
    this.#stopping = true
    this.#state = 'stopping'
    if (this.#epoch !== null) await this.#replace(this.#client!)
  }

  /** Ends the loop. The znode goes with the session. */
  stop(): void {
    this.#client = null
    this.#epoch = null
    this.#stopListening()
    this.#setHealth('stopped', null)
  }

  #setHealth(state: RegistrationHealth['state'], error: string | null): void {
    this.#health = { state, since: this.#env.clock.monotonic(), error }
    for (const listener of this.#listeners) listener(this.#health)
  }

  /** Somebody removed the znode while the session lives: it is made again. */
  #checkStanding(): void {
    const { view, brokerId } = this.#options
    const client = this.#client
    if (!client || this.#epoch === null || view.image.zxid < this.#epoch || view.node(brokerPath(brokerId))) return
    if (client.state !== 'connected') return
    this.#env.logger.warn({ brokerId }, 'the registration of this broker was removed; it registers again')
    this.start(client)
  }

  async #register(client: ZnodeClient): Promise<void> {
    let pause = FIRST_PAUSE_MS
    const started = this.#env.clock.monotonic()
    while (this.#client === client && client.state !== 'expired' && client.state !== 'closed') {
      const made = await this.#attempt(client, started)
      if (made === 'again') {
        await pauseFor(pause * (0.5 + this.#env.random.next()), this.#env.timers)
        pause = Math.min(LONGEST_PAUSE_MS, pause * 2)
        continue
      }
      if (this.#client !== client) return
      this.#epoch = made.czxid
      this.#version = made.version
      this.#setHealth('registered', null)
      await this.#comeUp(client, made.czxid)
      return
    }
  }

  async #attempt(client: ZnodeClient, started: number): Promise<Stat | 'again'> {
    try {
      return (await client.create2(this.#path, this.#data(), { mode: 'ephemeral' })).stat
    } catch (error) {
      if (!isZnodeError(error, ZkCode.nodeExists) && !isZnodeError(error, ZkCode.connectionLoss)) return this.#retry(error)
      try {
        if (isZnodeError(error, ZkCode.connectionLoss)) {
          await connected(client, error)
          await client.sync('/')
        }
        const standing = await readIfPresent(client, this.#path)
        return standing ? await this.#settle(client, standing, started) : 'again'
      } catch (cause) {
        if (cause instanceof DuplicateBrokerError) throw cause
        return this.#retry(cause)
      }
    }
  }

  async #settle(client: ZnodeClient, standing: NodeData, started: number): Promise<Stat | 'again'> {
    const said = decodeBroker(standing.data)
    if (said.incarnation === this.#incarnation && standing.stat.ephemeralOwner === client.sessionId) return standing.stat
    const ours = standing.stat.ephemeralOwner === client.sessionId || said.identity === this.#options.identity
    if (ours) {
      const { zxid, results } = await client.multi([
        { kind: 'delete', path: this.#path, version: standing.stat.version },
        { kind: 'create', path: this.#path, data: this.#data(), mode: 'ephemeral' },
      ])
      return results[1]?.stat ?? { ...standing.stat, czxid: zxid, mzxid: zxid, version: 0, ephemeralOwner: client.sessionId }
    }
    const limit = this.#options.strangerLimitMs ?? STRANGER_LIMIT_MS
    if (this.#env.clock.monotonic() - started >= limit) throw new DuplicateBrokerError(this.#options.brokerId, limit)
    await pauseFor(STRANGER_CHECK_MS, this.#env.timers)
    return 'again'
  }

  #retry(error: unknown): 'again' {
    const message = error instanceof Error ? error.message : String(error)
    this.#env.logger.debug({ error: message }, 'registering this broker failed; it is tried again')
    this.#setHealth('registering', message)
    return 'again'
  }

  async #comeUp(client: ZnodeClient, epoch: bigint): Promise<void> {
    const { catchUp, view } = this.#options
    if (!catchUp) return
    await view.reached(epoch)
    await catchUp()
    if (this.#client !== client || this.#stopping) return
    this.#state = 'running'
    await this.#replace(client)
  }

  /** What the znode says is replaced, until it says what is wanted now. */
  async #replace(client: ZnodeClient): Promise<void> {
    let pause = FIRST_PAUSE_MS
    while (this.#client === client && this.#epoch !== null) {
      try {
        this.#version = (await client.setData(this.#path, this.#data(), this.#version)).version
        return
      } catch (error) {
        if (client.state === 'expired' || client.state === 'closed' || isZnodeError(error, ZkCode.noNode)) return
        this.#retry(error)
        await pauseFor(pause, this.#env.timers)
        pause = Math.min(LONGEST_PAUSE_MS, pause * 2)
        const standing = await readIfPresent(client, this.#path).catch(() => null)
        // Nobody else writes it: a version that moved is this write, its answer lost.
        if (standing && standing.stat.ephemeralOwner === client.sessionId) this.#version = standing.stat.version
      }
    }
  }

  #data(): Uint8Array {
    const { identity } = this.#options
    return encodeBroker({ ...this.#announcement, state: this.#state, incarnation: this.#incarnation, identity }, this.#env.clock.now())
  }
}

export class DuplicateBrokerError extends Error {
  readonly code = 'ERR_MILLRACE_DUPLICATE_BROKER'

  constructor(brokerId: number, limitMs: number) {
    super(
      `broker id ${brokerId} is registered by another node, and has been for ${limitMs} ms: two nodes may not share an id (--node-id); stop one, or wait until the other's session has ended`,
    )
  }
}
