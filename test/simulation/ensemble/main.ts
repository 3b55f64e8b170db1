// Many seeds of the simulated ensemble. A failing one is named; `--seeds 1 --from S --log` replays it.

import { parseArgs } from 'node:util'
import { commandLine } from '../../support/command-line.js'
import { SEED_OPTIONS } from '../support/seed-options.js'
import { runSeeds } from '../support/seed-runner.js'
import { runSeed } from './run.js'

const USAGE = `usage: node dist/test/simulation/ensemble/main.js [--seeds 200] [--from 1] [--duration 4000] [--planted NAME] [--disks fail|sound] [--log]

  --duration  of each in virtual time, ms
  --planted   with a known bug, which is to be found
  --disks     sound: disks do not fail
  --log       every step of a seed (SIM_MESSAGES=1: every message too)

  Stopped by SIGINT or SIGTERM it ends with the seed under way, and says how many were clean. Exit code 1: some failed.
`

function parse(args: readonly string[]) {
  const { values } = parseArgs({
    args: [...args],
    options: { ...SEED_OPTIONS, planted: { type: 'string' }, disks: { type: 'string', default: 'fail' } },
  })
  return values.help ? null : values
}

const values = commandLine(parse, USAGE)
const options = {
  durationMs: Number(values.duration),
  diskFaults: values.disks !== 'sound',
  ...(values.log ? { log: (line: string) => console.log(line) } : {}),
  ...(values.planted ? { planted: { [values.planted]: true } } : {}),
}
await runSeeds({ values, run: (seed) => runSeed({ ...options, seed }) })
