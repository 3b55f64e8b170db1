// The deadline of the node's lease where every thread sees it: the thread coordinator writes it, workers compare it with the clock before they
// act as leaders. Shared memory and not a message, so that a busy worker neither misses an extension nor a stopped process acts on an old one.

import type { Clock } from '../env/env.js'

export class LeaseCell {
  readonly buffer: SharedArrayBuffer
  /** One aligned double: read and written whole on the 64-bit machines that Node runs on. */
  private readonly until: Float64Array
  private readonly clock: Clock

  /** `buffer`: of the cell that another thread made. Without: a new one, and nothing may be done yet. */
  constructor(clock: Clock, buffer?: SharedArrayBuffer) {
    this.clock = clock
    this.buffer = buffer ?? new SharedArrayBuffer(8)
    this.until = new Float64Array(this.buffer)
    if (buffer === undefined) this.until[0] = -Infinity
  }

  set(until: number): void {
    this.until[0] = until
  }

  isHeld(): boolean {
    return this.clock.monotonic() < this.until[0]!
  }
}
