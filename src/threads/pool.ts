// The background pool (piscina): recovery scans, compaction, anything that may block for long. It belongs to the thread coordinator;
// workers reach it by mailbox. Created on first use, because an empty node needs none and should start in milliseconds.

import type { Piscina } from 'piscina'
import type { PoolResult, PoolTask } from '../log/pool-tasks.js'

export class BackgroundPool {
  private readonly maxThreads: () => number
  private pool: Promise<Piscina> | undefined

  /** `maxThreads` is asked when the pool starts. */
  constructor(maxThreads: () => number) {
    this.maxThreads = maxThreads
  }

  readonly run = async <T extends PoolTask>(task: T): Promise<PoolResult<T>> => {
    this.pool ??= this.start()
    return (await (await this.pool).run(task)) as PoolResult<T>
  }

  async close(): Promise<void> {
    if (this.pool) await (await this.pool).close({ force: true })
  }

  private async start(): Promise<Piscina> {
    const { Piscina: PiscinaClass } = await import('piscina')
    return new PiscinaClass({
      filename: new URL('./pool-thread.js', import.meta.url).href,
      minThreads: 0,
      maxThreads: this.maxThreads(),
      idleTimeout: 5000,
    })
  }
}
