// Brings producer state to an offset: the newest valid snapshot at or below a floor, then every batch after it, from scan
// reports where a segment was just scanned and from batch headers otherwise. Aborted transactions found on the way are
// written into the `.txnindex` of segments that ask for it.

import { walkHeaders } from '../header-walk.js'
import { SUFFIX } from '../files.js'
import type { RecoveredBatch, RecoveryReport } from '../native.js'
import type { Segment } from '../segment.js'
import { isExpired } from './producer-state.js'
import type { CompletedTransaction, ProducerState } from './producer-state.js'
import type { SnapshotFiles } from './snapshot-files.js'

export interface RebuildOptions {
  readonly segments: readonly Segment[]
  readonly snapshots: SnapshotFiles
  readonly state: ProducerState
  /** Snapshots above this are not used: the segments from here on must be replayed. */
  readonly snapshotFloor: number
  /** Batches at or above this are not replayed. */
  readonly endOffset: number
  readonly logStartOffset: number
  /** As Kafka: a producer of a snapshot that has been silent for too long is left out; one that the replay finds stays until the next check. */
  readonly now: number
  readonly expirationMs: number
  /** By segment base offset. Their transaction indexes are rewritten. */
  readonly reports: ReadonlyMap<number, RecoveryReport>
}

/** Returns the offset the replay began at. */
export function rebuildProducerState(o: RebuildOptions): number {
  const snapshot = o.snapshots.newestUpTo(o.snapshotFloor)
  const from = Math.max(snapshot?.offset ?? 0, 0)
  o.state.restore((snapshot?.entries ?? []).filter((entry) => !isExpired(entry, o.now, o.expirationMs)))
  o.segments.forEach((segment, i) => {
    const end = o.segments[i + 1]?.baseOffset ?? Number.MAX_SAFE_INTEGER
    if (end <= from || segment.baseOffset >= o.endOffset) return
    const report = o.reports.get(segment.baseOffset)
    if (report) segment.txnIndex.reset()
    const visit = (batch: RecoveredBatch): void => {
      if (batch.lastOffset < from || batch.baseOffset >= o.endOffset) return
      const completed = o.state.replay(batch)
      if (completed?.aborted && report) noteAborted(segment, o.state, completed)
    }
    if (report) report.batches.forEach(visit)
    else if (segment.size > 0) walkHeaders(segment.pathOf(SUFFIX.log), 0, segment.size, visit)
  })
  return from
}

export function noteAborted(segment: Segment, state: ProducerState, completed: CompletedTransaction): void {
  segment.txnIndex.append({
    producerId: completed.producerId,
    firstOffset: completed.firstOffset,
    lastOffset: completed.lastOffset,
    lastStableOffset: state.lastStableOffsetAfter(completed),
  })
}
