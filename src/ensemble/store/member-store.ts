// One member's durable storage: appends transactions to `log.<zxid>` with group commit, writes snapshots, purges
// what they replace. A transaction is reported only after a durable write covered it. Those run on libuv's pool, never on
// the event loop; one flush at a time, everything that arrives meanwhile goes into the next. A failed write or fsync
// poisons the store: it is never retried, every later append fails, and only a restart reads what the disk has (`recovery.ts`).
// A full disk is different: the log is cut back to what was reported. An ensemble of one refuses what was queued and takes later
// appends again. A member of several has said already what its log will hold: what was queued keeps its place and is tried
// again, with a pause, until there is space; until then the member stands aside (`whenFull`). What changes in the directory beside the
// log is `store-directory.ts`'.

import path from 'node:path'
import type { Clock, Logger } from '../../env/env.js'
import type { TreeImage } from '../tree/tree-image.js'
import type { ZnodeTree } from '../tree/znode-tree.js'
import type { Txn } from '../tree/types.js'
import { ByteWriter } from './bytes.js'
import { ActiveLog, isFull, mayPass, type LogEnd } from './active-log.js'
import { EPOCHS_FILE, EpochsFile, type StoredEpochs } from './epochs-file.js'
import { realDisk, type StoreDisk } from './disk.js'
import { Gathering } from './gathering.js'
import { framed, writeFrame } from './frames.js'
import { EnsembleStoreError, recover, RefusedWriteError } from './recovery.js'
import { encodeInSlices } from './snapshot.js'
import { StoreDirectory } from './store-directory.js'

type Pending =
  | { readonly kind: 'append'; readonly zxid: bigint; readonly frame: Buffer; readonly done: (error: Error | null) => void }
  /** Anything else that changes what is stored; it has the disk to itself, in its place in the order. */
  | { readonly kind: 'other'; readonly act: () => Promise<void>; readonly done: (error: Error | null) => void }

export interface StoreOptions {
  readonly dir: string
  readonly logger: Logger
  /** Log bytes after which `wantsSnapshot` says so (or twice the last snapshot, if that is more: the work stays proportional). */
  readonly snapshotAfterBytes?: number
  /** Snapshots kept, with the logs from the oldest of them on. */
  readonly keepSnapshots?: number
  /** Writes and resolves once durable. Tests make it fail. */
  readonly write?: StoreDisk['write']
  readonly disk?: StoreDisk
  /** With it groups of requests that take turns at the disk are brought together (`gathering.ts`). */
  readonly clock?: Clock
  /** With it a full disk is waited for. */
  readonly whenFull?: WhenFull
  /** A planted bug: what is read at the start is taken for durable. */
  readonly trustsCache?: boolean
}

export interface WhenFull {
  stalled(error: Error): void
  /** All that was queued is durable. */
  resumed(): void
}

/** Entries behind the snapshot that a member of several does not apply before it knows that they are agreed. */
export interface TailEntry {
  readonly zxid: bigint
  readonly payload: Buffer
}

/** About 2,000 transactions, or 5 ms of replay. */
const SNAPSHOT_AT_CLOSE_BYTES = 256 * 1024
/** Between two tries to write on a full disk. */
export const FULL_RETRY_MS = 1000

type Fixed = Required<Omit<StoreOptions, 'write' | 'disk' | 'clock' | 'whenFull' | 'trustsCache'>> &
  Pick<StoreOptions, 'clock' | 'whenFull'>

export class MemberStore {
  readonly #options: Fixed
  readonly #disk: StoreDisk
  readonly #directory: StoreDirectory
  readonly #clock: Clock | null
  readonly #gathering = new Gathering()
  /** Ends the wait for more. */
  #enough: (() => void) | null = null
  readonly #scratch = new ByteWriter(4096)
  #pending: Pending[] = []
  #flushing: Promise<void> | null = null
  readonly #log: ActiveLog
  /** Of a member of several. */
  #epochs: EpochsFile | null = null
  #bytesSinceSnapshot = 0
  #lastSnapshotBytes = 0
  #snapshotting: Promise<void> | null = null
  /** Set by a snapshot: the next batch opens a new log file. */
  #rollDue = false
  #failure: Error | null = null
  /** Why the newest write was not made; null once one was. */
  #refusal: Error | null = null
  /** The first of what is queued waits for space. */
  #stalled = false
  /** Ends the pause before the next try. */
  #tryNow: (() => void) | null = null
  #flushes = 0
  #closed = false

  private constructor(options: Fixed, disk: StoreDisk, logEnd: LogEnd | null, replayedBytes: number) {
    this.#options = options
    this.#disk = disk
    this.#directory = new StoreDirectory(disk, options.dir, options.keepSnapshots)
    this.#clock = options.clock ?? null
    this.#log = new ActiveLog(disk, options.dir, logEnd)
    this.#bytesSinceSnapshot = replayedBytes
  }

  /** Opens the directory (created when missing) and recovers the tree. Synchronous: nothing is served before it. */
  static open(options: StoreOptions): { store: MemberStore; tree: ZnodeTree } {
    return MemberStore.#open(options, (tree, { zxid, time, txn }) => void tree.apply(txn, zxid, time))
  }

