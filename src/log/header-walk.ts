// Walks batch headers of a segment file without looking into records: to find the end of a cleanly closed log and to
// replay producer state. Not on the append or fetch path. Trusts lengths only as far as the file reaches; checks no CRC
// (recoverSegment does).

import { closeSync, openSync, readSync } from 'node:fs'
import { At, Attribute, HEADER_SIZE, int16At, int32At, int64At, LOG_OVERHEAD } from '../protocol/records/batch-layout.js'
import { endTransactionMarker } from './end-transaction-marker.js'
import type { RecoveredBatch } from './native.js'

const WINDOW = 64 * 1024

export interface WalkEnd {
  /** Position after the last whole batch. */
  readonly position: number
  /** The offset after the last one seen; -1 when no batch was. */
  readonly nextOffset: number
  /** The walk ended exactly at `endPosition`. */
  readonly whole: boolean
}

/** Visits every batch in [position, endPosition) in order. */
export function walkHeaders(path: string, position: number, endPosition: number, visit: (batch: RecoveredBatch) => void): WalkEnd {
  const fd = openSync(path, 'r')
  try {
    return walk(fd, position, endPosition, visit)
  } finally {
    closeSync(fd)
  }
}

function walk(fd: number, start: number, end: number, visit: (batch: RecoveredBatch) => void): WalkEnd {
  const window = Buffer.allocUnsafe(WINDOW)
  let windowAt = 0
  let windowSize = 0
  let position = start
  let nextOffset = -1
  while (position + HEADER_SIZE <= end) {
    if (position < windowAt || position + HEADER_SIZE > windowAt + windowSize) {
      windowAt = position
      windowSize = readSync(fd, window, 0, Math.min(WINDOW, end - position), position)
      if (windowSize < HEADER_SIZE) break
    }
    const at = position - windowAt
    const size = int32At(window, at + At.batchLength) + LOG_OVERHEAD
    if (size < HEADER_SIZE || position + size > end || window[at + At.magic] !== 2) break
    const isControl = (window[at + At.attributes + 1]! & Attribute.control) !== 0
    const batch = isControl ? readControl(fd, position, size) : describe(window, at, position)
    visit(batch)
    nextOffset = batch.lastOffset + 1
    position += size
  }
  return { position, nextOffset, whole: position === end }
}

/** A control batch is read whole: its marker matters. */
function readControl(fd: number, position: number, size: number): RecoveredBatch {
  const bytes = Buffer.allocUnsafe(size)
  readSync(fd, bytes, 0, size, position)
  const marker = endTransactionMarker(bytes, 0, size)
  return { ...describe(bytes, 0, position), controlType: marker?.controlType ?? -1, coordinatorEpoch: marker?.coordinatorEpoch ?? -1 }
}

function describe(b: Uint8Array, at: number, position: number): RecoveredBatch {
  const baseOffset = int64At(b, at + At.baseOffset)
  const attributes = b[at + At.attributes + 1]!
  return {
    baseOffset,
    lastOffset: baseOffset + int32At(b, at + At.lastOffsetDelta),
    producerId: int64At(b, at + At.producerId),
    producerEpoch: int16At(b, at + At.producerEpoch),
    baseSequence: int32At(b, at + At.baseSequence),
    maxTimestamp: int64At(b, at + At.maxTimestamp),
    leaderEpoch: int32At(b, at + At.leaderEpoch),
    isControl: (attributes & Attribute.control) !== 0,
    isTransactional: (attributes & Attribute.transactional) !== 0,
    position,
    controlType: -1,
    coordinatorEpoch: -1,
  }
}
