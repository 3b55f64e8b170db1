// One measurement of embedded.ts in a process of its own: argv is `open DIR WORKERS` or `ingest DIR WORKERS RECORD_BYTES BATCH_BYTES
// SECONDS WAY`; WAY: `append` each record, or `column` after column.
// Prints one line of JSON. The engine's modules are loaded here by import(), so that loading can be timed by itself.

const [mode, dataDir, workersText, recordText, batchText, secondsText, way] = process.argv.slice(2)
const workers = Number(workersText)

const WARM_CPU_SECONDS = 1.5

function cpuSeconds({ user, system }: NodeJS.CpuUsage): number {
  return (user + system) / 1e6
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
  const runColumns = async (seconds: number): Promise<{ records: number; seconds: number }> => {
    let records = 0
    const began = performance.now()
    const deadline = began + seconds * 1000
    for (; performance.now() < deadline; records += columnCount)
      for (let i = 0; (i = producer.appendColumn('ingest', 0, column, offsets, i)) < columnCount;) await producer.ready('ingest')
    await producer.flush()
    return { records, seconds: (performance.now() - began) / 1000 }
  }
  const run = async (seconds: number): Promise<{ records: number; seconds: number }> => {
    if (way === 'column') return runColumns(seconds)
    let records = 0
    const began = performance.now()
    const deadline = began + seconds * 1000
    while (performance.now() < deadline) {
      for (let i = 0; i < 256; i++) {
        while (!producer.append('ingest', 0, null, value)) await producer.ready('ingest')
        records++
      }
    }
    await producer.flush()
    return { records, seconds: (performance.now() - began) / 1000 }
  }
  // Until the engine's hot functions are compiled, which the clock of a busy machine says nothing about.
  for (const began = process.cpuUsage(); cpuSeconds(process.cpuUsage(began)) < WARM_CPU_SECONDS;) await run(0.2)
  acknowledged = 0
  const cpu = process.cpuUsage()
  const result = await run(Number(secondsText))
  const used = process.cpuUsage(cpu)
  await millrace.close()
  if (failed) throw failed
  if (acknowledged !== result.records) throw new Error(`${result.records} records went in and ${acknowledged} were acknowledged`)
  console.log(JSON.stringify({ ...result, cpuSeconds: cpuSeconds(used), userSeconds: used.user / 1e6 }))
}

await(mode === 'open' ? openOnce() : ingest())
