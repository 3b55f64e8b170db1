// Reads a real CSV file (four years of Seattle weather, or any file given) and sends each row to a topic as JSON, keyed
// by month, so that a month's rows stay in order. Works against any Kafka-compatible broker:
//
//   npm start                                  # in another terminal
//   node examples/ingest-file.mjs [FILE.csv] [--bootstrap 127.0.0.1:9092] [--topic weather]

import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { parseArgs } from 'node:util'
import { Admin, KafkaError, Producer } from 'millrace/client'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { bootstrap: { type: 'string', default: '127.0.0.1:9092' }, topic: { type: 'string', default: 'weather' } },
})
const file = positionals[0] ?? new URL('../node_modules/vega-datasets/data/seattle-weather.csv', import.meta.url)
const { bootstrap: bootstrapServers, topic } = values

// Without a broker this says so after ten seconds, not after a minute.
const admin = new Admin({ bootstrapServers, defaultApiTimeoutMs: 10_000 })
try {
  await admin.createTopics([{ name: topic, partitions: 4, replicationFactor: 1 }])
} catch (error) {
  if (!(error instanceof KafkaError && error.name === 'TOPIC_ALREADY_EXISTS')) throw error
}
await admin.close()

const [header, ...rows] = readFileSync(file, 'utf8').trim().split(/\r?\n/)
const columns = header.split(',')

let records = 0
let failed = 0
const producer = new Producer({
  bootstrapServers,
  compressionType: 'zstd',
  onBatch({ recordCount, error }) {
    if (error) failed += recordCount
    else records += recordCount
  },
})

const started = performance.now()
await producer.ready(topic)
for (const row of rows) {
  const cells = row.split(',')
  const value = JSON.stringify(Object.fromEntries(columns.map((column, i) => [column, cells[i]])))
  const month = cells[0].slice(0, 7)
  // False means "not taken": the buffer is full. Waiting here is the whole of the backpressure.
  while (!producer.append(topic, -1, month, value)) await producer.ready(topic)
}
await producer.close()

console.log(
  `${records} records from ${basename(file.toString())} into '${topic}' in ${Math.round(performance.now() - started)} ms, ${failed} failed`,
)
process.exitCode = failed > 0 ? 1 : 0
