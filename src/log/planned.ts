// Reads planned ranges on a thread that does not own the partition: it opens the immutable bytes itself, under its own
// limit of open files. It decides nothing: the owner planned, this copies.

import { closeSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { At, int32At, int64At } from './batch-header.js'
import { errorCodeOf, errorText, LogError } from './codes.js'
import { fileName, SUFFIX } from './files.js'
import type { ReadPlan } from './types.js'

interface OpenFile {
  readonly fd: number
  readonly generation: number
}

export class SegmentReader {
  readonly #limit: number
  readonly #open = new Map<string, OpenFile>()

  constructor(limit = 512) {
    this.#limit = limit
  }

  /** Bytes copied to target[at…]: plan.size, or fewer when the file was cut since. Throws LogError (EIO, ENOENT, ERR_MILLRACE_STALE_PLAN). */
  read(plan: ReadPlan, target: Uint8Array, at: number): number {
    if (plan.size === 0) return 0
    const path = join(plan.dir, fileName(plan.segmentBaseOffset, SUFFIX.log))
    try {
      const { fd } = this.#file(path, plan.generation)
      let done = 0
      while (done < plan.size) {
        const got = readSync(fd, target, at + done, plan.size - done, plan.position + done)
        if (got === 0) break
        done += got
      }
      assertPlanned(plan, target, at, done)
      return done
    } catch (error) {
      this.forget(path)
      if (error instanceof LogError) throw error
      throw new LogError(errorCodeOf(error), `reading ${path}: ${errorText(error)}`, error)
    }
  }

  #file(path: string, generation: number): OpenFile {
    const known = this.#open.get(path)
    if (known !== undefined && known.generation === generation) {
      // most recently used last
      this.#open.delete(path)
      this.#open.set(path, known)
      return known
    }
    this.forget(path)
    const file = { fd: openSync(path, 'r'), generation }
    this.#open.set(path, file)
    if (this.#open.size > this.#limit) this.forget(this.#open.keys().next().value!)
    return file
  }

  forget(path: string): void {
    const file = this.#open.get(path)
    if (file === undefined) return
    this.#open.delete(path)
    closeSync(file.fd)
  }

  close(): void {
    for (const path of Array.from(this.#open.keys())) this.forget(path)
  }
}

/** A compacted file may have replaced the planned one in between: the batch at the start must hold what was asked for. */
export function assertPlanned(plan: ReadPlan, target: Uint8Array, at: number, size: number): void {
  if (size < 61) return
  const base = int64At(target, at + At.baseOffset)
  const last = base + int32At(target, at + At.lastOffsetDelta)
  if (last < plan.offset || base < plan.segmentBaseOffset) {
    throw new LogError(
      'ERR_MILLRACE_STALE_PLAN',
      `the file of segment ${plan.segmentBaseOffset} in ${plan.dir} changed since the read was planned: plan again`,
    )
  }
}
