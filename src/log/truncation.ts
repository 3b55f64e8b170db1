// Cutting a log from its end (a follower that diverged) or moving its start (DeleteRecords).

import { Code } from './codes.js'
import { rebuildProducerState } from './producer-state/rebuild.js'
import { Segment } from './segment.js'
import type { LogState } from './log-state.js'

/** Drops every batch that holds an offset at or above `offset`, and everything memory knew of them. */
export function truncateTo(log: LogState, offset: number): void {
  if (log.failure !== undefined) throw log.failure
  if (offset >= log.logEndOffset) {
    // An epoch that began at the end without a record (this node led and wrote nothing) may be one the leader does not know.
    log.epochs.truncateFromEnd(log.logEndOffset)
    return
  }
  log.writeStaged()
  if (offset <= log.segments.first.baseOffset) {
    truncateFullyAndStartAt(log, offset)
    return
  }
  const index = log.segments.floorIndex(offset)
  const dropped = log.segments.all.slice(index + 1)
  for (const segment of dropped) log.dropSegment(segment)
  log.segments.reset(log.segments.all.slice(0, index + 1))
  const active = log.segments.active
  if (!active.isActive) active.activate(log.config)
  log.active = active
  const size = log.addon.segmentTruncate(active.handle, offset)
  active.noteTruncated(size)
  active.generation = ++log.generation
  active.txnIndex.truncateTo(offset)
  endsAt(log, offset)
  log.quarantine.forgetFrom(offset)
  log.snapshots.removeAbove(offset)
  reloadProducers(log, offset)
  log.segmentsChanged()
}

/** Drops everything; the log begins and ends at `offset`. */
export function truncateFullyAndStartAt(log: LogState, offset: number): void {
  if (log.failure !== undefined) throw log.failure
  for (const segment of log.segments.all) log.dropSegment(segment)
  log.snapshots.removeAll()
  const segment = new Segment(log.dir, offset, 0, log.config, log.env.clock.now())
  segment.generation = ++log.generation
  segment.activate(log.config)
  log.segments.reset([segment])
  log.active = segment
  log.mustRoll = false
  log.epochs.clear()
  log.producers.restore([])
  endsAt(log, offset)
  log.logStartOffset = offset
  log.flusher.onStartedAt(offset)
  log.segmentsChanged()
}

function endsAt(log: LogState, offset: number): void {
  log.logEndOffset = log.writtenOffset = offset
  log.highWatermark = Math.min(log.highWatermark, offset)
  log.logStartOffset = Math.min(log.logStartOffset, offset)
  log.epochs.truncateFromEnd(offset)
  log.flusher.onTruncated(offset)
}

function reloadProducers(log: LogState, endOffset: number): void {
  if (log.producers.isEmpty) return
  rebuildProducerState({
    segments: log.segments.all,
    snapshots: log.snapshots,
    state: log.producers,
    snapshotFloor: endOffset,
    endOffset,
    logStartOffset: log.logStartOffset,
    now: log.env.clock.now(),
    expirationMs: log.config.producerIdExpirationMs,
    reports: new Map(),
  })
}

/**
 * DeleteRecords: moves the log start; -1 means the high watermark. Returns the new low watermark or
 * OFFSET_OUT_OF_RANGE. Files go by retention once they lie wholly below.
 */
export function deleteRecordsBefore(log: LogState, offset: number): { readonly errorCode: number; readonly lowWatermark: number } {
  if (log.failure !== undefined) return { errorCode: Code.kafkaStorageError, lowWatermark: -1 }
  const target = offset === -1 ? log.highWatermark : offset
  if (target < 0 || target > log.highWatermark) return { errorCode: Code.offsetOutOfRange, lowWatermark: -1 }
  log.advanceLogStart(target)
  return { errorCode: Code.none, lowWatermark: log.logStartOffset }
}
