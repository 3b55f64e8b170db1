// From the files of a member's directory to its tree: the newest valid snapshot, then every log entry after it.
// Runs once at start, synchronously (nothing is served yet). A torn tail is cut and kept aside; a damaged middle,
// a gap or a newer format is refused with the file and the position. Nothing is ever deleted here.

import fs from 'node:fs'
import path from 'node:path'
import type { Logger } from '../../env/env.js'
import { ZnodeTree } from '../tree/znode-tree.js'
import { follows, LOG_HEADER_BYTES, scanLog } from './frames.js'
import { decodeSnapshot } from './snapshot.js'

export class EnsembleStoreError extends Error {
  readonly code = 'ERR_MILLRACE_ENSEMBLE_STORE'
}

export interface Recovered {
  readonly tree: ZnodeTree
  /** The log file to go on with, or null when a new one is to be started. */
  readonly activeLog: { readonly file: string; readonly size: number } | null
  /** Log bytes that lie after the snapshot: what the next start would replay again. */
  readonly replayedBytes: number
}

/** `log.<zxid hex>` and `snapshot.<zxid hex>`, oldest first. */
export function listFiles(dir: string, prefix: 'log' | 'snapshot'): { readonly zxid: bigint; readonly file: string }[] {
  const found: { zxid: bigint; file: string }[] = []
  for (const name of fs.readdirSync(dir)) {
    const match = /^(log|snapshot)\.([0-9a-f]+)$/.exec(name)
    if (match?.[1] === prefix) found.push({ zxid: BigInt(`0x${match[2]}`), file: path.join(dir, name) })
  }
  return found.sort((a, b) => (a.zxid < b.zxid ? -1 : 1))
}

export function recover(dir: string, logger: Logger): Recovered {
  const tree = newestSnapshot(dir, logger) ?? new ZnodeTree()
  const snapshotZxid = tree.lastZxid
  const logs = listFiles(dir, 'log')
  let activeLog: Recovered['activeLog'] = null
  for (let i = 0; i < logs.length; i++) {
    const next = logs[i + 1]
    // Wholly older than the snapshot: kept for an older snapshot, not needed for this one.
    if (next && next.zxid <= tree.lastZxid + 1n) continue
    activeLog = replay(tree, logs[i]!.file, i === logs.length - 1, logger)
  }
  refuseLostHistory(dir, tree.lastZxid)
  return { tree, activeLog, replayedBytes: tree.lastZxid === snapshotZxid ? 0 : (activeLog?.size ?? 0) }
}

/** A damaged snapshot is no loss while the logs reach its zxid; when they do not, opening would forget acknowledged changes. */
function refuseLostHistory(dir: string, lastZxid: bigint): void {
  for (const name of fs.readdirSync(dir)) {
    const match = /^snapshot\.([0-9a-f]+)\.damaged$/.exec(name)
    if (!match || BigInt(`0x${match[1]}`) <= lastZxid) continue
    throw new EnsembleStoreError(
      `${path.join(dir, name)} is damaged and the logs reach 0x${lastZxid.toString(16)} only: the metadata up to 0x${match[1]} would be lost. Restore the file (without .damaged) from a copy`,
    )
  }
}

function newestSnapshot(dir: string, logger: Logger): ZnodeTree | null {
  const snapshots = listFiles(dir, 'snapshot')
  for (const { file } of snapshots.reverse()) {
    const tree = decodeSnapshot(fs.readFileSync(file))
    if (typeof tree !== 'string') return tree
    logger.error({ file, reason: tree }, 'a snapshot of the metadata is damaged; it is kept aside and an older one is used')
    fs.renameSync(file, `${file}.damaged`)
  }
  return null
}

function replay(tree: ZnodeTree, file: string, isLast: boolean, logger: Logger): Recovered['activeLog'] {
  const bytes = fs.readFileSync(file)
  const verdict = scanLog(bytes, ({ zxid, time, txn }) => {
    if (zxid <= tree.lastZxid) return
    if (tree.lastZxid !== 0n && !follows(tree.lastZxid, zxid)) {
      throw new EnsembleStoreError(
        `${file}: transaction 0x${zxid.toString(16)} does not follow 0x${tree.lastZxid.toString(16)}; a log file is missing`,
      )
    }
    if (tree.lastZxid === 0n && (zxid & 0xffffffffn) !== 1n) {
      throw new EnsembleStoreError(`${file}: history starts at 0x${zxid.toString(16)} and no valid snapshot holds what came before`)
    }
    tree.apply(txn, zxid, time)
  })
  if (verdict.kind === 'clean') return { file, size: bytes.length }
  if (verdict.kind === 'corrupt' || !isLast) {
    const reason = verdict.kind === 'corrupt' ? verdict.reason : 'the entry is cut short, and a later log file exists'
    throw new EnsembleStoreError(
      `${file} is damaged at byte ${verdict.position}: ${reason}. The metadata is not opened with a hole in it: restore the file from a copy of this directory`,
    )
  }
  return cutTail(file, bytes, verdict.position, logger)
}

/** Cuts a torn tail, keeping its bytes in `<log>.torn-<position>`. A file torn inside its header is put aside whole. */
function cutTail(file: string, bytes: Buffer, position: number, logger: Logger): Recovered['activeLog'] {
  const aside = `${file}.torn-${position}`
  logger.warn(
    { file, position, bytes: bytes.length - position, keptIn: aside },
    'the metadata log ends in a torn write: cut and kept aside',
  )
  if (position < LOG_HEADER_BYTES) {
    fs.renameSync(file, aside)
    return null
  }
  fs.writeFileSync(aside, bytes.subarray(position))
  const fd = fs.openSync(file, 'r+')
  fs.ftruncateSync(fd, position)
  fs.fdatasyncSync(fd)
  fs.closeSync(fd)
  return { file, size: position }
}
