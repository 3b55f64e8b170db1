// One data directory: its lock, the clean-shutdown marker, the partition directories in it, and whether it is still in service. Who it belongs to is
// `directory-identity`'s, what its logs reported `known-offsets`'. Runs on the thread coordinator; the logs inside belong to workers. Never opens
// a segment.

import { existsSync, readdirSync, renameSync, statfsSync } from 'node:fs'
import { join } from 'node:path'
import { errorCodeOf, errorText, LogError } from './codes.js'
import { claimIdentity, isClaimed, type Identity, type Owner } from './directory-identity.js'
import { makeDirectories, removeIfAny, replaceFile, syncDirNow } from './files.js'
import { deletedDirName } from './closing.js'
import { parseFutureDirName } from './future.js'
import { KnownOffsets } from './known-offsets.js'
import { isOtherBoot, noteBoot } from './machine-boot.js'
import { native } from './native.js'
import { readTopicId } from './partition-metadata.js'
import { removeInTurn } from './removal.js'
import { parsePartitionDirName, dirNameOf, partitionDirName } from '../model/topic-partition.js'
import type { Env } from '../env/env.js'
import type { TopicPartition, Uuid } from '../model/topic-partition.js'

const LOCK_FILE = '.lock'
const CLEAN_FILE = '.kafka_cleanshutdown'

export interface LogDirOptions extends Owner {
  readonly path: string
  readonly env: Env
}

export interface FoundPartition {
  readonly topicPartition: TopicPartition
  readonly dir: string
  readonly topicId: Uuid | undefined
}

/** What the last use of the directory left. */
interface FormerLife {
  readonly isNew: boolean
  readonly cleanShutdown: boolean
  readonly machineRestarted: boolean
}

export class LogDir {
  readonly path: string
  readonly directoryId: Uuid
  /** The last stop was clean: logs opened from here need no scan. */
  readonly cleanShutdown: boolean
  /** Nothing was here before. */
  readonly isNew: boolean
  /** It was in use when the machine was restarted: what had not reached the disk is gone. */
  readonly lostWrites: boolean
  /** Settles when its identity is durable. A new directory is named while the caller goes on: nothing may be acknowledged before. */
  readonly durable: Promise<void>
  /** What its logs reported; written by `writeCheckpoints`. */
  readonly offsets: KnownOffsets
  readonly #env: Env
  #lock: number
  #failure: LogError | undefined
  /** Lost writes that whoever counts on them has not been told of: until then every start must find them again. */
  #lossUntold: boolean

  /** Locks and reads a data directory, creating it when missing. Throws LogError with what to do about it. */
  static open(options: LogDirOptions): LogDir {
    const { path } = options
    makeDirectories(path)
    const lock = lockOrExplain(path)
    try {
      const isNew = !isClaimed(path)
      const identity = claimIdentity(path, options)
      const life = { isNew, cleanShutdown: takeCleanMarker(path), machineRestarted: isOtherBoot(path) }
      return new LogDir(options, lock, identity, life)
    } catch (error) {
      native().unlockFile(lock)
      throw error
    }
  }

  private constructor(options: LogDirOptions, lock: number, { directoryId, durable }: Identity, life: FormerLife) {
    this.path = options.path
    this.#env = options.env
    this.#lock = lock
    this.directoryId = directoryId
    this.durable = durable
    // Told to whoever awaits it; a directory that is closed before has nothing to tell.
    durable.catch(() => undefined)
    this.cleanShutdown = life.cleanShutdown
    this.isNew = life.isNew
    this.lostWrites = !life.isNew && !life.cleanShutdown && life.machineRestarted
    this.#lossUntold = this.lostWrites
    if (life.machineRestarted && !this.lostWrites) noteBoot(options.path)
    this.offsets = new KnownOffsets(options.path, options.env.logger)
    this.#removeDeleted()
  }

  /** Set once the directory is out of service: only its partitions are offline. */
  get failure(): LogError | undefined {
    return this.#failure
  }

