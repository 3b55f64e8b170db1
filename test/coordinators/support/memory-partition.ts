// A partition of __consumer_offsets in memory, as a PartitionWriter: commits at once, or when the test says so, or fails.

import type { AppendResult, PartitionWriter } from '../../../src/coordinators/runtime/coordinator-record.js'

export class MemoryPartition implements PartitionWriter {
  readonly batches: Uint8Array[] = []
  /** While true, appends wait for `release`. */
  held = false
  /** The outcomes of the next appends; after them all succeed. An outcome with an offset >= 0 is stored all the same. */
  readonly outcomes: AppendResult[] = []
  loads = 0
  private readonly waiting: (() => void)[] = []

  append(batch: Uint8Array): Promise<AppendResult> {
    return new Promise((resolve) => {
      const commit = (): void => resolve(this.store(batch))
      if (this.held) this.waiting.push(commit)
      else commit()
    })
  }

  async *load(): AsyncIterable<Uint8Array> {
    this.loads++
    for (const batch of this.batches.slice()) yield batch
  }

  get pendingAppends(): number {
    return this.waiting.length
  }

  release(): void {
    this.held = false
    for (const commit of this.waiting.splice(0)) commit()
  }

  private store(batch: Uint8Array): AppendResult {
    const outcome = this.outcomes.shift() ?? { errorCode: 0, offset: this.batches.length }
    if (outcome.errorCode === 0 || outcome.offset >= 0) this.batches.push(batch)
    return outcome
  }
}
