// Walks the paths given to `dump-log`, picks a reader by file name and prints what it yields. One line per thing; with
// JSON one document per line, written as it goes so that a large segment needs little memory.

import { readdirSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { notFound } from '../errors.js'
import { startProgress } from '../output.js'
import type { Progress } from '../output.js'
import { dumpOffsetIndex, dumpTimeIndex } from './indexes.js'
import { dumpCheckpoint, dumpSnapshot, dumpText, dumpTransactionIndex } from './small-files.js'
import { dumpSegment } from './segment.js'

export interface DumpOptions {
  readonly records: boolean
  readonly from: number
  readonly max: number
  readonly quiet: boolean
  readonly json: boolean
}

export interface Findings {
  files: number
  batches: number
  records: number
  damaged: number
}

/** One thing found: `text` for people, the rest for JSON. `problem`: it makes the file damaged. */
export interface Line {
  readonly kind: string
  readonly text: string
  readonly problem?: boolean
  /** Batches and records counted by the file's end line. */
  readonly batches?: number
  readonly records?: number
  /** False: counted and verified, not printed. */
  readonly shown?: boolean
  readonly fields?: Readonly<Record<string, unknown>>
}

type Reader = (path: string, options: DumpOptions) => Iterable<Line>

const CHECKPOINTS =
  /^(leader-epoch-checkpoint|recovery-point-offset-checkpoint|log-start-offset-checkpoint|replication-offset-checkpoint|cleaner-offset-checkpoint)$/

function readerFor(name: string): Reader | undefined {
  if (/\.log(\.deleted|\.cleaned|\.swap)?$/.test(name)) return dumpSegment
  if (name.endsWith('.timeindex')) return dumpTimeIndex
  if (name.endsWith('.txnindex')) return dumpTransactionIndex
  if (name.endsWith('.index')) return dumpOffsetIndex
  if (name.endsWith('.snapshot')) return dumpSnapshot
  if (CHECKPOINTS.test(name)) return dumpCheckpoint
  if (/^(partition\.metadata|meta\.properties|\.kafka_cleanshutdown)$/.test(name)) return dumpText
  return undefined
}

export async function dumpPaths(paths: readonly string[], options: DumpOptions): Promise<Findings> {
  const findings: Findings = { files: 0, batches: 0, records: 0, damaged: 0 }
  const files = paths.flatMap((path) => {
    const found = expand(path)
    if (found.length === 1 && !readerFor(basename(found[0]!))) {
      throw notFound(
        `${path} is not a file of a partition`,
        'name a .log, .index, .timeindex, .txnindex, .snapshot or checkpoint file, or a partition directory',
      )
    }
    return found.filter((file) => readerFor(basename(file)))
  })
  const sizes = new Map(files.map((file) => [file, statSync(file).size]))
  const total = [...sizes.values()].reduce((sum, size) => sum + size, 0)
  // A bar and a listing on the same terminal would write over each other.
  const progress = await startProgress('verified', total, total < LONG_BYTES || (process.stdout.isTTY === true && !options.quiet))
  let done = 0
  for (const file of files) {
    await dumpFile(file, readerFor(basename(file))!, options, findings, {
      ...progress,
      update: (position) => progress.update(done + position, basename(file)),
    })
    done += sizes.get(file)!
  }
  progress.stop()
  return findings
}

/** Below this, verifying takes less than a moment. */
const LONG_BYTES = 64 * 1024 * 1024

/** A directory stands for its files; a data directory (of partition directories) for all of theirs. */
function expand(path: string): string[] {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (!stat) throw notFound(`${path} does not exist`, 'name a file or directory under the data directory')
  if (!stat.isDirectory()) return [path]
  return readdirSync(path, { withFileTypes: true })
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      if (entry.isFile()) return [join(path, entry.name)]
      return entry.isDirectory() && /-\d+$/.test(entry.name) ? expand(join(path, entry.name)) : []
    })
}

async function dumpFile(file: string, reader: Reader, options: DumpOptions, findings: Findings, progress: Progress): Promise<void> {
  findings.files++
  let damaged = false
  const say = options.json ? undefined : `${file}\n`
  if (say && !options.quiet) await write(say)
  for (const line of reader(file, options)) {
    damaged ||= line.problem === true
    if (line.kind === 'batch') progress.update(line.fields!['position'] as number)
    findings.batches += line.batches ?? 0
    findings.records += line.records ?? 0
    if (line.shown === false || (options.quiet && !line.problem)) continue
    if (options.json)
      await write(`${JSON.stringify({ file, kind: line.kind, ...line.fields, ...(line.problem ? { problem: line.text } : {}) })}\n`)
    else await write(line.problem ? `${options.quiet ? `${file}: ` : '  DAMAGED '}${line.text}\n` : `  ${line.text}\n`)
  }
  if (damaged) findings.damaged++
}

/** Waits for a slow reader rather than holding the output in memory. */
function write(text: string): Promise<void> | void {
  if (process.stdout.write(text)) return
  return new Promise((resolve) => process.stdout.once('drain', resolve))
}
