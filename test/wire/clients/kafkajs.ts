// kafkajs, in this process; snappy, lz4 and zstd are hooked in from registry packages, as its users do.

import kafkajs, { type Consumer, type Kafka } from 'kafkajs'
import { compressFrameSync, decompressFrameSync } from 'lz4-napi'
import { compressSync, uncompressSync } from 'snappy'
import { compress as zstdCompress, decompress as zstdDecompress } from 'zstd-napi'
import { check, CODECS, until, type Bench, type Client, type Codec } from './client.js'

const { CompressionCodecs, CompressionTypes, ConfigResourceTypes, Kafka: KafkaClient, logLevel } = kafkajs

interface Encoder {
  readonly buffer: Buffer
}

const SNAPPY_JAVA = Buffer.from('82534e41505059000000000100000001', 'hex')

/** Java frames its snappy: a header, then blocks each behind its length. Others send one raw block. */
function unsnappy(bytes: Buffer): Buffer {
  if (!bytes.subarray(0, 8).equals(SNAPPY_JAVA.subarray(0, 8))) return Buffer.from(uncompressSync(bytes))
  const parts: Buffer[] = []
  for (let at = 16; at < bytes.length; at += 4 + bytes.readInt32BE(at)) {
    parts.push(Buffer.from(uncompressSync(bytes.subarray(at + 4, at + 4 + bytes.readInt32BE(at)))))
  }
  return Buffer.concat(parts)
}

function hookCodecs(): void {
  CompressionCodecs[CompressionTypes.Snappy] = () => ({
    compress: async ({ buffer }: Encoder) => compressSync(buffer),
    decompress: async (bytes: Buffer) => unsnappy(bytes),
  })
  CompressionCodecs[CompressionTypes.LZ4] = () => ({
    compress: async ({ buffer }: Encoder) => compressFrameSync(buffer),
    decompress: async (bytes: Buffer) => decompressFrameSync(bytes),
  })
  CompressionCodecs[CompressionTypes.ZSTD] = () => ({
    compress: async ({ buffer }: Encoder) => zstdCompress(buffer),
    decompress: async (bytes: Buffer) => zstdDecompress(bytes),
  })
}

const TYPES: Readonly<Record<Codec, number>> = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4,
  zstd: CompressionTypes.ZSTD,
}

function kafka(bench: Bench): Kafka {
  return new KafkaClient({ clientId: 'client-test', brokers: [bench.bootstrap], logLevel: logLevel.NOTHING })
}

async function produce(bench: Bench, topic: string, codec: Codec, rows: readonly string[]): Promise<void> {
  const producer = kafka(bench).producer({ idempotent: true, maxInFlightRequests: 1, allowAutoTopicCreation: false })
  await producer.connect()
  try {
    for (let at = 0; at < rows.length; at += 500) {
      const messages = rows.slice(at, at + 500).map((row) => {
        const tab = row.indexOf('\t')
        return { key: row.slice(0, tab), value: row.slice(tab + 1), headers: { source: 'kafkajs' } }
      })
      await producer.send({ topic, compression: TYPES[codec], messages })
    }
  } finally {
    await producer.disconnect()
  }
}

/** kafkajs reads in groups only: a group of one. */
async function consume(bench: Bench, topic: string, count: number): Promise<string[]> {
  const consumer = kafka(bench).consumer({ groupId: bench.wire.name('reader'), maxWaitTimeInMs: 200 })
  const rows: string[] = []
  await consumer.connect()
  try {
    await consumer.subscribe({ topic, fromBeginning: true })
    await consumer.run({
      eachMessage: async ({ message }) => {
        rows.push(`${message.key?.toString() ?? ''}\t${message.value?.toString() ?? ''}\t${message.headers?.['source']?.toString() ?? ''}`)
      },
    })
    await until(`${count} records are read`, () => rows.length >= count)
  } finally {
    await consumer.disconnect()
  }
  return rows
}

interface Member {
  readonly consumer: Consumer
  owned: number
}

