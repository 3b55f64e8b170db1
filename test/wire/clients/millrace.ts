// This project's own client, beside the others: it must read what they write, and they what it writes.

import { Admin, Consumer, Producer } from '../../../src/client/index.js'
import { check, CODECS, until, type Bench, type Client, type Codec } from './client.js'

async function produce(bench: Bench, topic: string, codec: Codec, rows: readonly string[]): Promise<void> {
  const producer = new Producer({ bootstrapServers: bench.bootstrap, compressionType: codec })
  try {
    const sends = rows.map((row) => {
      const tab = row.indexOf('\t')
      return producer.send({ topic, key: row.slice(0, tab), value: row.slice(tab + 1), headers: { source: 'millrace' } })
    })
    await Promise.all(sends)
  } finally {
    await producer.close()
  }
}

async function consume(bench: Bench, topic: string, count: number): Promise<string[]> {
  const producer = new Producer({ bootstrapServers: bench.bootstrap })
  const partitions = await producer.partitionsFor(topic)
  await producer.close()
  const consumer = new Consumer({ bootstrapServers: bench.bootstrap, autoOffsetReset: 'earliest' })
  consumer.assign(partitions.map((partition) => ({ topic, partition })))
  const rows: string[] = []
  for (const deadline = Date.now() + 60_000; rows.length < count && Date.now() < deadline;) {
    for (const record of await consumer.poll(500)) {
      const source = record.headers.find((header) => header.key === 'source')?.value
      rows.push(`${record.key?.toString() ?? ''}\t${record.value?.toString() ?? ''}\t${source ? Buffer.from(source).toString() : ''}`)
    }
  }
  await consumer.close()
  return rows
}

async function group(bench: Bench): Promise<void> {
  const { name } = await bench.wire.topic('shared', 4)
  const groupId = bench.wire.name('group')
  const seen = new Set<string>()
  const producer = new Producer({ bootstrapServers: bench.bootstrap })
  const send = (from: number, to: number): Promise<unknown> =>
    Promise.all(
      Array.from({ length: to - from }, (_, index) => producer.send({ topic: name, partition: index % 4, value: String(from + index) })),
    )
  const consumers: Consumer[] = []
  const join = (): Consumer => {
    const consumer = new Consumer({
      bootstrapServers: bench.bootstrap,
      groupId,
      autoOffsetReset: 'earliest',
      heartbeatIntervalMs: 300,
      sessionTimeoutMs: 10_000,
    })
    consumer.subscribe({ topics: [name] })
    consumers.push(consumer)
    return consumer
  }
  const polled = async (): Promise<void> => {
    for (const consumer of consumers) for (const record of await consumer.poll(50)) seen.add(record.value!.toString())
  }
  const after = (condition: () => boolean) => async (): Promise<boolean> => {
    await polled()
    return condition()
  }
  try {
    await send(0, 100)
    const first = join()
    await until(
      'the first member owns all partitions',
      after(() => first.assignment().length === 4),
    )
    const second = join()
    await until(
      'two members share',
      after(() => first.assignment().length === 2 && second.assignment().length === 2),
    )
    await send(100, 200)
    await until(
      'every record is read by two',
      after(() => seen.size === 200),
    )
    await consumers.pop()!.close()
    await until(
      'the remaining member owns all partitions',
      after(() => first.assignment().length === 4),
    )
    await send(200, 300)
    await until(
      'every record is read by the remaining member',
      after(() => seen.size === 300),
    )
  } finally {
    await Promise.all([producer.close(), ...consumers.map((consumer) => consumer.close())])
  }
}

async function time(bench: Bench): Promise<void> {
  const { name } = await bench.wire.topic('times')
  const start = Date.now() - 1_000_000
  const producer = new Producer({ bootstrapServers: bench.bootstrap })
  await Promise.all(
    Array.from({ length: 100 }, (_, index) => producer.send({ topic: name, value: String(index), timestamp: start + index * 1000 })),
  )
  await producer.close()
  const consumer = new Consumer({ bootstrapServers: bench.bootstrap })
  const [found] = await consumer.offsetsForTimes([{ topic: name, partition: 0, timestamp: start + 50_500 }])
  consumer.assign([{ topic: name, partition: 0 }])
  consumer.seek({ topic: name, partition: 0, offset: found!.offset })
  const [record] = await consumer.poll(10_000)
  await consumer.close()
  check(found!.offset === 51 && record?.value?.toString() === '51', `offset ${found!.offset} instead of 51, or another record`)
}

async function admin(bench: Bench): Promise<void> {
  const client = new Admin({ bootstrapServers: bench.bootstrap })
  const topic = bench.wire.name('admin')
  await client.createTopics([{ name: topic, partitions: 2, configs: { 'retention.ms': 3_600_000 } }])
  const again = await client.createTopics([{ name: topic, partitions: 2 }]).then(
    () => 'no error',
    (error: unknown) => String(error),
  )
  check(/TOPIC_ALREADY_EXISTS/.test(again), `a topic was created twice: ${again}`)
  await client.deleteTopics([topic])
  await client.close()
}

export const MILLRACE: Client = {
  name: 'millrace',
  tier: 'short',
  codecs: CODECS,
  install: () => Promise.resolve(),
  produce,
  consume,
  scenarios: [
    { name: 'a group of two, one leaves', tier: 'short', run: group },
    { name: 'seek by time', tier: 'short', run: time },
    { name: 'admin', tier: 'short', run: admin },
  ],
}
