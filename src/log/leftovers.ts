// Puts a partition directory in order before it is opened: removals and file swaps that a stop interrupted are finished
// or taken back, as Kafka does. `.swap` means the new file was complete; `.cleaned` means it was not.

import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { finishSwaps } from './compaction/swap.js'
import { offsetOfFile, removeIfAny, SUFFIX } from './files.js'

const INDEX_SUFFIXES = [SUFFIX.index, SUFFIX.timeIndex, SUFFIX.txnIndex] as const

export interface Leftovers {
  /** Base offsets of the segments, ascending. */
  readonly baseOffsets: readonly number[]
  /** Segments whose file was just swapped in: their indexes are rebuilt by a scan. */
  readonly swapped: readonly number[]
}

export function tidyDirectory(dir: string): Leftovers {
  for (const name of readdirSync(dir)) {
    if (name.endsWith(SUFFIX.deleted) || name.endsWith(SUFFIX.cleaned) || name.endsWith('.tmp'))
      rmSync(join(dir, name), { recursive: true, force: true })
  }
  const swapped = finishSwaps(dir)
  const names = readdirSync(dir)
  const baseOffsets = names.map((name) => offsetOfFile(name, SUFFIX.log)).filter((offset) => offset !== undefined)
  const known = new Set(baseOffsets)
  for (const name of names) {
    for (const suffix of INDEX_SUFFIXES) {
      const offset = offsetOfFile(name, suffix)
      if (offset !== undefined && !known.has(offset)) removeIfAny(join(dir, name))
    }
  }
  return { baseOffsets: baseOffsets.sort((a, b) => a - b), swapped }
}
