// From the start of `millrace serve` on an empty directory to its ready line, and its memory when nothing happens, with 1 and 2 workers.
// Usage: node dist/bench/system/start.js --help

import { parseArgs } from 'node:util'
import { join } from 'node:path'
import { memoryOf } from '../../src/cli/bench/probe.js'
import { machine, median, printMachine, round, startServer, withDirectory } from './machine.js'

const { values } = parseArgs({
  options: {
    help: { type: 'boolean' },
    json: { type: 'boolean' },
    runs: { type: 'string', default: '10' },
    idle: { type: 'string', default: '1000' },
    dir: { type: 'string' },
  },
})

const mb = (bytes: number): number => round(bytes / 1e6, 1)

async function measure(directory: string, workers: number) {
  const ready: number[] = []
  const resident: number[] = []
  const peak: number[] = []
  for (let run = 0; run < Number(values.runs); run++) {
    const server = await startServer(join(directory, `${workers}-${run}`), workers)
    try {
      ready.push(server.readyMs)
      // Memory is looked at in the first run only, after a time in which nothing is asked of the server.
      if (run === 0) {
        await new Promise((next) => setTimeout(next, Number(values.idle)))
        resident.push(memoryOf(server.pid, 'VmRSS'))
        peak.push(memoryOf(server.pid, 'VmHWM'))
      }
    } finally {
      await server.stop()
    }
  }
  return {
    workers,
    runs: ready.length,
    readyMsMedian: round(median(ready), 0),
    readyMsWorst: round(Math.max(...ready), 0),
    idleRssMb: mb(median(resident)),
    peakRssMb: mb(median(peak)),
  }
}

if (values.help) {
  console.log(
    'usage: start [--runs 10] [--idle MILLISECONDS] [--dir DIR] [--json]\n  ready is timed from before the spawn; MB are powers of ten',
  )
} else {
  if (!values.json) printMachine()
  const rows = await withDirectory(values.dir, async (directory) => [await measure(directory, 1), await measure(directory, 2)])
  if (values.json) console.log(JSON.stringify({ machine: machine(), rows }))
  else console.table(rows)
}
