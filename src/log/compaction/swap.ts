// Puts a compacted file in the place of the segments it was made from, so that a crash at any point leaves either all
// of the old ones or the new one. Steps, each durable before the next:
//   1. `<base>.swap-set` names the segments to be replaced
//   2. `.cleaned` → `.swap`, the log last: from here on the new file counts
//   3. the old segments leave, the `.swap` files take their names, the swap set goes
// `finishSwaps` repeats step 3 for every `.log.swap` it finds; what never got that far is removed.

import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileName, offsetOfFile, readFileIfAny, removeIfAny, renameIfAny, replaceFile, SUFFIX, syncDirNow } from '../files.js'
import { encodeAborted } from '../transaction-index.js'
import type { AbortedEntry } from '../transaction-index.js'

const SWAP_SET = '.swap-set'
const FILES = [SUFFIX.index, SUFFIX.timeIndex, SUFFIX.txnIndex, SUFFIX.log] as const

/** Steps 1 and 2. `<base>.log.cleaned` and its indexes are there and synced. */
export function beginSwap(dir: string, baseOffset: number, replaces: readonly number[], aborted: readonly AbortedEntry[]): void {
  replaceFile(dir, fileName(baseOffset, SWAP_SET), Buffer.from(JSON.stringify(replaces)))
  writeFileSync(join(dir, fileName(baseOffset, SUFFIX.txnIndex) + SUFFIX.swap), encodeAborted(aborted), { flush: true })
  for (const suffix of FILES) {
    const path = join(dir, fileName(baseOffset, suffix))
    renameIfAny(path + SUFFIX.cleaned, path + SUFFIX.swap)
  }
  syncDirNow(dir)
}

/** Step 3. Returns the replaced segments. Old files are renamed to `.deleted`; their paths are for a delayed removal. */
export function finishSwap(dir: string, baseOffset: number): { readonly replaced: readonly number[]; readonly deleted: readonly string[] } {
  const set = readFileIfAny(join(dir, fileName(baseOffset, SWAP_SET)))
  const replaced = set ? (JSON.parse(set.toString('utf8')) as number[]) : [baseOffset]
  const deleted: string[] = []
  for (const old of replaced) {
    if (old === baseOffset) continue // the renames below replace its files one by one
    for (const suffix of FILES) {
      const path = join(dir, fileName(old, suffix))
      if (renameIfAny(path, path + SUFFIX.deleted)) deleted.push(path + SUFFIX.deleted)
    }
    removeIfAny(join(dir, fileName(old, SUFFIX.snapshot)))
  }
  for (const suffix of FILES) {
    const path = join(dir, fileName(baseOffset, suffix))
    renameIfAny(path + SUFFIX.swap, path)
  }
  syncDirNow(dir)
  removeIfAny(join(dir, fileName(baseOffset, SWAP_SET)))
  return { replaced, deleted }
}

/** After a stop: completes what had passed step 2, removes the rest. Returns the base offsets of files swapped in. */
export function finishSwaps(dir: string): number[] {
  const swapped = readdirSync(dir)
    .map((name) => offsetOfFile(name, SUFFIX.log + SUFFIX.swap))
    .filter((offset) => offset !== undefined)
  for (const baseOffset of swapped) {
    for (const path of finishSwap(dir, baseOffset).deleted) removeIfAny(path)
  }
  for (const name of readdirSync(dir)) {
    if (name.endsWith(SUFFIX.swap) || name.endsWith(SWAP_SET)) removeIfAny(join(dir, name))
  }
  return swapped
}

export function discardCleaned(dir: string, baseOffset: number): void {
  for (const suffix of FILES) removeIfAny(join(dir, fileName(baseOffset, suffix) + SUFFIX.cleaned))
}
