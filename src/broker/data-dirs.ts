// The data directories of a node (`log.dirs`): where each partition lies, what is known of it, and which directories are still in
// service. A failed one takes only its partitions offline. Runs on the thread coordinator.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Env, Timer } from '../env/env.js'
import { LogError } from '../log/codes.js'
import { clearMovedIn, MOVED_IN_FILE } from '../log/future.js'
import { LogDir } from '../log/log-dir.js'
import type { TopicPartition } from '../model/topic-partition.js'
import { KnownDirs } from './known-dirs.js'
import { parsePartitionDirName, dirNameOf, partitionDirName } from '../model/topic-partition.js'
import type { MoveRequest } from '../replica/log-moves.js'
import type { LogCheckpoint } from '../replica/replica-manager.js'
import type { LogDirStatus } from './handlers/services.js'

/** Checkpoints that come within this time share a write. */
const WRITE_AFTER_MS = 1000
/** Wishes for partitions that may never come are bounded. */
const MAX_PREFERENCES = 10_000

export interface Place {
  readonly path: string
  readonly cleanShutdown: boolean
  readonly recoveryPoint: number
  readonly logStartOffset: number
  readonly cleanerOffset: number | undefined
  readonly highWatermark: number
  /** It lies in a directory that is away: why it must not be opened. */
  readonly offline?: string
}

export class DataDirs {
  private readonly dirs: readonly LogDir[]
  private readonly env: Env
  /** Partition directory name → its data directory. */
  private readonly places = new Map<string, LogDir>()
  /** Partitions of each: counted along, because a new one goes where the fewest are. */
  private readonly counts = new Map<LogDir, number>()
  /** Directories that cannot be opened at all: reported, never used. */
  private readonly unusable: readonly string[]
  /** Partitions that lie in one of those. */
  private readonly away = new Set<string>()
  /** Where partitions are moving to: partition directory name → data directory. */
  private readonly moving = new Map<string, LogDir>()
  /** Where partitions shall lie that are not here yet (AlterReplicaLogDirs before the topic was created). */
  private readonly preferred = new Map<string, string>()
  private readonly known: KnownDirs
  private pendingWrite: Timer | undefined

  /** Locks every directory. The first must be usable, because the metadata lives there; another one that fails is left out. */
  static open(paths: readonly string[], nodeId: number, env: Env, acceptEmpty = false): DataDirs {
    const dirs: LogDir[] = []
    const known = KnownDirs.read(paths, acceptEmpty)
    const unusable = new Set(known.missing.map(({ path }) => path))
    for (const { path, id } of known.missing) env.logger.error({ dir: path, directoryId: id }, missingText(path))
    for (const path of paths) {
      if (known.isMissing(path)) continue
      try {
        dirs.push(LogDir.open({ path, env, nodeId }))
      } catch (error) {
        const refusal = ((error as { code?: string }).code ?? '').startsWith('ERR_MILLRACE_')
        if (refusal || path === paths[0]) {
          for (const dir of dirs) dir.close(false)
          throw error
        }
        unusable.add(path)
        env.logger.error({ dir: path, error: (error as Error).message }, 'a data directory cannot be used; its partitions are offline')
      }
    }
    try {
      return new DataDirs(dirs, [...unusable], known, env)
    } catch (error) {
      for (const dir of dirs) dir.close(false)
      throw error
    }
  }

  private constructor(dirs: readonly LogDir[], unusable: readonly string[], known: KnownDirs, env: Env) {
    this.known = known
    this.dirs = dirs
    this.unusable = unusable
    this.env = env
    for (const dir of dirs) {
      for (const { topicPartition } of dir.partitions()) {
        const other = this.places.get(dirNameOf(topicPartition))
        this.place(dirNameOf(topicPartition), other ? theMovedOne(topicPartition, other, dir) : dir)
      }
    }
    for (const dir of dirs) {
      for (const topicPartition of dir.futures()) this.moving.set(dirNameOf(topicPartition), dir)
      dir.dropFutures()
    }
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
    // After them: a directory that is known must have its identity.
    this.known.remember(this.dirs.map(({ path, directoryId }) => ({ path, id: directoryId })))
  }

  /** Names this node by its first directory: the same over restarts. */
  get identity(): string {
    return this.dirs[0]!.directoryId
  }

