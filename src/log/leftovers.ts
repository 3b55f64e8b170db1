// Puts a partition directory in order before it is opened: removals and file swaps that a stop interrupted are finished
// or taken back, as Kafka does. `.swap` means the new file was complete; `.cleaned` means it was not.

import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { offsetOfFile, removeIfAny, renameIfAny, SUFFIX } from './files.js'

const INDEX_SUFFIXES = [SUFFIX.index, SUFFIX.timeIndex, SUFFIX.txnIndex] as const

export interface Leftovers {
  /** Base offsets of the segments, ascending. */
  readonly baseOffsets: readonly number[]
  /** Segments whose file was just swapped in: their indexes are rebuilt by a scan. */
  readonly swapped: readonly number[]
}

export function tidyDirectory(dir: string): Leftovers {
  const swapped: number[] = []
  for (const name of readdirSync(dir)) {
    if (name.endsWith(SUFFIX.deleted) || name.endsWith(SUFFIX.cleaned) || name.endsWith('.tmp')) rmSync(join(dir, name), { recursive: true, force: true })
  }
  const swaps = readdirSync(dir).map((name) => offsetOfFile(name, SUFFIX.log + SUFFIX.swap)).filter((offset) => offset !== undefined)
  for (const offset of swaps) {
    finishSwap(dir, offset)
    swapped.push(offset)
  }
  for (const name of readdirSync(dir)) if (name.endsWith(SUFFIX.swap)) removeIfAny(join(dir, name))
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

/** The compacted file takes its name. Which segments it replaced is in the swap's own name list, see compaction/swap.ts. */
function finishSwap(dir: string, baseOffset: number): void {
  const name = String(baseOffset).padStart(20, '0')
  for (const suffix of [SUFFIX.index, SUFFIX.timeIndex, SUFFIX.txnIndex, SUFFIX.log]) {
    renameIfAny(join(dir, name + suffix + SUFFIX.swap), join(dir, name + suffix))
  }
}
