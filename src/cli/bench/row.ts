// One row of a result: runs a load, samples it while it runs, and puts what it did beside what it cost. The row is what is printed, written to
// the result file and drawn. Units: MB and GB are powers of ten, of record values; latencies in milliseconds.

import type { Histogram } from 'hdr-histogram-js'
import type { Progress } from '../output.js'
import type { LoadResult, Tally } from './load.js'
import type { Cost, Probe } from './probe.js'

export type RowKind = 'produce' | 'consume' | 'latency'

export interface Latency {
  readonly count: number
  readonly mean: number
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly p999: number
  readonly max: number
  /** [percentile, milliseconds], for drawing the whole distribution. */
  readonly distribution: readonly (readonly [number, number])[]
}

export interface Point {
  readonly second: number
  readonly recordsPerSecond: number
  readonly megabytesPerSecond: number
  readonly serverCores: number | null
  readonly serverMemoryBytes: number | null
}

export interface Row extends Cost {
  readonly name: string
  readonly kind: RowKind
  /** Which server, in a comparison. */
  readonly server: string
  readonly round: number
  readonly startedAt: string
  readonly settings: Readonly<Record<string, unknown>>
  readonly records: number
  readonly bytes: number
  readonly requests: number
  readonly wireBytes: number
  readonly recordsPerSecond: number
  readonly megabytesPerSecond: number
  readonly serverCpuSecondsPerGb: number | null
  readonly clientCpuSecondsPerGb: number | null
  /** False: the peak counts from the process' start, not from the row's. */
  readonly peakIsOfRow: boolean
  /** From sending (in latency rows: from when it was due) to the answer. */
  readonly ack: Latency | null
  /** From when a record was due to when it was read. */
  readonly endToEnd: Latency | null
  readonly series: readonly Point[]
}

export interface RowRequest {
  readonly name: string
  readonly kind: RowKind
  readonly server: string
  readonly round?: number
  readonly settings: Readonly<Record<string, unknown>>
  readonly probe: Probe
  /** Advances with time, or with records where a number of them was asked for. */
  readonly progress?: { readonly bar: Progress; readonly total: number; readonly byRecords: boolean } | undefined
  load(tally: Tally): Promise<LoadResult>
}

const SAMPLE_MS = 250

export async function measure(request: RowRequest): Promise<Row> {
  const { probe, progress } = request
  const tally: Tally = { records: 0, bytes: 0 }
  const startedAt = new Date().toISOString()
  probe.resetPeak()
  const before = probe.sample()
  const series: Point[] = []
  let last = { ...tally, sample: before }
  const timer = setInterval(() => {
    const sample = probe.sample(false)
    const seconds = (sample.atMs - last.sample.atMs) / 1000
    const known = probe.pids.length > 0
    series.push({
      second: round((sample.atMs - before.atMs) / 1000),
      recordsPerSecond: Math.round((tally.records - last.records) / seconds),
      megabytesPerSecond: round((tally.bytes - last.bytes) / seconds / 1e6),
      serverCores: known ? round((sample.server - last.sample.server) / seconds) : null,
      serverMemoryBytes: known ? sample.residentBytes : null,
    })
    last = { ...tally, sample }
    const done = progress?.byRecords ? tally.records : (sample.atMs - before.atMs) / 1000
    progress?.bar.update(Math.min(progress.total, Math.round(done)), `${series.at(-1)!.megabytesPerSecond.toFixed(0)} MB/s`)
  }, SAMPLE_MS)
  let result: LoadResult
  try {
    result = await request.load(tally)
  } finally {
    clearInterval(timer)
  }
  return toRow(request, startedAt, result, probe.cost(before, probe.sample()), series)
}

function toRow(request: RowRequest, startedAt: string, result: LoadResult, cost: Cost, series: readonly Point[]): Row {
  const gigabytes = result.bytes / 1e9
  const per = (seconds: number | null): number | null => (seconds === null || gigabytes === 0 ? null : round(seconds / gigabytes))
  return {
    name: request.name,
    kind: request.kind,
    server: request.server,
    round: request.round ?? 1,
    startedAt,
    settings: request.settings,
    ...cost,
    seconds: round(result.seconds),
    records: result.records,
    bytes: result.bytes,
    requests: result.requests,
    wireBytes: result.wireBytes,
    recordsPerSecond: Math.round(result.records / result.seconds),
    megabytesPerSecond: round(result.bytes / result.seconds / 1e6),
    serverCpuSecondsPerGb: per(cost.serverCpuSeconds),
    clientCpuSecondsPerGb: per(cost.clientCpuSeconds),
    peakIsOfRow: request.probe.peakIsOfRun,
    ack: latencyOf(result.ack),
    endToEnd: latencyOf(result.endToEnd),
    series,
  }
}

const DISTRIBUTION = [0, 10, 25, 50, 75, 90, 95, 97.5, 99, 99.5, 99.75, 99.9, 99.95, 99.99, 99.999, 100]

function latencyOf(histogram: Histogram | undefined): Latency | null {
  if (!histogram || histogram.totalCount === 0) return null
  // Each is the upper end of its bucket, and the maximum is exact.
  const at = (percentile: number): number => round(Math.min(histogram.getValueAtPercentile(percentile), histogram.maxValue) / 1000)
  return {
    count: histogram.totalCount,
    mean: round(histogram.mean / 1000),
    p50: at(50),
    p90: at(90),
    p99: at(99),
    p999: at(99.9),
    max: round(histogram.maxValue / 1000),
    distribution: DISTRIBUTION.map((percentile) => [percentile, at(percentile)] as const),
  }
}

/** Three places are more than any of these figures is good for. */
function round(value: number): number {
  return Math.round(value * 1000) / 1000
}
