// How results look on a terminal, and where else they go: --json, --out, --report. Figures that were not measured are shown as a dash.

import { formatBytes, printJson, printTable, type Cell } from '../output.js'
import { write, writeResult, type ResultFile } from './result-file.js'
import type { Latency, Row } from './row.js'

export interface OutputFlags {
  readonly json?: boolean
  readonly out?: string
  readonly report?: string
}

/** A row over this says little about throughput or latency; CPU per GB holds better. */
export const NOISY_PERCENT = 15

export async function finish(
  result: ResultFile,
  flags: OutputFlags,
  print: (result: ResultFile) => Promise<void> = printRows,
): Promise<void> {
  if (flags.out) writeResult(flags.out, result)
  if (flags.report) {
    const { renderReport } = await import('./report/page.js')
    write(flags.report, renderReport([result]))
  }
  if (flags.json) {
    printJson(result)
    return
  }
  await print(result)
  for (const [what, path] of [
    ['result', flags.out],
    ['report', flags.report],
  ] as const)
    if (path) process.stderr.write(`${what} written to ${path}\n`)
}

async function printRows(result: ResultFile): Promise<void> {
  for (const row of result.rows) await printTable(['what', 'value'], linesOf(row))
  const row = result.rows[0]!
  const notes = [noiseNote(result.rows), row.serverCpuSeconds === null ? 'add --pid PID to see what the server used' : undefined]
  for (const note of notes) if (note) process.stderr.write(`${note}\n`)
}

export function noiseNote(rows: readonly Row[]): string | undefined {
  const noisy = rows.filter((row) => (row.othersPercent ?? 0) > NOISY_PERCENT)
  if (noisy.length === 0) return undefined
  const worst = Math.max(...noisy.map((row) => row.othersPercent!))
  return `the machine was busy with other work (up to ${worst.toFixed(0)}% of it): run again when it is quiet`
}

function linesOf(row: Row): Cell[][] {
  const lines: Cell[][] = [
    ['server', row.server],
    ['seconds', fixed(row.seconds, 2)],
    ['records', thousands(row.records)],
    ['records/s', thousands(row.recordsPerSecond)],
    ['MB/s', fixed(row.megabytesPerSecond, 1)],
  ]
  for (const [name, latency] of [
    ['answer', row.ack],
    ['end to end', row.endToEnd],
  ] as const)
    if (latency) lines.push([`${name}, ms`, percentiles(latency)])
  if (row.serverCpuSeconds !== null) {
    lines.push(['server CPU s/GB', fixed(row.serverCpuSecondsPerGb, 2)], ['server cores', fixed(row.serverCores, 2)])
    lines.push([row.peakIsOfRow ? 'server peak memory' : 'server peak memory since its start', formatBytes(row.serverPeakMemoryBytes!)])
    lines.push(['others, % of the machine', fixed(row.othersPercent, 0)])
  }
  lines.push(['generator CPU s/GB', fixed(row.clientCpuSecondsPerGb, 2)])
  return lines
}

function percentiles({ p50, p90, p99, p999, max }: Latency): string {
  return `p50 ${fixed(p50, 2)}  p90 ${fixed(p90, 2)}  p99 ${fixed(p99, 2)}  p99.9 ${fixed(p999, 2)}  max ${fixed(max, 2)}`
}

export function fixed(value: number | null, places: number): string | null {
  return value === null ? null : value.toFixed(places)
}

export function thousands(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}
