// `.index` (8 bytes: relative offset, position) and `.timeindex` (12 bytes: timestamp, relative offset), checked against
// the segment beside them. An open segment's index files are preallocated: zeros after the last entry are no entries.

import { existsSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { At, int32At, int64At } from '../../protocol/records/batch-layout.js'
import type { DumpOptions, Line } from './dump.js'
import { BatchFile } from './segment.js'

export function* dumpOffsetIndex(path: string, options: DumpOptions): Generator<Line> {
  const bytes = readFileSync(path)
  const base = baseOf(path)
  const segment = openSegment(path, '.index')
  let last = { offset: base - 1, position: -1 }
  let count = 0
  try {
    for (let at = 0; at + 8 <= bytes.length; at += 8) {
      const offset = base + int32At(bytes, at)
      const position = int32At(bytes, at + 4)
      if (count > 0 && offset === base && position === 0) break
      count++
      const shown = offset >= options.from && count <= options.max
      yield { kind: 'offset-index', text: `offset ${offset} position ${position}`, shown, fields: { offset, position } }
      const problem =
        offset <= last.offset || position <= last.position ? 'entries do not rise' : segment && offsetMismatch(segment, offset, position)
      if (problem)
        yield {
          kind: 'damage',
          problem: true,
          text: `entry ${count - 1} at byte ${at} (offset ${offset}, position ${position}): ${problem}`,
          fields: { at, offset, position },
        }
      last = { offset, position }
    }
  } finally {
    segment?.close()
  }
  yield* oddSize(bytes.length, 8)
  yield { kind: 'end', text: `${count} entries`, fields: { entries: count } }
}

function offsetMismatch(segment: BatchFile, offset: number, position: number): string | undefined {
  if (position >= segment.size) return `the segment has only ${segment.size} bytes`
  if (segment.check(position) !== undefined) return 'no valid batch starts at that position'
  const first = int64At(segment.bytes, At.baseOffset)
  // An append of several batches is indexed by its last offset and its first batch's position.
  return offset < first ? `the batch there starts at offset ${first}` : undefined
}

export function* dumpTimeIndex(path: string, options: DumpOptions): Generator<Line> {
  const bytes = readFileSync(path)
  const base = baseOf(path)
  let last = { timestamp: -Infinity, offset: base - 1 }
  let count = 0
  for (let at = 0; at + 12 <= bytes.length; at += 12) {
    const timestamp = int64At(bytes, at)
    const offset = base + int32At(bytes, at + 8)
    if (timestamp === 0 && offset === base && count > 0) break
    if (timestamp === 0 && offset === base && bytes.length > 12 && bytes.subarray(at).every((byte) => byte === 0)) break
    count++
    const shown = offset >= options.from && count <= options.max
    yield { kind: 'time-index', text: `timestamp ${timestamp} offset ${offset}`, shown, fields: { timestamp, offset } }
    if (timestamp < last.timestamp || offset < last.offset) {
      yield {
        kind: 'damage',
        problem: true,
        text: `entry ${count - 1} at byte ${at} (timestamp ${timestamp}, offset ${offset}): entries do not rise`,
        fields: { at, timestamp, offset },
      }
    }
    last = { timestamp, offset }
  }
  yield* oddSize(bytes.length, 12)
  yield { kind: 'end', text: `${count} entries`, fields: { entries: count } }
}

/** A preallocated file is cut to whole entries too, so a remainder is always damage. */
function* oddSize(size: number, entry: number): Generator<Line> {
  const rest = size % entry
  if (rest !== 0)
    yield {
      kind: 'damage',
      problem: true,
      text: `first bad byte at ${size - rest}: ${rest} bytes after the last whole entry of ${entry}`,
      fields: { position: size - rest },
    }
}

function baseOf(path: string): number {
  return Number.parseInt(basename(path), 10) || 0
}

function openSegment(path: string, suffix: string): BatchFile | undefined {
  const log = `${path.slice(0, -suffix.length)}.log`
  return existsSync(log) ? new BatchFile(log) : undefined
}
