// Many seeds: `node dist/test/simulation/cluster/main.js --seeds N [--from S] [--duration MS] [--nodes 3|5] [--without FAULT,…] [--planted NAME]`.
// A failing seed is made as small as it still fails (`--no-shrink`: not) and the arguments that replay it are printed.

import { parseArgs } from 'node:util'
import { Counts } from '../support/world.js'
import { PLANTED } from './planted.js'
import { runSeed, type RunOptions } from './run.js'
import { commandOf, faultKinds, shrink } from './shrink.js'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '200' },
    from: { type: 'string', default: '1' },
    duration: { type: 'string', default: '4000' },
    nodes: { type: 'string' },
    without: { type: 'string', default: '' },
    planted: { type: 'string' },
    log: { type: 'boolean', default: false },
    'no-shrink': { type: 'boolean', default: false },
  },
})
const planted = PLANTED.find((name) => name === values.planted)
if (values.planted !== undefined && planted === undefined)
  throw new Error(`there is no planted bug ${values.planted}; there are: ${PLANTED.join(', ')}`)
const durationMs = Number(values.duration)
const common = {
  durationMs,
  without: faultKinds(values.without),
  ...(values.nodes === undefined ? {} : { nodes: values.nodes === '5' ? (5 as const) : (3 as const) }),
  ...(planted ? { planted } : {}),
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
