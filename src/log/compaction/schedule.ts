// Which logs of a thread are compacted when: those that are due, the dirtiest first, one at a time. Called by the owner
// from time to time (Kafka's log.cleaner.backoff.ms is 15 s); the passes themselves run on the pool.

import type { Cleanable } from './cleanable.js'
import type { CompactionSummary } from './compactor.js'

/** The part of a log that this needs. */
export interface CompactableLog {
  compactionState(now: number): Cleanable | undefined
  compact(now: number): Promise<CompactionSummary | undefined>
}

/** Compacts every log that is due. A failed one is left for the next call; its log has said why. Resolves with how many were compacted. */
export async function compactDue(logs: Iterable<CompactableLog>, now: number): Promise<number> {
  const due: { readonly log: CompactableLog; readonly ratio: number }[] = []
  for (const log of logs) {
    const state = log.compactionState(now)
    if (state?.isDue) due.push({ log, ratio: state.dirtyRatio })
  }
  due.sort((a, b) => b.ratio - a.ratio)
  let done = 0
  for (const { log } of due) {
    const summary = await log.compact(now).catch(() => undefined)
    if (summary !== undefined) done++
  }
  return done
}
