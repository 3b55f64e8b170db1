// Kafka's checkpoint files: a version line, a count line, then one line per entry. Written aside, fsynced, renamed into
// place, directory fsynced: a reader finds the old file or the new one. A damaged file is an error, never half a map.

import { join } from 'node:path'
import { LogError } from './codes.js'
import { readFileIfAny, replaceFile } from './files.js'
import { partitionDirName } from '../model/topic-partition.js'

const VERSION = 0

export const RECOVERY_POINT_FILE = 'recovery-point-offset-checkpoint'
export const LOG_START_OFFSET_FILE = 'log-start-offset-checkpoint'
export const CLEANER_OFFSET_FILE = 'cleaner-offset-checkpoint'
export const HIGH_WATERMARK_FILE = 'replication-offset-checkpoint'
export const LEADER_EPOCH_FILE = 'leader-epoch-checkpoint'

export function writeCheckpoint(dir: string, name: string, lines: readonly string[], durable = true): void {
  replaceFile(dir, name, Buffer.from([VERSION, lines.length, ...lines].join('\n') + '\n'), durable)
}

/** The entry lines; undefined when there is no file. Throws ERR_MILLRACE_CHECKPOINT when it does not hold together. */
export function readCheckpoint(dir: string, name: string): string[] | undefined {
  const bytes = readFileIfAny(join(dir, name))
  if (!bytes) return undefined
  const lines = bytes.toString('utf8').split('\n')
  const path = join(dir, name)
  if (lines[0] !== String(VERSION))
    throw new LogError('ERR_MILLRACE_CHECKPOINT', `${path}: unknown version "${lines[0]}", this build reads version ${VERSION}`)
  const entries = lines.slice(2).filter((line) => line !== '')
  if (lines[1] !== String(entries.length)) {
    throw new LogError('ERR_MILLRACE_CHECKPOINT', `${path}: says ${lines[1]} entries, holds ${entries.length}`)
  }
  return entries
}

export interface OffsetEntry {
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

export function writeOffsets(dir: string, name: string, entries: Iterable<OffsetEntry>): void {
  writeCheckpoint(
    dir,
    name,
    Array.from(entries, (e) => `${e.topic} ${e.partition} ${e.offset}`),
  )
}

/** By partition directory name. Empty when there is no file. */
export function readOffsets(dir: string, name: string): Map<string, number> {
  const offsets = new Map<string, number>()
  for (const line of readCheckpoint(dir, name) ?? []) {
    const match = /^(\S+) (\d+) (\d+)$/.exec(line)
    if (!match) throw new LogError('ERR_MILLRACE_CHECKPOINT', `${join(dir, name)}: unreadable line "${line}"`)
    offsets.set(partitionDirName(match[1]!, Number(match[2])), Number(match[3]))
  }
  return offsets
}
