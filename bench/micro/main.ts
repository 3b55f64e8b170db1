// `npm run bench`: every *.bench file of this folder, each in a process of its own, so that what one leaves behind (compiled code, heap,
// threads) does not reach the next. Names or parts of names run only those: npm run bench -- codec crc

import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { availableParallelism, cpus, loadavg } from 'node:os'
import { join } from 'node:path'

const here = import.meta.dirname
const suffix = '.bench.js'
const names = readdirSync(here)
  .filter((file) => file.endsWith(suffix))
  .map((file) => file.slice(0, -suffix.length))
  .sort()
const wanted = process.argv.slice(2)
const chosen = names.filter((name) => wanted.length === 0 || wanted.some((part) => name.includes(part)))

if (chosen.length === 0) {
  console.error(`no benchmark is called ${wanted.join(' or ')}; there are ${names.join(', ')}`)
  process.exit(2)
}

console.log(`${cpus()[0]?.model.trim()}, ${availableParallelism()} cores, Node ${process.version}, load ${loadavg()[0]!.toFixed(2)}`)
const failed: string[] = []
for (const name of chosen) {
  console.log(`\n${name}`)
  const { status } = spawnSync(process.execPath, [join(here, name + suffix)], { stdio: 'inherit' })
  if (status !== 0) failed.push(name)
}
if (failed.length > 0) {
  console.error(`failed: ${failed.join(', ')}`)
  process.exitCode = 1
}