  /** For a member of several: the tree as of the newest snapshot, and what lies behind it in the log. */
  static openWithTail(options: StoreOptions): { store: MemberStore; tree: ZnodeTree; tail: TailEntry[]; epochs: StoredEpochs | null } {
    const tail: TailEntry[] = []
    const opened = MemberStore.#open(options, (_, { zxid }, payload) => void tail.push({ zxid, payload: Buffer.from(payload) }))
    const epochs = new EpochsFile(opened.store.#disk, options.dir, options.trustsCache === true)
    if (epochs.isDamaged) {
      throw new EnsembleStoreError(
        `${path.join(options.dir, EPOCHS_FILE)} is damaged: what this member promised is not known, so it may not vote. Restore the file, or empty the directory and let the member join anew`,
      )
    }
    opened.store.#epochs = epochs
    return { ...opened, tail, epochs: epochs.stored }
  }

  static #open(options: StoreOptions, replay: Parameters<typeof recover>[3]): { store: MemberStore; tree: ZnodeTree } {
    const disk = options.disk ?? (options.write ? { ...realDisk, write: options.write } : realDisk)
    const full = { snapshotAfterBytes: 4 * 1024 * 1024, keepSnapshots: 3, ...options }
    disk.ensureDir(full.dir)
    for (const name of disk.list(full.dir)) if (name.endsWith('.tmp')) disk.unlinkNow(path.join(full.dir, name))
    const { tree, activeLog, replayedBytes } = recover(disk, full.dir, full.logger, replay, options.trustsCache)
    return { store: new MemberStore(full, disk, activeLog, replayedBytes), tree }
  }

