// Where a follower cuts its log when the leader's has another history. Pure. By leader epochs only (KIP-101, KIP-279, KIP-595), never by the high
// watermark: a follower's high watermark is behind the leader's, and what lies above it may be committed.

import type { EpochEndOffset } from '../../log/types.js'

/** What is asked of the follower's own log. */
export interface LocalLog {
  readonly logStartOffset: number
  readonly logEndOffset: number
  epochEndOffset(epoch: number): EpochEndOffset
}

/**
 * The leader said: of the epochs up to your last one, `epoch` is my largest, and it ends at `endOffset`. Where this log knows that epoch, both
 * agree up to the smaller end. Where it does not, it is cut to the end of the largest epoch below it; the next fetch then names an
 * older epoch and finds out further (KIP-279: two fast leader changes leave more than one epoch to step over).
 */
export function divergingPoint(epoch: number, endOffset: number, local: LocalLog): number {
  const own = local.epochEndOffset(epoch)
  if (own.leaderEpoch < 0 || own.endOffset < 0) return Math.min(endOffset, local.logEndOffset)
  const end = own.leaderEpoch === epoch ? Math.min(own.endOffset, endOffset) : own.endOffset
  return Math.min(end, local.logEndOffset)
}

export type RangeStep =
  | { readonly kind: 'truncate'; readonly offset: number }
  /** Nothing of this log is of use: it begins anew at `offset`. */
  | { readonly kind: 'restart'; readonly offset: number }
  | { readonly kind: 'continue' }

/** What a leader says of its log. */
export interface LeaderLog {
  readonly leaderEpoch: number
  readonly logStartOffset: number
  readonly logEndOffset: number
}

/**
 * The leader has nothing for this log's end: its log ends before (an unclean election) or begins after. Or it never heard of the epoch that is
 * named here, though none is later than the leader's own: then a bit of a batch's epoch, which no checksum covers, has turned on this disk, and what
 * bears such an epoch is cut.
 */
export function outOfRangePoint(leader: LeaderLog, local: LocalLog): RangeStep {
  const known = local.epochEndOffset(leader.leaderEpoch)
  if (known.endOffset >= 0 && known.endOffset < local.logEndOffset) {
    return { kind: 'truncate', offset: Math.max(known.endOffset, local.logStartOffset) }
  }
  if (leader.logEndOffset < local.logEndOffset) {
    const { logStartOffset, logEndOffset } = leader
    return logEndOffset < local.logStartOffset ? { kind: 'restart', offset: logStartOffset } : { kind: 'truncate', offset: logEndOffset }
  }
  return leader.logStartOffset > local.logEndOffset ? { kind: 'restart', offset: leader.logStartOffset } : { kind: 'continue' }
}
