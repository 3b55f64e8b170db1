// Looks again at bytes that were written long ago. What is found wrong is quarantined like what recovery finds: remembered on disk, refused to
// readers, never deleted. Making it good is the replica's business.

import { At, HEADER_SIZE, int32At, LOG_OVERHEAD } from './batch-header.js'
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
