// Building and reading record batches, CRC32C and the codecs, beside kafkajs where it does the same.

import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { Bench } from 'tinybench'
import { BatchBuilder, BatchCursor, compress, crc32c, decompress, RecordCursor } from '../../src/protocol/records/index.js'
import { crc32cInJavaScript } from '../../src/protocol/records/crc32c.js'
import type { CompressionName } from '../../src/protocol/records/index.js'

const require = createRequire(import.meta.url)

function fill(builder: BatchBuilder, count: number, key: Buffer | null, value: Buffer | string): void {
  for (let i = 0; i < count; i++) builder.append(1_700_000_000_000 + i, key, value)
}

function readAll(bytes: Uint8Array, cursor: RecordCursor): number {
  const batches = new BatchCursor(bytes)
  let sum = 0
  while (batches.next()) {
    cursor.open(bytes, batches.position)
    while (cursor.next()) sum += cursor.valueLength
  }
  return sum
}

/** kafkajs' own encoder, which is not among its public names. */
interface KafkaJs {
  readonly encodeRecord: (record: object) => { readonly buffer: Buffer }
}

function kafkajs(): KafkaJs {
  return { encodeRecord: require('kafkajs/src/protocol/recordBatch/record/v0/index.js') as KafkaJs['encodeRecord'] }
}

function addBuilding(bench: Bench): void {
  const builder = new BatchBuilder(256 * 1024)
  for (const [label, value] of [
    ['100 B', Buffer.alloc(100, 97)],
    ['1 KiB', Buffer.alloc(1024, 97)],
    ['100 B as a string', 'a'.repeat(100)],
  ] as const) {
    bench.add(`append 1000 records of ${label} and build with CRC`, () => {
      builder.reset()
      fill(builder, 1000, null, value)
      builder.build()
    })
  }
  const value = Buffer.alloc(100, 97)
  const key = Buffer.from('key-1234')
  bench.add('append 1000 records of 100 B with keys and build with CRC', () => {
    builder.reset()
    fill(builder, 1000, key, value)
    builder.build()
  })
  const { encodeRecord } = kafkajs()
  bench.add('kafkajs: encode 1000 records of 100 B (no batch, no CRC)', () => {
    for (let i = 0; i < 1000; i++) encodeRecord({ offsetDelta: i, timestampDelta: i, key: null, value, headers: {} })
  })
}

function addReading(bench: Bench): void {
  const builder = new BatchBuilder(256 * 1024)
  fill(builder, 1000, Buffer.from('key-1234'), Buffer.alloc(100, 97))
  const batch = Buffer.from(builder.build())
  const cursor = new RecordCursor()
  bench.add('read 1000 records of 100 B by cursor, CRC checked', () => {
    readAll(batch, cursor)
  })
  bench.add('the same with key and value views', () => {
    const batches = new BatchCursor(batch)
    while (batches.next()) {
      cursor.open(batch, batches.position)
      while (cursor.next()) {
        cursor.key()
        cursor.value()
      }
    }
  })
}

export async function run(): Promise<void> {
  const bench = new Bench({ time: 300, warmupTime: 100 })
  addBuilding(bench)
  addReading(bench)
  for (const size of [64, 1024, 256 * 1024]) {
    const bytes = Buffer.alloc(size, 5)
    bench.add(`crc32c of ${size} bytes, native`, () => {
      crc32c(bytes)
    })
    bench.add(`crc32c of ${size} bytes, JavaScript`, () => {
      crc32cInJavaScript(bytes)
    })
  }
  const text = Buffer.from(
    Array.from({ length: 4000 }, (_, i) => `{"id":${i},"user":"user-${(i * 7919) % 1000}","amount":${(i * 31) % 997}}`).join('\n'),
  )
  for (const name of ['gzip', 'snappy', 'lz4', 'zstd'] satisfies CompressionName[]) {
    const compressed = compress(name, text)
    bench.add(`${name}: compress ${text.length} bytes (to ${compressed.length})`, () => {
      compress(name, text)
    })
    bench.add(`${name}: decompress`, () => {
      decompress(name, compressed)
    })
  }
  await bench.run()
  console.table(bench.table())
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) await run()
