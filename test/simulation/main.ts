// The simulated ensemble and the simulated cluster, each in a process of its own, with the same arguments. Command: npm run test:sim -- --help

import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { commandLine } from '../support/command-line.js'
import { SEED_OPTIONS } from './support/seed-options.js'

const USAGE = `usage: npm run test:sim -- [--seeds 200] [--from 1] [--duration 4000] [--log]

  Runs seeds of the simulated ensemble and of the simulated cluster. A seed that fails is printed; the cluster's with the arguments that replay it.

  --seeds     how many
  --from      the first
  --duration  of each in virtual time, ms
  --log       every step; for one seed

  More of each alone: node dist/test/simulation/ensemble/main.js --help, node dist/test/simulation/cluster/main.js --help
`

function parse(args: readonly string[]): readonly string[] | null {
  const { values } = parseArgs({ args: [...args], options: SEED_OPTIONS })
  return values.help ? null : args
}

const args = commandLine(parse, USAGE)
const children: ChildProcess[] = []
// Each says how many of its seeds were clean when it is told to stop, and is waited for. What was sent to all of the process group has come to it already: it gets
// the other signal, for the same one twice would end it at once.
process.on('SIGINT', () => children.forEach((child) => child.kill('SIGTERM')))
process.on('SIGTERM', () => children.forEach((child) => child.kill('SIGINT')))

for (const simulation of ['ensemble', 'cluster']) {
  const main = join(import.meta.dirname, simulation, 'main.js')
  const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  children.push(child)
  // What fails is told when it fails; the lines of the two may mix, so each says whose it is.
  let rest = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop()!
    for (const line of lines) console.log(`${simulation}: ${line}`)
  })
  child.on('close', (code) => {
    if (rest !== '') console.log(`${simulation}: ${rest}`)
    if (code !== 0) process.exitCode = 1
  })
}
