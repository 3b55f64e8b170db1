// Many seeds: `node dist/test/simulation/cluster/main.js --seeds N [--from S] [--duration MS] [--planted NAME]`. A failing seed is named;
// `--seeds 1 --from S --log` replays it with every step.

import { parseArgs } from 'node:util'
import { Counts } from '../support/world.js'
import { PLANTED, type Planted } from './planted.js'
import { runSeed } from './run.js'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '200' },
    from: { type: 'string', default: '1' },
    duration: { type: 'string', default: '4000' },
    planted: { type: 'string' },
    log: { type: 'boolean', default: false },
  },
})
const planted = PLANTED.find((name) => name === values.planted)
if (values.planted !== undefined && planted === undefined)
  throw new Error(`there is no planted bug ${values.planted}; there are: ${PLANTED.join(', ')}`)
const total = new Counts()
let failed = 0
const from = Number(values.from)
const started = performance.now()
for (let seed = from; seed < from + Number(values.seeds); seed++) {
  try {
    const log = values.log ? { log: (line: string) => console.log(line) } : {}
    total.addAll(
      await runSeed({ seed, durationMs: Number(values.duration), ...log, ...(planted ? { planted: planted satisfies Planted } : {}) }),
    )
  } catch (error) {
    failed++
    console.log(values.log ? (error as Error & { cause: Error }).cause.stack : (error as Error).message)
  }
}
console.log(`${values.seeds} seeds from ${from} in ${((performance.now() - started) / 1000).toFixed(1)} s, ${failed} failed`)
console.log(total.toString())
process.exitCode = failed > 0 ? 1 : 0
