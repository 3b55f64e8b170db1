// Files leave in two steps, as in Kafka: renamed with `.deleted` at once, unlinked after file.delete.delay.ms, so that a
// reader that has them open finishes. What a crash leaves renamed is removed when the partition is opened next.

import { rm } from 'node:fs/promises'
import { errorCodeOf } from './codes.js'
import { renameIfAny, SUFFIX } from './files.js'
import type { Env, Logger } from '../env/env.js'
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
    for (const path of paths) void removeInTurn(path, env.logger)
  })
}

let before: Promise<void> = Promise.resolve()

/**
 * Removes a file, or a directory with everything in it, after all that were given here before on this thread. One at a time: a gigabyte takes ext4 with
 * `discard` half a second, in one of the four threads of libuv's that the fsyncs of the process wait for. Never rejects.
 */
export function removeInTurn(path: string, logger: Pick<Logger, 'warn'>): Promise<void> {
  before = before
    .then(() => rm(path, { recursive: true, force: true }))
    .catch((error: unknown) => logger.warn({ path, code: errorCodeOf(error) }, 'a deleted file could not be removed'))
  return before
}
