// What a comparison says: for each row and figure the median over rounds on each server, and their ratio. Pure.

import type { Row } from '../row.js'

export interface Figure {
  readonly row: string
  readonly metric: string
  readonly unit: string
  /** Where a ratio below one is the better one. */
  readonly lessIsBetter: boolean
  readonly reference: Spread | null
  readonly subject: Spread | null
  /** Subject divided by reference. */
  readonly ratio: number | null
}

export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

interface Metric {
  readonly name: string
  readonly unit: string
  readonly lessIsBetter: boolean
  of(row: Row): number | null | undefined
}

const METRICS: readonly Metric[] = [
  { name: 'MB/s', unit: 'MB/s', lessIsBetter: false, of: (row) => (row.kind === 'latency' ? null : row.megabytesPerSecond) },
  { name: 'records/s', unit: '1/s', lessIsBetter: false, of: (row) => row.recordsPerSecond },
  { name: 'CPU s/GB', unit: 's/GB', lessIsBetter: true, of: (row) => (row.kind === 'latency' ? null : row.serverCpuSecondsPerGb) },
  { name: 'CPU cores', unit: 'cores', lessIsBetter: true, of: (row) => row.serverCores },
  { name: 'answer p50', unit: 'ms', lessIsBetter: true, of: (row) => row.ack?.p50 },
  { name: 'answer p99', unit: 'ms', lessIsBetter: true, of: (row) => row.ack?.p99 },
  { name: 'answer p99.9', unit: 'ms', lessIsBetter: true, of: (row) => row.ack?.p999 },
  { name: 'end-to-end p50', unit: 'ms', lessIsBetter: true, of: (row) => row.endToEnd?.p50 },
  { name: 'end-to-end p99', unit: 'ms', lessIsBetter: true, of: (row) => row.endToEnd?.p99 },
  { name: 'end-to-end p99.9', unit: 'ms', lessIsBetter: true, of: (row) => row.endToEnd?.p999 },
  {
    name: 'peak memory',
    unit: 'MB',
    lessIsBetter: true,
    of: (row) => (row.serverPeakMemoryBytes === null ? null : row.serverPeakMemoryBytes / 1e6),
  },
  { name: 'others', unit: '%', lessIsBetter: true, of: (row) => row.othersPercent },
]

export function summarize(rows: readonly Row[], reference: string, subject: string): Figure[] {
  const figures: Figure[] = []
  for (const name of new Set(rows.map((row) => row.name))) {
    for (const metric of METRICS) {
      const values = (server: string): Spread | null => {
        const found = rows.filter((row) => row.name === name && row.server === server).map((row) => metric.of(row))
        return spreadOf(found.filter((value): value is number => typeof value === 'number'))
      }
      const [of, to] = [values(subject), values(reference)]
      if (of === null && to === null) continue
      const comparable = of !== null && to !== null && to.median > 0 && metric.name !== 'others'
      figures.push({
        row: name,
        metric: metric.name,
        unit: metric.unit,
        lessIsBetter: metric.lessIsBetter,
        reference: to,
        subject: of,
        ratio: comparable ? of.median / to.median : null,
      })
    }
  }
  return figures
}

export function spreadOf(values: readonly number[]): Spread | null {
  if (values.length === 0) return null
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
  return { median, min: sorted[0]!, max: sorted.at(-1)! }
}

/** `Kafka`, `Kafka 2` where both servers of a comparison say the same of themselves. */
export function distinctName(name: string, other: string): string {
  return name === other ? `${name} 2` : name
}
