// Kafka's own command line tools against the server: each as an administrator would type it.

import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { check, CODECS, until, type Bench, type Client, type Codec, type Scenario } from './client.js'
import { installTools, says, tool } from './kafka-tool.js'

const server = (bench: Bench): readonly string[] => ['--bootstrap-server', bench.bootstrap]

async function produce(bench: Bench, topic: string, codec: Codec, rows: readonly string[]): Promise<void> {
  const parsing = ['parse.key=true', 'parse.headers=true', 'headers.delimiter=|', 'key.separator=\t'].flatMap((each) => [
    '--reader-property',
    each,
  ])
  const input = rows.map((row) => `source:java-tools|${row}\n`).join('')
  await tool('ConsoleProducer', [...server(bench), '--topic', topic, '--compression-codec', codec, ...parsing], { input })
}

async function consume(bench: Bench, topic: string, count: number): Promise<string[]> {
  const printing = ['print.key=true', 'print.headers=true', 'headers.separator=,', 'key.separator=\t'].flatMap((each) => [
    '--formatter-property',
    each,
  ])
  const args = [
    ...server(bench),
    '--topic',
    topic,
    '--from-beginning',
    '--max-messages',
    String(count),
    '--timeout-ms',
    '60000',
    ...printing,
  ]
  const output = await tool('consumer.ConsoleConsumer', args)
  return output
    .split('\n')
    .filter((line) => line.includes('\t'))
    .map((line) => {
      const [headers, key, ...value] = line.split('\t')
      return `${key}\t${value.join('\t')}\t${/source:([^,]*)/.exec(headers!)?.[1] ?? ''}`
    })
}

async function topics(bench: Bench): Promise<void> {
  const name = bench.wire.name('tools')
  says(
    await tool('TopicCommand', [...server(bench), '--create', '--topic', name, '--partitions', '3', '--config', 'retention.ms=3600000']),
    /Created topic/,
  )
  const described = await tool('TopicCommand', [...server(bench), '--describe', '--topic', name])
  says(described, /PartitionCount: 3\s+ReplicationFactor: 1/)
  says(described, /retention\.ms=3600000/)
  says(described, /Partition: 2\s+Leader: \d+/)
  await tool('TopicCommand', [...server(bench), '--alter', '--topic', name, '--partitions', '5'])
  await until('five partitions show', async () => (await bench.wire.offset(name, -1, 4))['error'] === 0)
  says(await tool('TopicCommand', [...server(bench), '--list']), new RegExp(name))
  await tool('TopicCommand', [...server(bench), '--delete', '--topic', name])
  await until('the topic goes', async () => (await bench.wire.offset(name, -1))['error'] !== 0)
  says(await tool('TopicCommand', [...server(bench), '--describe', '--topic', name], { accept: [1] }), /does not exist/)
}

async function configs(bench: Bench): Promise<void> {
  const { name } = await bench.wire.topic('tools')
  const entity = [...server(bench), '--entity-type', 'topics', '--entity-name', name]
  const command = 'kafka.admin.ConfigCommand'
  says(
    await tool(command, [...entity, '--alter', '--add-config', 'retention.ms=12345,cleanup.policy=[compact,delete]']),
    /Completed updating/,
  )
  says(await tool(command, [...entity, '--describe']), /retention\.ms=12345/)
  says(await tool(command, [...entity, '--alter', '--delete-config', 'retention.ms']), /Completed updating/)
  says(await tool(command, [...entity, '--describe', '--all']), /retention\.ms=604800000/)
  says(
    await tool(command, [...server(bench), '--entity-type', 'brokers', '--entity-name', '1', '--describe', '--all']),
    /num\.network\.threads|log\.retention/,
  )
  says(await tool(command, [...entity, '--alter', '--add-config', 'no.such.config=1'], { accept: [1] }), /no\.such\.config/)
}

async function offsetsAndDeletion(bench: Bench): Promise<void> {
  const { name } = await bench.wire.topic('tools', 2)
  await produce(
    bench,
    name,
    'none',
    Array.from({ length: 200 }, (_, index) => `${index}\tv`),
  )
  const total = async (time: string): Promise<number> => {
    const output = await tool('GetOffsetShell', [...server(bench), '--topic', name, '--time', time])
    return [...output.matchAll(/:(\d+):(-?\d+)$/gm)].reduce((sum, match) => sum + Number(match[2]), 0)
  }
  check((await total('-1')) === 200, 'get-offsets: the ends do not sum to 200')
  check((await total('-2')) === 0, 'get-offsets: the beginnings are not 0')
  await total('-3')
  const plan = join(bench.wire.run)
  const { writeFileSync, rmSync } = await import('node:fs')
  const { tmpdir } = await import('node:os')
  const file = join(tmpdir(), `delete-${plan}.json`)
  try {
    writeFileSync(
      file,
      JSON.stringify({
        version: 1,
        partitions: [
          { topic: name, partition: 0, offset: 10 },
          { topic: name, partition: 1, offset: 5 },
        ],
      }),
    )
    says(
      await tool('DeleteRecordsCommand', [...server(bench), '--offset-json-file', file]),
      /low_watermark: 10[\s\S]*low_watermark: 5|low_watermark: 5[\s\S]*low_watermark: 10/,
    )
  } finally {
    rmSync(file, { force: true })
  }
  check((await total('-2')) === 15, 'get-offsets: the beginnings did not move')
}

