// Follows a topic as `tail -f` follows a file: the last records of each partition, then whatever comes. Ctrl-C ends it.
//
//   node examples/tail.mjs [--bootstrap 127.0.0.1:9092] [--topic weather] [--last 5] [--max N]

import { parseArgs } from 'node:util'
import { Consumer } from 'millrace/client'

const { values } = parseArgs({
  options: {
    bootstrap: { type: 'string', default: '127.0.0.1:9092' },
    topic: { type: 'string', default: 'weather' },
    last: { type: 'string', default: '5' },
    max: { type: 'string', default: 'Infinity' },
  },
})
const { topic } = values

const consumer = new Consumer({
  bootstrapServers: values.bootstrap,
  // After half a minute without a record, say why: at the end, no leader, …
  onStall: ({ partitions }) => console.error(partitions.map(({ partition, reason }) => `partition ${partition}: ${reason}`).join(', ')),
})
process.once('SIGINT', () => consumer.close())

const partitions = (await consumer.partitionsFor(topic)).map((partition) => ({ topic, partition }))
const ends = await consumer.endOffsets(partitions)
consumer.assign(ends.map(({ partition, offset }) => ({ topic, partition, offset: Math.max(0, offset - Number(values.last)) })))

let left = Number(values.max)
if (left > 0) {
  for await (const { partition, offset, timestamp, key, value } of consumer) {
    console.log(`${new Date(timestamp).toISOString()} ${partition}@${offset} ${key ?? '-'} ${value ?? '(tombstone)'}`)
    if (--left <= 0) break
  }
}
await consumer.close()
