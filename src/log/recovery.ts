// After an unclean stop: every segment past the recovery point is scanned on the pool, in parallel, and judged here.
// Bad bytes at the very end of the log are a torn tail: cut, the cut bytes kept aside. Bad bytes with valid batches
// after them, in the same segment or a later one, are a corrupt middle: quarantined, nothing changed, nothing deleted.
// A batch of an older leader epoch than one before it is of a tail that had been cut and came back with the machine: it
// is cut again, with all that follows. A single batch with an epoch that nobody knows is damaged (stray-epochs.ts).

import { copyFileSync, existsSync, statSync, truncateSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { fileName, removeIfAny, SUFFIX, syncPath } from './files.js'
import type { LeaderEpochCache } from './leader-epoch-cache.js'
import type { RecoveryReport } from './native.js'
import { setStrayEpochsAside } from './stray-epochs.js'
import type { LogOptions, QuarantinedRange } from './types.js'

export interface Recovered {
  /** By base offset. */
  readonly reports: ReadonlyMap<number, RecoveryReport>
  readonly quarantined: readonly QuarantinedRange[]
  /** Segments that remain, ascending. */
  readonly baseOffsets: readonly number[]
  readonly nextOffset: number
  /** The last segment holds bad bytes or must not grow for another reason: appends go to a new one. */
  readonly mustRoll: boolean
  readonly cutBytes: number
}

const PROGRESS_AFTER_MS = 1000

/** Scans `baseOffsets[first…]`. `epochs`: what the file of leader epochs says; undefined: there is none that holds together. */
export async function recoverSegments(
  o: LogOptions,
  baseOffsets: readonly number[],
  first: number,
  epochs: LeaderEpochCache | undefined,
): Promise<Recovered> {
  const scanned = baseOffsets.slice(first)
  const started = o.env.clock.monotonic()
  let done = 0
  const scans = scanned.map(async (baseOffset) => {
    const report = await scan(o, baseOffset)
    done++
    if (o.env.clock.monotonic() - started > PROGRESS_AFTER_MS) o.onProgress?.(done, scanned.length)
    return report
  })
  const found = await Promise.all(scans)
  const { reports, quarantined } = epochs
    ? setStrayEpochsAside(found, scanned, epochs, o.env.clock.now())
    : { reports: found, quarantined: [] }
  const back = cameBack(o, reports)
  const judged = back ? await judgeCutAgain(o, baseOffsets, first, reports, back) : await judge(o, baseOffsets, first, reports)
  return { ...judged, quarantined: [...judged.quarantined, ...quarantined.filter(({ lastOffset }) => lastOffset < judged.nextOffset)] }
}

async function judgeCutAgain(
  o: LogOptions,
  baseOffsets: readonly number[],
  first: number,
  reports: readonly RecoveryReport[],
  { index, position }: Back,
): Promise<Recovered> {
  const scanned = baseOffsets.slice(first)
  const cutBytes = await cutAgain(o, scanned.slice(index), reports.slice(index), position)
  const kept = [...reports.slice(0, index), await scan(o, scanned[index]!)]
  const judged = await judge(o, baseOffsets.slice(0, first + kept.length), first, kept)
  return { ...judged, cutBytes: judged.cutBytes + cutBytes }
}

function scan(o: LogOptions, baseOffset: number): Promise<RecoveryReport> {
  return o.runInPool({
    name: 'recoverSegment',
    dir: o.dir,
    baseOffset,
    fromPosition: 0,
    indexIntervalBytes: o.config.indexIntervalBytes,
    maxUncompressed: o.config.maxDecompressedBytes,
  })
}

interface Back {
  /** Among the reports. */
  readonly index: number
  readonly position: number
}

/** Where the first batch lies whose leader epoch is older than one before it. What is below the recovery point was synced, and stays. */
function cameBack(o: LogOptions, reports: readonly RecoveryReport[]): Back | undefined {
  let newest = -1
  for (const [index, { batches }] of reports.entries()) {
    for (const { leaderEpoch, baseOffset, position } of batches) {
      if (leaderEpoch < newest && leaderEpoch >= 0 && baseOffset >= o.recoveryPoint) return { index, position }
      newest = Math.max(newest, leaderEpoch)
    }
  }
  return undefined
}

/** Cuts the first of these segments at `position` and removes the others, all of it kept aside. */
async function cutAgain(
  o: LogOptions,
  baseOffsets: readonly number[],
  reports: readonly RecoveryReport[],
  position: number,
): Promise<number> {
  let bytes = 0
  for (const [i, baseOffset] of baseOffsets.entries()) {
    const from = i === 0 ? position : 0
    bytes += await keepAside(o, baseOffset, from, reports[i]!.fileBytes)
    if (i === 0) truncateSync(join(o.dir, fileName(baseOffset, SUFFIX.log)), position)
    else removeSegmentFiles(o.dir, baseOffset)
  }
  await syncPath(o.dir)
  return bytes
}

async function judge(o: LogOptions, baseOffsets: readonly number[], first: number, reports: readonly RecoveryReport[]): Promise<Recovered> {
  const holding = lastWithData(reports)
  const byBase = new Map<number, RecoveryReport>()
  const quarantined: QuarantinedRange[] = []
  let cutBytes = 0
  let mustRoll = false
  const kept = baseOffsets.slice(0, first)
  for (let i = 0; i < reports.length; i++) {
    const report = reports[i]!
    const baseOffset = baseOffsets[first + i]!
    if (i > holding && i > 0) {
      // behind the last valid batch of the log: leftovers of a roll whose predecessor lost its tail
      cutBytes += await keepAside(o, baseOffset, 0, report.fileBytes)
      removeSegmentFiles(o.dir, baseOffset)
      continue
    }
    kept.push(baseOffset)
    byBase.set(baseOffset, report)
    for (const range of report.corruptRanges) {
      quarantined.push({ ...range, segmentBaseOffset: baseOffset, foundAtMs: o.env.clock.now() })
    }
    if (i < holding) {
      const hole = lostEnd(o, report, baseOffset, baseOffsets[first + i + 1]!)
      if (hole) quarantined.push(hole)
    } else {
      const end = report.endBytes
      cutBytes += await keepAside(o, baseOffset, end, report.fileBytes)
      if (end < report.fileBytes) truncateSync(join(o.dir, fileName(baseOffset, SUFFIX.log)), end)
      mustRoll = report.corruptMiddle
    }
  }
  if (cutBytes > 0) await syncPath(o.dir)
  const last = byBase.get(kept[kept.length - 1]!)
  return { reports: byBase, quarantined, baseOffsets: kept, nextOffset: last?.nextOffset ?? 0, mustRoll, cutBytes }
}

/** Index of the last report with a valid batch; 0 when none has one. */
function lastWithData(reports: readonly RecoveryReport[]): number {
  const last = reports.findLastIndex((report) => report.validBytes > 0 || report.corruptMiddle)
  return Math.max(last, 0)
}

/** The end of a segment is missing though a later segment holds valid batches: those offsets are lost, and that is said. */
function lostEnd(o: LogOptions, report: RecoveryReport, baseOffset: number, nextBaseOffset: number): QuarantinedRange | undefined {
  const badTail = report.endBytes < report.fileBytes
  // compaction leaves gaps between segments that are no loss
  const gap = report.nextOffset < nextBaseOffset && !o.config.cleanupPolicy.compact
  if (report.nextOffset >= nextBaseOffset) return undefined // garbage behind a whole segment holds no offset
  if (!badTail && !gap) return undefined
  return {
    segmentBaseOffset: baseOffset,
    position: report.endBytes,
    size: report.fileBytes - report.endBytes,
    firstOffset: report.nextOffset,
    lastOffset: nextBaseOffset - 1,
    foundAtMs: o.env.clock.now(),
  }
}

/** Copies [position, end) into `<base>.log.torn-<n>`, durably, before anything is cut. Returns the bytes kept. */
async function keepAside(o: LogOptions, baseOffset: number, position: number, end: number): Promise<number> {
  if (end <= position) return 0
  const path = join(o.dir, fileName(baseOffset, SUFFIX.log))
  let n = 1
  while (existsSync(`${path}.torn-${n}`)) n++
  const aside = `${path}.torn-${n}`
  if (position === 0) {
    copyFileSync(path, aside)
  } else {
    await copyRange(path, aside, position, end)
  }
  await syncPath(aside)
  o.env.logger.warn({ file: path, position, bytes: end - position, keptIn: aside }, 'a torn tail was cut off the log and kept aside')
  return end - position
}

async function copyRange(from: string, to: string, position: number, end: number): Promise<void> {
  const source = await open(from, 'r')
  try {
    const target = await open(to, 'w')
    try {
      const chunk = Buffer.allocUnsafe(1024 * 1024)
      for (let at = position; at < end;) {
        const { bytesRead } = await source.read(chunk, 0, Math.min(chunk.length, end - at), at)
        if (bytesRead === 0) break
        await target.write(chunk, 0, bytesRead)
        at += bytesRead
      }
    } finally {
      await target.close()
    }
  } finally {
    await source.close()
  }
}

function removeSegmentFiles(dir: string, baseOffset: number): void {
  for (const suffix of [SUFFIX.log, SUFFIX.index, SUFFIX.timeIndex, SUFFIX.txnIndex]) removeIfAny(join(dir, fileName(baseOffset, suffix)))
}

export function logFileSize(dir: string, baseOffset: number): number {
  return statSync(join(dir, fileName(baseOffset, SUFFIX.log))).size
}
