// How a change of metadata comes into force on this node: hosting decides what follows from it, then every worker takes it, with its placement and
// the partitions to open or to drop. Runs on the thread coordinator.

import type { MetadataChange, MetadataImage } from '../controller/image.js'
import type { Logger } from '../env/env.js'
import type { Caller } from '../threads/mailbox.js'
import type { Hosting, HostingChange } from './hosting.js'
import type { WorkerUpdate } from './messages.js'

export interface MetadataBroadcastOptions {
  readonly logger: Logger
  readonly hosting: Pick<Hosting, 'follow'>
  /** The newest one. */
  image(): MetadataImage
  callers(): readonly Caller[]
  /** Hosting knows of it; workers hear next. */
  followed(changes: readonly MetadataChange[], placement: HostingChange['placement']): void
}

export class MetadataBroadcast {
  private readonly options: MetadataBroadcastOptions
  /** Until workers have opened what there was at the start; null: they have. */
  private missed: [zxid: bigint, changes: readonly MetadataChange[]][] | null = []
  private sent: Promise<unknown> = Promise.resolve()
  private ended = false

  constructor(options: MetadataBroadcastOptions) {
    this.options = options
  }

  hear(zxid: bigint, changes: readonly MetadataChange[]): void {
    if (this.missed) this.missed.push([zxid, changes])
    else this.tell(zxid, changes)
  }

  /** Workers have opened their partitions. */
  begin(): void {
    const { missed } = this
    this.missed = null
    for (const [zxid, changes] of missed ?? []) this.tell(zxid, changes)
  }

  /** Workers are being closed: what changes from now on is for none of them. */
  end(): void {
    this.ended = true
  }

  /** Settles when every change heard so far is in force on every worker. */
  get settled(): Promise<unknown> {
    return this.sent
  }

  private tell(zxid: bigint, changes: readonly MetadataChange[]): void {
    if (this.ended) return
    const { hosting, image, followed, callers, logger } = this.options
    const { placement, open, drop } = hosting.follow(changes, image())
    followed(changes, placement)
    const delta = { zxid, changes }
    const sent = callers().map((caller, worker) =>
      caller.call('update', { delta, placement, open: open[worker]!, drop: drop[worker]! } satisfies WorkerUpdate).catch((error: Error) => {
        // Its replacement starts from the newest image, so nothing is lost.
        if (!this.ended) logger.warn({ worker, error: error.message }, 'a worker did not take a metadata change')
      }),
    )
    this.sent = Promise.all([this.sent, ...sent])
  }
}
