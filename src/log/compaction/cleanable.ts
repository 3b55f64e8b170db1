// What of a log may be compacted and whether it is time: Kafka's cleaner rules. Pure.

export interface CleanableSegment {
  readonly baseOffset: number
  readonly size: number
  maxTimestamp(): number
  firstTimestamp(): number
  readonly isActive: boolean
}

export interface CleanableInput {
  readonly segments: readonly CleanableSegment[]
  readonly logStartOffset: number
  /** First offset not yet cleaned, from the checkpoint. */
  readonly cleanerOffset: number
  /** Nothing at or above it: open transactions, unreplicated or unsynced records. */
  readonly upperBound: number
  readonly minCompactionLagMs: number
  readonly maxCompactionLagMs: number
  readonly minCleanableDirtyRatio: number
  readonly now: number
}

export interface Cleanable {
  readonly firstDirtyOffset: number
  /** Exclusive end of what may be cleaned: a segment's base offset. */
  readonly firstUncleanableOffset: number
  readonly dirtyBytes: number
  readonly dirtyRatio: number
  /** The ratio is reached, or a dirty record is older than max.compaction.lag.ms. */
  readonly isDue: boolean
}

export function cleanablePart(input: CleanableInput): Cleanable {
  const { segments, now } = input
  const active = segments[segments.length - 1]!
  const isStale = input.cleanerOffset < input.logStartOffset || input.cleanerOffset > active.baseOffset
  const firstDirtyOffset = isStale ? input.logStartOffset : input.cleanerOffset
  const firstUncleanableOffset = uncleanableFrom(input, firstDirtyOffset)
  let cleanBytes = 0
  let dirtyBytes = 0
  let oldestDirty = Number.MAX_SAFE_INTEGER
  segments.forEach((segment, i) => {
    if (segment.baseOffset >= firstUncleanableOffset) return
    const end = segments[i + 1]?.baseOffset ?? Number.MAX_SAFE_INTEGER
    if (end <= firstDirtyOffset) {
      cleanBytes += segment.size
      return
    }
    dirtyBytes += segment.size
    if (segment.size > 0 && segment.firstTimestamp() >= 0) oldestDirty = Math.min(oldestDirty, segment.firstTimestamp())
  })
  const dirtyRatio = dirtyBytes === 0 ? 0 : dirtyBytes / (cleanBytes + dirtyBytes)
  const overdue = dirtyBytes > 0 && now - oldestDirty > input.maxCompactionLagMs
  return {
    firstDirtyOffset,
    firstUncleanableOffset,
    dirtyBytes,
    dirtyRatio,
    isDue: dirtyBytes > 0 && (overdue || dirtyRatio > input.minCleanableDirtyRatio),
  }
}

/** Base offset of the first segment that must stay as it is. */
function uncleanableFrom(input: CleanableInput, firstDirtyOffset: number): number {
  const { segments, now } = input
  for (const [i, segment] of segments.entries()) {
    const end = segments[i + 1]?.baseOffset ?? Number.MAX_SAFE_INTEGER
    if (segment.isActive || end > input.upperBound) return segment.baseOffset
    const tooYoung =
      input.minCompactionLagMs > 0 && segment.baseOffset >= firstDirtyOffset && segment.maxTimestamp() > now - input.minCompactionLagMs
    if (tooYoung) return segment.baseOffset
  }
  return segments[segments.length - 1]!.baseOffset
}

/** Neighbours that fit into one segment together; each group becomes one file. */
export function groupSegments<T extends { readonly baseOffset: number; readonly size: number }>(
  segments: readonly T[],
  segmentBytes: number,
  endOffset: number,
): T[][] {
  const groups: T[][] = []
  let bytes = 0
  segments.forEach((segment, i) => {
    const group = groups[groups.length - 1]
    const end = segments[i + 1]?.baseOffset ?? endOffset
    if (group !== undefined && bytes + segment.size <= segmentBytes && end - group[0]!.baseOffset <= 0x7fffffff) {
      group.push(segment)
      bytes += segment.size
      return
    }
    groups.push([segment])
    bytes = segment.size
  })
  return groups
}
