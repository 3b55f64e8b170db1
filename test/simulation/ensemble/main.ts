// Many seeds: `node dist/test/simulation/ensemble/main.js --seeds N [--from S] [--duration MS] [--planted NAME] [--disks sound]`. A failing
// seed is named; `--seeds 1 --from S --log` replays it with every step (SIM_MESSAGES=1: every message too).

import { parseArgs } from 'node:util'
import { Counts } from '../support/world.js'
import { runSeed } from './run.js'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '200' },
    from: { type: 'string', default: '1' },
    duration: { type: 'string', default: '4000' },
    planted: { type: 'string' },
    disks: { type: 'string', default: 'fail' },
    log: { type: 'boolean', default: false },
  },
})
const total = new Counts()
const failed: string[] = []
const from = Number(values.from)
const started = performance.now()
for (let seed = from; seed < from + Number(values.seeds); seed++) {
  try {
    const log = values.log ? { log: (line: string) => console.log(line) } : {}
    const planted = values.planted ? { planted: { [values.planted]: true } } : {}
    total.addAll(await runSeed({ seed, durationMs: Number(values.duration), diskFaults: values.disks !== 'sound', ...log, ...planted }))
  } catch (error) {
    failed.push((error as Error).message)
    console.log(values.log ? (error as Error & { cause: Error }).cause.stack : (error as Error).message)
  }
}
console.log(`${values.seeds} seeds from ${from} in ${((performance.now() - started) / 1000).toFixed(1)} s, ${failed.length} failed`)
console.log(total.toString())
process.exitCode = failed.length > 0 ? 1 : 0
