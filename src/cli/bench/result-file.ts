// The result file: rows with everything needed to judge or repeat them. Written and read here.

import { readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus, release, totalmem, type as systemType } from 'node:os'
import { CliError, notFound, usageError } from '../errors.js'
import type { Figure } from './compare/summary.js'
import type { Row } from './row.js'
import type { ServerInfo } from './target.js'

export const RESULT_FORMAT = 'millrace-bench-1'

export interface MachineInfo {
  readonly cpu: string
  readonly cores: number
  readonly memoryBytes: number
  readonly system: string
  readonly arch: string
}

export interface ServerUnderTest extends ServerInfo {
  readonly name: string
  readonly bootstrap: string
  readonly pids: readonly number[]
  /** From starting the process to its first answer; known where the benchmark started it. */
  readonly startSeconds: number | null
  /** Resident, a moment after the start. */
  readonly idleMemoryBytes: number | null
  readonly version: string | null
}

export interface ResultFile {
  readonly format: typeof RESULT_FORMAT
  readonly command: string
  readonly startedAt: string
  readonly endedAt: string
  readonly machine: MachineInfo
  readonly versions: { readonly node: string; readonly millrace: string }
  readonly servers: readonly ServerUnderTest[]
  readonly settings: Readonly<Record<string, unknown>>
  readonly rows: readonly Row[]
  /** Of a comparison: medians and ratios. */
  readonly figures?: readonly Figure[]
}

export function machineInfo(): MachineInfo {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    system: `${systemType()} ${release()}`,
    arch: process.arch,
  }
}

export function packageVersion(): string {
  const text = readFileSync(new URL('../../../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

export function resultOf(
  command: string,
  startedAt: Date,
  servers: readonly ServerUnderTest[],
  settings: Readonly<Record<string, unknown>>,
  rows: readonly Row[],
): ResultFile {
  return {
    format: RESULT_FORMAT,
    command,
    startedAt: startedAt.toISOString(),
    endedAt: new Date().toISOString(),
    machine: machineInfo(),
    versions: { node: process.version, millrace: packageVersion() },
    servers,
    settings,
    rows,
  }
}

export function writeResult(path: string, result: ResultFile): void {
  write(path, `${JSON.stringify(result, null, 1)}\n`)
}

export function write(path: string, text: string): void {
  try {
    writeFileSync(path, text)
  } catch (error) {
    throw new CliError(
      `cannot write ${path}: ${(error as Error).message}`,
      undefined,
      'name a file in a directory that exists and may be written',
      { cause: error },
    )
  }
}

export function readResult(path: string): ResultFile {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw notFound(`cannot read ${path}: ${(error as Error).message}`)
  }
  try {
    const result = JSON.parse(text) as ResultFile
    if (result.format === RESULT_FORMAT) return result
  } catch {
    // Said below: a file that is no JSON is no result either.
  }
  throw usageError(`${path} is not a result of millrace bench`, 'give files written with --out')
}
