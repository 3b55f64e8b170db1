// A real file through the server: every client writes the rows of it in a codec of its own, every other client reads them back.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { CODECS, sameRows, type Bench, type Client, type Scenario } from './client.js'
import { ROOT } from './install.js'

const READERS_AT_ONCE = 4

/** 3,201 films: text in many languages, nulls, numbers. */
function films(): readonly string[] {
  const rows = JSON.parse(readFileSync(join(ROOT, 'node_modules/vega-datasets/data/movies.json'), 'utf8')) as {
    readonly Distributor: string | null
  }[]
  return rows.map((row, index) => `${row.Distributor ?? 'none'}-${index}\t${JSON.stringify(row)}`)
}

export function acrossScenarios(clients: readonly Client[]): Scenario[] {
  return clients.map((writer, index) => ({
    name: `real file: written by ${writer.name}, read by ${clients.length} clients`,
    tier: 'short',
    run: (bench) => across(bench, writer, clients, index),
  }))
}

async function across(bench: Bench, writer: Client, readers: readonly Client[], index: number): Promise<void> {
  const codec = writer.codecs[(index + 1) % writer.codecs.length] ?? CODECS[0]
  const rows = films()
  const { name } = await bench.wire.topic('films', 3)
  await writer.produce(bench, name, codec, rows)
  const expected = rows.map((row) => `${row}\t${writer.name}`)
  // Readers mostly wait for their groups and for JVMs to start: a few at a time.
  for (let at = 0; at < readers.length; at += READERS_AT_ONCE) {
    await Promise.all(readers.slice(at, at + READERS_AT_ONCE).map((reader) => readBy(bench, reader, name, expected, codec)))
  }
}

async function readBy(bench: Bench, reader: Client, topic: string, expected: readonly string[], codec: string): Promise<void> {
  try {
    sameRows(expected, await reader.consume(bench, topic, expected.length))
  } catch (error) {
    throw new Error(`read by ${reader.name} (${codec}): ${error instanceof Error ? error.message : String(error)}`)
  }
}
