// The log tier of an analytics script, without a server: 200,000 real flights go into an embedded engine, then are read
// back batch by batch and aggregated, with no object per record on the way. What was ingested stays in the data
// directory: run it twice, and the second run starts from there.
//
//   node examples/embedded-analytics.mjs [--data-dir ./data-flights]

import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { open } from 'millrace'

const { values } = parseArgs({ options: { 'data-dir': { type: 'string', default: './data-flights' } } })
const TOPIC = 'flights'
/** A flight in 12 bytes: delay in minutes (int32), distance in miles (int32), departure hour (float32), little-endian. */
const FLIGHT_BYTES = 12

const millrace = await open({ dataDir: values['data-dir'], workers: 0, settings: { 'num.partitions': 1 } })

const admin = millrace.admin()
const topics = await admin.listTopics()
if (topics.some(({ name }) => name === TOPIC)) console.log('flights are already here')
else {
  await admin.createTopics([{ name: TOPIC, partitions: 1 }])
  await ingest()
}
await aggregate()
await millrace.close()

async function ingest() {
  const flights = JSON.parse(readFileSync(new URL('../node_modules/vega-datasets/data/flights-200k.json', import.meta.url), 'utf8'))
  const producer = millrace.producer({ batchSize: 256 * 1024, lingerMs: 0 })
  const record = new DataView(new ArrayBuffer(FLIGHT_BYTES))
  const bytes = new Uint8Array(record.buffer)
  const started = performance.now()
  await producer.ready(TOPIC)
  for (const { delay, distance, time } of flights) {
    record.setInt32(0, delay, true)
    record.setInt32(4, distance, true)
    record.setFloat32(8, time, true)
    // The bytes are copied into the batch at once, so that one buffer serves all records.
    while (!producer.append(TOPIC, 0, null, bytes)) await producer.ready(TOPIC)
  }
  await producer.close()
  report('ingested', flights.length, started)
}

async function aggregate() {
  const consumer = millrace.consumer({ maxPartitionFetchBytes: 4 * 1024 * 1024 })
  const [{ offset: end }] = await consumer.endOffsets([{ topic: TOPIC, partition: 0 }])
  consumer.assign([{ topic: TOPIC, partition: 0, offset: 0 }])
  const hours = Array.from({ length: 24 }, () => ({ flights: 0, delayed: 0, minutes: 0, miles: 0 }))
  const started = performance.now()
  let count = 0
  let cursor
  for await (const batch of consumer.batches()) {
    cursor = batch.records(cursor)
    while (cursor.next()) {
      const { bytes, valuePosition: at } = cursor
      const delay = bytes.readInt32LE(at)
      const hour = hours[Math.floor(bytes.readFloatLE(at + 8)) % 24]
      hour.flights++
      hour.miles += bytes.readInt32LE(at + 4)
      hour.minutes += delay
      if (delay > 15) hour.delayed++
      count++
    }
    if (batch.lastOffset + 1 >= end) break
  }
  report('aggregated', count, started)
  console.log('hour  flights  mean delay  more than 15 min late  mean distance')
  hours.forEach(({ flights, delayed, minutes, miles }, hour) => {
    if (flights === 0) return
    const cells = [String(hour).padStart(4), String(flights).padStart(7), `${(minutes / flights).toFixed(1)} min`.padStart(10)]
    cells.push(`${((100 * delayed) / flights).toFixed(1)} %`.padStart(21), `${Math.round(miles / flights)} mi`.padStart(13))
    console.log(cells.join('  '))
  })
}

function report(what, count, started) {
  const ms = performance.now() - started
  console.log(`${what} ${count} records in ${Math.round(ms)} ms, ${(count / ms / 1000).toFixed(2)} million a second`)
}
