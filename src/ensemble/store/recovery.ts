// From the files of a member's directory to its tree: the newest valid snapshot, then every log entry after it.
// Runs once at start, synchronously (nothing is served yet). A torn tail is cut and kept aside; a damaged middle,
// a gap or a newer format is refused with the file and the position. Nothing is ever deleted here.
//
// The last write of the log is written once more before it counts: a former process may have seen its fsync fail, and then it is read
// back from the page cache and may lie on no disk. Each write began when the one before was durable, so the others do.

import path from 'node:path'
import type { Logger } from '../../env/env.js'
import { ZnodeTree } from '../tree/znode-tree.js'
import type { LogEnd } from './active-log.js'
import { follows, LOG_HEADER_BYTES, LOG_VERSION, scanLog } from './frames.js'
import { decodeSnapshot } from './snapshot.js'
import type { StoreDisk } from './disk.js'
import type { LoggedTxn } from './txn-codec.js'

export class EnsembleStoreError extends Error {
  readonly code = 'ERR_MILLRACE_ENSEMBLE_STORE'
}

/** The change was not made, and a later one may be: the disk is full, or no file can be opened. */
export class RefusedWriteError extends EnsembleStoreError {}

export interface Recovered {
  readonly tree: ZnodeTree
  /** The log file to go on with, or null when a new one is to be started. */
  readonly activeLog: LogEnd | null
  /** Log bytes that lie after the snapshot: what the next start would replay again. */
  readonly replayedBytes: number
}

/** `log.<zxid hex>` and `snapshot.<zxid hex>`, oldest first. */
export function listFiles(
  disk: Pick<StoreDisk, 'list'>,
  dir: string,
  prefix: 'log' | 'snapshot',
): { readonly zxid: bigint; readonly file: string }[] {
  const found: { zxid: bigint; file: string }[] = []
  for (const name of disk.list(dir)) {
    const match = /^(log|snapshot)\.([0-9a-f]+)$/.exec(name)
    if (match?.[1] === prefix) found.push({ zxid: BigInt(`0x${match[2]}`), file: path.join(dir, name) })
  }
  return found.sort((a, b) => (a.zxid < b.zxid ? -1 : 1))
}

/** `replay` gets every entry behind the snapshot, in order: it applies it, or keeps it until it is known to be agreed. */
export function recover(
  disk: StoreDisk,
  dir: string,
  logger: Logger,
  replay: (tree: ZnodeTree, entry: LoggedTxn, payload: Buffer) => void,
  trustsCache = false,
): Recovered {
  finishInstall(disk, dir)
  const tree = newestSnapshot(disk, dir, logger) ?? new ZnodeTree()
  const from: Replaying = { disk, tree, logger, replay, trustsCache, last: tree.lastZxid, version: LOG_VERSION }
  const snapshotZxid = tree.lastZxid
  const logs = listFiles(disk, dir, 'log')
  let end: LogEnd | null = null
  for (let i = 0; i < logs.length; i++) {
    const next = logs[i + 1]
    // Wholly older than the snapshot: kept for an older snapshot, not needed for this one.
    if (next && next.zxid <= from.last + 1n) continue
    end = replayLog(from, logs[i]!.file, i === logs.length - 1)
  }
  refuseLostHistory(disk, dir, from.last)
  const activeLog = from.version === LOG_VERSION ? end : null
  return { tree, activeLog, replayedBytes: from.last === snapshotZxid ? 0 : (end?.size ?? 0) }
}

/** Names the snapshot that replaces everything else in the directory; while it stands the replacement is under way. */
export const INSTALL_FILE = 'install'
const INCOMING = /^incoming\.([0-9a-f]+)$/

/**
 * A leader's snapshot replaces logs and snapshots as one: `incoming.<zxid>` is whole and durable BEFORE `install` names it
 * (the moment it counts from), everything else goes BEFORE it takes its name, and that is durable BEFORE `install` goes.
 */
export function finishInstall(disk: StoreDisk, dir: string): void {
  const names = disk.list(dir)
  const installing = names.includes(INSTALL_FILE)
  for (const name of names) {
    const isOld = /^(log|snapshot)\.[0-9a-f]+$/.test(name)
    if (installing && isOld && names.some((each) => INCOMING.test(each))) disk.unlinkNow(path.join(dir, name))
    // One that nothing names came in only in part.
    if (!installing && INCOMING.test(name)) disk.unlinkNow(path.join(dir, name))
  }
  if (!installing) return
  disk.syncDirNow(dir)
  const incoming = names.find((name) => INCOMING.test(name))
  if (incoming) disk.renameNow(path.join(dir, incoming), path.join(dir, `snapshot.${INCOMING.exec(incoming)![1]}`))
  disk.syncDirNow(dir)
  disk.unlinkNow(path.join(dir, INSTALL_FILE))
  disk.syncDirNow(dir)
}

