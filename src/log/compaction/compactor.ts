// One compaction run of one log: which segments, in which groups, what the native pass must know, and putting its files
// in place. The passes run on the pool; everything else on the owner's thread, between appends. Appends, reads and
// retention go on meanwhile: what they changed under a pass is noticed before its result is used.

import { errorCodeOf, errorText } from '../codes.js'
import { cleanablePart, groupSegments } from './cleanable.js'
import { beginSwap, discardCleaned, finishSwap } from './swap.js'
import type { Cleanable } from './cleanable.js'
import type { LogConfig } from '../config.js'
import type { CompactionResult } from '../native.js'
import type { ProducerState } from '../producer-state/producer-state.js'
import type { Segment } from '../segment.js'
import type { RunInPool } from '../types.js'
import type { Env } from '../../env/env.js'

/** What the compactor sees and may do of its log. */
export interface CompactionHost {
  readonly dir: string
  readonly env: Env
  readonly config: LogConfig
  readonly segments: readonly Segment[]
  readonly producers: ProducerState
  readonly logStartOffset: number
  /** Below it everything is stable, replicated and durable. */
  readonly settledOffset: number
  readonly runInPool: RunInPool
  /** Puts `made` in the place of `replaced`, which are neighbours; `deleted` are renamed files for a delayed removal. */
  replaceSegments(
    replaced: readonly Segment[],
    made: { readonly baseOffset: number; readonly maxTimestamp: number },
    deleted: readonly string[],
  ): void
  isOpen(): boolean
}

export interface CompactionSummary {
  readonly groups: number
  readonly bytesIn: number
  readonly bytesOut: number
  readonly recordsIn: number
  readonly recordsOut: number
  /** The next first dirty offset. */
  readonly cleanedUpTo: number
}

/** Memory for the offset map of one pass: 48 bytes a key. Kafka's log.cleaner.dedupe.buffer.size has the same default. */
const MAP_BYTES = 128 * 1024 * 1024

export function cleanableOf(host: CompactionHost, cleanerOffset: number, now: number): Cleanable {
  const { config } = host
  return cleanablePart({
    segments: host.segments.map((segment) => ({
      baseOffset: segment.baseOffset,
      size: segment.size,
      maxTimestamp: () => segment.maxTimestamp,
      firstTimestamp: () => segment.firstTimestamp,
      isActive: segment.isActive,
    })),
    logStartOffset: host.logStartOffset,
    cleanerOffset,
    upperBound: host.settledOffset,
    minCompactionLagMs: config.minCompactionLagMs,
    maxCompactionLagMs: config.maxCompactionLagMs,
    minCleanableDirtyRatio: config.minCleanableDirtyRatio,
    now,
  })
}

/** Compacts [start, part.firstUncleanableOffset). Throws what a pass threw; groups done before stay done. */
export async function compact(host: CompactionHost, part: Cleanable, now: number): Promise<CompactionSummary | undefined> {
  let end = part.firstUncleanableOffset
  const segments = host.segments.filter((segment) => segment.baseOffset < end)
  const total = { groups: 0, bytesIn: 0, bytesOut: 0, recordsIn: 0, recordsOut: 0 }
  for (const group of groupSegments(segments, host.config.segmentBytes, end)) {
    const result = await runPass(host, part, group, end, now)
    if (result === undefined) return undefined
    // a full map covered less: the same end counts for all groups
    end = Math.min(end, result.cleanedUpTo)
    total.groups++
    total.bytesIn += result.bytesIn
    total.bytesOut += result.bytesOut
    total.recordsIn += result.recordsIn
    total.recordsOut += result.recordsOut
  }
  return { ...total, cleanedUpTo: end }
}

async function runPass(
  host: CompactionHost,
  part: Cleanable,
  group: readonly Segment[],
  mapUpTo: number,
  now: number,
): Promise<CompactionResult | undefined> {
  const first = group[0]!
  const generations = group.map((segment) => segment.generation)
  const isSame = (): boolean =>
    host.isOpen() && group.every((segment, i) => host.segments.includes(segment) && segment.generation === generations[i])
  // earlier groups of this run were replaced: name what is there now
  const current = host.segments.filter((segment) => segment.baseOffset < part.firstUncleanableOffset)
  const aborted = current.flatMap((segment) => segment.txnIndex.entries())
  try {
    const result = await host.runInPool({
      name: 'compactSegments',
      dir: host.dir,
      baseOffsets: group.map((segment) => segment.baseOffset),
      options: {
        mapSegments: current
          .filter((_, i) => (current[i + 1]?.baseOffset ?? part.firstUncleanableOffset) > part.firstDirtyOffset)
          .map((segment) => segment.baseOffset),
        mapFrom: part.firstDirtyOffset,
        mapUpTo,
        priorSegments: hasTransactions(host, aborted)
          ? current.filter((segment) => segment.baseOffset < first.baseOffset).map((segment) => segment.baseOffset)
          : [],
        now,
        deleteRetentionMs: host.config.deleteRetentionMs,
        activeProducers: Array.from(host.producers.entries(), (entry) => [entry.producerId, entry.epoch, entry.lastOffset] as const),
        abortedTransactions: aborted.map((entry) => [entry.producerId, entry.firstOffset, entry.lastOffset] as const),
        maxUncompressed: host.config.maxDecompressedBytes,
        indexIntervalBytes: host.config.indexIntervalBytes,
        mapBytes: MAP_BYTES,
      },
    })
    if (!isSame()) {
      discardIfThere(host, first.baseOffset)
      return undefined // truncated, deleted or closed meanwhile: the next run starts over
    }
    install(host, group, result)
    return result
  } catch (error) {
    discardIfThere(host, first.baseOffset)
    host.env.logger.warn(
      { dir: host.dir, segment: first.baseOffset, code: errorCodeOf(error) },
      `compaction stopped, the segments stay as they are: ${errorText(error)}`,
    )
    throw error
  }
}

function install(host: CompactionHost, group: readonly Segment[], result: CompactionResult): void {
  const first = group[0]!
  const aborted = group.flatMap((segment) => segment.txnIndex.entries())
  // closing writes the old indexes: it must come before the new ones take their names
  for (const segment of group) segment.closeHandle()
  beginSwap(
    host.dir,
    first.baseOffset,
    group.map((segment) => segment.baseOffset),
    aborted,
  )
  const { deleted } = finishSwap(host.dir, first.baseOffset)
  host.replaceSegments(group, { baseOffset: first.baseOffset, maxTimestamp: result.maxTimestamp }, deleted)
}

/** Whether a transaction may reach into a segment from an earlier one. */
function hasTransactions(host: CompactionHost, aborted: readonly unknown[]): boolean {
  if (aborted.length > 0) return true
  for (const entry of host.producers.entries()) if (entry.coordinatorEpoch !== -1 || entry.txnFirstOffset !== -1) return true
  return false
}

function discardIfThere(host: CompactionHost, baseOffset: number): void {
  try {
    discardCleaned(host.dir, baseOffset)
  } catch (error) {
    host.env.logger.debug({ dir: host.dir, code: errorCodeOf(error) }, 'a compaction file could not be removed; the next open removes it')
  }
}
