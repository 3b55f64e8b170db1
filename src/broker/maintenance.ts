// What a worker does to its logs by the clock: retention, flush.ms, compaction, and telling how far they are. Runs on every worker.

import type { Env } from '../env/env.js'
import { compactDue } from '../log/compaction/schedule.js'
import type { ReplicaManager } from '../replica/replica-manager.js'
import type { ConfigStore } from './config/config-store.js'

/** How often flush.ms is looked at. */
const FLUSH_CHECK_MS = 1000

export interface MaintenanceOptions {
  readonly env: Env
  readonly configs: ConfigStore
  readonly replicas: Pick<ReplicaManager, 'all'>
  /** The checkpoints of all logs are due. */
  onCheckpointsDue(): void
}

/** Until the function that is returned is called. */
export function startMaintenance({ env, configs, replicas, onCheckpointsDue }: MaintenanceOptions): () => void {
  const { timers, clock, logger } = env
  const tasks: { cancel(): void }[] = []
  const every = (periodMs: number, what: string, task: () => void | Promise<void>): void => {
    const run = async (): Promise<void> => {
      try {
        await task()
      } catch (error) {
        logger.error({ error: (error as Error).message }, `${what} failed`)
      }
    }
    tasks.push(timers.every(periodMs, () => void run()))
  }
  every(configs.getNumber('log.retention.check.interval.ms'), 'applying retention', () => {
    for (const { log } of replicas.all()) log.applyRetention(clock.now())
  })
  every(FLUSH_CHECK_MS, 'flushing by time', () => {
    for (const { log } of replicas.all()) log.flushIfDue(clock.now())
  })
  let compacting = false
  every(configs.getNumber('log.cleaner.backoff.ms'), 'compaction', async () => {
    if (!configs.getBoolean('log.cleaner.enable') || compacting) return
    compacting = true
    const logs = [...replicas.all()].map(({ log }) => log)
    await compactDue(logs, clock.now()).finally(() => (compacting = false))
  })
  every(configs.getNumber('log.flush.offset.checkpoint.interval.ms'), 'sending checkpoints', onCheckpointsDue)
  return () => {
    for (const task of tasks) task.cancel()
  }
}
