// What the parts of the quorum state machine share: the log window, what is promised durably, the configuration, and the
// list of effects of the step under way. `persist` is where "saved BEFORE sent" lives: what depends on a save is done when
// the save was reported, and not at all if the member has gone on to something else meanwhile. No I/O, no clock.

import { hasAllVoters, isQuorum, votersOf, type EnsembleConfig } from './config.js'
import { LogWindow, type Entry } from './log-window.js'
import type { Message } from './messages.js'
import { Touches } from './touches.js'

export interface HardState {
  /** The newest epoch promised to a leader, and which leader that was. */
  readonly acceptedEpoch: number
  readonly acceptedFrom: number
  /** The epoch whose leader's history this member holds. */
  readonly currentEpoch: number
}

export type PersistOp =
  | { readonly kind: 'append'; readonly entries: readonly Entry[] }
  | { readonly kind: 'truncate'; readonly after: bigint }
  /** The snapshot replaces everything that is stored. */
  | { readonly kind: 'install'; readonly zxid: bigint; readonly snapshot: Buffer }
  | { readonly kind: 'epochs'; readonly state: HardState }

export type MachineRole = 'looking' | 'leader' | 'follower' | 'observer'

/** To be carried out in order. */
export type Effect =
  /** Saves are durable in the order of `seq`; report each with a `persisted` input. */
  | { readonly kind: 'persist'; readonly seq: number; readonly op: PersistOp }
  | { readonly kind: 'send'; readonly to: number; readonly message: Message }
  | { readonly kind: 'commit'; readonly entries: readonly Entry[] }
  /** A snapshot came whole: check it, answer with a `checked` input. */
  | { readonly kind: 'check'; readonly zxid: bigint; readonly snapshot: Buffer }
  /** The tree becomes the snapshot that was checked last. */
  | { readonly kind: 'adopt'; readonly zxid: bigint }
  /** Encode the tree as it is now and answer with a `snapshot` input, soon. */
  | { readonly kind: 'snapshot'; readonly to: number }
  | { readonly kind: 'role'; readonly role: MachineRole; readonly leader: number }
  /** Whatever waits here for a result has an unknown fate. */
  | { readonly kind: 'lost' }
  | { readonly kind: 'request'; readonly from: number; readonly request: number; readonly txn: Uint8Array }
  | { readonly kind: 'refused'; readonly request: number; readonly code: number }
  | { readonly kind: 'touched'; readonly sessions: readonly bigint[] }
  | { readonly kind: 'synced'; readonly request: number }
  /** Touches made here before `at` have reached a leader that led afterwards. */
  | { readonly kind: 'confirmed'; readonly at: number }
  /** This member's data contradicts what the ensemble has agreed on: it must not go on. */
  | { readonly kind: 'fatal'; readonly reason: string }

export interface Timing {
  readonly tickMs: number
  /** Ticks a leader and its followers may take to come together. */
  readonly initLimit: number
  /** Ticks without a word after which the other side counts as gone. */
  readonly syncLimit: number
}

/** Planted bugs, for the simulation that has to find them. Never set outside tests. */
export interface Planted {
  readonly epochNotSyncedBeforeSent?: boolean
  readonly ackBeforeFsync?: boolean
  readonly commitWithoutQuorum?: boolean
  readonly keepUncommittedTail?: boolean
  readonly trustSnapshot?: boolean
  readonly skipAheadCheck?: boolean
  readonly trustsCache?: boolean
  readonly forgetsConfirmedTouches?: boolean
}

export interface CoreOptions {
  readonly id: number
  readonly config: EnsembleConfig
  readonly hard: HardState
  /** Base: what the tree holds; it is committed. */
  readonly log: LogWindow
  readonly timing: Timing
  /** Bytes of committed entries kept for members that come back. */
  readonly windowBytes?: number
  readonly planted?: Planted
}

export class Core {
  readonly id: number
  readonly timing: Timing
  readonly planted: Planted
  readonly log: LogWindow
  readonly connected = new Set<number>()
  readonly touches = new Touches()
  hard: HardState
  committed: bigint
  /** Has never held any history: it cannot know what the ensemble has promised, so it does not count as a voter. */
  virgin: boolean
  /**
   * When this member last did what a leader said (answered its ping, took its entries), or led itself. What any leader confirmed to sessions
   * it confirmed with a quorum's answers, so among the members of a later quorum one heard of that leader at least as late.
   */
  heardAt = -Infinity
  /** What it says could not be saved: it takes no part, and says nothing, until it can be. */
  standsAside = false
  /** The highest epoch that anybody here was heard to have promised. */
  seenEpoch = 0
  now = 0
  effects: Effect[] = []
  #active: EnsembleConfig
  #pending: { readonly zxid: bigint; readonly config: EnsembleConfig }[] = []
  #seq = 0
  readonly #waiting: { readonly seq: number; readonly life: number; readonly run: () => void }[] = []
  #life = 0
  readonly #windowBytes: number

