// Compaction as an open log runs it: at most one run at a time, its host, and the segments it puts in place.

import { cleanableOf, compact } from './compactor.js'
import { logFileSize } from '../recovery.js'
import { removeLater } from '../removal.js'
import { Segment } from '../segment.js'
import type { Cleanable } from './cleanable.js'
import type { CompactionHost, CompactionSummary } from './compactor.js'
import type { LogState } from '../log-state.js'

/** Share of compactable bytes that are dirty, and whether a run is due. undefined: not a compacted topic, or out of service. */
export function compactionState(log: LogState, now: number): Cleanable | undefined {
  if (log.compactionPaused || !log.config.cleanupPolicy.compact || log.failure !== undefined || log.closed || !log.quarantine.isEmpty)
    return undefined
  return cleanableOf(compactionHost(log), log.cleanerOffset, now)
}

/** Runs one compaction when it is due (or `force`); at most one at a time. Resolves with what it did, or undefined. */
export async function runCompaction(log: LogState, now: number, force = false): Promise<CompactionSummary | undefined> {
  const part = compactionState(log, now)
  if (part === undefined || log.compacting || !(part.isDue || (force && part.firstUncleanableOffset > log.logStartOffset))) return undefined
  log.compacting = compact(compactionHost(log), part, now)
  try {
    const summary = await log.compacting
    if (summary !== undefined) {
      log.cleanerOffset = summary.cleanedUpTo
      log.options.onCheckpointDue?.()
    }
    return summary
  } finally {
    log.compacting = undefined
  }
}

function compactionHost(log: LogState): CompactionHost {
  return {
    dir: log.dir,
    env: log.env,
    config: log.config,
    get segments() {
      return log.segments.all
    },
    producers: log.producers,
    logStartOffset: log.logStartOffset,
    settledOffset: Math.min(log.lastStableOffset, log.flusher.recoveryPoint),
    runInPool: log.options.runInPool,
    replaceSegments: (replaced, made, deleted) => replaceSegments(log, replaced, made, deleted),
    isOpen: () => !log.closed && log.failure === undefined,
  }
}

function replaceSegments(
  log: LogState,
  replaced: readonly Segment[],
  made: { readonly baseOffset: number; readonly maxTimestamp: number },
  deleted: readonly string[],
): void {
  const segment = new Segment(log.dir, made.baseOffset, logFileSize(log.dir, made.baseOffset), log.config, log.env.clock.now())
  segment.generation = ++log.generation
  segment.maxTimestamp = made.maxTimestamp
  const all = log.segments.all
  const from = all.indexOf(replaced[0]!)
  log.segments.reset([...all.slice(0, from), segment, ...all.slice(from + replaced.length)])
  for (const old of replaced.slice(1)) log.snapshots.forget(old.baseOffset)
  removeLater(deleted, log.config.fileDeleteDelayMs, log.env)
}
