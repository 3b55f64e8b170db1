// One member's durable storage: appends transactions to `log.<zxid>` with group commit, writes snapshots, purges
// what they replace. A transaction is reported only after a durable write covered it. Those run on libuv's pool, never on
// the event loop; one flush at a time, everything that arrives meanwhile goes into the next. A failed write or fsync
// poisons the store: it is never retried, every later append fails. A full disk is different: the log is cut back to
// what was reported, what was queued is refused, and later appends are taken again.

import fs from 'node:fs'
import { open, rename, unlink } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import type { Logger } from '../../env/env.js'
import type { ZnodeTree } from '../tree/znode-tree.js'
import type { Txn } from '../tree/types.js'
import { ByteWriter } from './bytes.js'
import { logHeader, writeFrame } from './frames.js'
import { EnsembleStoreError, listFiles, recover } from './recovery.js'
import { encodeSnapshot } from './snapshot.js'

interface Pending {
  readonly zxid: bigint
  readonly frame: Buffer
  readonly done: (error: Error | null) => void
}

export interface StoreOptions {
  readonly dir: string
  readonly logger: Logger
  /** Log bytes after which `wantsSnapshot` says so (or twice the last snapshot, if that is more: the work stays proportional). */
  readonly snapshotAfterBytes?: number
  /** Snapshots kept, with the logs from the oldest of them on. */
  readonly keepSnapshots?: number
  /** Writes and resolves once durable. Tests make it fail. */
  readonly write?: (fd: number, bytes: Buffer, position: number) => Promise<void>
}

/** About 2,000 transactions, or 5 ms of replay. */
const SNAPSHOT_AT_CLOSE_BYTES = 256 * 1024

export class MemberStore {
  readonly #options: Required<StoreOptions>
  readonly #scratch = new ByteWriter(4096)
  #pending: Pending[] = []
  #flushing: Promise<void> | null = null
  #fd = -1
  #activeLog: { file: string; size: number } | null
  #bytesSinceSnapshot = 0
  #lastSnapshotBytes = 0
  #snapshotting: Promise<void> | null = null
  /** Set by a snapshot: the next batch opens a new log file. */
  #rollDue = false
  #failure: Error | null = null
  #flushes = 0
  #closed = false

  private constructor(options: Required<StoreOptions>, activeLog: { file: string; size: number } | null, replayedBytes: number) {
    this.#options = options
    this.#activeLog = activeLog
    this.#bytesSinceSnapshot = replayedBytes
  }

