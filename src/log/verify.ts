// Looks again at bytes that were written long ago. What is found wrong is quarantined like what recovery finds: remembered on disk, refused to
// readers, never deleted. Making it good is the replica's business.

import { At, HEADER_SIZE, int32At, int64At, LOG_OVERHEAD } from '../protocol/records/batch-layout.js'
import { Code } from './codes.js'
import { fileName, SUFFIX } from './files.js'
import { planRead, readInto } from './read.js'
import { replicatedBatchError } from './validation.js'
import { join } from 'node:path'
import type { LogState } from './log-state.js'

/** What is wrong with the batch that holds `offset`; undefined: it is sound, or there is none. Throws LogError when it cannot be read. */
export function verifyBatchAt(log: LogState, offset: number): string | undefined {
  const plan = planRead(log, offset, 1, log.writtenOffset, true)
  if (plan.kind === 'error') return plan.errorCode === Code.corruptMessage ? plan.errorMessage : undefined
  if (plan.size === 0) return undefined
  const bytes = Buffer.allocUnsafe(plan.size)
  const size = readInto(log, plan, bytes, 0)
  const wrong = size < plan.size ? 'the file ends within the batch' : batchError(bytes, plan.firstBaseOffset)
  if (wrong === undefined) return undefined
  const delta = size >= HEADER_SIZE ? int32At(bytes, At.lastOffsetDelta) : 0
  const range = {
    segmentBaseOffset: plan.segmentBaseOffset,
    position: plan.position,
    size: plan.size,
    firstOffset: offset,
    lastOffset: offset + (delta >= 0 && offset + delta < log.writtenOffset ? delta : 0),
    foundAtMs: log.env.clock.now(),
  }
  log.quarantine.add([range], log.env.logger)
  return wrong
}

/** `baseOffset`: as memory has it, for a batch that was appended not long ago. */
function batchError(bytes: Uint8Array, baseOffset: number): string | undefined {
  if (int32At(bytes, At.batchLength) + LOG_OVERHEAD !== bytes.length) return 'the batch does not have the size it says'
  const base = int64At(bytes, At.baseOffset)
  return base === baseOffset ? replicatedBatchError(bytes, 0)?.message : `the batch at offset ${baseOffset} says ${base}`
}

/** How far a scrub of a segment has come. */
export interface ScrubPlace {
  /** -1: the segment is done, or is not what it was. */
  readonly position: number
  /** Offset after the last sound batch before it. */
  readonly nextOffset: number
}

export interface ScrubStep {
  /** Bytes looked at. */
  readonly bytes: number
  /** Where to go on. */
  readonly place: ScrubPlace
  /** First offset that cannot be read any more. */
  readonly damagedOffset: number | undefined
}

/** Closed segments, oldest first. */
export function closedSegments(log: LogState): { readonly baseOffset: number; readonly size: number }[] {
  return log.segments.all.filter((segment) => !segment.isActive && segment.size > 0).map(({ baseOffset, size }) => ({ baseOffset, size }))
}

/** Checks part of a closed segment on the pool; what is wrong is quarantined. */
export async function scrub(log: LogState, baseOffset: number, from: ScrubPlace, maxBytes: number): Promise<ScrubStep> {
  const over = { position: -1, nextOffset: -1 }
  const segment = log.segments.all.find((one) => one.baseOffset === baseOffset)
  if (segment === undefined || segment.isActive || log.failure !== undefined || log.closed)
    return { bytes: 0, place: over, damagedOffset: undefined }
  const { generation, size } = segment
  const { dir, epochs } = log
  const endOffset = log.segments.endOffsetOf(log.segments.all.indexOf(segment), log.logEndOffset)
  const part = { dir, baseOffset, ...from, endPosition: size, endOffset, maxBytes, epochs: epochs.entries }
  const found = await log.options.runInPool({ name: 'scrubSegment', ...part })
  const bytes = found.position - from.position
  // Cut, compacted or gone meanwhile: what was read is not this segment's any more.
  if (!log.segments.all.includes(segment) || segment.generation !== generation || log.closed)
    return { bytes, place: over, damagedOffset: undefined }
  const place = found.position < size ? { position: found.position, nextOffset: found.nextOffset } : over
  const { bad } = found
  if (bad === undefined || log.quarantine.ranges.some((known) => known.segmentBaseOffset === baseOffset && overlaps(known, bad)))
    return { bytes, place, damagedOffset: undefined }
  log.quarantine.add([{ segmentBaseOffset: baseOffset, ...bad, foundAtMs: log.env.clock.now() }], log.env.logger)
  return { bytes, place, damagedOffset: bad.firstOffset }
}

function overlaps(known: { readonly position: number; readonly size: number }, { position }: { readonly position: number }): boolean {
  return known.position <= position && position < known.position + Math.max(known.size, 1)
}

/** Copies every segment that holds offsets from `offset` on to `<base>.log.damaged-<n>`, on the pool. */
export async function keepAside(log: LogState, offset: number): Promise<void> {
  log.writeStaged()
  const first = Math.max(log.segments.floorIndex(offset), 0)
  const n = log.env.clock.now()
  for (const segment of log.segments.all.slice(first)) {
    const path = join(log.dir, fileName(segment.baseOffset, SUFFIX.log))
    await log.options.runInPool({ name: 'copyFile', from: path, to: `${path}.damaged-${n}` })
  }
}
