// Looks again at bytes that were written long ago. What is found wrong is quarantined like what recovery finds: remembered on disk, refused to
// readers, never deleted. Making it good is the replica's business.

import { At, HEADER_SIZE, int32At, LOG_OVERHEAD } from '../protocol/records/batch-layout.js'
import { Code } from './codes.js'
import { fileName, SUFFIX } from './files.js'
import { planRead, readInto } from './read.js'
import { replicatedBatchError } from './validation.js'
import { join } from 'node:path'
import type { LogState } from './log-state.js'
import type { QuarantinedRange } from './types.js'

/** What is wrong with the batch that holds `offset`; undefined: it is sound, or there is none. Throws LogError when it cannot be read. */
export function verifyBatchAt(log: LogState, offset: number): string | undefined {
  const plan = planRead(log, offset, 1, log.writtenOffset, true)
  if (plan.kind === 'error') return plan.errorCode === Code.corruptMessage ? plan.errorMessage : undefined
  if (plan.size === 0) return undefined
  const bytes = Buffer.allocUnsafe(plan.size)
  const size = readInto(log, plan, bytes, 0)
  const wrong = size < plan.size ? 'the file ends within the batch' : batchError(bytes)
  if (wrong === undefined) return undefined
  const delta = size >= HEADER_SIZE ? int32At(bytes, At.lastOffsetDelta) : 0
  quarantine(log, [
    {
      segmentBaseOffset: plan.segmentBaseOffset,
      position: plan.position,
      size: plan.size,
      firstOffset: offset,
      lastOffset: offset + (delta >= 0 && offset + delta < log.writtenOffset ? delta : 0),
      foundAtMs: log.env.clock.now(),
    },
  ])
  return wrong
}

function batchError(bytes: Uint8Array): string | undefined {
  if (int32At(bytes, At.batchLength) + LOG_OVERHEAD !== bytes.length) return 'the batch does not have the size it says'
  return replicatedBatchError(bytes, 0)?.message
}

export function quarantine(log: LogState, ranges: readonly QuarantinedRange[]): void {
  for (const range of ranges)
    log.env.logger.error({ dir: log.dir, ...range }, 'a corrupt range was quarantined: reads of it are refused, nothing was deleted')
  log.quarantine.add(ranges)
}

export interface ScrubStep {
  /** Bytes looked at. */
  readonly bytes: number
  /** Where to go on; -1: the segment is done, or is not what it was. */
  readonly position: number
  /** First offset that cannot be read any more. */
  readonly damagedOffset: number | undefined
}

/** Closed segments, oldest first. */
export function closedSegments(log: LogState): { readonly baseOffset: number; readonly size: number }[] {
  return log.segments.all.filter((segment) => !segment.isActive && segment.size > 0).map(({ baseOffset, size }) => ({ baseOffset, size }))
}

/** Checks part of a closed segment on the pool; what is wrong is quarantined. */
export async function scrub(log: LogState, baseOffset: number, position: number, maxBytes: number): Promise<ScrubStep> {
  const segment = log.segments.all.find((one) => one.baseOffset === baseOffset)
  if (segment === undefined || segment.isActive || log.failure !== undefined || log.closed)
    return { bytes: 0, position: -1, damagedOffset: undefined }
  const { generation, size } = segment
  const path = join(log.dir, fileName(baseOffset, SUFFIX.log))
  const found = await log.options.runInPool({ name: 'scrubFile', path, position, endPosition: size, maxBytes })
  const bytes = found.position - position
  // Cut, compacted or gone meanwhile: what was read is not this segment's any more.
  const index = log.segments.all.indexOf(segment)
  if (index === -1 || segment.generation !== generation || log.closed) return { bytes, position: -1, damagedOffset: undefined }
  const next = found.position < size ? found.position : -1
  const { bad } = found
  if (
    bad === null ||
    log.quarantine.ranges.some(
      (known) =>
        known.segmentBaseOffset === baseOffset && known.position <= bad.position && bad.position < known.position + Math.max(known.size, 1),
    )
  )
    return { bytes, position: next, damagedOffset: undefined }
  const end = log.segments.endOffsetOf(index, log.logEndOffset)
  const isSane = bad.baseOffset >= Math.max(baseOffset, found.nextOffset) && bad.lastOffset < end
  const firstOffset = isSane ? bad.baseOffset : found.nextOffset === -1 ? baseOffset : found.nextOffset
  quarantine(log, [
    {
      segmentBaseOffset: baseOffset,
      position: bad.position,
      size: bad.size,
      firstOffset,
      lastOffset: isSane ? bad.lastOffset : end - 1,
      foundAtMs: log.env.clock.now(),
    },
  ])
  return { bytes, position: next, damagedOffset: firstOffset }
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
