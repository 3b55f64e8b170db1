// What a log asks of the background pool. Plain async functions over structured-clonable arguments: they run on a
// pool thread (or inline in tests and with `workers: 0`) and touch only files no handle is appending to.

import { native } from './native.js'
import type { CompactionOptions, CompactionResult, RecoveryReport } from './native.js'

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

export type PoolTask = RecoverSegmentTask | CompactSegmentsTask
export type PoolResult<T extends PoolTask> = T extends RecoverSegmentTask ? RecoveryReport : CompactionResult

export async function recoverSegment(task: RecoverSegmentTask): Promise<RecoveryReport> {
  return native().recoverSegment(task.dir, task.baseOffset, task.fromPosition, task.indexIntervalBytes, task.maxUncompressed)
}

export async function compactSegments(task: CompactSegmentsTask): Promise<CompactionResult> {
  return native().compactSegments(task.dir, Float64Array.from(task.baseOffsets), JSON.stringify(task.options))
}

/** The one entry a pool worker calls: dispatches by name. */
export async function runPoolTask<T extends PoolTask>(task: T): Promise<PoolResult<T>> {
  const result = task.name === 'recoverSegment' ? await recoverSegment(task) : await compactSegments(task)
  return result as PoolResult<T>
}
