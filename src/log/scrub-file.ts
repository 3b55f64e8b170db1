// Reads part of a closed segment file and checks every batch in it: its checksum, and that its offsets, which no checksum covers, lie between
// those around it. Runs on a pool thread, touches nothing else, changes nothing.

import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { At, HEADER_SIZE, int32At, int64At, LOG_OVERHEAD } from '../protocol/records/batch-layout.js'
import { isMissing } from './files.js'
import { native } from './native.js'

export interface ScrubFileTask {
  readonly name: 'scrubFile'
  readonly path: string
  /** Where a batch begins. */
  readonly position: number
  /** Offset after the last sound batch before it; the segment's base offset: there is none. */
  readonly nextOffset: number
  readonly endPosition: number
  /** Where the next segment begins. */
  readonly endOffset: number
  readonly maxBytes: number
}

export interface BadBatch {
  readonly position: number
  /** To the next batch; or, when its length cannot be true, to the end of the file. */
  readonly size: number
  /** What it may have held. */
  readonly firstOffset: number
  readonly lastOffset: number
}

export interface ScrubFileResult {
  /** Where to go on; `endPosition`: nothing is left. */
  readonly position: number
  /** Offset after the last sound batch. */
  readonly nextOffset: number
  /** The first bad one; what follows it has not been looked at. */
  readonly bad: BadBatch | null
}

const WINDOW = 1 << 20

export function scrubFile(task: ScrubFileTask): ScrubFileResult {
  const { path, nextOffset, endPosition } = task
  let fd: number
  try {
    fd = openSync(path, 'r')
  } catch (error) {
    // Retention took it: nothing is left to look at.
    if (isMissing(error)) return { position: endPosition, nextOffset, bad: null }
    throw error
  }
  try {
    return walk(fd, Math.min(endPosition, fstatSync(fd).size), task)
  } finally {
    closeSync(fd)
  }
}

function walk(fd: number, fileEnd: number, task: ScrubFileTask): ScrubFileResult {
  const { endPosition, endOffset } = task
  const until = Math.min(endPosition, task.position + task.maxBytes)
  const file = new Window(fd, fileEnd)
  let { position, nextOffset } = task
  while (position < until) {
    const size = file.batchSize(position)
    if (size === undefined) {
      const bad = { position, size: endPosition - position, firstOffset: nextOffset, lastOffset: endOffset - 1 }
      return { position: endPosition, nextOffset, bad }
    }
    const isSound = file.isSound(position, size)
    const { base, last } = file.offsets(position)
    const following = file.batchSize(position + size) === undefined ? undefined : file.offsets(position + size)
    // Where offsets are left out before a batch the one behind it has to agree.
    const isPlaced = base >= nextOffset && last >= base && last < endOffset && (base === nextOffset || !liesIn(following, nextOffset, last))
    if (!isSound || !isPlaced) {
      const bad = isPlaced
        ? { position, size, firstOffset: base, lastOffset: last }
        : { position, size, firstOffset: nextOffset, lastOffset: (liesIn(following, nextOffset + 1, endOffset - 1)?.base ?? endOffset) - 1 }
      return { position: position + size, nextOffset, bad }
    }
    nextOffset = last + 1
    position += size
  }
  return { position, nextOffset, bad: null }
}

interface Offsets {
  readonly base: number
  readonly last: number
}

function liesIn(offsets: Offsets | undefined, low: number, high: number): Offsets | undefined {
  return offsets !== undefined && offsets.base >= low && offsets.base <= high ? offsets : undefined
}

/** Reads ahead. */
class Window {
  private readonly fd: number
  private readonly fileEnd: number
  private bytes = Buffer.allocUnsafe(WINDOW)
  private at = 0
  private size = 0

  constructor(fd: number, fileEnd: number) {
    this.fd = fd
    this.fileEnd = fileEnd
  }

  /** undefined: no batch that ends within the file. */
  batchSize(position: number): number | undefined {
    if (!this.load(position, HEADER_SIZE)) return undefined
    const size = int32At(this.bytes, position - this.at + At.batchLength) + LOG_OVERHEAD
    return size < HEADER_SIZE || position + size > this.fileEnd ? undefined : size
  }

  isSound(position: number, size: number): boolean {
    if (!this.load(position, size)) return false
    const at = position - this.at
    const crc = native().crc32c(this.bytes, at + At.attributes, size - At.attributes)
    return this.bytes[at + At.magic] === 2 && crc === int32At(this.bytes, at + At.crc) >>> 0
  }

  offsets(position: number): Offsets {
    this.load(position, HEADER_SIZE)
    const base = int64At(this.bytes, position - this.at)
    return { base, last: base + int32At(this.bytes, position - this.at + At.lastOffsetDelta) }
  }

  private load(position: number, size: number): boolean {
    if (position >= this.at && position + size <= this.at + this.size) return true
    if (position + size > this.fileEnd) return false
    if (size > this.bytes.length) this.bytes = Buffer.allocUnsafe(size)
    this.at = position
    this.size = readSync(this.fd, this.bytes, 0, Math.min(this.bytes.length, this.fileEnd - position), position)
    return this.size >= size
  }
}
