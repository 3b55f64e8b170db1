// The data directories of a node (`log.dirs`): where each partition lies, what is known of it, and which directories are still in
// service. A failed one takes only its partitions offline. Runs on the thread coordinator.

import type { Env, Timer } from '../env/env.js'
import { LogDir } from '../log/log-dir.js'
import type { TopicPartition } from '../model/topic-partition.js'
import { partitionDirName } from '../model/topic-partition.js'
import type { LogCheckpoint } from '../replica/replica-manager.js'
import type { LogDirStatus } from './handlers/services.js'

/** Checkpoints that come within this time share a write. */
const WRITE_AFTER_MS = 1000

export interface Place {
  readonly path: string
  readonly cleanShutdown: boolean
  readonly recoveryPoint: number
  readonly logStartOffset: number
  readonly cleanerOffset: number | undefined
  readonly highWatermark: number
}

export class DataDirs {
  private readonly dirs: readonly LogDir[]
  private readonly env: Env
  /** Partition directory name → its data directory. */
  private readonly places = new Map<string, LogDir>()
  /** Directories that cannot be opened at all: reported, never used. */
  private readonly unusable: readonly string[]
  private pendingWrite: Timer | undefined

  /** Locks every directory. The first must be usable, because the metadata lives there; another one that fails is left out. */
  static open(paths: readonly string[], nodeId: number, env: Env): DataDirs {
    const dirs: LogDir[] = []
    const unusable: string[] = []
    for (const path of paths) {
      try {
        dirs.push(LogDir.open({ path, env, nodeId }))
      } catch (error) {
        const refusal = ((error as { code?: string }).code ?? '').startsWith('ERR_MILLRACE_')
        if (refusal || path === paths[0]) {
          for (const dir of dirs) dir.close(false)
          throw error
        }
        unusable.push(path)
        env.logger.error({ dir: path, error: (error as Error).message }, 'a data directory cannot be used; its partitions are offline')
      }
    }
    return new DataDirs(dirs, unusable, env)
  }

  private constructor(dirs: readonly LogDir[], unusable: readonly string[], env: Env) {
    this.dirs = dirs
    this.unusable = unusable
    this.env = env
    for (const dir of dirs) for (const { topicPartition } of dir.partitions()) this.places.set(keyOf(topicPartition), dir)
  }

  /** Settles when who the directories belong to is durable: nothing is served before. */
  async durable(): Promise<void> {
    await Promise.all(
      this.dirs.map((dir, index) =>
        dir.durable.catch((error: Error) => {
          if (index === 0) throw error
          dir.fail(error)
        }),
      ),
    )
  }

  status(): LogDirStatus[] {
    return [
      ...this.dirs.map(({ path, failure }) => ({ path, failed: failure !== undefined })),
      ...this.unusable.map((path) => ({ path, failed: true })),
    ]
  }

  /**
   * Where a partition lies; a new one goes to the directory in service that has the fewest. An old one that is found nowhere while a
   * directory is missing lies there: it stays offline, and is never started anew as an empty one elsewhere.
   */
  placeFor(topic: string, partition: number, isOld: boolean): Place {
    const topicPartition = { topic, partition }
    const known = this.places.get(keyOf(topicPartition))
    const missing = this.unusable[0]
    if (!known && isOld && missing !== undefined) {
      return { path: missing, cleanShutdown: false, recoveryPoint: 0, logStartOffset: 0, cleanerOffset: undefined, highWatermark: 0 }
    }
    const dir = known ?? this.emptiest()
    if (!known) this.places.set(keyOf(topicPartition), dir)
    return {
      path: dir.path,
      // A directory that did not exist yet has nothing to recover either way.
      cleanShutdown: dir.cleanShutdown || !known,
      recoveryPoint: dir.recoveryPointOf(topicPartition),
      logStartOffset: dir.logStartOffsetOf(topicPartition),
      cleanerOffset: dir.cleanerOffsetOf(topicPartition),
      highWatermark: dir.highWatermarkOf(topicPartition),
    }
  }

  /** Partition directories whose topic is not in the metadata are renamed aside, never deleted. */
  setAsideStrays(exists: (topic: string, partition: number) => boolean): void {
    for (const dir of this.dirs) {
      for (const { topicPartition } of dir.partitions()) {
        if (exists(topicPartition.topic, topicPartition.partition)) continue
        dir.setAside(topicPartition)
        this.places.delete(keyOf(topicPartition))
      }
    }
  }

  checkpoint(checkpoint: LogCheckpoint): void {
    this.note(checkpoint)
    this.pendingWrite ??= this.env.timers.after(WRITE_AFTER_MS, () => {
      this.pendingWrite = undefined
      for (const dir of this.dirs) dir.writeCheckpoints()
    })
  }

  /** A deleted topic's partitions have no place any more. */
  forget(topic: string): void {
    for (const [key, dir] of this.places) {
      const split = key.lastIndexOf('-')
      if (key.slice(0, split) !== topic) continue
      dir.forget({ topic, partition: Number(key.slice(split + 1)) })
      this.places.delete(key)
    }
  }

  /** The final offsets, then the clean marker where everything was closed cleanly, then the locks. */
  close(checkpoints: readonly LogCheckpoint[], clean: boolean): void {
    this.pendingWrite?.cancel()
    for (const checkpoint of checkpoints) this.note(checkpoint)
    for (const dir of this.dirs) dir.close(clean)
  }

  private note({ topic, partition, recoveryPoint, logStartOffset, cleanerOffset, highWatermark }: LogCheckpoint): void {
    const dir = this.places.get(partitionDirName(topic, partition))
    dir?.noteOffsets({ topic, partition }, recoveryPoint, logStartOffset, cleanerOffset, highWatermark)
  }

  private emptiest(): LogDir {
    const counts = new Map<LogDir, number>()
    for (const dir of this.places.values()) counts.set(dir, (counts.get(dir) ?? 0) + 1)
    const usable = this.dirs.filter((dir) => dir.failure === undefined)
    return (usable.length > 0 ? usable : this.dirs).reduce((best, dir) => ((counts.get(dir) ?? 0) < (counts.get(best) ?? 0) ? dir : best))
  }
}

function keyOf({ topic, partition }: TopicPartition): string {
  return partitionDirName(topic, partition)
}