/** A damaged snapshot is no loss while the logs reach its zxid; when they do not, opening would forget acknowledged changes. */
function refuseLostHistory(disk: StoreDisk, dir: string, lastZxid: bigint): void {
  for (const name of disk.list(dir)) {
    const match = /^snapshot\.([0-9a-f]+)\.damaged$/.exec(name)
    if (!match || BigInt(`0x${match[1]}`) <= lastZxid) continue
    throw new EnsembleStoreError(
      `${path.join(dir, name)} is damaged and the logs reach 0x${lastZxid.toString(16)} only: the metadata up to 0x${match[1]} would be lost. Restore the file (without .damaged) from a copy`,
    )
  }
}

function newestSnapshot(disk: StoreDisk, dir: string, logger: Logger): ZnodeTree | null {
  const snapshots = listFiles(disk, dir, 'snapshot')
  for (const { file } of snapshots.reverse()) {
    const tree = decodeSnapshot(disk.read(file))
    if (typeof tree !== 'string') return tree
    logger.error({ file, reason: tree }, 'a snapshot of the metadata is damaged; it is kept aside and an older one is used')
    disk.renameNow(file, `${file}.damaged`)
  }
  return null
}

interface Replaying {
  readonly disk: StoreDisk
  readonly tree: ZnodeTree
  readonly logger: Logger
  readonly replay: (tree: ZnodeTree, entry: LoggedTxn, payload: Buffer) => void
  /** A planted bug. */
  readonly trustsCache: boolean
  last: bigint
  /** Format of the log read last: an older one is not gone on with. */
  version: number
}

function replayLog(from: Replaying, file: string, isLast: boolean): LogEnd | null {
  const bytes = from.disk.read(file)
  const verdict = scanLog(bytes, (entry, payload) => {
    const { zxid } = entry
    if (zxid <= from.last) return
    if (from.last !== 0n && !follows(from.last, zxid)) {
      throw new EnsembleStoreError(
        `${file}: transaction 0x${zxid.toString(16)} does not follow 0x${from.last.toString(16)}; a log file is missing`,
      )
    }
    if (from.last === 0n && (zxid & 0xffffffffn) !== 1n) {
      throw new EnsembleStoreError(`${file}: history starts at 0x${zxid.toString(16)} and no valid snapshot holds what came before`)
    }
    from.last = zxid
    from.replay(from.tree, entry, payload)
  })
  if (verdict.kind !== 'corrupt') from.version = verdict.version
  if (verdict.kind === 'clean' && verdict.end > LOG_HEADER_BYTES) {
    if (isLast) writeAgain(from, file, bytes, verdict.lastWrite, verdict.end)
    return { file, size: verdict.end, reserved: bytes.length }
  }
  const position = verdict.kind === 'clean' ? verdict.end : verdict.position
  if (verdict.kind === 'corrupt' || !isLast) {
    const reason = verdict.kind === 'corrupt' ? verdict.reason : 'the entry is cut short, and a later log file exists'
    throw new EnsembleStoreError(
      `${file} is damaged at byte ${position}: ${reason}. The metadata is not opened with a hole in it: restore the file from a copy of this directory`,
    )
  }
  const end = cutTail(from, file, bytes, position)
  if (end) writeAgain(from, file, bytes, verdict.lastWrite, position)
  return end
}

function writeAgain({ disk, trustsCache }: Replaying, file: string, bytes: Buffer, from: number, to: number): void {
  if (trustsCache) return
  try {
    disk.overwriteNow(file, bytes.subarray(from, to), from)
    if (from === 0) disk.syncDirNow(path.dirname(file))
  } catch (cause) {
    throw new EnsembleStoreError(
      `${file}: the last write, bytes ${from} to ${to}, cannot be made durable: ${(cause as Error).message}. See to the disk, then start again`,
      { cause },
    )
  }
}

/** Cuts a torn tail, keeping its bytes in `<log>.torn-<position>`. A file without a whole entry is put aside whole. */
function cutTail({ disk, logger }: Replaying, file: string, bytes: Buffer, position: number): LogEnd | null {
  const aside = `${file}.torn-${position}`
  logger.warn(
    { file, position, bytes: bytes.length - position, keptIn: aside },
    'the metadata log ends in a torn write: cut and kept aside',
  )
  if (position <= LOG_HEADER_BYTES) {
    disk.renameNow(file, aside)
    return null
  }
  disk.writeNow(aside, withoutZeros(bytes.subarray(position)))
  disk.truncateNow(file, position)
  return { file, size: position, reserved: position }
}

/** Reserved space behind the torn bytes says nothing; a zero or two may be theirs. */
function withoutZeros(bytes: Buffer): Buffer {
  let end = bytes.length
  while (end > 0 && bytes[end - 1] === 0) end--
  return bytes.subarray(0, end + 16)
}
