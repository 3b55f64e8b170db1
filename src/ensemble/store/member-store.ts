// One member's durable storage: appends transactions to `log.<zxid>` with group commit, writes snapshots, purges
// what they replace. A transaction is reported only after fdatasync covered it. fsync runs on libuv's pool, never on
// the event loop; one flush at a time, everything that arrives meanwhile goes into the next. A failed write or fsync
// poisons the store: it is never retried, every later append fails.

import fs from 'node:fs'
import { open, rename, unlink, type FileHandle } from 'node:fs/promises'
import path from 'node:path'
import type { Logger } from '../../env/env.js'
import type { ZnodeTree } from '../tree/znode-tree.js'
import type { Txn } from '../tree/types.js'
import { ByteWriter } from './bytes.js'
import { LOG_HEADER_BYTES, logHeader, writeFrame } from './frames.js'
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
  /** Log bytes after which `wantsSnapshot` says so. */
  readonly snapshotAfterBytes?: number
  /** Snapshots kept, with the logs from the oldest of them on. */
  readonly keepSnapshots?: number
}

export class MemberStore {
  readonly #options: Required<StoreOptions>
  readonly #scratch = new ByteWriter(4096)
  #pending: Pending[] = []
  #flushing: Promise<void> | null = null
  #handle: FileHandle | null = null
  #activeLog: { file: string; size: number } | null
  #bytesSinceSnapshot = 0
  #snapshotting: Promise<void> | null = null
  /** Set by a snapshot: the next batch opens a new log file. */
  #rollDue = false
  #failure: Error | null = null
  #flushes = 0
  #closed = false

  private constructor(options: Required<StoreOptions>, activeLog: { file: string; size: number } | null) {
    this.#options = options
    this.#activeLog = activeLog
    this.#bytesSinceSnapshot = activeLog?.size ?? 0
  }

  /** Opens the directory (created when missing) and recovers the tree. Synchronous: nothing is served before it. */
  static open(options: StoreOptions): { store: MemberStore; tree: ZnodeTree } {
    const full = { snapshotAfterBytes: 32 * 1024 * 1024, keepSnapshots: 3, ...options }
    if (!fs.existsSync(full.dir)) {
      fs.mkdirSync(full.dir, { recursive: true })
      syncDir(path.dirname(full.dir))
    }
    for (const name of fs.readdirSync(full.dir)) if (name.endsWith('.tmp')) fs.unlinkSync(path.join(full.dir, name))
    const { tree, activeLog } = recover(full.dir, full.logger)
    return { store: new MemberStore(full, activeLog && { ...activeLog }), tree }
  }

  /** How many times the log was synced: with the appends it says how well commits are grouped. */
  get flushes(): number {
    return this.#flushes
  }

  get wantsSnapshot(): boolean {
    return this.#bytesSinceSnapshot >= this.#options.snapshotAfterBytes && this.#snapshotting === null
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
      for (const entry of batch) entry.done(error)
    }
    this.#flushing = null
  }

  async #write(batch: readonly Pending[]): Promise<Error | null> {
    try {
      if (this.#rollDue) await this.#endLog()
      const created = this.#activeLog === null
      const handle = this.#handle ?? (await this.#openLog(batch[0]!.zxid))
      const bytes = batch.length === 1 ? batch[0]!.frame : Buffer.concat(batch.map((entry) => entry.frame))
      await writeAll(handle, bytes, this.#activeLog!.size)
      this.#activeLog!.size += bytes.length
      this.#bytesSinceSnapshot += bytes.length
      await handle.datasync()
      this.#flushes++
      if (created) await syncDirAsync(this.#options.dir)
      return null
    } catch (cause) {
      this.#failure = new EnsembleStoreError(
        `writing the metadata log ${this.#activeLog?.file ?? this.#options.dir} failed: ${(cause as Error).message}. Nothing more is written until the node is restarted`,
        { cause },
      )
      this.#options.logger.error({ error: this.#failure.message }, 'the metadata store is poisoned')
      return this.#failure
    }
  }

  async #openLog(firstZxid: bigint): Promise<FileHandle> {
    if (this.#activeLog) {
      this.#handle = await open(this.#activeLog.file, 'r+')
      return this.#handle
    }
    const file = path.join(this.#options.dir, `log.${firstZxid.toString(16)}`)
    this.#handle = await open(file, 'wx')
    await writeAll(this.#handle, logHeader(firstZxid), 0)
    this.#activeLog = { file, size: LOG_HEADER_BYTES }
    return this.#handle
  }

  async #endLog(): Promise<void> {
    this.#rollDue = false
    await this.#handle?.close()
    this.#handle = null
    this.#activeLog = null
  }

  /**
   * Writes a snapshot of `tree`, whose last zxid must be the last one reported durable, and starts a new log behind
   * it. The tree is encoded before this returns; the files are written in the background.
   */
  snapshot(tree: ZnodeTree): Promise<void> {
    const bytes = encodeSnapshot(tree)
    const zxid = tree.lastZxid
    this.#bytesSinceSnapshot = 0
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
      await writeAll(handle, bytes, 0)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(`${file}.tmp`, file)
    await syncDirAsync(this.#options.dir)
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

  /** Waits for what is queued, then closes the files. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    while (this.#flushing) await this.#flushing
    await this.#snapshotting
    await this.#handle?.close()
    this.#handle = null
  }
}

async function writeAll(handle: FileHandle, bytes: Buffer, position: number): Promise<void> {
  let done = 0
  while (done < bytes.length) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done)
    done += bytesWritten
  }
}

function syncDir(dir: string): void {
  const fd = fs.openSync(dir, 'r')
  try {
    fs.fsyncSync(fd)
  } finally {
    fs.closeSync(fd)
  }
}

async function syncDirAsync(dir: string): Promise<void> {
  const handle = await open(dir, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
