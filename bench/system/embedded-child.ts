// One measurement of embedded.ts in a process of its own: argv is `open DIR WORKERS` or `ingest DIR WORKERS RECORD_BYTES BATCH_BYTES
// SECONDS WAY`; WAY: `append` each record, or `column` after column.
// Prints one line of JSON. The engine's modules are loaded here by import(), so that loading can be timed by itself.
//
// Ingest and write(2) alone take turns of 100 ms and the same bytes, into files that stay until the end. Measured one after the other they
// are not comparable: on a virtual machine memory that a file gave back a moment ago is written to several times as fast as memory that was
// not in use before, and whoever deletes its file and begins again only ever sees the former.

import { closeSync, openSync, rmSync, writeSync } from 'node:fs'

const [mode, dataDir, workersText, recordText, batchText, secondsText, way] = process.argv.slice(2)
const workers = Number(workersText)

const WARM_CPU_SECONDS = 1.5
const TURN_SECONDS = 0.1
/** As the log's segments. */
const FILE_BYTES = 1 << 30

function cpuSeconds({ user, system }: NodeJS.CpuUsage): number {
  return (user + system) / 1e6
}

/** What took how long, over all its turns. */
class Meter {
  seconds = 0
  cpuSeconds = 0
  userSeconds = 0

  async time<T>(work: () => T | Promise<T>): Promise<T> {
    const cpu = process.cpuUsage()
    const began = performance.now()
    const result = await work()
    const used = process.cpuUsage(cpu)
    this.seconds += (performance.now() - began) / 1000
    this.cpuSeconds += cpuSeconds(used)
    this.userSeconds += used.user / 1e6
    return result
  }
}

/** write(2) alone: blocks one behind the other, a new file when one is as long as a segment. */
class WriteAlone {
  private readonly block: Buffer
  private readonly paths: string[] = []
  private file = -1
  private position = 0

  constructor(blockBytes: number) {
    this.block = Buffer.alloc(blockBytes, 65)
  }

  write(bytes: number): void {
    for (let left = bytes; left > 0; left -= this.block.length) {
      if (this.file < 0 || this.position >= FILE_BYTES) this.next()
      this.position += writeSync(this.file, this.block, 0, this.block.length, this.position)
    }
  }

  private next(): void {
    this.end()
    const path = `${dataDir}-write-${this.paths.length}`
    this.paths.push(path)
    this.file = openSync(path, 'w')
    this.position = 0
  }

  end(): void {
    if (this.file >= 0) closeSync(this.file)
    this.file = -1
  }

  remove(): void {
    this.end()
    for (const path of this.paths) rmSync(path)
  }
}

async function openOnce(): Promise<void> {
  const began = performance.now()
  const { open } = await import('millrace')
  const loadMs = performance.now() - began
  const called = performance.now()
  const millrace = await open({ dataDir: dataDir!, workers })
  const openMs = performance.now() - called
  await millrace.close()
  console.log(JSON.stringify({ loadMs, openMs }))
}

async function ingest(): Promise<void> {
  const { open } = await import('millrace')
  const millrace = await open({ dataDir: dataDir!, workers })
  const value = Buffer.alloc(Number(recordText), 65)
  let failed: unknown
  let acknowledged = 0
  const producer = millrace.producer({
    batchSize: Number(batchText),
    onBatch: (result) => {
      if (result.error) failed ??= result.error
      else acknowledged += result.recordCount
    },
  })
  const columnCount = 16_384
  const column = Buffer.alloc(columnCount * value.length, 65)
  const offsets = Int32Array.from({ length: columnCount + 1 }, (_, i) => i * value.length)
  /** Appends for `seconds`, then waits until all of it is in the log. */
  const run = async (seconds: number): Promise<number> => {
    let records = 0
    for (const deadline = performance.now() + seconds * 1000; performance.now() < deadline;) {
      if (way === 'column') {
        for (let i = 0; (i = producer.appendColumn('ingest', 0, column, offsets, i)) < columnCount;) await producer.ready('ingest')
        records += columnCount
      } else {
        for (let i = 0; i < 256; i++) while (!producer.append('ingest', 0, null, value)) await producer.ready('ingest')
        records += 256
      }
    }
    await producer.flush()
    return records
  }
  // Until the engine's hot functions are compiled, which the clock of a busy machine says nothing about.
  for (const began = process.cpuUsage(); cpuSeconds(process.cpuUsage(began)) < WARM_CPU_SECONDS;) await run(TURN_SECONDS)
  acknowledged = 0
  let records = 0
  const alone = new WriteAlone(Number(batchText))
  const [engine, write] = [new Meter(), new Meter()]
  while (engine.seconds + write.seconds < Number(secondsText)) {
    const turn = await engine.time(() => run(TURN_SECONDS))
    await write.time(() => alone.write(turn * value.length))
    records += turn
  }
  await millrace.close()
  alone.remove()
  if (failed) throw failed
  if (acknowledged !== records) throw new Error(`${records} records went in and ${acknowledged} were acknowledged`)
  console.log(JSON.stringify({ records, engine, write }))
}

await (mode === 'open' ? openOnce() : ingest())
