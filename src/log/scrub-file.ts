// Reads part of a closed segment file and checks the checksum of every batch in it. Runs on a pool thread, touches nothing else, changes nothing.

import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { At, HEADER_SIZE, int32At, int64At, LOG_OVERHEAD } from '../protocol/records/batch-layout.js'
import { isMissing } from './files.js'
import { native } from './native.js'

export interface ScrubFileTask {
  readonly name: 'scrubFile'
  readonly path: string
  /** Where a batch begins. */
  readonly position: number
  readonly endPosition: number
  readonly maxBytes: number
}

export interface BadBatch {
  readonly position: number
  /** To the next batch; or, when its length cannot be true, to the end of the file. */
  readonly size: number
  /** As its header says; -1: it cannot be believed. */
  readonly baseOffset: number
  readonly lastOffset: number
}

export interface ScrubFileResult {
  /** Where to go on; `endPosition`: nothing is left. */
  readonly position: number
  /** Offset after the last sound batch; -1: there was none. */
  readonly nextOffset: number
  /** The first bad one; what follows it has not been looked at. */
  readonly bad: BadBatch | null
}

const WINDOW = 1 << 20

export function scrubFile({ path, position, endPosition, maxBytes }: ScrubFileTask): ScrubFileResult {
  let fd: number
  try {
    fd = openSync(path, 'r')
  } catch (error) {
    // Retention took it: nothing is left to look at.
    if (isMissing(error)) return { position: endPosition, nextOffset: -1, bad: null }
    throw error
  }
  try {
    return walk(fd, position, Math.min(endPosition, fstatSync(fd).size), endPosition, position + maxBytes)
  } finally {
    closeSync(fd)
  }
}

function walk(fd: number, start: number, fileEnd: number, end: number, until: number): ScrubFileResult {
  let window = Buffer.allocUnsafe(WINDOW)
  let windowAt = start
  let windowSize = 0
  let at = start
  let nextOffset = -1
  const load = (size: number): boolean => {
    if (at >= windowAt && at + size <= windowAt + windowSize) return true
    if (at + size > fileEnd) return false
    if (size > window.length) window = Buffer.allocUnsafe(size)
    windowAt = at
    windowSize = readSync(fd, window, 0, Math.min(window.length, fileEnd - at), at)
    return windowSize >= size
  }
  while (at < end && at < until) {
    if (!load(HEADER_SIZE)) return { position: end, nextOffset, bad: { position: at, size: end - at, baseOffset: -1, lastOffset: -1 } }
    const size = int32At(window, at - windowAt + At.batchLength) + LOG_OVERHEAD
    if (size < HEADER_SIZE || !load(size))
      return { position: end, nextOffset, bad: { position: at, size: end - at, baseOffset: -1, lastOffset: -1 } }
    const base = int64At(window, at - windowAt)
    const last = base + int32At(window, at - windowAt + At.lastOffsetDelta)
    const crc = native().crc32c(window, at - windowAt + At.attributes, size - At.attributes)
    if (window[at - windowAt + At.magic] !== 2 || crc !== int32At(window, at - windowAt + At.crc) >>> 0 || last < base)
      return { position: at + size, nextOffset, bad: { position: at, size, baseOffset: base, lastOffset: last } }
    nextOffset = last + 1
    at += size
  }
  return { position: at, nextOffset, bad: null }
}
