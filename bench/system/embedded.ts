// The engine inside a process: how long open() takes on an empty directory, and how fast records go in, beside what write(2) alone does into
// the page cache in blocks of the batch's size. Every figure is of a fresh process. Usage: node dist/bench/system/embedded.js --help

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { machine, median, printMachine, round, withDirectory, writeAlone } from './machine.js'

const CHILD = join(import.meta.dirname, 'embedded-child.js')
const { values } = parseArgs({
  options: {
    help: { type: 'boolean' },
    json: { type: 'boolean' },
    runs: { type: 'string', default: '10' },
    seconds: { type: 'string', default: '4' },
    batch: { type: 'string', default: '1048576' },
    dir: { type: 'string' },
  },
})

function child<T>(...args: (string | number)[]): T {
  const { status, stdout } = spawnSync(process.execPath, [CHILD, ...args.map(String)], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  if (status !== 0) throw new Error(`a measurement (${args[0]}) ended with ${status}`)
  return JSON.parse(stdout.trim().split('\n').at(-1)!) as T
}

function opening(directory: string, workers: number) {
  const runs = Array.from({ length: Number(values.runs) }, (_, run) =>
    child<{ loadMs: number; openMs: number }>('open', join(directory, `open-${workers}-${run}`), workers),
  )
  const opens = runs.map((run) => run.openMs)
  return {
    workers,
    runs: runs.length,
    openMsMedian: round(median(opens), 1),
    openMsWorst: round(Math.max(...opens), 1),
    moduleLoadMs: round(median(runs.map((run) => run.loadMs)), 1),
  }
}

function ingest(directory: string, workers: number, recordBytes: number) {
  // Right before, on the same filesystem: other load then falls on both alike.
  const write = writeAlone(directory, Number(values.batch), 1, false)
  const data = join(directory, `ingest-${workers}-${recordBytes}`)
  const { records, seconds, cpuSeconds } = child<{ records: number; seconds: number; cpuSeconds: number }>(
    'ingest',
    data,
    workers,
    recordBytes,
    values.batch,
    values.seconds,
  )
  const mbPerSecond = (records * recordBytes) / seconds / 1e6
  return {
    workers,
    recordBytes,
    mbPerSecond: round(mbPerSecond, 1),
    millionRecordsPerSecond: round(records / seconds / 1e6),
    millionRecordsPerCpuSecond: round(records / cpuSeconds / 1e6),
    writeAloneMbPerSecond: write.mbPerSecond,
    ratioToWrite: round(mbPerSecond / write.mbPerSecond),
  }
}

if (values.help) {
  console.log(
    'usage: embedded [--runs 10] [--seconds 4] [--batch 1048576] [--dir DIR] [--json]\n  --batch  bytes of a batch, and of a block that write(2) alone is measured with',
  )
} else {
  if (!values.json) printMachine()
  await withDirectory(values.dir, async (directory) => {
    const opens = [opening(directory, 0), opening(directory, 1)]
    const ingests = [ingest(directory, 0, 1024), ingest(directory, 1, 1024), ingest(directory, 0, 100)]
    if (values.json) return console.log(JSON.stringify({ machine: machine(), opens, ingests }))
    console.table(opens)
    console.table(ingests)
  })
}
