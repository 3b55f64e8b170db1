// The engine inside a process: how long open() takes on an empty directory, and how fast records go in, in turns with write(2) alone into
// the page cache in blocks of the batch's size (see embedded-child.ts). Every figure is of a fresh process. Usage: node dist/bench/system/embedded.js --help

import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { machine, median, printMachine, round, withDirectory } from './machine.js'

const CHILD = join(import.meta.dirname, 'embedded-child.js')
const { values } = parseArgs({
  options: {
    help: { type: 'boolean' },
    json: { type: 'boolean' },
    runs: { type: 'string', default: '10' },
    seconds: { type: 'string', default: '4' },
    batch: { type: 'string', default: '262144' },
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

interface Spent {
  readonly seconds: number
  readonly cpuSeconds: number
  readonly userSeconds: number
}

function ingest(directory: string, workers: number, recordBytes: number, way: 'append' | 'column') {
  const data = join(directory, `ingest-${workers}-${recordBytes}-${way}`)
  const { records, engine, write } = child<{ records: number; engine: Spent; write: Spent }>(
    'ingest',
    data,
    workers,
    recordBytes,
    values.batch,
    values.seconds,
    way,
  )
  rmSync(data, { recursive: true, force: true })
  const mb = (records * recordBytes) / 1e6
  return {
    workers,
    recordBytes,
    way,
    mb: round(mb, 0),
    mbPerSecond: round(mb / engine.seconds, 0),
    writeMbPerSecond: round(mb / write.seconds, 0),
    ratioToWrite: round(write.seconds / engine.seconds),
    mbPerCpuSecond: round(mb / engine.cpuSeconds, 0),
    writeMbPerCpuSecond: round(mb / write.cpuSeconds, 0),
    ratioToWriteCpu: round(write.cpuSeconds / engine.cpuSeconds),
    millionPerSecond: round(records / engine.seconds / 1e6),
    millionPerCpuSecond: round(records / engine.cpuSeconds / 1e6),
    userNsPerRecord: round((engine.userSeconds * 1e9) / records, 0),
  }
}

if (values.help) {
  console.log(
    'usage: embedded [--runs 10] [--seconds 4] [--batch 262144] [--dir DIR] [--json]\n  --batch  bytes of a batch, and of a block that write(2) alone is measured with',
  )
} else {
  if (!values.json) printMachine()
  await withDirectory(values.dir, async (directory) => {
    const opens = [opening(directory, 0), opening(directory, 1)]
    const ingests = [
      ingest(directory, 0, 1024, 'append'),
      ingest(directory, 0, 1024, 'column'),
      ingest(directory, 1, 1024, 'append'),
      ingest(directory, 0, 100, 'append'),
      ingest(directory, 0, 100, 'column'),
    ]
    if (values.json) return console.log(JSON.stringify({ machine: machine(), opens, ingests }))
    console.table(opens)
    console.table(ingests)
  })
}
