// What every client under test can do, and what a scenario is.

import type { Context } from '../odd-requests/context.js'

export const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const
export type Codec = (typeof CODECS)[number]

/** Thrown where something cannot be installed here: the client's scenarios are skipped, and it is said why. */
export class Unavailable extends Error {}

export interface Bench {
  readonly bootstrap: string
  /** The server's data directory where this process knows it. */
  readonly dataDir: string | null
  /** Makes topics with names of their own. */
  readonly wire: Context
  readonly all: boolean
}

export interface Scenario {
  readonly name: string
  readonly tier: 'short' | 'all'
  readonly run: (bench: Bench) => Promise<void>
}

export interface Client {
  readonly name: string
  readonly tier: 'short' | 'all'
  readonly codecs: readonly Codec[]
  install(): Promise<void>
  /** Rows are `key<TAB>value`; every record gets the header `source`. Resolves when all are acknowledged. */
  produce(bench: Bench, topic: string, codec: Codec, rows: readonly string[]): Promise<void>
  /** Rows are `key<TAB>value<TAB>source`, all partitions from their beginning. */
  consume(bench: Bench, topic: string, count: number): Promise<string[]>
  readonly scenarios: readonly Scenario[]
}

/** Compares as multisets: a topic has an order only within its partitions. */
export function sameRows(expected: readonly string[], actual: readonly string[]): void {
  const left = expected.toSorted()
  const right = actual.toSorted()
  if (left.length !== right.length) throw new Error(`${right.length} rows instead of ${left.length}`)
  const index = left.findIndex((row, at) => row !== right[at])
  if (index >= 0) throw new Error(`a row differs:\n  sent ${left[index]!.slice(0, 200)}\n  read ${right[index]!.slice(0, 200)}`)
}

export function check(condition: boolean, text: string): void {
  if (!condition) throw new Error(text)
}

export async function until(what: string, condition: () => boolean | Promise<boolean>, limitMs = 60_000): Promise<void> {
  for (const deadline = Date.now() + limitMs; !(await condition());) {
    if (Date.now() > deadline) throw new Error(`${what} did not happen within ${limitMs / 1000} s`)
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
}

/** Every codec of a client into one topic of three partitions, read back by the same client. */
export function codecScenario(client: Client): Scenario {
  return {
    name: 'every codec, keys and headers',
    tier: 'short',
    run: async (bench) => {
      const { name } = await bench.wire.topic('codecs', 3)
      const sent: string[] = []
      for (const codec of client.codecs) {
        const rows = Array.from({ length: 300 }, (_, index) => `${codec}-${index % 17}\t${codec} row ${index} ${'x'.repeat(index)} größe`)
        await client.produce(bench, name, codec, rows)
        sent.push(...rows)
      }
      sameRows(
        sent.map((row) => `${row}\t${client.name}`),
        await client.consume(bench, name, sent.length),
      )
    },
  }
}