  /** That writes are lost is known where it matters: from now on this is a directory like any other. */
  lossIsKnown(): void {
    if (!this.#lossUntold) return
    this.#lossUntold = false
    noteBoot(this.path)
  }

  /** An I/O error of one of its logs or of itself: nothing here is used until the next start. */
  fail(error: Error): void {
    if (this.#failure) return
    this.#failure = error instanceof LogError ? error : new LogError(errorCodeOf(error), error.message, error)
    this.#env.logger.error(
      { dir: this.path, code: this.#failure.code },
      `data directory out of service, its partitions are offline: ${error.message}`,
    )
  }

  partitionDir(topicPartition: TopicPartition): string {
    return join(this.path, partitionDirName(topicPartition.topic, topicPartition.partition))
  }

  /** Partition directories present, without those on their way out. */
  partitions(): FoundPartition[] {
    const found: FoundPartition[] = []
    for (const entry of readdirSync(this.path, { withFileTypes: true })) {
      if (!entry.isDirectory() || entry.name.endsWith('-delete') || entry.name.endsWith('-stray') || entry.name.endsWith('-future'))
        continue
      const topicPartition = parsePartitionDirName(entry.name)
      if (!topicPartition) continue
      const dir = join(this.path, entry.name)
      found.push({ topicPartition, dir, topicId: readTopicId(dir) })
    }
    return found
  }

  /** Partitions that were on their way here when the process ended. */
  futures(): TopicPartition[] {
    return readdirSync(this.path)
      .map(parseFutureDirName)
      .filter((topicPartition) => topicPartition !== undefined)
  }

  /** Unfinished copies: of one partition, or all. Renamed as deleted ones at once. */
  dropFutures(topicPartition?: TopicPartition): void {
    for (const name of readdirSync(this.path)) {
      const of = parseFutureDirName(name)
      if (!of || (topicPartition && dirNameOf(of) !== dirNameOf(topicPartition))) continue
      renameSync(join(this.path, name), join(this.path, deletedDirName(dirNameOf(of), this.#env.random.bytes(16))))
    }
    this.#removeDeleted()
  }

  /** The checkpoint files, fsynced and renamed into place. A failure takes the directory out of service, a full disk does not. */
  writeCheckpoints(): void {
    if (this.#failure) return
    try {
      this.offsets.write()
    } catch (error) {
      const code = errorCodeOf(error)
      if (code === 'ENOSPC' || code === 'EDQUOT') {
        this.#env.logger.warn({ dir: this.path, code }, 'no space for the checkpoints: the old ones stay, recovery would scan more')
        return
      }
      this.fail(new LogError(code, `writing checkpoints in ${this.path}: ${errorText(error)}`, error))
    }
  }

  /** A directory whose topic the metadata does not know: renamed, never deleted by us. Returns the new path. */
  setAside(topicPartition: TopicPartition): string {
    const from = this.partitionDir(topicPartition)
    const suffix = `.${Buffer.from(this.#env.random.bytes(16)).toString('hex')}-stray`
    const to = join(this.path, partitionDirName(topicPartition.topic, topicPartition.partition).slice(0, 255 - suffix.length) + suffix)
    renameSync(from, to)
    syncDirNow(this.path)
    this.offsets.forget(topicPartition)
    this.#env.logger.warn({ dir: from, movedTo: to }, 'a partition directory without a topic was set aside')
    return to
  }

  /** Bytes of the file system under it, for DescribeLogDirs. */
  space(): { readonly totalBytes: number; readonly usableBytes: number } {
    const stat = statfsSync(this.path)
    return { totalBytes: stat.blocks * stat.bsize, usableBytes: stat.bavail * stat.bsize }
  }

  /** `clean`: every log was closed cleanly; the marker is the last thing written. None hides a loss that nobody was told of. */
  close(clean: boolean): void {
    if (this.#lock === -1) return
    try {
      this.writeCheckpoints()
      if (clean && !this.#failure && !this.#lossUntold)
        replaceFile(this.path, CLEAN_FILE, Buffer.from(JSON.stringify({ version: 0, brokerEpoch: -1 })))
    } finally {
      native().unlockFile(this.#lock)
      this.#lock = -1
    }
  }

  #removeDeleted(): void {
    for (const name of readdirSync(this.path)) if (name.endsWith('-delete')) void removeInTurn(join(this.path, name), this.#env.logger)
  }
}

function lockOrExplain(path: string): number {
  try {
    return native().lockFile(join(path, LOCK_FILE))
  } catch (error) {
    if (errorCodeOf(error) !== 'ERR_MILLRACE_LOCKED') throw error
    throw new LogError('ERR_MILLRACE_LOCKED', `${path} is in use by another process: stop it, or choose another --data-dir`, error)
  }
}

/** Removed, durably, before anything is written: a crash from now on is not a clean stop. */
function takeCleanMarker(path: string): boolean {
  const marker = join(path, CLEAN_FILE)
  if (!existsSync(marker)) return false
  removeIfAny(marker)
  syncDirNow(path)
  return true
}
