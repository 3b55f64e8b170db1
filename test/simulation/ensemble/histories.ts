// Histories of the simulated ensemble for porcupine, one a line: `node dist/test/simulation/ensemble/histories.js --seeds N [--from S]
// [--duration MS] [--planted NAME] | porcupine`. What the simulation itself finds does not end a run.

import { parseArgs } from 'node:util'
import type { Planted } from '../../../src/ensemble/quorum/core.js'
import { History } from './history.js'
import { EnsembleRun } from './run.js'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '40' },
    from: { type: 'string', default: '1' },
    duration: { type: 'string', default: '4000' },
    planted: { type: 'string' },
  },
})
const planted: Planted = values.planted ? { [values.planted]: true } : {}
const from = Number(values.from)
for (let seed = from; seed < from + Number(values.seeds); seed++) {
  const history = new History(seed)
  // A member that does not start, or a check that fails: what clients saw until then counts.
  await new EnsembleRun({ seed, planted, history, durationMs: Number(values.duration) }).run().catch((error: unknown) => {
    if (!values.planted) throw error
  })
  process.stdout.write(`${history.toString(`seed ${seed}`)}\n`)
}
