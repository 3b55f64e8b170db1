// A partition's log on its way to another data directory: `<topic>-<partition>.<32 hex>-future`, as Kafka names it. Owns the name and
// the copying of files that no append touches any more, off the event loop. What must hold when it takes the place of the old log is
// in replica/log-moves.ts.
//
// `moved-in` lies in a future directory from its first moment until the directory it replaces is gone. So where a crash leaves a
// partition in two directories, the one with the mark is the whole and newer one.

import { mkdirSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { LEADER_EPOCH_FILE } from './checkpoints.js'
import { fileName, isMissing, removeIfAny, SUFFIX, syncDirNow, syncPath, writeWhole } from './files.js'
import { partitionDirName } from '../model/topic-partition.js'
import type { TopicPartition } from '../model/topic-partition.js'
import type { RolledFiles } from './types.js'

export const MOVED_IN_FILE = 'moved-in'
const COPY_CHUNK_BYTES = 1 << 20

export function futureDirName(topic: string, partition: number, id: Uint8Array): string {
  return `${partitionDirName(topic, partition)}.${Buffer.from(id).toString('hex')}-future`
}

/** The partition a future directory is of; undefined when the name is not one. */
export function parseFutureDirName(name: string): TopicPartition | undefined {
  const match = /^(.+)-(\d+)\.[0-9a-f]{32}-future$/.exec(name)
  return match ? { topic: match[1]!, partition: Number(match[2]) } : undefined
}

export function createFutureDir(dir: string): void {
  mkdirSync(dir)
  writeWhole(join(dir, MOVED_IN_FILE), new Uint8Array(0), true)
  syncDirNow(dir)
}

export function clearMovedIn(dir: string): void {
  removeIfAny(join(dir, MOVED_IN_FILE))
}

/** Copies rolled segments, synced. Indexes are not copied: the opening scan checks every batch and builds them. `pace` is told of the bytes. */
export async function copyRolled(files: RolledFiles, target: string, pace: (bytes: number) => Promise<void>): Promise<void> {
  const names = files.segmentOffsets.map((offset) => fileName(offset, SUFFIX.log))
  if (files.snapshotOffset !== undefined) names.push(fileName(files.snapshotOffset, SUFFIX.snapshot))
  // Last: an epoch that begins past the copied end is cut when the copy is opened.
  names.push(LEADER_EPOCH_FILE)
  for (const name of names) await copyFile(join(files.dir, name), join(target, name), name === LEADER_EPOCH_FILE, pace)
  await syncPath(target)
}

async function copyFile(from: string, to: string, mayBeMissing: boolean, pace: (bytes: number) => Promise<void>): Promise<void> {
  let source
  try {
    source = await open(from, 'r')
  } catch (error) {
    if (mayBeMissing && isMissing(error)) return
    throw error
  }
  try {
    const target = await open(to, 'w')
    try {
      const buffer = Buffer.allocUnsafe(COPY_CHUNK_BYTES)
      for (;;) {
        const { bytesRead } = await source.read(buffer, 0, buffer.length, null)
        if (bytesRead === 0) break
        for (let at = 0; at < bytesRead;) at += (await target.write(buffer, at, bytesRead - at, null)).bytesWritten
        await pace(bytesRead)
      }
      await target.sync()
    } finally {
      await target.close()
    }
  } finally {
    await source.close()
  }
}
