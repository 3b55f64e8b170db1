// Look-ups of one log that are not on the fetch path: by timestamp, and the aborted transactions of a range.

import { native } from './native.js'
import type { LeaderEpochCache } from './leader-epoch-cache.js'
import type { SegmentList } from './segment-list.js'
import type { AbortedTransaction, TimestampOffset } from './types.js'

const NOT_FOUND: TimestampOffset = { timestamp: -1, offset: -1, leaderEpoch: -1 }
const found = new Float64Array(3)

/** The first record at or after `from` whose timestamp is at least `timestamp`, also when timestamps are shuffled. */
export function findTimestamp(segments: SegmentList, from: number, timestamp: number, maxUncompressed: number): TimestampOffset {
  const start = Math.max(segments.floorIndex(from), 0)
  for (let i = start; i < segments.count; i++) {
    const segment = segments.at(i)
    // the largest timestamp of a segment is exact, so a smaller one holds no such record
    if (segment.size === 0 || segment.maxTimestamp < timestamp) continue
    native().segmentFindTimestamp(segment.readHandle(), timestamp, from, maxUncompressed, found)
    if (found[0]! >= 0) return { offset: found[0]!, timestamp: found[1]!, leaderEpoch: found[2]! }
  }
  return NOT_FOUND
}

/** The largest record timestamp of the log and the first record that has it. */
export function findMaxTimestamp(segments: SegmentList, maxUncompressed: number): TimestampOffset {
  let best: TimestampOffset = NOT_FOUND
  const order = [...segments.all].filter((segment) => segment.size > 0)
  for (const segment of order) {
    if (segment.maxTimestamp <= best.timestamp) continue
    native().segmentMaxTimestamp(segment.readHandle(), maxUncompressed, found)
    if (found[0]! >= 0 && found[1]! > best.timestamp) best = { offset: found[0]!, timestamp: found[1]!, leaderEpoch: found[2]! }
  }
  return best
}

/** Aborted transactions that overlap [from, to): what a read_committed consumer must skip. */
export function abortedTransactionsIn(segments: SegmentList, from: number, to: number): AbortedTransaction[] {
  const aborted: AbortedTransaction[] = []
  for (let i = Math.max(segments.floorIndex(from), 0); i < segments.count; i++) {
    for (const entry of segments.at(i).txnIndex.entries()) {
      if (entry.lastOffset >= from && entry.firstOffset < to) aborted.push({ producerId: entry.producerId, firstOffset: entry.firstOffset })
      // every transaction decided later began at or after this offset
      if (entry.lastStableOffset >= to) return aborted
    }
  }
  return aborted
}

/** The epoch to name beside an offset that was found; the batch's own where it is known. */
export function withEpoch(result: TimestampOffset, epochs: LeaderEpochCache): TimestampOffset {
  if (result.offset < 0 || result.leaderEpoch >= 0) return result
  return { ...result, leaderEpoch: epochs.epochFor(result.offset) }
}
