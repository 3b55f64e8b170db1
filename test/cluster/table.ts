// The closing table: a row for each fault and system, in Markdown, so that it can stand in a document as it is.

import type { Outcome } from './series.js'

const COLUMNS = [
  'fault',
  'system',
  'client',
  'rounds',
  'ms without a write: p50 / p99 / max',
  'acknowledged',
  'failed',
  'lost, doubled, reordered, misplaced, unseen',
  'clients heard',
  'notes',
]

function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}

function counted(counts: ReadonlyMap<string, number>): string {
  return [...counts]
    .toSorted((a, b) => b[1] - a[1])
    .map(([what, count]) => (count === 1 ? what : `${count} ${what}`))
    .join('; ')
}

const cell = (text: string): string => text.replaceAll('\n', ' ').replaceAll('|', '/').slice(0, 600)

export function row(outcome: Outcome): string {
  const { fault, system, client, rounds, wanted, gapsMs, notes, errors } = outcome
  const { acknowledged, failed, firstFailure, lost, doubled, reordered, misplaced, unseen, heard } = outcome.verdict
  const said = new Map(notes)
  if (firstFailure !== null) said.set(`first failed send: ${firstFailure}`, 1)
  for (const what of heard.unexpected) said.set(`unexpected: ${what}`, 1)
  for (const error of errors) said.set(`FAILED: ${error.split('\n')[0]}`, 1)
  const cells = [
    fault,
    system,
    client,
    rounds === wanted ? String(rounds) : `${rounds} of ${wanted}`,
    gapsMs.length === 0 ? '' : `${percentile(gapsMs, 0.5)} / ${percentile(gapsMs, 0.99)} / ${Math.max(...gapsMs)}`,
    acknowledged.toLocaleString('en-US'),
    String(failed),
    [lost, doubled, reordered, misplaced, unseen].join(', '),
    counted(heard.counts),
    counted(said),
  ]
  return `| ${cells.map(cell).join(' | ')} |`
}

export function header(): string {
  return `| ${COLUMNS.join(' | ')} |\n|${'---|'.repeat(COLUMNS.length)}`
}
