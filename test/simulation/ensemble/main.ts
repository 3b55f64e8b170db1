// Many seeds of the simulated ensemble. A failing one is named; `--seeds 1 --from S --log` replays it.

import { parseArgs } from 'node:util'
import { commandLine } from '../../support/command-line.js'
import { SEED_OPTIONS } from '../support/seed-options.js'
import { Counts } from '../support/world.js'
import { runSeed } from './run.js'

const USAGE = `usage: node dist/test/simulation/ensemble/main.js [--seeds 200] [--from 1] [--duration 4000] [--planted NAME] [--disks fail|sound] [--log]

  --duration  of each in virtual time, ms
  --planted   with a known bug, which is to be found
  --disks     sound: disks do not fail
  --log       every step of a seed (SIM_MESSAGES=1: every message too)
`

function parse(args: readonly string[]) {
  const { values } = parseArgs({
    args: [...args],
    options: { ...SEED_OPTIONS, planted: { type: 'string' }, disks: { type: 'string', default: 'fail' } },
  })
  return values.help ? null : values
}

const values = commandLine(parse, USAGE)
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
