// Which segments may go: Kafka's three reasons, each from the oldest on until the first that stays. Pure.

export interface SegmentFacts {
  readonly baseOffset: number
  /** Base offset of the next segment, or the log's end for the active one. */
  readonly endOffset: number
  readonly size: number
  /** Largest record timestamp, or the file's time when records carry none. Read only when needed. */
  retentionTimestamp(): number
  readonly isActive: boolean
}

export interface RetentionRules {
  readonly deletes: boolean
  readonly retentionMs: number
  readonly retentionBytes: number
  readonly logStartOffset: number
  /** Nothing at or above it goes: the log start offset never passes it. */
  readonly highWatermark: number
  readonly now: number
}

export type RetentionReason = 'log start offset' | 'retention.bytes' | 'retention.ms'

export interface Expired {
  /** How many segments from the oldest on. */
  readonly count: number
  readonly reasons: readonly RetentionReason[]
}

export function expiredSegments(segments: readonly SegmentFacts[], rules: RetentionRules): Expired {
  const reasons = new Set<RetentionReason>()
  let count = prefix(segments, 0, rules, (segment) => !segment.isActive && segment.endOffset <= rules.logStartOffset)
  if (count > 0) reasons.add('log start offset')
  if (!rules.deletes) return { count, reasons: [...reasons] }

  const bySize = prefix(segments, count, rules, overBytes(segments, count, rules.retentionBytes))
  if (bySize > count) reasons.add('retention.bytes')
  count = bySize

  const byTime = prefix(
    segments,
    count,
    rules,
    (segment) => rules.retentionMs >= 0 && rules.now - segment.retentionTimestamp() > rules.retentionMs,
  )
  if (byTime > count) reasons.add('retention.ms')
  return { count: byTime, reasons: [...reasons] }
}

function prefix(
  segments: readonly SegmentFacts[],
  from: number,
  rules: RetentionRules,
  expired: (segment: SegmentFacts) => boolean,
): number {
  let count = from
  while (count < segments.length) {
    const segment = segments[count]!
    const emptyTail = segment.isActive && segment.size === 0
    if (segment.endOffset > rules.highWatermark || emptyTail || !expired(segment)) break
    count++
  }
  return count
}

/** A segment goes while what is left is still at least the limit without it. */
function overBytes(segments: readonly SegmentFacts[], from: number, limit: number): (segment: SegmentFacts) => boolean {
  if (limit < 0) return () => false
  let excess = -limit
  for (let i = from; i < segments.length; i++) excess += segments[i]!.size
  return (segment) => {
    if (excess - segment.size < 0) return false
    excess -= segment.size
    return true
  }
}
