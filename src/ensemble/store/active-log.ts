// The log file that is written now: opened when first needed, made longer ahead of what is written, cut back when the disk is full. One
// write at a time, durable when it resolves (on libuv's pool). Which transactions, and what a failure means, is member-store's.
//
// Space is reserved: a write that would pass the end of the file carries zeros behind it, so that those after it change no length and
// need no new block. They cost the disk no journal commit. Zeros after the last entry are the end of the log (`frames.ts`).

import path from 'node:path'
import type { StoreDisk } from './disk.js'
import { logHeader, markWrite } from './frames.js'

/** The first write of a new directory is not to wait for more; 1 MiB is written in the time of a few small durable writes. */
const RESERVE_MIN = 64 * 1024
const RESERVE_MAX = 1024 * 1024

export interface LogEnd {
  readonly file: string
  /** Where the next entry goes. */
  readonly size: number
  /** Length of the file; what lies behind `size` is zeros. */
  readonly reserved: number
}

export class ActiveLog {
  readonly #disk: StoreDisk
  readonly #dir: string
  #fd = -1
  /** Null: the next write starts a new one. */
  #file: string | null
  #size: number
  #reserved: number

  constructor(disk: StoreDisk, dir: string, end: LogEnd | null) {
    this.#disk = disk
    this.#dir = dir
    this.#file = end?.file ?? null
    this.#size = end?.size ?? 0
    this.#reserved = end?.reserved ?? 0
  }

  get file(): string | null {
    return this.#file
  }

  /**
   * Appends as one write; resolves with the bytes that count. A new file is durable together with its name. `roomy`: without a reserve
   * behind it the write fails.
   */
  async append(firstZxid: bigint, frames: readonly Buffer[], roomy = false): Promise<number> {
    const created = this.#file === null
    this.#open(firstZxid)
    markWrite(frames[0]!)
    const parts = created ? [logHeader(firstZxid), ...frames] : frames
    const bytes = parts.length === 1 ? parts[0]! : Buffer.concat(parts)
    const [written, named] = await Promise.allSettled([this.#write(bytes, roomy), created ? this.#syncDirs() : null])
    for (const each of [written, named]) if (each.status === 'rejected') throw each.reason
    this.#size += bytes.length
    return bytes.length
  }

  async #write(bytes: Buffer, needsRoom: boolean): Promise<void> {
    const end = this.#size + bytes.length
    if (end <= this.#reserved) return this.#disk.write(this.#fd, bytes, this.#size)
    const room = Math.min(Math.max(end, RESERVE_MIN), RESERVE_MAX)
    const roomy = Buffer.alloc(bytes.length + room)
    bytes.copy(roomy)
    try {
      await this.#disk.write(this.#fd, roomy, this.#size)
      this.#reserved = end + room
    } catch (error) {
      if (needsRoom || !isFull(error)) throw error
      // What is asked for may fit where the reserve does not.
      this.#disk.truncateNow(this.#file!, this.#size)
      await this.#disk.write(this.#fd, bytes, this.#size)
      this.#reserved = end
    }
  }

  // A new file's name is as much part of the promise as its bytes, and so is its directory's: that may be new as well.
  async #syncDirs(): Promise<void> {
    await Promise.all([this.#disk.syncDir(this.#dir), this.#disk.syncDir(path.dirname(this.#dir))])
  }

  #open(firstZxid: bigint): void {
    if (this.#fd !== -1) return
    const create = this.#file === null
    const file = this.#file ?? path.join(this.#dir, `log.${firstZxid.toString(16)}`)
    this.#fd = this.#disk.openLog(file, create)
    if (!create) return
    this.#file = file
    this.#size = 0
    this.#reserved = 0
  }

  /** After a failed write: back to the last byte that was reported, durably. Throws when even that fails. */
  cutBack(): void {
    if (this.#file === null) return
    if (this.#size === 0) {
      this.#disk.unlinkNow(this.#file)
      this.end()
      return
    }
    this.#disk.truncateNow(this.#file, this.#size)
    this.#reserved = this.#size
  }

  /** The next write starts a new file. */
  end(): void {
    this.close()
    this.#file = null
  }

  /** Goes on in a file that was cut. */
  resume(end: LogEnd): void {
    this.close()
    this.#file = end.file
    this.#size = end.size
    this.#reserved = end.reserved
  }

  close(): void {
    if (this.#fd !== -1) this.#disk.close(this.#fd)
    this.#fd = -1
  }
}

export function isFull(error: unknown): boolean {
  const { code } = error as { code?: string }
  return code === 'ENOSPC' || code === 'EDQUOT'
}

/** Full, or out of descriptors: nothing of the write counts, and a later one may succeed. */
export function mayPass(error: unknown): boolean {
  const { code } = error as { code?: string }
  return isFull(error) || code === 'EMFILE' || code === 'ENFILE'
}