async function join(bench: Bench, group: string, topic: string, seen: Set<string>): Promise<Member> {
  const consumer = kafka(bench).consumer({
    groupId: group,
    heartbeatInterval: 300,
    sessionTimeout: 10_000,
    rebalanceTimeout: 10_000,
    maxWaitTimeInMs: 100,
  })
  const member: Member = { consumer, owned: 0 }
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    member.owned = payload.memberAssignment[topic]?.length ?? 0
  })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({ eachMessage: async ({ message }) => void seen.add(message.value!.toString()) })
  return member
}

async function group(bench: Bench): Promise<void> {
  const { name } = await bench.wire.topic('shared', 4)
  const groupId = bench.wire.name('group')
  const seen = new Set<string>()
  const members: Member[] = []
  const producer = kafka(bench).producer()
  const send = async (from: number, to: number): Promise<void> => {
    const messages = Array.from({ length: to - from }, (_, index) => ({ value: String(from + index), partition: index % 4 }))
    await producer.send({ topic: name, messages })
  }
  await producer.connect()
  try {
    await send(0, 100)
    members.push(await join(bench, groupId, name, seen))
    await until('the first member owns all partitions', () => members[0]!.owned === 4)
    members.push(await join(bench, groupId, name, seen))
    await until('two members share', () => members.every((member) => member.owned === 2))
    await send(100, 200)
    await until('every record is read by two', () => seen.size === 200)
    await members.pop()!.consumer.disconnect()
    await until('the remaining member owns all partitions', () => members[0]!.owned === 4)
    await send(200, 300)
    await until('every record is read by the remaining member', () => seen.size === 300)
  } finally {
    await Promise.all([producer.disconnect(), ...members.map((member) => member.consumer.disconnect())])
  }
}

async function time(bench: Bench): Promise<void> {
  const { name } = await bench.wire.topic('times')
  const start = Date.now() - 1_000_000
  const producer = kafka(bench).producer()
  await producer.connect()
  await producer.send({
    topic: name,
    messages: Array.from({ length: 100 }, (_, index) => ({ value: String(index), timestamp: String(start + index * 1000) })),
  })
  await producer.disconnect()
  const admin = kafka(bench).admin()
  await admin.connect()
  const found = await admin.fetchTopicOffsetsByTimestamp(name, start + 50_500)
  const ends = await admin.fetchTopicOffsets(name)
  await admin.disconnect()
  check(found[0]?.offset === '51', `offset ${found[0]?.offset} instead of 51`)
  check(ends[0]?.low === '0' && ends[0]?.high === '100', `from ${ends[0]?.low} to ${ends[0]?.high}`)
}

async function admin(bench: Bench): Promise<void> {
  const client = kafka(bench).admin()
  const topic = bench.wire.name('admin')
  await client.connect()
  try {
    check(
      await client.createTopics({ topics: [{ topic, numPartitions: 2, configEntries: [{ name: 'retention.ms', value: '3600000' }] }] }),
      'not created',
    )
    check(!(await client.createTopics({ topics: [{ topic }] })), 'a topic was created twice')
    await client.createPartitions({ topicPartitions: [{ topic, count: 5 }] })
    await until(
      'five partitions show',
      async () => (await client.fetchTopicMetadata({ topics: [topic] })).topics[0]!.partitions.length === 5,
    )
    const described = await client.describeConfigs({
      includeSynonyms: false,
      resources: [{ type: ConfigResourceTypes.TOPIC, name: topic }],
    })
    check(
      described.resources[0]!.configEntries.find((entry) => entry.configName === 'retention.ms')?.configValue === '3600000',
      'retention.ms is another',
    )
    await client.deleteTopics({ topics: [topic] })
    await until('the topic goes', async () => !(await client.listTopics()).includes(topic))
    const cluster = await client.describeCluster()
    check(cluster.brokers.length >= 1, 'no brokers')
  } finally {
    await client.disconnect()
  }
}

export const KAFKAJS: Client = {
  name: 'kafkajs',
  tier: 'short',
  codecs: CODECS,
  install: async () => hookCodecs(),
  produce,
  consume,
  scenarios: [
    { name: 'a group of two, one leaves', tier: 'short', run: group },
    { name: 'offsets by time', tier: 'short', run: time },
    { name: 'admin', tier: 'short', run: admin },
  ],
}
