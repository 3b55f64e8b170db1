// Brings one partition directory into memory: leftovers, segments, recovery where the stop was unclean, log end, producer
// state, leader epochs. Runs once per open, before any append; the scans run on the pool.

import { existsSync, mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileName, SUFFIX, syncDirNow } from './files.js'
import { walkHeaders } from './header-walk.js'
import { tidyDirectory } from './leftovers.js'
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
}

export async function openState(o: LogOptions): Promise<OpenedState> {
  if (!existsSync(o.dir)) {
    mkdirSync(o.dir, { recursive: true })
    syncDirNow(dirname(o.dir))
  }
  claimTopicId(o.dir, o.topicId)
  const { baseOffsets, swapped } = tidyDirectory(o.dir)
  const quarantine = new Quarantine(o.dir)
  const epochs = new LeaderEpochCache(o.dir)
  const snapshots = new SnapshotFiles(o.dir)

  const found = await findEnd(o, baseOffsets, swapped)
  quarantine.add(found.quarantined)
  for (const range of found.quarantined)
    o.env.logger.error({ dir: o.dir, ...range }, 'a corrupt range was quarantined: reads of it are refused, nothing was deleted')

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
  repairEpochs(epochs, found.reports, nextOffset, logStartOffset)
  const recoveryPoint = o.cleanShutdown ? nextOffset : Math.min(o.recoveryPoint, nextOffset)
  return {
    segments,
    producers,
    snapshots,
    epochs,
    quarantine,
    logStartOffset: Math.min(logStartOffset, nextOffset),
    nextOffset,
    recoveryPoint,
    mustRoll: found.mustRoll,
  }
}

interface FoundEnd {
  readonly baseOffsets: readonly number[]
  readonly reports: ReadonlyMap<number, RecoveryReport>
  readonly quarantined: Parameters<Quarantine['add']>[0]
  readonly nextOffset: number
  readonly mustRoll: boolean
}

async function findEnd(o: LogOptions, baseOffsets: readonly number[], swapped: readonly number[]): Promise<FoundEnd> {
  if (baseOffsets.length === 0) return { baseOffsets, reports: new Map(), quarantined: [], nextOffset: 0, mustRoll: false }
  const lastIndex = baseOffsets.length - 1
  let first = baseOffsets.length
  if (o.cleanShutdown) {
    const end = cleanEnd(o.dir, baseOffsets[lastIndex]!)
    if (end !== undefined && swapped.length === 0)
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
  return recoverSegments(o, baseOffsets, first)
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
