// One segment: its file set, what is known of it without reading it, and its native handle. The active segment's handle
// stays open; others are opened on demand and closed again by the thread's least-recently-used limit.

import { closeSync, openSync, readSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { At, HEADER_SIZE, int32At, int64At } from '../protocol/records/batch-layout.js'
import { fileName, isMissing, SUFFIX } from './files.js'
import { native } from './native.js'
import { segmentHandles } from './segment-handles.js'
import { TransactionIndex } from './transaction-index.js'
import type { LogConfig } from './config.js'

const OFFSET_ENTRY = 8
const TIME_ENTRY = 12
const MAX_RELATIVE_OFFSET = 0x7fffffff
/** Bytes one batch may unpack to while its largest timestamp is looked for; appends are held to a lower limit. */
const ASK_LIMIT = 2 ** 31 - 1
const asked = new Float64Array(3)

export class Segment {
  dir: string
  readonly baseOffset: number
  readonly txnIndex: TransactionIndex
  /** Bytes, staged ones included. */
  size: number
  /** Native handle; -1 while closed. */
  handle = -1
  isActive = false
  /** Grows when the file behind this base offset is replaced or cut. */
  generation = 0
  /** Syncs in flight: the handle must stay open. */
  pins = 0
  createdMs: number
  rollJitterMs = 0
  /** Max timestamp of the first batch; -1 none yet, NaN not read yet. */
  #firstTimestamp = Number.NaN
  #maxTimestamp = Number.NaN
  /** Mirrors the native index rule, to know when an index is full. */
  #bytesSinceEntry = 0
  #offsetEntries = 0
  #timeEntries = 0
  #lastIndexedTimestamp = -1
  #indexConfig: Pick<LogConfig, 'indexIntervalBytes' | 'segmentIndexBytes'>

  constructor(dir: string, baseOffset: number, size: number, config: LogConfig, nowMs: number) {
    this.dir = dir
    this.baseOffset = baseOffset
    this.size = size
    this.txnIndex = new TransactionIndex(dir, baseOffset)
    this.createdMs = nowMs
    this.#indexConfig = config
    if (size === 0) this.#firstTimestamp = this.#maxTimestamp = -1
  }

  /** Its directory got another name. Open handles stay good for what is open. */
  movedTo(dir: string): void {
    this.dir = dir
    this.txnIndex.movedTo(dir)
  }

  pathOf(suffix: string): string {
    return join(this.dir, fileName(this.baseOffset, suffix))
  }

  /** The handle for reading; opens the files when they are closed. */
  readHandle(): number {
    if (this.isActive) return this.handle
    segmentHandles.touch(this)
    if (this.handle === -1) this.#open(false)
    return this.handle
  }

  activate(config: LogConfig): void {
    this.closeHandle()
    this.#indexConfig = config
    this.#open(true)
    segmentHandles.forget(this)
    this.isActive = true
    // An empty log has empty indexes: what was in them is cut when the files are opened.
    if (this.size > 0) this.#countEntries()
    else this.#offsetEntries = this.#timeEntries = this.#bytesSinceEntry = 0
  }

  /** No longer appended to. The open handle stays until it is synced and the limit takes it. */
  deactivate(): void {
    this.isActive = false
    segmentHandles.touch(this)
  }

  closeHandle(): void {
    segmentHandles.forget(this)
    if (this.handle === -1) return
    const handle = this.handle
    this.handle = -1
    native().segmentClose(handle)
  }

  #open(writable: boolean): void {
    const { indexIntervalBytes, segmentIndexBytes } = this.#indexConfig
    this.handle = native().segmentOpen(this.dir, this.baseOffset, writable, this.size, indexIntervalBytes, segmentIndexBytes)
  }

  /** Books an append that the native side has taken. */
  noteAppend(bytes: number, maxTimestamp: number): void {
    if (this.size === 0) this.#firstTimestamp = maxTimestamp
    if (this.#bytesSinceEntry > this.#indexConfig.indexIntervalBytes) {
      this.#offsetEntries++
      this.#bytesSinceEntry = 0
      const known = this.maxTimestamp
      if (known > this.#lastIndexedTimestamp) {
        this.#timeEntries++
        this.#lastIndexedTimestamp = known
      }
    }
    this.#bytesSinceEntry += bytes
    this.size += bytes
    if (maxTimestamp > this.maxTimestamp) this.#maxTimestamp = maxTimestamp
  }

  /** After a cut: what was known of the lost part is forgotten and read again when asked for. The caller renews `generation`. */
  noteTruncated(size: number): void {
    this.size = size
    this.#firstTimestamp = this.#maxTimestamp = size === 0 ? -1 : Number.NaN
    this.#lastIndexedTimestamp = -1
    if (this.isActive) this.#countEntries()
  }

  #countEntries(): void {
    this.#offsetEntries = Math.floor(fileSize(this.pathOf(SUFFIX.index)) / OFFSET_ENTRY)
    this.#timeEntries = Math.floor(fileSize(this.pathOf(SUFFIX.timeIndex)) / TIME_ENTRY)
    this.#bytesSinceEntry = 0
  }

  /** Largest record timestamp; -1 when no record carries one. */
  get maxTimestamp(): number {
    if (Number.isNaN(this.#maxTimestamp))
      this.#maxTimestamp = this.isActive ? this.#askMaxTimestamp() : lastTimeEntry(this.pathOf(SUFFIX.timeIndex))
    return this.#maxTimestamp
  }

  /** The active segment's index files are behind what the addon holds in memory. */
  #askMaxTimestamp(): number {
    native().segmentMaxTimestamp(this.handle, ASK_LIMIT, asked)
    return asked[0]! < 0 ? -1 : asked[1]!
  }

  /** From a scan; spares reading the time index. */
  set maxTimestamp(value: number) {
    this.#maxTimestamp = value
  }

  /** For retention: the records' own time, or the file's when they carry none. */
  get retentionTimestamp(): number {
    const largest = this.maxTimestamp
    return largest >= 0 ? largest : fileModifiedMs(this.pathOf(SUFFIX.log), this.createdMs)
  }

  get firstTimestamp(): number {
    if (Number.isNaN(this.#firstTimestamp)) this.#firstTimestamp = firstBatchTimestamp(this.pathOf(SUFFIX.log))
    return this.#firstTimestamp
  }

  /** Kafka's shouldRoll for a batch of `bytes` whose last offset and largest timestamp are given. */
  mustRoll(config: LogConfig, bytes: number, lastOffset: number, maxTimestamp: number, nowMs: number): boolean {
    if (this.size > config.segmentBytes - bytes) return true
    if (lastOffset - this.baseOffset > MAX_RELATIVE_OFFSET) return true
    if (this.size === 0) return false
    const waited = this.firstTimestamp >= 0 ? maxTimestamp - this.firstTimestamp : nowMs - this.createdMs
    if (waited > rollMs(config) - this.rollJitterMs) return true
    return (
      this.#offsetEntries >= Math.floor(config.segmentIndexBytes / OFFSET_ENTRY) ||
      this.#timeEntries >= Math.floor(config.segmentIndexBytes / TIME_ENTRY) - 1
    )
  }
}

/** A compacted topic's records must leave the active segment before they are overdue for compaction. */
function rollMs(config: LogConfig): number {
  return config.cleanupPolicy.compact ? Math.min(config.segmentMs, config.maxCompactionLagMs) : config.segmentMs
}

function fileSize(path: string): number {
  try {
    return statSync(path).size
  } catch (error) {
    if (isMissing(error)) return 0
    throw error
  }
}

function fileModifiedMs(path: string, fallback: number): number {
  try {
    return statSync(path).mtimeMs
  } catch (error) {
    if (isMissing(error)) return fallback
    throw error
  }
}

/** The last entry of a time index is the largest timestamp of its segment (written at roll and clean close). */
function lastTimeEntry(path: string): number {
  const entry = readTail(path, TIME_ENTRY)
  return entry ? int64At(entry, 0) : -1
}

/** Position named by the last entry of an offset index; 0 when it has none. */
export function lastIndexedPosition(path: string): number {
  const entry = readTail(path, OFFSET_ENTRY)
  return entry ? int32At(entry, 4) : 0
}

/** The last entry that is not zeros (Kafka preallocates the active segment's indexes). */
function readTail(path: string, entrySize: number): Buffer | undefined {
  const size = fileSize(path)
  if (size < entrySize) return undefined
  const fd = openSync(path, 'r')
  try {
    const entry = Buffer.alloc(entrySize)
    for (let at = Math.floor(size / entrySize) - 1; at >= 0; at--) {
      readSync(fd, entry, 0, entrySize, at * entrySize)
      if (entry.some((byte) => byte !== 0)) return entry
    }
    return undefined
  } finally {
    closeSync(fd)
  }
}

function firstBatchTimestamp(path: string): number {
  const fd = openSync(path, 'r')
  try {
    const header = Buffer.alloc(HEADER_SIZE)
    return readSync(fd, header, 0, HEADER_SIZE, 0) === HEADER_SIZE ? int64At(header, At.maxTimestamp) : -1
  } finally {
    closeSync(fd)
  }
}
