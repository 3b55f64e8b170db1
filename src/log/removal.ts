// Files leave in two steps, as in Kafka: renamed with `.deleted` at once, unlinked after file.delete.delay.ms, so that a
// reader that has them open finishes. What a crash leaves renamed is removed when the partition is opened next.

import { rm } from 'node:fs/promises'
import { errorCodeOf } from './codes.js'
import { renameIfAny, SUFFIX } from './files.js'
import type { Env } from '../env/env.js'
import type { Segment } from './segment.js'

const SEGMENT_FILES = [SUFFIX.log, SUFFIX.index, SUFFIX.timeIndex, SUFFIX.txnIndex] as const

/** Renames a segment's files. The log first: without it the others are orphans that the next open removes. */
export function markSegmentDeleted(segment: Segment): string[] {
  segment.closeHandle()
  const renamed: string[] = []
  for (const suffix of SEGMENT_FILES) {
    const path = segment.pathOf(suffix)
    if (renameIfAny(path, path + SUFFIX.deleted)) renamed.push(path + SUFFIX.deleted)
  }
  return renamed
}

/** Unlinks after `delayMs` without keeping the process alive. Directories go with everything in them. */
export function removeLater(paths: readonly string[], delayMs: number, env: Env): void {
  if (paths.length === 0) return
  env.timers.after(delayMs, () => {
    for (const path of paths) {
      rm(path, { recursive: true, force: true }).catch((error: unknown) => {
        env.logger.warn({ path, code: errorCodeOf(error) }, 'a deleted file could not be removed')
      })
    }
  })
}
