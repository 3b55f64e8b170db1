// Brings one partition directory into memory: leftovers, segments, recovery where the stop was unclean, log end, producer
// state, leader epochs. Runs once per open, before any append; the scans run on the pool.

import { existsSync, mkdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { errorCodeOf } from './codes.js'
import { fileName, SUFFIX } from './files.js'
import { walkHeaders } from './header-walk.js'
import { type Leftovers, tidyDirectory } from './leftovers.js'
import { LeaderEpochCache } from './leader-epoch-cache.js'
import { claimTopicId } from './partition-metadata.js'
import { ProducerState } from './producer-state/producer-state.js'
import { rebuildProducerState } from './producer-state/rebuild.js'
import { SnapshotFiles } from './producer-state/snapshot-files.js'
import { Quarantine } from './quarantine.js'
import { logFileSize, recoverSegments } from './recovery.js'
import { lastIndexedPosition, Segment } from './segment.js'
import { SegmentList } from './segment-list.js'
import type { RecoveryReport } from './native.js'
import type { LogOptions } from './types.js'

export interface OpenedState {
  readonly segments: SegmentList
  readonly producers: ProducerState
  readonly snapshots: SnapshotFiles
  readonly epochs: LeaderEpochCache
  readonly quarantine: Quarantine
  readonly logStartOffset: number
  readonly nextOffset: number
  readonly recoveryPoint: number
  /** The active segment holds bad bytes: the log rolls before the first append. */
  readonly mustRoll: boolean
  /** The directory, or who it belongs to, was written at this open and is not synced. */
  readonly isNew: boolean
  /** Segments were read through, and files beside them may have been written anew. */
  readonly scanned: boolean
}

/** Of a directory that was just made. */
const NOTHING: Leftovers = { baseOffsets: [], swapped: [] }

export async function openState(o: LogOptions): Promise<OpenedState> {
  // Nothing is synced here: a topic may bring thousands of partitions in one turn. The first sync of the log does it, see LogState.
  const isFresh = !existsSync(o.dir)
  if (isFresh) mkdirSync(o.dir, { recursive: true })
  const isNew = claimTopicId(o.dir, o.topicId, isFresh)
  const { baseOffsets, swapped } = isFresh ? NOTHING : tidyDirectory(o.dir)
  const quarantine = new Quarantine(o.dir, isFresh)
  const epochs = isFresh ? new LeaderEpochCache(o.dir, true) : openEpochs(o)
  const snapshots = new SnapshotFiles(o.dir, isFresh)

  const found = await findEnd(o, baseOffsets, swapped, epochs)
  quarantine.add(found.quarantined, o.env.logger)

  const logStartOffset = Math.max(o.logStartOffset, found.baseOffsets[0] ?? 0)
  const segments = new SegmentList()
  const now = o.env.clock.now()
  for (const baseOffset of found.baseOffsets) {
    const report = found.reports.get(baseOffset)
    const segment = new Segment(o.dir, baseOffset, logFileSize(o.dir, baseOffset), o.config, now)
    if (report) segment.maxTimestamp = report.maxTimestamp
    segments.push(segment)
  }
  let nextOffset = found.nextOffset
  if (segments.count === 0) {
    nextOffset = logStartOffset
    segments.push(new Segment(o.dir, logStartOffset, 0, o.config, now))
  }
  // records below the log start may be all there is, e.g. after DeleteRecords of everything
  nextOffset = Math.max(nextOffset, segments.active.baseOffset)
  segments.active.rollJitterMs = rollJitter(o)
  segments.active.activate(o.config)

  const producers = new ProducerState()
  loadProducers(o, segments, snapshots, producers, found.reports, nextOffset, logStartOffset)
  snapshots.retain(found.baseOffsets)
  const knownEpochs = epochs ?? new LeaderEpochCache(o.dir, true)
  repairEpochs(knownEpochs, found.reports, nextOffset, logStartOffset)
  const recoveryPoint = o.cleanShutdown ? nextOffset : Math.min(o.recoveryPoint, nextOffset)
  return {
    segments,
    producers,
    snapshots,
    epochs: knownEpochs,
    quarantine,
    logStartOffset: Math.min(logStartOffset, nextOffset),
    nextOffset,
    recoveryPoint,
    mustRoll: found.mustRoll,
    isNew,
    scanned: found.reports.size > 0,
  }
}

/** undefined: the file does not hold together (power was lost before it was synced): the batches say what it said. */
function openEpochs(o: LogOptions): LeaderEpochCache | undefined {
  try {
    return new LeaderEpochCache(o.dir)
  } catch (error) {
    if (errorCodeOf(error) !== 'ERR_MILLRACE_CHECKPOINT') throw error
    o.env.logger.warn({ dir: o.dir, error: (error as Error).message }, 'the leader epochs are made again from the batches of the log')
    return undefined
  }
}

interface FoundEnd {
  readonly baseOffsets: readonly number[]
  readonly reports: ReadonlyMap<number, RecoveryReport>
  readonly quarantined: Parameters<Quarantine['add']>[0]
  readonly nextOffset: number
  readonly mustRoll: boolean
}

async function findEnd(
  o: LogOptions,
  baseOffsets: readonly number[],
  swapped: readonly number[],
  epochs: LeaderEpochCache | undefined,
): Promise<FoundEnd> {
  if (baseOffsets.length === 0) return { baseOffsets, reports: new Map(), quarantined: [], nextOffset: 0, mustRoll: false }
  if (baseOffsets.length === 1 && isEmpty(o.dir, baseOffsets[0]!))
    return { baseOffsets, reports: new Map(), quarantined: [], nextOffset: baseOffsets[0]!, mustRoll: false }
  const lastIndex = baseOffsets.length - 1
  let first = baseOffsets.length
  if (o.cleanShutdown) {
    const end = cleanEnd(o.dir, baseOffsets[lastIndex]!)
    if (end !== undefined && swapped.length === 0 && epochs !== undefined)
      return { baseOffsets, reports: new Map(), quarantined: [], nextOffset: end, mustRoll: false }
    // the marker says clean, the file says otherwise: believe the file
    first = lastIndex
  } else {
    // the segment that holds the recovery point, and all after it
    first = Math.max(
      baseOffsets.findLastIndex((baseOffset) => baseOffset <= o.recoveryPoint),
      0,
    )
  }
  const missingIndex = baseOffsets.findIndex((baseOffset) => !existsSync(join(o.dir, fileName(baseOffset, SUFFIX.index))))
  if (missingIndex !== -1) first = Math.min(first, missingIndex)
  for (const baseOffset of swapped) first = Math.min(first, Math.max(baseOffsets.indexOf(baseOffset), 0))
  if (epochs === undefined) first = 0
  return recoverSegments(o, baseOffsets, first, epochs)
}

/** Nothing was ever written, or all was cut: there is nothing to scan, however the stop was. */
function isEmpty(dir: string, baseOffset: number): boolean {
  return [SUFFIX.log, SUFFIX.index, SUFFIX.timeIndex].every(
    (suffix) => (statSync(join(dir, fileName(baseOffset, suffix)), { throwIfNoEntry: false })?.size ?? 0) === 0,
  )
}

/** The log end of a cleanly closed log: walks the few batches after the last index entry. undefined: it does not end cleanly. */
function cleanEnd(dir: string, baseOffset: number): number | undefined {
  const size = logFileSize(dir, baseOffset)
  if (size === 0) return baseOffset
  if (!existsSync(join(dir, fileName(baseOffset, SUFFIX.index)))) return undefined
  const from = lastIndexedPosition(join(dir, fileName(baseOffset, SUFFIX.index)))
  const end = walkHeaders(join(dir, fileName(baseOffset, SUFFIX.log)), from, size, () => undefined)
  return end.whole && end.nextOffset > baseOffset ? end.nextOffset : undefined
}

function loadProducers(
  o: LogOptions,
  segments: SegmentList,
  snapshots: SnapshotFiles,
  state: ProducerState,
  reports: ReadonlyMap<number, RecoveryReport>,
  nextOffset: number,
  logStartOffset: number,
): void {
  snapshots.removeAbove(nextOffset)
  const scannedFrom = Math.min(...reports.keys())
  // a clean log without any snapshot never had a producer with an id
  if (reports.size === 0 && snapshots.offsets.length === 0) return
  rebuildProducerState({
    segments: segments.all,
    snapshots,
    state,
    snapshotFloor: reports.size === 0 ? nextOffset : scannedFrom,
    endOffset: nextOffset,
    logStartOffset,
    now: o.env.clock.now(),
    expirationMs: o.config.producerIdExpirationMs,
    reports,
  })
  if (reports.size > 0) snapshots.removeAbove(scannedFrom)
}

function repairEpochs(
  epochs: LeaderEpochCache,
  reports: ReadonlyMap<number, RecoveryReport>,
  nextOffset: number,
  logStartOffset: number,
): void {
  epochs.agreeWith([...reports.values()].flatMap(({ batches }) => batches))
  // an epoch that began exactly at the end has no records yet and stays
  epochs.truncateFromEnd(nextOffset + 1)
  epochs.truncateFromStart(logStartOffset)
}

/** Spreads rolls by time, so that many partitions do not roll in the same second. */
export function rollJitter(o: Pick<LogOptions, 'config' | 'env'>): number {
  return Math.floor(o.env.random.next() * Math.min(o.config.segmentJitterMs, o.config.segmentMs))
}
