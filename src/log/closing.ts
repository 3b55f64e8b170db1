// The end of an open log: closed, or deleted with its directory.

import { renameSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { errorCodeOf, errorText } from './codes.js'
import { syncDirNow } from './files.js'
import { removeInTurn, removeLater } from './removal.js'
import type { LogState } from './log-state.js'
import type { Segment } from './segment.js'

/** `clean`: everything written, synced and snapshotted, so that the next open scans nothing. */
export async function closeLog(log: LogState, clean: boolean): Promise<void> {
  if (log.closed) return
  try {
    // Thousands of idle partitions are closed with a node: one that has nothing new has nothing to write.
    if (clean && log.failure === undefined && !log.isUntouched) {
      log.writeStaged()
      log.epochs.write()
      await log.flusher.sync()
      await log.flusher.idle()
      log.addon.segmentFlushIndexes(log.active.handle)
      log.active.txnIndex.flush()
      await log.addon.segmentSync(log.active.handle, true)
      log.snapshots.write(log.logEndOffset, log.producers, true)
    }
  } finally {
    log.closed = true
    await log.flusher.idle()
    // a pass in flight notices that the log is closed and discards its work
    await log.compacting?.catch(() => undefined)
    for (const segment of log.segments.all) release(log, segment)
  }
}

/** Closing writes indexes, which may fail where the disk does; recovery rebuilds them. */
function release(log: LogState, segment: Segment): void {
  try {
    segment.closeHandle()
  } catch (error) {
    log.env.logger.warn(
      { dir: log.dir, segment: segment.baseOffset, code: errorCodeOf(error) },
      `closing a segment failed: ${errorText(error)}`,
    )
  }
}

/**
 * Renames the directory as Kafka does, at once; its content is removed after file.delete.delay.ms. Resolves with the directory it lies in, which
 * the caller syncs, once for all the partitions of a topic.
 */
export async function deleteLog(log: LogState): Promise<string> {
  await closeLog(log, false)
  const parent = dirname(log.dir)
  const target = join(parent, deletedDirName(basename(log.dir), log.env.random.bytes(16)))
  renameSync(log.dir, target)
  log.dir = target
  removeLater([target], log.config.fileDeleteDelayMs, log.env)
  return parent
}

/** Another name for the directory, in the same parent. With `reopen` appends go on under it; no sync may be in flight then. */
export function renameLog(log: LogState, name: string, reopen: boolean): void {
  const target = join(dirname(log.dir), name)
  if (reopen) for (const segment of log.segments.all) segment.closeHandle()
  try {
    renameSync(log.dir, target)
    log.dir = target
    for (const segment of log.segments.all) segment.movedTo(target)
    for (const part of [log.snapshots, log.epochs, log.quarantine]) part.movedTo(target)
    syncDirNow(dirname(target))
  } finally {
    if (reopen) log.active.activate(log.config)
  }
}

/** Of a log that another took the place of: its directory is on its way out, what readers have planned of it is still read. */
export function retireLog(log: LogState): void {
  const oldName = basename(log.dir)
  renameLog(log, deletedDirName(oldName, log.env.random.bytes(16)), false)
  log.env.timers.after(log.config.fileDeleteDelayMs, () => {
    closeLog(log, false)
      .then(() => removeInTurn(log.dir, log.env.logger))
      .catch((error: unknown) => log.env.logger.warn({ dir: log.dir, code: errorCodeOf(error) }, 'a replaced log could not be closed'))
  })
}

/** `<topic>-<partition>.<uuid hex>-delete`, cut so that it stays a legal file name. */
export function deletedDirName(name: string, id: Uint8Array): string {
  const suffix = `.${Buffer.from(id).toString('hex')}-delete`
  return name.slice(0, 255 - suffix.length) + suffix
}
