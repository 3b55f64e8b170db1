// `npm run test:sim -- --seeds N [--from S]`: the simulated ensemble and the simulated cluster, each in a process of its own, with the same arguments.

import { spawn } from 'node:child_process'
import { join } from 'node:path'

for (const simulation of ['ensemble', 'cluster']) {
  const main = join(import.meta.dirname, simulation, 'main.js')
  const child = spawn(process.execPath, [main, ...process.argv.slice(2)], { stdio: ['ignore', 'pipe', 'inherit'] })
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