async function groups(bench: Bench): Promise<void> {
  const { name } = await bench.wire.topic('tools', 2)
  const group = bench.wire.name('tools-group')
  const of = [...server(bench), '--group', group]
  await produce(
    bench,
    name,
    'none',
    Array.from({ length: 100 }, (_, index) => `${index}\tv`),
  )
  await tool('consumer.ConsoleConsumer', [
    ...server(bench),
    '--topic',
    name,
    '--from-beginning',
    '--max-messages',
    '100',
    '--group',
    group,
    '--timeout-ms',
    '60000',
  ])
  await produce(
    bench,
    name,
    'none',
    Array.from({ length: 10 }, (_, index) => `${index}\tlater`),
  )
  says(await tool('consumer.group.ConsumerGroupCommand', [...server(bench), '--list']), new RegExp(group))
  const described = await tool('consumer.group.ConsumerGroupCommand', [...of, '--describe'])
  const lag = [...described.matchAll(new RegExp(`${name}\\s+\\d+\\s+(\\d+)\\s+(\\d+)\\s+(\\d+)`, 'g'))].reduce(
    (sum, match) => sum + Number(match[3]),
    0,
  )
  check(lag === 10, `the lag is ${lag} instead of 10:\n${described}`)
  says(await tool('consumer.group.ConsumerGroupCommand', [...of, '--describe', '--state']), /Empty/)
  await tool('consumer.group.ConsumerGroupCommand', [...of, '--reset-offsets', '--to-earliest', '--topic', name, '--execute'])
  await tool('consumer.group.ConsumerGroupCommand', [...of, '--delete-offsets', '--topic', `${name}:0`])
  says(await tool('consumer.group.ConsumerGroupCommand', [...of, '--delete']), /successful/)
}

async function perf(bench: Bench): Promise<void> {
  const { name } = await bench.wire.topic('perf', 3)
  const count = bench.all ? 1_000_000 : 100_000
  const produced = await tool('ProducerPerformance', [
    ...server(bench),
    '--topic',
    name,
    '--num-records',
    String(count),
    '--record-size',
    '100',
    '--throughput',
    '-1',
    '--command-property',
    'compression.type=lz4',
  ])
  says(produced, new RegExp(`${count} records sent`))
  const consumed = await tool('ConsumerPerformance', [
    ...server(bench),
    '--topic',
    name,
    '--num-records',
    String(count),
    '--timeout',
    '60000',
  ])
  says(consumed, new RegExp(`, ${count},`))
}

async function verifiable(bench: Bench): Promise<void> {
  const { name } = await bench.wire.topic('verifiable', 2)
  const produced = await tool('VerifiableProducer', [
    ...server(bench),
    '--topic',
    name,
    '--max-messages',
    '1000',
    '--throughput',
    '-1',
    '--acks',
    '-1',
  ])
  says(produced, /"acked":1000/)
  const consumed = await tool('VerifiableConsumer', [
    ...server(bench),
    '--topic',
    name,
    '--group-id',
    bench.wire.name('verifiable'),
    '--max-messages',
    '1000',
    '--reset-policy',
    'earliest',
  ])
  const counts = [...consumed.matchAll(/"name":"records_consumed".*?"count":(\d+)|"count":(\d+).*?"name":"records_consumed"/g)]
  const total = counts.reduce((sum, match) => sum + Number(match[1] ?? match[2]), 0)
  check(total === 1000, `${total} records consumed instead of 1000`)
}

async function logDirs(bench: Bench): Promise<void> {
  const { name } = await bench.wire.topic('tools', 2)
  await produce(bench, name, 'none', ['a\tb'])
  const output = await tool('LogDirsCommand', [...server(bench), '--describe', '--topic-list', name])
  says(output, new RegExp(`"partition":"${name}-1"`))
  says(output, /"error":null/)
}

async function apiVersions(bench: Bench): Promise<void> {
  const output = await tool('BrokerApiVersionsCommand', server(bench))
  says(output, /Produce\(0\): 0 to 13|Produce\(0\): \d+ to \d+/)
  says(output, /Fetch\(1\): 4 to 18/)
}

/** The files of our data directory are in Kafka's format: its own reader goes through every batch and record. */
async function dumpLog(bench: Bench): Promise<void> {
  if (bench.dataDir === null) return
  const { name } = await bench.wire.topic('dumped', 1, { 'segment.bytes': '1048576' })
  for (const codec of CODECS)
    await produce(
      bench,
      name,
      codec,
      Array.from({ length: 200 }, (_, index) => `${index}\t${codec} ${'x'.repeat(500)}`),
    )
  const folder = join(bench.dataDir, `${name}-0`)
  check(existsSync(folder), `no folder ${folder}`)
  const files = readdirSync(folder)
  const logs = files.filter((file) => /\.(log|index|timeindex)$/.test(file)).map((file) => join(folder, file))
  check(
    logs.some((file) => file.endsWith('.log')),
    `no log in ${folder}: ${files.join(' ')}`,
  )
  const output = await tool('DumpLogSegments', ['--deep-iteration', '--print-data-log', '--files', logs.join(',')])
  check(!/mismatch|corrupt|invalid bytes|isvalid: false|Found timestamp/i.test(output), `dump-log complains:\n${output.slice(0, 2000)}`)
  check([...output.matchAll(/^\| offset: /gm)].length === 1000, 'dump-log does not list 1000 records')
}

const scenario = (name: string, work: (bench: Bench) => Promise<void>): Scenario => ({ name, tier: 'short', run: work })

export const JAVA_TOOLS: Client = {
  name: 'java-tools',
  tier: 'short',
  codecs: CODECS,
  install: installTools,
  produce,
  consume,
  scenarios: [
    scenario('topics', topics),
    scenario('configs', configs),
    scenario('get-offsets and delete-records', offsetsAndDeletion),
    scenario('consumer-groups', groups),
    scenario('producer and consumer perf-test', perf),
    scenario('verifiable producer and consumer', verifiable),
    scenario('log-dirs', logDirs),
    scenario('broker-api-versions', apiVersions),
    scenario('dump-log of the data directory', dumpLog),
  ],
}
