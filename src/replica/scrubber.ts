// Looks over the closed segments of one worker's logs, slowly and for ever: what a disk lost in silence is found while another replica still has
// it. The reading is done on the pool; here it is only paced. Runs on the worker that owns the partitions.

import type { Env, Timer } from '../env/env.js'
import type { ScrubPlace } from '../log/verify.js'
import type { HostedPartition } from './hosted-partition.js'

/** A step reads this much, then pauses for as long as the rate asks. */
const STEP_BYTES = 8 << 20
/** Between two passes, and after a failed step. */
const REST_MS = 60_000

export interface ScrubberOptions {
  readonly env: Env
  /** millrace.scrub.bytes.per.second; 0: off. */
  bytesPerSecond(): number
  partitions(): Iterable<HostedPartition>
  isHosted(hosted: HostedPartition): boolean
  onDamaged(hosted: HostedPartition, offset: number, message: string): void
}

interface Pending {
  readonly hosted: HostedPartition
  readonly baseOffset: number
  place: ScrubPlace
}

export class Scrubber {
  readonly counters = { bytes: 0, segments: 0, passes: 0, damages: 0 }
  private readonly options: ScrubberOptions
  private pending: Pending[] = []
  private timer: Timer | undefined
  private closed = false

  constructor(options: ScrubberOptions) {
    this.options = options
    this.pause(REST_MS)
  }

  close(): void {
    this.closed = true
    this.timer?.cancel()
  }

  private pause(ms: number): void {
    if (this.closed) return
    this.timer = this.options.env.timers.after(ms, () => {
      this.step().then(
        (pauseMs) => this.pause(pauseMs),
        (error: Error) => {
          this.options.env.logger.warn({ error: error.message }, 'a segment could not be scrubbed; the next one is')
          this.pending.shift()
          this.pause(REST_MS)
        },
      )
    })
  }

  /** How long to wait before the next one. */
  private async step(): Promise<number> {
    const rate = this.options.bytesPerSecond()
    if (rate <= 0) return REST_MS
    if (this.pending.length === 0) this.plan()
    const segment = this.pending[0]
    if (segment === undefined) return REST_MS
    const { hosted, baseOffset } = segment
    if (!this.options.isHosted(hosted)) {
      this.pending.shift()
      return 0
    }
    const { bytes, place, damagedOffset } = await hosted.log.scrub(baseOffset, segment.place, STEP_BYTES)
    this.counters.bytes += bytes
    segment.place = place
    if (place.position === -1) {
      this.pending.shift()
      this.counters.segments++
    }
    if (damagedOffset !== undefined && !this.closed) {
      this.counters.damages++
      this.options.onDamaged(hosted, damagedOffset, `scrubbing segment ${baseOffset} found a bad batch at offset ${damagedOffset}`)
    }
    if (this.pending.length > 0) return Math.ceil((bytes * 1000) / rate)
    this.counters.passes++
    return REST_MS + Math.ceil((bytes * 1000) / rate)
  }

  private plan(): void {
    for (const hosted of this.options.partitions()) {
      for (const { baseOffset } of hosted.log.closedSegments())
        this.pending.push({ hosted, baseOffset, place: { position: 0, nextOffset: baseOffset } })
    }
  }
}
