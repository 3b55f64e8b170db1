// `npm run test:sim -- --seeds N [--from S]`: the simulated ensemble and the simulated cluster, one after the other, with the same arguments.

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

for (const simulation of ['ensemble', 'cluster']) {
  console.log(`${simulation}:`)
  const main = join(import.meta.dirname, simulation, 'main.js')
  const { status } = spawnSync(process.execPath, [main, ...process.argv.slice(2)], { stdio: 'inherit' })
  if (status !== 0) process.exitCode = 1
}
