// Many seeds of the simulated cluster. A failing one is made as small as it still fails, and the arguments that replay it are printed.

import { parseArgs } from 'node:util'
import { commandLine } from '../../support/command-line.js'
import { SEED_OPTIONS } from '../support/seed-options.js'
import { runSeeds } from '../support/seed-runner.js'
import { PLANTED } from './planted.js'
import { runSeed } from './run.js'
import { commandOf, faultKinds, shrink } from './shrink.js'

const USAGE = `usage: node dist/test/simulation/cluster/main.js [--seeds 200] [--from 1] [--duration 4000] [--nodes 3|5] [--without FAULT,...]
    [--records-only] [--planted NAME] [--log] [--no-shrink]

  --duration   of each in virtual time, ms
  --nodes      otherwise the seed says
  --without    kinds of faults that do not come
  --records-only  no consumer groups: a seed draws what it drew before there were any
  --planted    with a known bug, which is to be found: ${PLANTED.join(', ')}
  --log        every step of a seed
  --no-shrink  a failing seed is not made smaller

  Stopped by SIGINT or SIGTERM it ends with the seed under way, and says how many were clean. Exit code 1: some failed.
`

function parse(args: readonly string[]) {
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...SEED_OPTIONS,
      planted: { type: 'string' },
      nodes: { type: 'string' },
      without: { type: 'string', default: '' },
      'records-only': { type: 'boolean', default: false },
      'no-shrink': { type: 'boolean', default: false },
    },
  })
  if (values.help) return null
  const planted = PLANTED.find((name) => name === values.planted)
  if (values.planted !== undefined && planted === undefined) throw new Error(`--planted ${values.planted}: there are ${PLANTED.join(', ')}`)
  return { ...values, planted, without: faultKinds(values.without) }
}

const values = commandLine(parse, USAGE)
const durationMs = Number(values.duration)
const common = {
  durationMs,
  without: values.without,
  ...(values['records-only'] ? { recordsOnly: true } : {}),
  ...(values.nodes === undefined ? {} : { nodes: values.nodes === '5' ? (5 as const) : (3 as const) }),
  ...(values.planted ? { planted: values.planted } : {}),
}
await runSeeds({
  values,
  run: (seed) => runSeed({ ...common, seed, ...(values.log ? { log: (line: string) => console.log(line) } : {}) }),
  failed: async (seed, message, isStopped) => {
    if (values.log || values['no-shrink'] || isStopped()) return
    const smaller = await shrink({ ...common, seed }, durationMs, message, isStopped)
    console.log(`smaller, after ${smaller.runs} runs: ${commandOf(smaller.options)}\n  ${smaller.message.slice(0, 300)}`)
  },
})
