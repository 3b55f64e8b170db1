// A turned bit in the leader epoch of a stored batch: no checksum covers that field (Kafka's format, so that a leader can stamp a batch without
// reading it). Believed, it would vouch for a history that never was, and batches behind it would look like a tail that had been cut.
//
// What tells it from a batch of another leader: the file of leader epochs names the epoch of the batch that follows without a gap,
// and not its own. Only where a power loss took that file's last entry could it be a real one, with a tail behind it that
// had been cut: then what follows is not to be trusted either, and a replica that is cut back at a quarantined batch loses both.

import type { LeaderEpochCache } from './leader-epoch-cache.js'
import type { RecoveredBatch, RecoveryReport } from './native.js'
import type { QuarantinedRange } from './types.js'

export interface WithoutStrays {
  /** A stray's epoch is -1, unknown; all else of it is covered by its checksum and counts. */
  readonly reports: readonly RecoveryReport[]
  readonly quarantined: readonly QuarantinedRange[]
}

/** `reports` of consecutive segments, which begin at `baseOffsets`. */
export function setStrayEpochsAside(
  reports: readonly RecoveryReport[],
  baseOffsets: readonly number[],
  epochs: LeaderEpochCache,
  nowMs: number,
): WithoutStrays {
  const quarantined: QuarantinedRange[] = []
  const cleaned = reports.map((report, index) => {
    const { batches } = report
    const nextOfSegment = reports[index + 1]?.batches[0]
    const isStrayAt = batches.map((batch, i) => isStray(batch, batches[i + 1] ?? nextOfSegment, epochs))
    if (!isStrayAt.includes(true)) return report
    for (const [i, { position, baseOffset, lastOffset }] of batches.entries()) {
      if (!isStrayAt[i]) continue
      const size = (batches[i + 1]?.position ?? report.endBytes) - position
      const range = { segmentBaseOffset: baseOffsets[index]!, position, size, firstOffset: baseOffset, lastOffset }
      quarantined.push({ ...range, foundAtMs: nowMs })
    }
    return { ...report, batches: batches.map((batch, i) => (isStrayAt[i] ? { ...batch, leaderEpoch: -1 } : batch)) }
  })
  return { reports: cleaned, quarantined }
}

/** `next`: a change of epochs is always reported, so it is the batch right behind where its epoch is another. */
function isStray(batch: RecoveredBatch, next: RecoveredBatch | undefined, epochs: LeaderEpochCache): boolean {
  if (batch.leaderEpoch < 0 || next === undefined || next.leaderEpoch === batch.leaderEpoch) return false
  return next.baseOffset === batch.lastOffset + 1 && epochs.epochFor(batch.baseOffset) === next.leaderEpoch
}
