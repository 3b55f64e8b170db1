// Short seeds of the simulated ensemble, every fault counted, and the planted bugs it has to find. Many more seeds: main.ts.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Planted } from '../../../src/ensemble/quorum/core.js'
import { Counts } from '../support/world.js'
import { runSeed } from './run.js'

const SEEDS = 80
const MUST_HAPPEN = [
  'election',
  'looking',
  'fate unknown',
  'crash',
  'crash while promising',
  'isolation',
  'partition',
  'one-way partition',
  'connection reset',
  'lost message',
  'slow fsync',
  'lost write',
  'torn write',
  'lost rename',
  'truncation',
  'snapshot installed',
  'damaged snapshot',
  'session expired',
  'session moved',
  'refused: session moved',
  'reaped',
  'full disk',
  'stands aside',
  'takes part again',
  'failed fsync',
  'member stopped',
  'lost page cache',
  'write',
]

test(`${SEEDS} seeds of an ensemble with faults: one leader an epoch, one history, nothing acknowledged lost, whole again in the end`, async (t) => {
  const total = new Counts()
  for (let seed = 1; seed <= SEEDS; seed++) total.addAll(await runSeed({ seed, durationMs: 1200 }))
  t.diagnostic(total.toString())
  assert.deepEqual(
    MUST_HAPPEN.filter((kind) => total.get(kind) === 0),
    [],
    'these never happened: the seeds test less than they claim',
  )
})

test('a seed replays exactly', async () => {
  const traces = await Promise.all(
    [0, 1].map(async () => {
      const lines: string[] = []
      await runSeed({ seed: 7, durationMs: 1500, log: (line) => lines.push(line) })
      return lines
    }),
  )
  assert.ok(traces[0]!.length > 20)
  assert.deepEqual(traces[0], traces[1])
})

test('seeds that failed once', async () => {
  for (const seed of [11291]) await runSeed({ seed, diskFaults: false })
})

interface PlantedBug {
  readonly bug: keyof Planted
  /** A little before the seed that was seen to find it, so that the test is short. */
  readonly from: number
  readonly breaks: RegExp
  /** Only disks that fail show it. */
  readonly diskFaults?: boolean
}

const PLANTED: readonly PlantedBug[] = [
  { bug: 'ackBeforeFsync', from: 100, breaks: /lost|not agreed|parts from/, diskFaults: true },
  { bug: 'commitWithoutQuorum', from: 1, breaks: /lost|not agreed|parts from|never agreed/ },
  { bug: 'keepUncommittedTail', from: 1, breaks: /lost|another transaction|not in the history/ },
  { bug: 'trustSnapshot', from: 40, breaks: /differ|expired|another transaction|stopped/ },
  { bug: 'epochNotSyncedBeforeSent', from: 45, breaks: /lost|is led by|parts from|another transaction/ },
  { bug: 'forgetsConfirmedTouches', from: 40, breaks: /its holder may act until/ },
  { bug: 'trustsCache', from: 1, breaks: /is damaged at byte|lost|parts from/, diskFaults: true },
]
for (const { bug, from, breaks, diskFaults = false } of PLANTED) {
  test(`planted bug: ${bug} is found`, async () => {
    for (let seed = from; seed < from + 60; seed++) {
      const broken = await runSeed({ seed, planted: { [bug]: true }, diskFaults }).then(
        () => null,
        (error: Error) => error.message,
      )
      if (broken === null) continue
      assert.match(broken, breaks)
      return
    }
    assert.fail(`60 seeds from ${from} did not find it`)
  })
}
