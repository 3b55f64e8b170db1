// Which data directories a node has had, by their directory.id: `data-directories.json` in the first one. So that a known directory that
// comes back empty (a disk that is not mounted) or not at all is told from a new one, and is never opened as if nothing had been in it.
// Runs on the thread coordinator, once per start.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { errorText, LogError } from '../log/codes.js'
import { readFileIfAny, replaceFile } from '../log/files.js'
import { readDirectoryId } from '../log/directory-identity.js'

const FILE = 'data-directories.json'
const VERSION = 1

export interface KnownDir {
  readonly path: string
  readonly id: string
}

export class KnownDirs {
  private readonly first: string
  private readonly before: readonly KnownDir[]
  /** Known ones that none of the paths holds: their partitions are offline, wherever they are looked for. */
  readonly missing: readonly KnownDir[]

  /** Before any directory is opened: opening writes an identity into an empty one. `acceptEmpty`: what is missing is lost, and known no more. */
  static read(paths: readonly string[], acceptEmpty: boolean): KnownDirs {
    const first = paths[0]!
    const ids = new Map(paths.map((path) => [path, readDirectoryId(path)]))
    const used = paths.find((path) => ids.get(path) !== undefined)
    if (used !== undefined && ids.get(first) === undefined && !acceptEmpty) {
      throw new LogError(
        'ERR_MILLRACE_EMPTY_DIR',
        `${first}, the first data directory, is ${existsSync(first) ? 'empty' : 'not there'}, though ${used} has been used: it holds the metadata. ` +
          `Mount it and start again; if its content is lost for good, start with --set millrace.accept.empty.log.dirs=true`,
      )
    }
    const before = acceptEmpty ? [] : load(first)
    const present = new Set(ids.values())
    return new KnownDirs(
      first,
      before,
      before.filter(({ id }) => !present.has(id)),
    )
  }

  private constructor(first: string, before: readonly KnownDir[], missing: readonly KnownDir[]) {
    this.first = first
    this.before = before
    this.missing = missing
  }

  /** A path where a known directory should be and nothing is: not to be opened. */
  isMissing(path: string): boolean {
    return this.missing.some((known) => known.path === path) && readDirectoryId(path) === undefined
  }

  /** Ids of the directories that were known at `paths`. */
  idsAt(paths: readonly string[]): string[] {
    return this.before.filter(({ path }) => paths.includes(path)).map(({ id }) => id)
  }

  /** After they were opened. One directory alone has nothing to be told from. */
  remember(opened: readonly KnownDir[]): void {
    const now = [...opened, ...this.missing]
    if (now.length === 1 && this.before.length === 0 && !existsSync(join(this.first, FILE))) return
    if (JSON.stringify(now) === JSON.stringify(this.before)) return
    replaceFile(this.first, FILE, Buffer.from(JSON.stringify({ version: VERSION, directories: now }, null, 2) + '\n'))
  }
}

function load(first: string): readonly KnownDir[] {
  const bytes = readFileIfAny(join(first, FILE))
  if (!bytes) return []
  try {
    const { version, directories } = JSON.parse(bytes.toString('utf8')) as { version: unknown; directories: KnownDir[] }
    if (version !== VERSION) throw new Error(`version ${String(version)}`)
    return directories.map(({ path, id }) => ({ path: String(path), id: String(id) }))
  } catch (error) {
    throw new LogError(
      'ERR_MILLRACE_EMPTY_DIR',
      `${join(first, FILE)} is unreadable (${errorText(error)}): restore it, or remove it when every data directory is mounted`,
      error,
    )
  }
}
