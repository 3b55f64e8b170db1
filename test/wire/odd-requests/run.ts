// Runs the table of odd requests against any Kafka-compatible server, which must be node 1 alone, and gives what it answered.
// Command: node dist/test/wire/odd-requests/run.js --bootstrap HOST:PORT [--record] [--only TEXT]
// Without --record the answers are compared with kafka.json, which was recorded from Apache Kafka 4.4. Texts of messages are never compared.

import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { ADMIN_CASES } from './cases-admin.js'
import { FEATURE_CASES } from './cases-features.js'
import { GROUP_CASES } from './cases-group.js'
import { LOG_CASES } from './cases-log.js'
import { WIRE_CASES } from './cases-wire.js'
import { Context, type OddCase } from './context.js'

export interface OddRow {
  readonly name: string
  readonly notCompared?: string
  readonly answer: unknown
}

export const ODD_CASES: readonly OddCase[] = [...WIRE_CASES, ...ADMIN_CASES, ...FEATURE_CASES, ...LOG_CASES, ...GROUP_CASES]
const FIXTURE = fileURLToPath(new URL('../../../../test/wire/odd-requests/kafka.json', import.meta.url))

/** An answer as JSON: no run's mark, no throttle time, byte arrays as text. */
function plain(value: unknown, run: string): unknown {
  const marked = new RegExp(`(-\\d+)?-${run}`, 'g')
  const text = JSON.stringify(value ?? null, (key, item: unknown) => {
    if (key === 'throttle') return undefined
    if (typeof item === 'bigint') return Number(item)
    if (item !== null && typeof item === 'object' && 'type' in item && item.type === 'Buffer')
      return Buffer.from(item as never).toString('hex')
    return item
  })
  return JSON.parse(text.replaceAll(marked, '').replaceAll(/x{100,}/g, 'xx…')) as unknown
}

export async function runOddRequests(bootstrap: string, only = ''): Promise<OddRow[]> {
  const context = new Context(bootstrap)
  const table: OddRow[] = []
  try {
    for (const each of ODD_CASES.filter((one) => one.name.includes(only))) table.push(await ask(each, context))
  } finally {
    await context.cleanUp()
  }
  return table
}

async function ask(each: OddCase, context: Context): Promise<OddRow> {
  // A case that cannot be asked is a row as well, so that one gap does not hide the others.
  const answer = await each.ask(context).catch((error: unknown) => `failed: ${error instanceof Error ? error.message : String(error)}`)
  return { name: each.name, ...(each.notCompared ? { notCompared: each.notCompared } : {}), answer: plain(answer, context.run) }
}

export function recordedOddRows(): readonly OddRow[] {
  return (JSON.parse(readFileSync(FIXTURE, 'utf8')) as { rows: OddRow[] }).rows
}

/** Texts are the server's own, an order by hash is no promise, and no client tells an empty list of aborted transactions from none. */
function comparable(row: OddRow | undefined): string {
  return JSON.stringify(row?.answer, (key, value: unknown) => {
    if (key === 'message') return undefined
    if (key === 'aborted') return value ?? []
    if (Array.isArray(value) && value.every(hasIndex))
      return value.toSorted((a: { index: number }, b: { index: number }) => a.index - b.index)
    return value
  })
}

function hasIndex(value: unknown): value is { readonly index: number } {
  return typeof value === 'object' && value !== null && 'index' in value
}

/** Where Kafka fails inside (-1), any answer but silence will do. */
function sameAnswer(kafka: OddRow | undefined, here: OddRow): boolean {
  const asked = here.answer !== 'silent' && !String(here.answer).startsWith('failed')
  if (here.notCompared || /"(topE|e)rror":-1\b/.test(JSON.stringify(kafka?.answer))) return asked
  return comparable(kafka) === comparable(here)
}

export interface OddDifference {
  readonly name: string
  readonly expected: string
  readonly actual: string
}

export function oddDifferences(actual: readonly OddRow[]): OddDifference[] {
  const recorded = new Map(recordedOddRows().map((row) => [row.name, row]))
  return actual
    .filter((row) => !sameAnswer(recorded.get(row.name), row))
    .map((row) => ({ name: row.name, expected: JSON.stringify(recorded.get(row.name)?.answer), actual: JSON.stringify(row.answer) }))
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { bootstrap: { type: 'string' }, record: { type: 'boolean' }, only: { type: 'string' } } })
  if (!values.bootstrap) throw new Error('--bootstrap HOST:PORT is missing')
  const table = await runOddRequests(values.bootstrap, values.only)
  if (values.record) {
    const kept = new Map((values.only ? recordedOddRows() : []).map((row) => [row.name, row]))
    for (const row of table) kept.set(row.name, row)
    const lines = [...kept.values()].map((row) => `  ${JSON.stringify(row)}`).join(',\n')
    writeFileSync(FIXTURE, `{ "recordedFrom": "Apache Kafka 4.4.0", "rows": [\n${lines}\n] }\n`)
    console.log(`${table.length} rows recorded`)
    return
  }
  const different = oddDifferences(table)
  for (const each of different) console.log(`${each.name}\n  Kafka: ${each.expected}\n  here:  ${each.actual}`)
  console.log(`${table.length - different.length} passed, ${different.length} failed, 0 skipped`)
  process.exitCode = different.length > 0 ? 1 : 0
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main()
