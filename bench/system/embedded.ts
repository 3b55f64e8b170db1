// The engine inside a process: how long open() takes on an empty directory, and how fast records go in, beside what write(2) alone does into
// the page cache in blocks of the batch's size. Every figure is of a fresh process. Usage: node dist/bench/system/embedded.js --help

import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
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

/** In MB per second of the wall and of CPU; in blocks of the batch's size. */
function writeRate(directory: string): { wall: number; cpu: number } {
  const before = process.cpuUsage()
  const began = performance.now()
  const { mbPerSecond } = writeAlone(directory, Number(values.batch), 1, false)
  const seconds = (performance.now() - began) / 1000
  const { user, system } = process.cpuUsage(before)
  return { wall: mbPerSecond, cpu: (mbPerSecond * seconds * 1e6) / (user + system) }
}

function ingest(directory: string, workers: number, recordBytes: number, way: 'append' | 'column') {
  // Right before and right after, on the same filesystem: other load then falls on both alike.
  const writes = [writeRate(directory)]
  const data = join(directory, `ingest-${workers}-${recordBytes}-${way}`)
  const { records, seconds, cpuSeconds } = child<{ records: number; seconds: number; cpuSeconds: number }>(
    'ingest',
    data,
    workers,
    recordBytes,
    values.batch,
    values.seconds,
    way,
  )
  rmSync(data, { recursive: true, force: true })
  writes.push(writeRate(directory))
  const [writeWall, writeCpu] = [median(writes.map(({ wall }) => wall)), median(writes.map(({ cpu }) => cpu))]
  const mbPerSecond = (records * recordBytes) / seconds / 1e6
  const mbPerCpuSecond = (records * recordBytes) / cpuSeconds / 1e6
  return {
    workers,
    recordBytes,
    way,
    mbPerSecond: round(mbPerSecond, 1),
    millionRecordsPerSecond: round(records / seconds / 1e6),
    millionRecordsPerCpuSecond: round(records / cpuSeconds / 1e6),
    mbPerCpuSecond: round(mbPerCpuSecond, 1),
    writeMbPerSecond: round(writeWall, 1),
    writeMbPerCpuSecond: round(writeCpu, 1),
    ratioToWrite: round(mbPerSecond / writeWall),
    ratioToWriteCpu: round(mbPerCpuSecond / writeCpu),
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