  constructor(options: CoreOptions) {
    this.id = options.id
    this.timing = options.timing
    this.planted = options.planted ?? {}
    this.log = options.log
    this.hard = options.hard
    this.committed = options.log.base
    this.virgin = options.hard.currentEpoch === 0 && options.log.last === 0n
    this.#active = options.config
    this.#windowBytes = options.windowBytes ?? 16 * 1024 * 1024
    this.#notePending(options.log.entries)
  }

  /** The committed configuration, and the ones in the log that are not known to be committed: all of them must agree. */
  get configs(): readonly EnsembleConfig[] {
    return [this.#active, ...this.#pending.map(({ config }) => config)]
  }

  get active(): EnsembleConfig {
    return this.#active
  }

  get reconfiguring(): boolean {
    return this.#pending.length > 0
  }

  setActive(config: EnsembleConfig): void {
    this.#active = config
  }

  get isVoter(): boolean {
    return this.voters.has(this.id)
  }

  get voters(): Set<number> {
    return new Set(this.configs.flatMap(votersOf))
  }

  /** `history` are those of `ids` that have held history: the others count only when every voter is there. */
  isElectorate(ids: ReadonlySet<number>, history: ReadonlySet<number>): boolean {
    return isQuorum(this.configs, history) || hasAllVoters(this.configs, ids)
  }

  isQuorum(ids: ReadonlySet<number>): boolean {
    return isQuorum(this.configs, ids)
  }

  send(to: number, message: Message): void {
    this.effects.push({ kind: 'send', to, message })
  }

  /** Saves, and does `then` once the save is durable, unless the member looks for a leader again before. */
  persist(op: PersistOp, then: () => void = () => undefined): void {
    const seq = ++this.#seq
    this.effects.push({ kind: 'persist', seq, op })
    this.#waiting.push({ seq, life: this.#life, run: then })
  }

  persisted(seq: number): void {
    while (this.#waiting.length > 0 && this.#waiting[0]!.seq <= seq) {
      const { life, run } = this.#waiting.shift()!
      if (life === this.#life) run()
    }
  }

  /** What waits for a save of the life that ends is forgotten; the saves themselves go on. */
  newLife(): void {
    this.#life++
  }

  saveEpochs(change: Partial<HardState>, then: () => void): void {
    this.hard = { ...this.hard, ...change }
    if (this.planted.epochNotSyncedBeforeSent) {
      this.persist({ kind: 'epochs', state: this.hard })
      then()
    } else this.persist({ kind: 'epochs', state: this.hard }, then)
  }

  append(entries: readonly Entry[], then: () => void): void {
    this.log.append(entries)
    this.#notePending(entries)
    if (this.planted.ackBeforeFsync) {
      this.persist({ kind: 'append', entries })
      then()
    } else this.persist({ kind: 'append', entries }, then)
  }

  truncate(after: bigint): void {
    this.log.truncate(after)
    this.#pending = this.#pending.filter(({ zxid }) => zxid <= after)
    this.persist({ kind: 'truncate', after })
  }

  install(zxid: bigint, snapshot: Buffer): void {
    this.log.reset(zxid)
    this.#pending = []
    this.committed = zxid
    this.persist({ kind: 'install', zxid, snapshot })
    this.effects.push({ kind: 'adopt', zxid })
  }

  /** Everything up to `zxid` is agreed: it is applied in order, and configurations take effect. */
  commitUpTo(zxid: bigint): void {
    if (zxid <= this.committed) return
    const entries = this.log.after(this.committed, zxid)
    if (entries.length === 0) return
    this.committed = entries.at(-1)!.zxid
    this.effects.push({ kind: 'commit', entries })
    while (this.#pending.length > 0 && this.#pending[0]!.zxid <= this.committed) this.#active = this.#pending.shift()!.config
  }

  /** What everyone who follows has is not needed again; a member that comes back may need it. */
  trim(pinned: bigint | null): void {
    const upTo = pinned !== null && pinned < this.committed ? pinned : this.committed
    this.log.trim(upTo, this.#windowBytes)
  }

  #notePending(entries: readonly Entry[]): void {
    for (const { zxid, config } of entries) if (config) this.#pending.push({ zxid, config })
  }
}