  /** Opens the directory (created when missing) and recovers the tree. Synchronous: nothing is served before it. */
  static open(options: StoreOptions): { store: MemberStore; tree: ZnodeTree } {
    const full = { snapshotAfterBytes: 4 * 1024 * 1024, keepSnapshots: 3, write: writeDurably, ...options }
    fs.mkdirSync(full.dir, { recursive: true })
    for (const name of fs.readdirSync(full.dir)) if (name.endsWith('.tmp')) fs.unlinkSync(path.join(full.dir, name))
    const { tree, activeLog, replayedBytes } = recover(full.dir, full.logger)
    return { store: new MemberStore(full, activeLog && { ...activeLog }, replayedBytes), tree }
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
    if (this.#failure || this.#closed) {
      const failure = this.#failure ?? new EnsembleStoreError('the metadata store is closed')
      queueMicrotask(() => done(failure))
      return
    }
    this.#scratch.reset()
    writeFrame(this.#scratch, zxid, time, txn)
    const frame = Buffer.from(this.#scratch.view())
    this.#pending.push({ zxid, frame, done })
    this.#flushing ??= this.#flushLoop()
  }

  async #flushLoop(): Promise<void> {
    // One turn later: what this tick appends shares the first fsync.
    await Promise.resolve()
    while (this.#pending.length > 0) {
      const batch = this.#pending
      this.#pending = []
      const error = this.#failure ?? (await this.#write(batch))
      // What was queued behind a refused batch goes with it: its zxids would leave a gap.
      const refused = error ? [...batch, ...this.#pending.splice(0)] : batch
      for (const entry of refused) entry.done(error)
    }
    this.#flushing = null
  }

  async #write(batch: readonly Pending[]): Promise<Error | null> {
    try {
      if (this.#rollDue) this.#endLog()
      const frames = batch.map((entry) => entry.frame)
      const created = this.#activeLog === null
      if (created) frames.unshift(logHeader(batch[0]!.zxid))
      this.#openLog(batch[0]!.zxid)
      const bytes = frames.length === 1 ? frames[0]! : Buffer.concat(frames)
      // A new file's name is as much part of the promise as its bytes, and so is its directory's: that may be new as well.
      const { dir } = this.#options
      await Promise.all([
        this.#options.write(this.#fd, bytes, this.#activeLog!.size),
        ...(created ? [syncDir(dir), syncDir(path.dirname(dir))] : []),
      ])
      this.#activeLog!.size += bytes.length
      this.#bytesSinceSnapshot += bytes.length
      this.#flushes++
      return null
    } catch (cause) {
      if (isFull(cause) && this.#cutBack()) {
        return new EnsembleStoreError(`the disk of ${this.#options.dir} is full: the change was not made. Free space and try again`, {
          cause,
        })
      }
      this.#failure = new EnsembleStoreError(
        `writing the metadata log ${this.#activeLog?.file ?? this.#options.dir} failed: ${(cause as Error).message}. Nothing more is written until the node is restarted`,
        { cause },
      )
      this.#options.logger.error({ error: this.#failure.message }, 'the metadata store is poisoned')
      return this.#failure
    }
  }

  /** Back to the last reported byte, durably; false when even that fails. */
  #cutBack(): boolean {
    try {
      if (!this.#activeLog) return true
      if (this.#activeLog.size === 0) {
        fs.unlinkSync(this.#activeLog.file)
        this.#endLog()
        return true
      }
      fs.ftruncateSync(this.#fd, this.#activeLog.size)
      fs.fdatasyncSync(this.#fd)
      return true
    } catch {
      // The caller reports the failure that led here and poisons the store.
      return false
    }
  }

  #openLog(firstZxid: bigint): void {
    if (this.#fd !== -1) return
    if (this.#activeLog) {
      this.#fd = fs.openSync(this.#activeLog.file, fs.constants.O_WRONLY | DURABLE_WRITES)
      return
    }
    const file = path.join(this.#options.dir, `log.${firstZxid.toString(16)}`)
    this.#fd = fs.openSync(file, fs.constants.O_WRONLY | fs.constants.O_CREAT | fs.constants.O_EXCL | DURABLE_WRITES, 0o644)
    this.#activeLog = { file, size: 0 }
  }

  #endLog(): void {
    this.#rollDue = false
    this.#closeLog()
    this.#activeLog = null
  }

  #closeLog(): void {
    if (this.#fd !== -1) fs.closeSync(this.#fd)
    this.#fd = -1
  }

  /**
   * Writes a snapshot of `tree`, whose last zxid must be the last one reported durable, and starts a new log behind
   * it. The tree is encoded before this returns; the files are written in the background.
   */
  snapshot(tree: ZnodeTree): Promise<void> {
    const bytes = encodeSnapshot(tree)
    const zxid = tree.lastZxid
    this.#bytesSinceSnapshot = 0
    this.#lastSnapshotBytes = bytes.length
    this.#rollDue = true
    this.#snapshotting ??= this.#writeSnapshot(bytes, zxid)
      .catch((error: Error) => this.#options.logger.error({ error: error.message }, 'writing a metadata snapshot failed; the log goes on'))
      .finally(() => (this.#snapshotting = null))
    return this.#snapshotting
  }

  async #writeSnapshot(bytes: Buffer, zxid: bigint): Promise<void> {
    const file = path.join(this.#options.dir, `snapshot.${zxid.toString(16)}`)
    const handle = await open(`${file}.tmp`, 'w')
    try {
      await handle.writeFile(bytes)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(`${file}.tmp`, file)
    await syncDir(this.#options.dir)
    await this.#purge()
  }

  /** Deletes snapshots beyond the kept ones, and logs that no kept snapshot needs. */
  async #purge(): Promise<void> {
    const snapshots = listFiles(this.#options.dir, 'snapshot')
    const kept = snapshots.slice(-this.#options.keepSnapshots)
    for (const { file } of snapshots.slice(0, -this.#options.keepSnapshots)) await unlink(file)
    if (kept.length < this.#options.keepSnapshots) return
    const logs = listFiles(this.#options.dir, 'log')
    for (let i = 0; i + 1 < logs.length; i++) {
      if (logs[i + 1]!.zxid <= kept[0]!.zxid + 1n) await unlink(logs[i]!.file)
    }
  }

  /** Waits for what is queued, then closes the files. A snapshot of `tree` spares the next start a long replay. */
  async close(tree?: ZnodeTree): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    while (this.#flushing) await this.#flushing
    await this.#snapshotting
    if (tree && !this.#failure && this.#bytesSinceSnapshot > SNAPSHOT_AT_CLOSE_BYTES) await this.snapshot(tree)
    this.#closeLog()
  }
}

function isFull(error: unknown): boolean {
  const { code } = error as { code?: string }
  return code === 'ENOSPC' || code === 'EDQUOT'
}

const LINUX = process.platform === 'linux'
/** On Linux one O_DSYNC write does what write and fdatasync do, in one trip to the pool instead of two. */
const DURABLE_WRITES = LINUX ? fs.constants.O_DSYNC : 0

const write = promisify(fs.write)
const fdatasync = promisify(fs.fdatasync)
const fsync = promisify(fs.fsync)

async function writeDurably(fd: number, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    done += (await write(fd, bytes, done, bytes.length - done, position + done)).bytesWritten
  }
  if (!LINUX) await fdatasync(fd)
}

async function syncDir(dir: string): Promise<void> {
  const fd = fs.openSync(dir, 'r')
  try {
    await fsync(fd)
  } finally {
    fs.closeSync(fd)
  }
}
