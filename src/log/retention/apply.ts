// Applies retention to an open log: which segments may go is decided by retention.ts, here they go.

import { expiredSegments } from './retention.js'
import type { SegmentFacts } from './retention.js'
import type { LogState } from '../log-state.js'
import type { Segment } from '../segment.js'

/** Applies retention and forgets silent producers. Returns the segments deleted. Works on a full disk: it is what frees one. */
export function applyRetention(log: LogState, now: number): number {
  if (log.failure !== undefined || log.closed) return 0
  log.producers.expire(now, log.config.producerIdExpirationMs)
  const facts = log.segments.all.map((segment, i) => factsOf(log, segment, i))
  const expired = expiredSegments(facts, {
    deletes: log.config.cleanupPolicy.delete,
    retentionMs: log.config.retentionMs,
    retentionBytes: log.config.retentionBytes,
    logStartOffset: log.logStartOffset,
    highWatermark: log.highWatermark,
    now,
  })
  // all have expired: an empty segment takes over first, the log keeps its end offset; where that fails the last one stays
  const takesAll = expired.count > 0 && expired.count === log.segments.count
  const count = takesAll && !log.tryRoll(now) ? expired.count - 1 : expired.count
  if (count === 0) return 0
  try {
    removeFirst(log, count)
  } catch (error) {
    log.writeFailed(error)
    return 0
  }
  log.env.logger.info(
    { dir: log.dir, segments: count, reasons: expired.reasons, logStartOffset: log.logStartOffset },
    'segments passed their retention and were deleted',
  )
  return count
}

function removeFirst(log: LogState, count: number): void {
  const gone = log.segments.all.slice(0, count)
  // the new start is known BEFORE the files go
  log.advanceLogStart(log.segments.at(count).baseOffset)
  for (const segment of gone) log.dropSegment(segment)
  log.segments.reset(log.segments.all.slice(count))
}

function factsOf(log: LogState, segment: Segment, index: number): SegmentFacts {
  return {
    baseOffset: segment.baseOffset,
    endOffset: log.segments.endOffsetOf(index, log.logEndOffset),
    size: segment.size,
    retentionTimestamp: () => segment.retentionTimestamp,
    isActive: segment === log.active,
  }
}

/** flush.ms: starts a background fsync when the last one is too long ago. */
export function flushIfDue(log: LogState, now: number): void {
  if (log.failure !== undefined || log.closed || log.flusher.durableOffset >= log.writtenOffset) return
  if (now - log.lastFlushMs >= log.config.flushMs) log.flushInBackground()
}
