// Reading: which bytes answer a fetch, and copying them on the owner's thread. Plans cross threads;
// broker/file-records.ts reads them elsewhere. Look-ups by time and transaction are in reads.ts.

import { storageError } from './append-results.js'
import { Code, LogError } from './codes.js'
import { PlanOut } from './native.js'
import { describeRange } from './quarantine.js'
import { withEpoch } from './reads.js'
import { assertPlanned } from './planned.js'
import type { Segment } from './segment.js'
import type { LogState } from './log-state.js'
import type { OffsetError, ReadPlan, SegmentTransfer, TimestampOffset } from './types.js'

const planned = new Float64Array(PlanOut.length)

/** Where the batches from `offset` on lie, below `upperBound` (exclusive). Whole batches of one segment; the bytes are read by the caller. */
export function planRead(log: LogState, offset: number, maxBytes: number, upperBound: number, minOne: boolean): ReadPlan | OffsetError {
  if (log.failure !== undefined) return storageError(log.failure)
  if (offset < log.logStartOffset || offset > log.logEndOffset) {
    return {
      kind: 'error',
      errorCode: Code.offsetOutOfRange,
      errorMessage: `offset ${offset} is outside [${log.logStartOffset}, ${log.logEndOffset}]`,
    }
  }
  let bound = upperBound < log.writtenOffset ? upperBound : log.writtenOffset
  if (offset >= bound) return emptyPlan(log, offset)
  if (!log.quarantine.isEmpty) {
    const corrupt = log.quarantine.at(offset)
    if (corrupt) return { kind: 'error', errorCode: Code.corruptMessage, errorMessage: describeRange(log.dir, corrupt) }
    bound = Math.min(bound, log.quarantine.after(offset)?.firstOffset ?? bound)
  }
  try {
    for (let i = Math.max(log.segments.floorIndex(offset), 0); i < log.segments.count; i++) {
      const segment = log.segments.at(i)
      if (segment.baseOffset >= bound) break
      log.addon.segmentReadPlan(segment.readHandle(), offset, bound, maxBytes, minOne, planned)
      if (planned[PlanOut.position]! < 0) continue
      if (planned[PlanOut.damagedFrom]! >= 0) return damagedPlan(log, i)
      return {
        kind: 'plan',
        dir: log.dir,
        segmentBaseOffset: segment.baseOffset,
        position: planned[PlanOut.position]!,
        size: planned[PlanOut.size]!,
        firstBatchSize: planned[PlanOut.firstBatchSize]!,
        firstBaseOffset: planned[PlanOut.firstBaseOffset]!,
        offset,
        generation: segment.generation,
        openedMs: log.openedMs,
      }
    }
    return emptyPlan(log, offset)
  } catch (error) {
    return storageError(log.readFailed(error))
  }
}

/** The offset was looked for and is not where the batches around it say: the range is remembered, and whoever owns the replica told. */
function damagedPlan(log: LogState, index: number): OffsetError {
  const range = {
    segmentBaseOffset: log.segments.at(index).baseOffset,
    position: planned[PlanOut.position]!,
    size: planned[PlanOut.size]!,
    firstOffset: planned[PlanOut.damagedFrom]!,
    lastOffset: Math.min(planned[PlanOut.damagedTo]!, log.segments.endOffsetOf(index, log.logEndOffset) - 1),
    foundAtMs: log.env.clock.now(),
  }
  log.quarantine.add([range], log.env.logger)
  const errorMessage = describeRange(log.dir, range)
  log.options.onDamaged?.(range.firstOffset, errorMessage)
  return { kind: 'error', errorCode: Code.corruptMessage, errorMessage }
}

function emptyPlan(log: LogState, offset: number): ReadPlan {
  return {
    kind: 'plan',
    dir: log.dir,
    segmentBaseOffset: log.active.baseOffset,
    position: 0,
    size: 0,
    firstBatchSize: 0,
    firstBaseOffset: -1,
    offset,
    generation: log.active.generation,
    openedMs: log.openedMs,
  }
}

/** Reads a plan on this thread, or `length` bytes of it from `skip` on. Returns the bytes copied. Throws LogError. */
export function readInto(log: LogState, plan: ReadPlan, target: Uint8Array, at: number, skip = 0, length: number = plan.size): number {
  if (length === 0) return 0
  const segment = plannedSegment(log, plan)
  try {
    const size = log.addon.segmentRead(segment.readHandle(), plan.position + skip, length, target, at)
    if (skip === 0) assertPlanned(plan, target, at, size)
    return size
  } catch (error) {
    throw log.readFailed(error)
  }
}

/** Sends bytes of a plan straight to a socket. Returns the bytes moved; 0: not now, read them instead. Throws LogError. */
export function sendTo(log: LogState, plan: ReadPlan, skip: number, length: number, descriptor: number): number {
  const segment = plannedSegment(log, plan)
  try {
    return log.addon.segmentSend(segment.readHandle(), plan.position + skip, length, descriptor)
  } catch (error) {
    throw log.readFailed(error)
  }
}

/** As `sendTo`, by a thread of its own: adds the range to what is handed to that. */
export function handOver(log: LogState, plan: ReadPlan, skip: number, length: number, transfer: SegmentTransfer): boolean {
  const segment = plannedSegment(log, plan)
  try {
    return transfer.addSegment(segment.readHandle(), plan.position + skip, length)
  } catch (error) {
    throw log.readFailed(error)
  }
}

/** The segment a plan was made for, as it was then. */
function plannedSegment(log: LogState, plan: ReadPlan): Segment {
  if (log.failure !== undefined) throw log.failure
  const index = log.segments.floorIndex(plan.segmentBaseOffset)
  const segment = index === -1 ? undefined : log.segments.at(index)
  if (segment === undefined || segment.baseOffset !== plan.segmentBaseOffset || segment.generation !== plan.generation) {
    throw new LogError(
      'ERR_MILLRACE_STALE_PLAN',
      `segment ${plan.segmentBaseOffset} of ${log.dir} changed since the read was planned: plan again`,
    )
  }
  return segment
}

export function lookUp(log: LogState, find: () => TimestampOffset): TimestampOffset {
  if (log.failure !== undefined) throw log.failure
  try {
    log.writeStaged()
    return withEpoch(find(), log.epochs)
  } catch (error) {
    throw log.readFailed(error)
  }
}
