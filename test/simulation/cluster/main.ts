// Many seeds of the simulated cluster. A failing one is made as small as it still fails, and the arguments that replay it are printed.

import { parseArgs } from 'node:util'
import { commandLine } from '../../support/command-line.js'
import { SEED_OPTIONS } from '../support/seed-options.js'
import { Counts } from '../support/world.js'
import { PLANTED } from './planted.js'
import { runSeed, type RunOptions } from './run.js'
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
const total = new Counts()
let failed = 0
const from = Number(values.from)
const started = performance.now()
for (let seed = from; seed < from + Number(values.seeds); seed++) {
  const options: RunOptions = { ...common, seed }
  try {
    total.addAll(await runSeed({ ...options, ...(values.log ? { log: (line: string) => console.log(line) } : {}) }))
  } catch (error) {
    failed++
    const { message, cause } = error as Error & { cause: Error }
    console.log(values.log ? cause.stack : message)
    if (values.log || values['no-shrink']) continue
    const smaller = await shrink(options, durationMs, message)
    console.log(`smaller, after ${smaller.runs} runs: ${commandOf(smaller.options)}\n  ${smaller.message.slice(0, 300)}`)
  }
}
console.log(`${values.seeds} seeds from ${from} in ${((performance.now() - started) / 1000).toFixed(1)} s, ${failed} failed`)
console.log(total.toString())
process.exitCode = failed > 0 ? 1 : 0
