// What a log asks of the background pool. Plain async functions over structured-clonable arguments: they run on a
// pool thread (or inline in tests and with `workers: 0`) and touch only files no handle is appending to.

import { copyFile, constants } from 'node:fs/promises'
import type { EpochStart } from './leader-epoch-cache.js'
import { native } from './native.js'
import type { CompactionOptions, CompactionResult, RecoveryReport, ScrubResult } from './native.js'

export interface RecoverSegmentTask {
  readonly name: 'recoverSegment'
  readonly dir: string
  readonly baseOffset: number
  readonly fromPosition: number
  readonly indexIntervalBytes: number
  readonly maxUncompressed: number
}

export interface CompactSegmentsTask {
  readonly name: 'compactSegments'
  readonly dir: string
  readonly baseOffsets: readonly number[]
  readonly options: CompactionOptions
}

/** Checks part of a closed segment, see `scrubSegment` of the addon. */
export interface ScrubSegmentTask {
  readonly name: 'scrubSegment'
  readonly dir: string
  readonly baseOffset: number
  readonly position: number
  readonly nextOffset: number
  readonly endPosition: number
  readonly endOffset: number
  readonly maxBytes: number
  readonly epochs: readonly EpochStart[]
}

/** Keeps a file as it is now, sharing blocks where the file system can. */
export interface CopyFileTask {
  readonly name: 'copyFile'
  readonly from: string
  readonly to: string
}

export type PoolTask = RecoverSegmentTask | CompactSegmentsTask | CopyFileTask | ScrubSegmentTask
export type PoolResult<T extends PoolTask> = T extends RecoverSegmentTask
  ? RecoveryReport
  : T extends CompactSegmentsTask
    ? CompactionResult
    : T extends ScrubSegmentTask
      ? ScrubResult
      : undefined

export async function recoverSegment(task: RecoverSegmentTask): Promise<RecoveryReport> {
  return native().recoverSegment(task.dir, task.baseOffset, task.fromPosition, task.indexIntervalBytes, task.maxUncompressed)
}

export async function compactSegments(task: CompactSegmentsTask): Promise<CompactionResult> {
  return native().compactSegments(task.dir, Float64Array.from(task.baseOffsets), JSON.stringify(task.options))
}

export async function scrubSegment(task: ScrubSegmentTask): Promise<ScrubResult> {
  const { dir, baseOffset, position, nextOffset, endPosition, endOffset, maxBytes } = task
  const epochs = Float64Array.from(task.epochs.flatMap(({ startOffset, epoch }) => [startOffset, epoch]))
  return native().scrubSegment(dir, baseOffset, position, nextOffset, endPosition, endOffset, maxBytes, epochs)
}

/** The one entry a pool worker calls: dispatches by name. */
export async function runPoolTask<T extends PoolTask>(task: T): Promise<PoolResult<T>> {
  return (await run(task)) as PoolResult<T>
}

async function run(task: PoolTask): Promise<RecoveryReport | CompactionResult | ScrubResult | undefined> {
  switch (task.name) {
    case 'recoverSegment':
      return recoverSegment(task)
    case 'compactSegments':
      return compactSegments(task)
    case 'scrubSegment':
      return scrubSegment(task)
    case 'copyFile':
      await copyFile(task.from, task.to, constants.COPYFILE_FICLONE)
      return undefined
  }
}