  /** Those in use, and those that are away and may come back with what is in them. */
  get ids(): string[] {
    const inUse = this.dirs.map(({ directoryId }) => directoryId)
    return [...inUse, ...this.known.idsAt(this.unusable).filter((id) => !inUse.includes(id))]
  }

  /** The process that had these directories before did not stop cleanly. */
  get stoppedUncleanly(): boolean {
    return this.dirs.some((dir) => !dir.isNew && !dir.cleanShutdown)
  }

  /** And the machine is not the same any more as then: what had not reached the disk is gone. */
  get lostWrites(): boolean {
    return this.dirs.some(({ lostWrites }) => lostWrites)
  }

  /** The controller has taken up the life that announced them. */
  lossIsKnown(): void {
    for (const dir of this.dirs) dir.lossIsKnown()
  }

  status(): LogDirStatus[] {
    return [
      ...this.dirs.map(({ path, failure }) => ({ path, failed: failure !== undefined })),
      ...this.unusable.map((path) => ({ path, failed: true })),
    ]
  }

  pathOf(topicPartition: TopicPartition): string | undefined {
    return this.places.get(dirNameOf(topicPartition))?.path
  }

  /** A partition that comes later shall lie there. The oldest wishes are forgotten when there are too many. */
  prefer(topicPartition: TopicPartition, path: string): void {
    this.preferred.delete(dirNameOf(topicPartition))
    this.preferred.set(dirNameOf(topicPartition), path)
    if (this.preferred.size > MAX_PREFERENCES) this.preferred.delete(this.preferred.keys().next().value!)
  }

  /** Remembered until `moveEnded`, so that a worker's successor goes on with it. */
  moveBegan({ topic, partition, target }: MoveRequest): void {
    this.moving.set(
      partitionDirName(topic, partition),
      this.dirs.find(({ path }) => path === target)!,
    )
  }

  /** The target's checkpoints know the log BEFORE it is there. */
  movePrepared({ topic, partition, target }: MoveRequest, checkpoint: LogCheckpoint): void {
    const dir = this.dirs.find(({ path }) => path === target)!
    dir.offsets.note({ topic, partition }, checkpoint)
    dir.writeCheckpoints()
    if (dir.failure) throw dir.failure
  }

  moveEnded({ topic, partition, target }: MoveRequest, moved: boolean): void {
    const key = partitionDirName(topic, partition)
    if (this.moving.get(key)?.path === target) this.moving.delete(key)
    const dir = this.dirs.find(({ path }) => path === target)!
    const before = this.places.get(key)
    if (moved) {
      if (before !== dir) before?.offsets.forget({ topic, partition })
      this.place(key, dir)
    } else if (before !== dir) dir.offsets.forget({ topic, partition })
  }

  /** Moves that a worker's end, or the node's, cut short. Those that had come to their end are taken note of; the others are to be asked for again. */
  unfinishedMoves(isMeant: (topicPartition: TopicPartition) => boolean): MoveRequest[] {
    const unfinished: MoveRequest[] = []
    for (const [key, dir] of this.moving) {
      const topicPartition = parsePartitionDirName(key)!
      if (!isMeant(topicPartition)) continue
      const request = { ...topicPartition, target: dir.path }
      const current = this.places.get(key)
      if (current !== dir && existsSync(dir.partitionDir(topicPartition))) {
        if (current && existsSync(current.partitionDir(topicPartition))) theMovedOne(topicPartition, current, dir)
        this.moveEnded(request, true)
      } else if (current && current !== dir) unfinished.push(request)
      else this.moving.delete(key)
    }
    return unfinished
  }

  /** What a move that was cut short left of its copy. */
  dropFuture(request: MoveRequest): void {
    this.dirs.find(({ path }) => path === request.target)?.dropFutures(request)
  }

