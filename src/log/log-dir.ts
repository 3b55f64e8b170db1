// One data directory: its lock, its identity and format version, the clean-shutdown marker, the checkpoint files shared
// by its partitions, and whether it is still in service. Runs on the thread coordinator; the logs inside belong to
// workers, which report their offsets. Never opens a segment.

import { existsSync, readdirSync, renameSync, statfsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import {
  CLEANER_OFFSET_FILE,
  HIGH_WATERMARK_FILE,
  LOG_START_OFFSET_FILE,
  readOffsets,
  RECOVERY_POINT_FILE,
  writeOffsets,
} from './checkpoints.js'
import type { OffsetEntry } from './checkpoints.js'
import { errorCodeOf, errorText, LogError } from './codes.js'
import { makeDirectories, readFileIfAny, removeIfAny, replaceFile, syncDirNow, syncPath } from './files.js'
import { deletedDirName } from './closing.js'
import { parseFutureDirName } from './future.js'
import { isOtherBoot, noteBoot } from './machine-boot.js'
import { native } from './native.js'
import { readTopicId } from './partition-metadata.js'
import { parsePartitionDirName, partitionDirName } from '../model/topic-partition.js'
import type { Env } from '../env/env.js'
import type { TopicPartition, Uuid } from '../model/topic-partition.js'

const LOCK_FILE = '.lock'
const META_FILE = 'meta.properties'
const CLEAN_FILE = '.kafka_cleanshutdown'
/** Raised when an older build could no longer read what a newer one writes. */
const FORMAT_VERSION = 1

export interface LogDirOptions {
  readonly path: string
  readonly env: Env
  /** Checked against what the directory says when given; written when it says nothing yet. */
  readonly clusterId?: string
  readonly nodeId?: number
}

export interface FoundPartition {
  readonly topicPartition: TopicPartition
  readonly dir: string
  readonly topicId: Uuid | undefined
}

interface KnownOffsets {
  readonly topicPartition: TopicPartition
  recoveryPoint: number
  logStartOffset: number
  /** 0: never compacted. */
  cleanerOffset: number
  highWatermark: number
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
  readonly #env: Env
  #lock: number
  readonly #offsets: Map<string, KnownOffsets>
  #dirty = false
  #failure: LogError | undefined
  /** Lost writes that whoever counts on them has not been told of: until then every start must find them again. */
  #lossUntold: boolean

  /** Locks and reads a data directory, creating it when missing. Throws LogError with what to do about it. */
  static open(options: LogDirOptions): LogDir {
    const { path } = options
    makeDirectories(path)
    const lock = lockOrExplain(path)
    try {
      const isNew = readFileIfAny(join(path, META_FILE)) === undefined
      const identity = claimIdentity(options)
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
    this.#offsets = loadOffsets(options.path, options.env)
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
      if (!of || (topicPartition && keyOf(of) !== keyOf(topicPartition))) continue
      renameSync(join(this.path, name), join(this.path, deletedDirName(keyOf(of), this.#env.random.bytes(16))))
    }
    this.#removeDeleted()
  }

  recoveryPointOf(topicPartition: TopicPartition): number {
    return this.#offsets.get(keyOf(topicPartition))?.recoveryPoint ?? 0
  }

  logStartOffsetOf(topicPartition: TopicPartition): number {
    return this.#offsets.get(keyOf(topicPartition))?.logStartOffset ?? 0
  }

  cleanerOffsetOf(topicPartition: TopicPartition): number {
    return this.#offsets.get(keyOf(topicPartition))?.cleanerOffset ?? 0
  }

  highWatermarkOf(topicPartition: TopicPartition): number {
    return this.#offsets.get(keyOf(topicPartition))?.highWatermark ?? 0
  }

  /** A log's offsets moved; written by the next `writeCheckpoints`. */
  noteOffsets(
    topicPartition: TopicPartition,
    recoveryPoint: number,
    logStartOffset: number,
    cleanerOffset = this.cleanerOffsetOf(topicPartition),
    highWatermark = this.highWatermarkOf(topicPartition),
  ): void {
    const key = keyOf(topicPartition)
    const known = this.#offsets.get(key)
    const isSame =
      known?.recoveryPoint === recoveryPoint &&
      known.logStartOffset === logStartOffset &&
      known.cleanerOffset === cleanerOffset &&
      known.highWatermark === highWatermark
    if (isSame) return
    this.#offsets.set(key, { topicPartition, recoveryPoint, logStartOffset, cleanerOffset, highWatermark })
    this.#dirty = true
  }

  forget(topicPartition: TopicPartition): void {
    if (this.#offsets.delete(keyOf(topicPartition))) this.#dirty = true
  }

  /** The checkpoint files, fsynced and renamed into place. A failure takes the directory out of service, a full disk does not. */
  writeCheckpoints(): void {
    if (!this.#dirty || this.#failure) return
    try {
      const all = Array.from(this.#offsets.values())
      writeOffsets(
        this.path,
        RECOVERY_POINT_FILE,
        all.map((known) => entryOf(known, known.recoveryPoint)),
      )
      writeOffsets(
        this.path,
        LOG_START_OFFSET_FILE,
        all.filter((known) => known.logStartOffset > 0).map((known) => entryOf(known, known.logStartOffset)),
      )
      writeOffsets(
        this.path,
        CLEANER_OFFSET_FILE,
        all.filter((known) => known.cleanerOffset > 0).map((known) => entryOf(known, known.cleanerOffset)),
      )
      writeOffsets(
        this.path,
        HIGH_WATERMARK_FILE,
        all.map((known) => entryOf(known, known.highWatermark)),
      )
      this.#dirty = false
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
    this.forget(topicPartition)
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
    for (const name of readdirSync(this.path)) {
      if (!name.endsWith('-delete')) continue
      rm(join(this.path, name), { recursive: true, force: true }).catch((error: unknown) => {
        this.#env.logger.warn(
          { path: join(this.path, name), code: errorCodeOf(error) },
          'a deleted partition directory could not be removed',
        )
      })
    }
  }
}

function keyOf(topicPartition: TopicPartition): string {
  return partitionDirName(topicPartition.topic, topicPartition.partition)
}

function entryOf(known: KnownOffsets, offset: number): OffsetEntry {
  return { topic: known.topicPartition.topic, partition: known.topicPartition.partition, offset }
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

/** A damaged checkpoint only costs time: everything is scanned. */
function loadOffsets(path: string, env: Env): Map<string, KnownOffsets> {
  const offsets = new Map<string, KnownOffsets>()
  const at = (key: string): KnownOffsets | undefined => {
    const topicPartition = parsePartitionDirName(key)
    if (!topicPartition) return undefined
    const known = offsets.get(key) ?? { topicPartition, recoveryPoint: 0, logStartOffset: 0, cleanerOffset: 0, highWatermark: 0 }
    offsets.set(key, known)
    return known
  }
  for (const [key, offset] of readable(path, RECOVERY_POINT_FILE, env)) {
    const known = at(key)
    if (known) known.recoveryPoint = offset
  }
  for (const [key, offset] of readable(path, LOG_START_OFFSET_FILE, env)) {
    const known = at(key)
    if (known) known.logStartOffset = offset
  }
  for (const [key, offset] of readable(path, CLEANER_OFFSET_FILE, env)) {
    const known = at(key)
    if (known) known.cleanerOffset = offset
  }
  for (const [key, offset] of readable(path, HIGH_WATERMARK_FILE, env)) {
    const known = at(key)
    if (known) known.highWatermark = offset
  }
  return offsets
}

function readable(path: string, name: string, env: Env): Map<string, number> {
  try {
    return readOffsets(path, name)
  } catch (error) {
    if (errorCodeOf(error) !== 'ERR_MILLRACE_CHECKPOINT') throw error
    env.logger.warn({ dir: path, file: name }, `unreadable checkpoint ignored: ${errorText(error)}`)
    return new Map()
  }
}

/** Who a directory is; undefined: it is new, empty, or not there. */
export function readDirectoryId(path: string): Uuid | undefined {
  try {
    return readProperties(path).get('directory.id')
  } catch (error) {
    // Not a directory, not readable: opening it says so.
    if (errorCodeOf(error) === 'ENOTDIR' || errorCodeOf(error) === 'EACCES' || errorCodeOf(error) === 'EIO') return undefined
    throw error
  }
}

interface Identity {
  readonly directoryId: Uuid
  readonly durable: Promise<void>
}

/**
 * Reads who the directory belongs to, or writes it. A directory that had no identity gets one that is synced in the background: lost
 * with the power before it is durable, the directory is as new as it was, because nothing was acknowledged from it.
 */
function claimIdentity(options: LogDirOptions): Identity {
  const { path, env } = options
  const properties = readProperties(path)
  checkFormat(path, properties)
  checkOwner(path, 'cluster.id', properties, options.clusterId)
  checkOwner(path, 'node.id', properties, options.nodeId === undefined ? undefined : String(options.nodeId))
  const directoryId = properties.get('directory.id') ?? Buffer.from(env.random.bytes(16)).toString('base64url')
  const wanted = new Map(properties)
  wanted.set('version', '1')
  wanted.set('millrace.format', String(FORMAT_VERSION))
  wanted.set('directory.id', directoryId)
  if (options.clusterId !== undefined) wanted.set('cluster.id', options.clusterId)
  if (options.nodeId !== undefined) wanted.set('node.id', String(options.nodeId))
  const changed = wanted.size !== properties.size || Array.from(wanted).some(([name, value]) => properties.get(name) !== value)
  if (!changed) return { directoryId, durable: Promise.resolve() }
  const isNew = properties.size === 0
  replaceFile(path, META_FILE, Buffer.from(Array.from(wanted, ([name, value]) => `${name}=${value}\n`).join('')), !isNew)
  return { directoryId, durable: isNew ? syncIdentity(path) : Promise.resolve() }
}

async function syncIdentity(path: string): Promise<void> {
  await syncPath(join(path, META_FILE))
  await syncPath(path)
}

function readProperties(path: string): Map<string, string> {
  const properties = new Map<string, string>()
  const text = readFileIfAny(join(path, META_FILE))?.toString('utf8') ?? ''
  for (const line of text.split('\n')) {
    const match = /^\s*([^#!=\s]+)\s*=\s*(.*?)\s*$/.exec(line)
    if (match) properties.set(match[1]!, match[2]!)
  }
  return properties
}

function checkFormat(path: string, properties: ReadonlyMap<string, string>): void {
  const format = properties.get('millrace.format')
  if (format !== undefined && !(Number(format) <= FORMAT_VERSION)) {
    throw new LogError(
      'ERR_MILLRACE_FORMAT',
      `${path} has format ${format}, this build reads up to ${FORMAT_VERSION}: use the release that wrote it, or a newer one`,
    )
  }
  const version = properties.get('version')
  if (version !== undefined && version !== '1') {
    throw new LogError('ERR_MILLRACE_FORMAT', `${join(path, META_FILE)} has version ${version}, this build reads version 1`)
  }
}

function checkOwner(path: string, name: string, properties: ReadonlyMap<string, string>, wanted: string | undefined): void {
  const present = properties.get(name)
  if (wanted !== undefined && present !== undefined && present !== wanted) {
    throw new LogError(
      'ERR_MILLRACE_WRONG_DIR',
      `${path} belongs to ${name}=${present}, this node has ${name}=${wanted}: choose another --data-dir`,
    )
  }
}
