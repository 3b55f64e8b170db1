// The check that bytes read for a plan are the planned ones, for whoever reads them: the owner (read.ts) or, through a handle of its own,
// the worker that holds the connection (broker/file-records.ts).

import { At, int32At, int64At } from '../protocol/records/batch-layout.js'
import { LogError } from './codes.js'
import type { ReadPlan } from './types.js'

/** A compacted file may have replaced the planned one in between: the batch at the start must hold what was asked for. */
export function assertPlanned(plan: ReadPlan, target: Uint8Array, at: number, size: number): void {
  if (size < 61) return
  const base = int64At(target, at + At.baseOffset)
  const last = base + int32At(target, at + At.lastOffsetDelta)
  if (last < plan.offset || base < plan.segmentBaseOffset) {
    throw new LogError(
      'ERR_MILLRACE_STALE_PLAN',
      `the file of segment ${plan.segmentBaseOffset} in ${plan.dir} changed since the read was planned: plan again`,
    )
  }
}