  /** Why nothing can be stored at the moment, or any more. */
  get problem(): string | null {
    return (this.#failure ?? this.#refusal)?.message ?? null
  }

  /** How many times the log was synced: with the appends it says how well commits are grouped. */
  get flushes(): number {
    return this.#flushes
  }

  get wantsSnapshot(): boolean {
    const due = Math.max(this.#options.snapshotAfterBytes, this.#lastSnapshotBytes * 2)
    return this.#bytesSinceSnapshot >= due && this.#snapshotting === null
  }

  /** Queues one transaction; `done` runs in order of appending once it is durable, or with the failure. */
  append(zxid: bigint, time: number, txn: Txn, done: (error: Error | null) => void): void {
    this.#scratch.reset()
    writeFrame(this.#scratch, zxid, time, txn)
    this.#queue({ kind: 'append', zxid, frame: Buffer.from(this.#scratch.view()), done })
  }

  /** The same for one that is encoded already. */
  appendPayload(zxid: bigint, payload: Uint8Array, done: (error: Error | null) => void): void {
    this.#queue({ kind: 'append', zxid, frame: framed(payload), done })
  }

  /** Cuts the log behind `after`, which it holds or which is the end of the newest snapshot. */
  truncate(after: bigint, done: (error: Error | null) => void): void {
    this.#queue({ kind: 'other', act: () => this.#truncate(after), done })
  }

  /** A leader's snapshot takes the place of all that is stored. */
  install(zxid: bigint, snapshot: Uint8Array, done: (error: Error | null) => void): void {
    this.#queue({ kind: 'other', act: () => this.#install(zxid, snapshot), done })
  }

  saveEpochs(epochs: StoredEpochs, done: (error: Error | null) => void): void {
    this.#queue({ kind: 'other', act: () => this.#epochs!.save(epochs, (name, bytes) => this.#directory.replaceFile(name, bytes)), done })
  }

  #queue(pending: Pending): void {
    if (this.#failure || this.#closed) {
      const failure = this.#failure ?? new EnsembleStoreError('the metadata store is closed')
      queueMicrotask(() => pending.done(failure))
      return
    }
    this.#pending.push(pending)
    if (this.#enough && (pending.kind === 'other' || this.#gathering.isEnough(this.#pending.length))) this.#enough()
    this.#flushing ??= this.#flushLoop()
  }

  async #flushLoop(): Promise<void> {
    // One turn later: what this tick appends shares the first fsync.
    await Promise.resolve()
    while (this.#pending.length > 0) {
      await this.#waitForMore()
      const batch = this.#takeBatch()
      const began = this.#clock?.monotonic() ?? 0
      const error = this.#failure ?? (await this.#storeInTime(batch))
      // What was queued behind a refused batch goes with it: its zxids would leave a gap.
      const refused = error ? [...batch, ...this.#pending.splice(0)] : batch
      for (const entry of refused) entry.done(error)
      this.#gathering.wrote(batch.length, this.#pending.length, began, this.#clock?.monotonic() ?? 0)
    }
    this.#flushing = null
    if (!this.#stalled || this.#refusal || this.#failure) return
    this.#stalled = false
    this.#options.whenFull?.resumed()
  }

  /** Tries as often as it takes, where a full disk is waited for. */
  async #storeInTime(batch: readonly Pending[]): Promise<Error | null> {
    for (;;) {
      const error = await this.#store(batch)
      this.#refusal = error instanceof RefusedWriteError ? error : null
      const { whenFull } = this.#options
      if (!this.#refusal || !whenFull || this.#closed) return error
      if (!this.#stalled) {
        this.#stalled = true
        whenFull.stalled(this.#refusal)
      }
      await Promise.race([new Promise<void>((resolve) => (this.#tryNow = resolve)), this.#disk.wait(FULL_RETRY_MS)])
      this.#tryNow = null
    }
  }

  async #waitForMore(): Promise<void> {
    const ms = this.#closed || !this.#clock ? 0 : this.#gathering.patienceMs(this.#pending.length, this.#clock.monotonic())
    if (ms === 0) return
    const enough = new Promise<void>((resolve) => (this.#enough = resolve))
    await Promise.race([enough, this.#disk.wait(ms)])
    this.#enough = null
    this.#gathering.over(this.#pending.length)
  }

  /** All appends up to the next other change, or that one alone. */
  #takeBatch(): Pending[] {
    const other = this.#pending.findIndex((entry) => entry.kind === 'other')
    if (other === -1) return this.#pending.splice(0)
    return this.#pending.splice(0, Math.max(other, 1))
  }

  async #store(batch: readonly Pending[]): Promise<Error | null> {
    const [first] = batch
    if (first?.kind !== 'other') return this.#write(batch.filter((entry) => entry.kind === 'append'))
    try {
      await first.act()
      return null
    } catch (cause) {
      // All of them can be done again from the beginning.
      return this.#options.whenFull && mayPass(cause) ? this.#refused(cause) : this.#poison(cause)
    }
  }

  async #truncate(after: bigint): Promise<void> {
    this.#endLog()
    const end = await this.#directory.truncate(after)
    if (end) this.#log.resume(end)
  }

  async #install(zxid: bigint, snapshot: Uint8Array): Promise<void> {
    await this.#snapshotting
    this.#endLog()
    await this.#directory.install(zxid, snapshot)
    this.#bytesSinceSnapshot = 0
    this.#lastSnapshotBytes = snapshot.length
  }

  async #write(batch: readonly Extract<Pending, { kind: 'append' }>[]): Promise<Error | null> {
    try {
      if (this.#rollDue) this.#endLog()
      this.#bytesSinceSnapshot += await this.#log.append(
        batch[0]!.zxid,
        batch.map(({ frame }) => frame),
        this.#stalled,
      )
      this.#flushes++
      return null
    } catch (cause) {
      return mayPass(cause) && this.#cutBack() ? this.#refused(cause) : this.#poison(cause)
    }
  }

  #refused(cause: unknown): Error {
    const why = isFull(cause)
      ? `the disk of ${this.#options.dir} is full: the change was not made. Free space`
      : `${this.#options.dir} cannot be written: ${(cause as Error).message}: the change was not made. Raise the limit`
    return new RefusedWriteError(`${why} and try again`, { cause })
  }

  #poison(cause: unknown): Error {
    this.#failure = new EnsembleStoreError(
      `writing the metadata log ${this.#log.file ?? this.#options.dir} failed: ${(cause as Error).message}. Nothing more is written until the node is restarted`,
      { cause },
    )
    this.#options.logger.error({ error: this.#failure.message }, 'the metadata store is poisoned')
    return this.#failure
  }

  /** Back to the last reported byte, durably; false when even that fails. */
  #cutBack(): boolean {
    try {
      this.#log.cutBack()
      return true
    } catch {
      // The caller reports the failure that led here and poisons the store.
      return false
    }
  }

  #endLog(): void {
    this.#rollDue = false
    this.#log.end()
  }

  /**
   * Writes a snapshot of `tree` as it is now, whose last zxid must be the last one reported durable, and starts a new log behind it. The
   * tree may go on: the bytes are made in slices, and written in the background.
   */
  snapshot(tree: ZnodeTree): Promise<void> {
    if (this.#snapshotting) return this.#snapshotting
    this.#bytesSinceSnapshot = 0
    this.#rollDue = true
    this.#snapshotting = this.#writeSnapshot(tree.image())
      .catch((error: Error) => this.#options.logger.error({ error: error.message }, 'writing a metadata snapshot failed; the log goes on'))
      .finally(() => (this.#snapshotting = null))
    return this.#snapshotting
  }

  async #writeSnapshot(image: TreeImage): Promise<void> {
    const bytes = await encodeInSlices(image, () => this.#disk.breathe())
    this.#lastSnapshotBytes = bytes.length
    await this.#directory.replaceFile(`snapshot.${image.lastZxid.toString(16)}`, bytes)
    await this.#directory.purge()
  }

  /** Waits for what is queued, then closes the files. A snapshot of `tree` spares the next start a long replay. */
  async close(tree?: ZnodeTree): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#tryNow?.()
    while (this.#flushing) await this.#flushing
    await this.#snapshotting
    if (tree && !this.#failure && this.#bytesSinceSnapshot > SNAPSHOT_AT_CLOSE_BYTES) await this.snapshot(tree)
    this.#log.close()
    this.#epochs?.close()
  }
}
