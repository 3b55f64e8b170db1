// Short seeds of the simulated cluster, every fault counted, and planted bugs it has to find. Many more seeds: main.ts.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Counts } from '../support/world.js'
import type { Planted } from './planted.js'
import { runSeed } from './run.js'

const SEEDS = 8
const MUST_HAPPEN = [
  'acknowledged record',
  'read',
  'controller elected',
  'leader elected',
  'ISR shrinks',
  'ISR grows',
  'truncation',
  'kill',
  'power loss',
  'bytes lost with the power',
  'torn write',
  'pause',
  'cut',
  'one-way cut',
  'isolation',
  'full disk',
  'failing fsync',
  'log out of service',
  'damaged on the way',
  'produce timed out',
]

test(`${SEEDS} seeds of a cluster with faults: one leader an epoch, equal logs, every acknowledged record once and in order`, async (t) => {
  const total = new Counts()
  for (let seed = 1; seed <= SEEDS; seed++) total.addAll(await runSeed({ seed, durationMs: 3000 }))
  t.diagnostic(total.toString())
  assert.deepEqual(
    MUST_HAPPEN.filter((kind) => total.get(kind) === 0),
    [],
    'these never happened: the seeds test less than they claim',
  )
})

test('a seed replays exactly', async () => {
  const traces: string[][] = []
  for (let i = 0; i < 2; i++) {
    const lines: string[] = []
    await runSeed({ seed: 3, durationMs: 1500, log: (line) => lines.push(line.replace(/millrace-sim-\w+/g, '')) })
    traces.push(lines)
  }
  assert.ok(traces[0]!.length > 20)
  assert.deepEqual(traces[0], traces[1])
})

/** `from`: the seed that was seen to find it. */
const PLANTED_BUGS: readonly { readonly bug: Planted; readonly from: number; readonly breaks: RegExp }[] = [
  { bug: 'watermarkIgnoresFollowers', from: 1, breaks: /is on .* only|lost/ },
  { bug: 'sequencesNotChecked', from: 1, breaks: /expected|was .* it is/ },
  { bug: 'leadsBeforeAccepted', from: 5, breaks: /differ|lost|was .* it is/ },
]
for (const { bug, from, breaks } of PLANTED_BUGS) {
  test(`planted bug: ${bug} is found`, async () => {
    for (let seed = from; seed < from + 10; seed++) {
      const broken = await runSeed({ seed, planted: bug }).then(
        () => null,
        (error: Error) => error.message,
      )
      if (broken === null) continue
      assert.match(broken, breaks)
      return
    }
    assert.fail(`10 seeds from ${from} did not find it`)
  })
}
