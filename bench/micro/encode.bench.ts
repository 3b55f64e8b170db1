// A whole record batch, from records to bytes with the CRC and back, ours beside kafkajs: what a client spends per record.

import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { Bench } from 'tinybench'
import { BatchBuilder, BatchCursor, readRecords, RecordCursor } from '../../src/protocol/records/index.js'

const require = createRequire(import.meta.url)
const RECORDS = 1000
const NOW = 1_700_000_000_000

/** Parts of kafkajs that are not among its public names. */
interface KafkaJs {
  readonly RecordBatch: (batch: object) => Promise<{ readonly buffer: Buffer }>
  readonly Record: (record: object) => object
  readonly Decoder: new (bytes: Buffer) => object
  readonly decodeBatch: (decoder: object) => Promise<{ readonly records: readonly unknown[] }>
}

function kafkajs(): KafkaJs {
  const from = 'kafkajs/src/protocol'
  const { RecordBatch } = require(`${from}/recordBatch/v0/index.js`) as Pick<KafkaJs, 'RecordBatch'>
  return {
    RecordBatch,
    Record: require(`${from}/recordBatch/record/v0/index.js`) as KafkaJs['Record'],
    Decoder: require(`${from}/decoder.js`) as KafkaJs['Decoder'],
    decodeBatch: require(`${from}/recordBatch/v0/decoder.js`) as KafkaJs['decodeBatch'],
  }
}

export async function run(): Promise<void> {
  const bench = new Bench({ time: 400, warmupTime: 150 })
  const other = kafkajs()
  for (const size of [100, 1024]) addSize(bench, other, size)
  await bench.run()
  console.table(
    bench.tasks.map((task) => {
      const { latency } = task.result as unknown as { latency: { mean: number; p99: number } | undefined }
      if (latency === undefined) throw new Error(`${task.name} failed: ${JSON.stringify(task.result)}`)
      return {
        what: task.name,
        'ns per record': Math.round((latency.mean * 1e6) / RECORDS),
        'million records/s': Math.round(RECORDS / latency.mean / 10) / 100,
      }
    }),
  )
}

function addSize(bench: Bench, other: KafkaJs, size: number): void {
  const value = Buffer.alloc(size, 97)
  const key = Buffer.from('key-1234')
  const builder = new BatchBuilder((size + 64) * RECORDS)
  const build = (): Uint8Array => {
    builder.reset()
    for (let i = 0; i < RECORDS; i++) builder.append(NOW + i, key, value)
    return builder.build()
  }
  const title = `${RECORDS} records of ${size} B`
  bench.add(`build ${title}: millrace`, () => {
    build()
  })
  bench.add(`build ${title}: kafkajs`, async () => {
    const records = Array.from({ length: RECORDS }, (_, i) => other.Record({ offsetDelta: i, timestampDelta: i, key, value, headers: {} }))
    await other.RecordBatch({ firstTimestamp: NOW, maxTimestamp: NOW + RECORDS, lastOffsetDelta: RECORDS - 1, records })
  })
  const batch = Buffer.from(build())
  const cursor = new RecordCursor()
  bench.add(`read ${title}: millrace, cursor with keys and values`, () => {
    const batches = new BatchCursor(batch)
    while (batches.next()) {
      cursor.open(batch, batches.position)
      while (cursor.next()) {
        cursor.key()
        cursor.value()
      }
    }
  })
  bench.add(`read ${title}: millrace, objects`, () => {
    let count = 0
    for (const record of readRecords(batch)) count += record.offset >= 0 ? 1 : 0
    if (count !== RECORDS) throw new Error(`read ${count} records`)
  })
  bench.add(`read ${title}: kafkajs`, async () => {
    const { records } = await other.decodeBatch(new other.Decoder(batch))
    if (records.length !== RECORDS) throw new Error(`kafkajs read ${records.length} records`)
  })
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) await run()
