// The files of a member's store beside the log that is being written: replaced whole, cut, taken from a leader, purged. Each change is durable
// when it resolves, and can be done again from the beginning; what comes after what, and what a failure means, is member-store's.

import path from 'node:path'
import { isFull, type LogEnd } from './active-log.js'
import type { StoreDisk } from './disk.js'
import { LOG_VERSION, scanLog } from './frames.js'
import { finishInstall, INSTALL_FILE, listFiles } from './recovery.js'

export class StoreDirectory {
  readonly #disk: StoreDisk
  readonly #dir: string
  readonly #keepSnapshots: number

  constructor(disk: StoreDisk, dir: string, keepSnapshots: number) {
    this.#disk = disk
    this.#dir = dir
    this.#keepSnapshots = keepSnapshots
  }

  /** Cuts the logs behind `after`. Returns where the next entry goes; null: into a new file. */
  async truncate(after: bigint): Promise<LogEnd | null> {
    // From the newest on, each gone for good before the next: a stop in between leaves a shorter log, never one with a hole.
    for (const { zxid, file } of listFiles(this.#disk, this.#dir, 'log').reverse()) {
      if (zxid > after) {
        await this.#disk.unlink(file)
        await this.#disk.syncDir(this.#dir)
        continue
      }
      let size = 0
      const verdict = scanLog(this.#disk.read(file), (entry, _, end) => {
        if (entry.zxid <= after) size = end
      })
      this.#disk.truncateNow(file, size)
      return verdict.kind === 'clean' && verdict.version === LOG_VERSION ? { file, size, reserved: size } : null
    }
    return null
  }

  /** A leader's snapshot takes the place of all that is stored. */
  async install(zxid: bigint, snapshot: Uint8Array): Promise<void> {
    // Named already: a try before this one came so far, and what it wrote must stay as it is.
    if (!this.#disk.list(this.#dir).includes(INSTALL_FILE)) {
      await this.#writeWhole(path.join(this.#dir, `incoming.${zxid.toString(16)}`), snapshot)
      await this.#disk.syncDir(this.#dir)
      await this.replaceFile(INSTALL_FILE, Buffer.from(`${zxid.toString(16)}\n`))
    }
    finishInstall(this.#disk, this.#dir)
  }

  async replaceFile(name: string, bytes: Buffer): Promise<void> {
    const file = path.join(this.#dir, name)
    await this.#writeWhole(`${file}.tmp`, bytes)
    await this.#disk.rename(`${file}.tmp`, file)
    await Promise.all([this.#disk.syncDir(this.#dir), this.#disk.syncDir(path.dirname(this.#dir))])
  }

  async #writeWhole(file: string, bytes: Uint8Array): Promise<void> {
    try {
      await this.#disk.writeFile(file, bytes)
    } catch (error) {
      // On a full disk the part of it is what others lack.
      if (isFull(error)) await this.#disk.unlink(file).catch(() => undefined)
      throw error
    }
  }

  /** Deletes snapshots beyond the kept ones, and logs that no kept snapshot needs. */
  async purge(): Promise<void> {
    const snapshots = listFiles(this.#disk, this.#dir, 'snapshot')
    const kept = snapshots.slice(-this.#keepSnapshots)
    for (const { file } of snapshots.slice(0, -this.#keepSnapshots)) await this.#disk.unlink(file)
    if (kept.length < this.#keepSnapshots) return
    const logs = listFiles(this.#disk, this.#dir, 'log')
    for (let i = 0; i + 1 < logs.length; i++) {
      if (logs[i + 1]!.zxid <= kept[0]!.zxid + 1n) await this.#disk.unlink(logs[i]!.file)
    }
  }
}