  /**
   * Where a partition lies; a new one goes to the directory in service that has the fewest. An old one that is found nowhere while a
   * directory is missing lies there: it stays offline, and is never started anew as an empty one elsewhere.
   */
  placeFor(topic: string, partition: number, isOld: boolean): Place {
    const topicPartition = { topic, partition }
    const known = this.places.get(dirNameOf(topicPartition))
    const missing = this.unusable[0]
    if (!known && missing !== undefined && (isOld || this.away.has(dirNameOf(topicPartition)))) {
      this.away.add(dirNameOf(topicPartition))
      const offline = `its data directory is not in service (away: ${this.unusable.join(', ')})`
      return {
        path: missing,
        cleanShutdown: false,
        recoveryPoint: 0,
        logStartOffset: 0,
        cleanerOffset: undefined,
        highWatermark: 0,
        offline,
      }
    }
    const dir = known ?? this.wished(topicPartition) ?? this.emptiest()
    if (!known) this.place(dirNameOf(topicPartition), dir)
    return {
      path: dir.path,
      // A directory that did not exist yet has nothing to recover either way.
      cleanShutdown: dir.cleanShutdown || !known,
      ...dir.offsets.of(topicPartition),
    }
  }

  /** Partition directories whose topic is not in the metadata are renamed aside, never deleted. */
  setAsideStrays(exists: (topic: string, partition: number) => boolean): void {
    for (const dir of this.dirs) {
      for (const { topicPartition } of dir.partitions()) {
        if (exists(topicPartition.topic, topicPartition.partition)) continue
        dir.setAside(topicPartition)
        this.place(dirNameOf(topicPartition), undefined)
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
    for (const key of this.away) if (key.slice(0, key.lastIndexOf('-')) === topic) this.away.delete(key)
    for (const [key, dir] of this.places) {
      const split = key.lastIndexOf('-')
      if (key.slice(0, split) !== topic) continue
      dir.offsets.forget({ topic, partition: Number(key.slice(split + 1)) })
      this.moving.delete(key)
      this.place(key, undefined)
    }
  }

  /** The partition was reassigned away from this node. */
  forgetPartition(topicPartition: TopicPartition): void {
    const key = dirNameOf(topicPartition)
    this.places.get(key)?.offsets.forget(topicPartition)
    this.place(key, undefined)
  }

  /** The final offsets, then the clean marker where everything was closed cleanly, then the locks. */
  close(checkpoints: readonly LogCheckpoint[], clean: boolean): void {
    this.pendingWrite?.cancel()
    for (const checkpoint of checkpoints) this.note(checkpoint)
    for (const dir of this.dirs) dir.close(clean)
  }

  private note(checkpoint: LogCheckpoint): void {
    this.places.get(dirNameOf(checkpoint))?.offsets.note(checkpoint, checkpoint)
  }

  private wished(topicPartition: TopicPartition): LogDir | undefined {
    const path = this.preferred.get(dirNameOf(topicPartition))
    this.preferred.delete(dirNameOf(topicPartition))
    return this.dirs.find((dir) => dir.path === path && dir.failure === undefined)
  }

  private place(key: string, dir: LogDir | undefined): void {
    const before = this.places.get(key)
    if (before) this.counts.set(before, this.counts.get(before)! - 1)
    if (dir) this.counts.set(dir, (this.counts.get(dir) ?? 0) + 1)
    if (dir) this.places.set(key, dir)
    else this.places.delete(key)
  }

  private emptiest(): LogDir {
    const { counts } = this
    const usable = this.dirs.filter((dir) => dir.failure === undefined)
    return (usable.length > 0 ? usable : this.dirs).reduce((best, dir) => ((counts.get(dir) ?? 0) < (counts.get(best) ?? 0) ? dir : best))
  }
}

function missingText(path: string): string {
  return (
    `the data directory that was at ${path} is empty or gone; its partitions are offline, nothing is written there. ` +
    `Mount it and start again; if it is lost for good, start once with --set millrace.accept.empty.log.dirs=true: its partitions begin empty`
  )
}

/** Of two directories with one partition: the one that a move had brought whole, and had not tidied up after yet. The other is set aside. */
function theMovedOne(topicPartition: TopicPartition, one: LogDir, other: LogDir): LogDir {
  const marked = [one, other].filter((dir) => existsSync(join(dir.partitionDir(topicPartition), MOVED_IN_FILE)))
  if (marked.length !== 1) {
    throw new LogError(
      'ERR_MILLRACE_DUPLICATE_PARTITION',
      `${dirNameOf(topicPartition)} is in ${one.path} and in ${other.path}: move one of the two out of the data directories, then start again`,
    )
  }
  const moved = marked[0]!
  ;(moved === one ? other : one).setAside(topicPartition)
  clearMovedIn(moved.partitionDir(topicPartition))
  return moved
}
