// Short seeds of the simulated cluster, every fault counted (one that never came fails the test), and planted bugs it has to find. Many more seeds: main.ts.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Counts } from '../support/world.js'
import { PLANTED, type Planted } from './planted.js'
import { runSeed } from './run.js'
import { commandOf, shrink } from './shrink.js'

/** What seldom comes does in one of these: a disk is replaced in 16 and 34, a whole in-sync set dies in 9, an instance is fenced in 5, 11 and 16. */
const SEEDS = [1, 2, 5, 9, 11, 15, 16, 25, 27, 34]
/** Of five nodes: some faults need that many. */
const WIDE_SEEDS = [1, 2, 3, 4, 5, 33]
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
  'disk replaced',
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
  'clock jump',
  'link reset',
  'controller deposed',
  'follower falls behind',
  'in-sync set dies',
  'join behind the leader',
  'preferred leader elected',
  'reassignment moves',
  'reassignment raises',
  'reassignment lowers',
  'reassignment reorders',
  'reassignment cancelled',
  'replica dropped',
  'coordinator loads',
  'coordinator loads anew',
  'coordinator unloaded',
  'coordinator looked up',
  'group rebalance',
  'group request timed out',
  'group request lost',
  'group request twice',
  'group answer lost',
  'commit acknowledged',
  'commit refused',
  'commit of an old generation refused',
  'commit of a fenced instance refused',
  'commit of a former member refused',
  'offset fetched',
  'member leaves',
  'member falls silent',
  'static member restarts',
]

test(`${SEEDS.length + WIDE_SEEDS.length} seeds of a cluster with faults: one leader an epoch, equal logs, every acknowledged record once and in order, groups as they are promised`, async (t) => {
  const total = new Counts()
  for (const seed of SEEDS) total.addAll(await runSeed({ seed, durationMs: 3000 }))
  for (const seed of WIDE_SEEDS) total.addAll(await runSeed({ seed, durationMs: 3000, nodes: 5 }))
  t.diagnostic(total.toString())
  assert.deepEqual(
    MUST_HAPPEN.filter((kind) => total.get(kind) === 0),
    [],
    'these never happened: the seeds test less than they claim',
  )
})

test('a seed replays exactly, whatever ran before it', async () => {
  const seeds = [3, 4, 5]
  const trace = async (seed: number): Promise<string[]> => {
    const lines: string[] = []
    await runSeed({ seed, durationMs: 1500, log: (line) => lines.push(line.replace(/millrace-sim-\w+/g, '')) })
    return lines
  }
  const first = new Map<number, string[]>()
  for (const seed of seeds) first.set(seed, await trace(seed))
  for (const seed of seeds.toReversed()) {
    assert.ok(first.get(seed)!.length > 10)
    assert.deepEqual(await trace(seed), first.get(seed), `seed ${seed}`)
  }
})

test('seeds that failed once', async () => {
  for (const seed of [1076, 1083]) await runSeed({ seed, recordsOnly: true })
  for (const seed of [4174, 5002, 5104, 200_818, 520_806, 530_332, 811_515]) await runSeed({ seed, durationMs: 2500, recordsOnly: true })
  for (const seed of [4770, 4849]) await runSeed({ seed, durationMs: 2500 })
})

test('a failing seed shrinks to a shorter run with fewer faults, which fails again', async () => {
  const options = { seed: 1, planted: 'watermarkIgnoresFollowers', recordsOnly: true } as const
  const smaller = await shrink(options, 1000, 'it failed')
  assert.ok(smaller.options.durationMs! < 1000)
  assert.ok(smaller.options.without!.length > 5)
  await assert.rejects(runSeed(smaller.options))
  assert.match(
    commandOf(smaller.options),
    /^--seeds 1 --from 1 --duration \d+ --without kill,\S+ --planted watermarkIgnoresFollowers --records-only --log$/,
  )
})

/** `from`: the seed that was seen to find it; the next ones are there for when the product draws its random numbers otherwise. */
interface Found {
  readonly from: number
  /** Of groups and reassignment: the others are looked for without them, as they were found. */
  readonly groups?: true
  readonly nodes?: 3 | 5
  readonly breaks: RegExp
}
/** Left out, for a short run does not find them reliably: `leadsBeforeAccepted`, `forgetsLostWrites` (about one seed in forty did). */
const PLANTED_BUGS: Readonly<Partial<Record<Planted, Found>>> = {
  truncateToHighWatermark: { from: 17, breaks: /not every record was acknowledged|lost|went back|differ|was .* it is/ },
  ackBelowMinIsr: { from: 1, breaks: /is on .* only/ },
  controllerNotFenced: { from: 22, nodes: 5, breaks: /went back|it is leader/ },
  staleReplicaElected: { from: 190, nodes: 5, breaks: /went back|lost|was .* it is/ },
  watermarkIgnoresProposal: { from: 36, nodes: 5, breaks: /is on .* only|went back|lost|was .* it is/ },
  watermarkIgnoresFollowers: { from: 1, breaks: /is on .* only|lost/ },
  appendsUnchecked: { from: 2, breaks: /differ|checksum/ },
  ackBeforeFsync: { from: 7, breaks: /is on .* only/ },
  forgetsLostDirs: { from: 80, breaks: /went back|lost|was .* it is/ },
  sequencesNotChecked: { from: 1, breaks: /expected|was .* it is/ },
  dropsBeforeCaughtUp: { from: 2, nodes: 5, groups: true, breaks: /went back|lost|was .* it is/ },
  commitAnsweredEarly: { from: 1, groups: true, breaks: /is on .* only/ },
  staleCoordinatorAnswers: { from: 10, groups: true, breaks: /was there|behind|after others of|had been given/ },
  answersBeforeLoaded: { from: 1, groups: true, breaks: /was there|behind|after others of|had been given|'s and / },
  loadsToWatermark: { from: 1, groups: true, breaks: /was there|behind|after others of|had been given|'s and / },
  generationNotChecked: { from: 11, groups: true, breaks: /was accepted|behind generation/ },
}
const TRIED = 25

for (const bug of PLANTED) {
  const found = PLANTED_BUGS[bug]
  if (!found) continue
  const { from, nodes, groups, breaks } = found
  test(`planted bug: ${bug} is found`, async (t) => {
    for (let seed = from; seed < from + TRIED; seed++) {
      const broken = await runSeed({
        seed,
        planted: bug,
        recordsOnly: groups !== true,
        durationMs: 3000,
        ...(nodes ? { nodes } : {}),
      }).then(
        () => null,
        (error: Error) => error.message,
      )
      if (broken === null) continue
      t.diagnostic(broken.slice(0, 200))
      assert.match(broken, breaks)
      return
    }
    assert.fail(`${TRIED} seeds from ${from} did not find it`)
  })
}
