// Durable ingest: 64 connections, 16 KiB batches, 5 in flight on each, every acknowledgement after the disk has it; beside it what the disk
// does alone in 1 MiB writes each followed by fdatasync. Usage: node dist/bench/system/durability.js --help

import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { runProduce } from '../../src/cli/bench/produce.js'
import { Target, topicName } from '../../src/cli/bench/target.js'
import { flushCounter, machine, printMachine, round, startServer, withDirectory, writeAlone } from './machine.js'

const HELP = `usage: durability [--seconds 8] [--partitions 1,12,100] [--connections 64] [--workers N] [--dir DIR] [--kafka] [--json]
  --dir    parent of the data directory: the disk to measure (default: the directory for temporary files)
  --kafka  also Apache Kafka with flush.messages=1, in turn (bench/anchors/kafka.mjs; takes port 19392 and the next)
  --kafka-script FILE  another kafka.mjs
fsyncs are the device's completed flush requests (/proc/diskstats): merged ones count once, those of other processes count too.`

const { values } = parseArgs({
  options: {
    help: { type: 'boolean' },
    json: { type: 'boolean' },
    kafka: { type: 'boolean' },
    'kafka-script': { type: 'string' },
    seconds: { type: 'string', default: '8' },
    partitions: { type: 'string', default: '1,12,100' },
    connections: { type: 'string', default: '64' },
    workers: { type: 'string' },
    dir: { type: 'string' },
  },
})
const KAFKA = values['kafka-script'] ?? resolve(import.meta.dirname, '../../../bench/anchors/kafka.mjs')
const KAFKA_PORT = 19392
const RECORD_BYTES = 1024

interface Row {
  readonly server: string
  readonly partitions: number
  readonly mbPerSecond: number
  readonly recordsPerSecond: number
  readonly ackP50Ms: number
  readonly ackP99Ms: number
  readonly fsyncsPerSecond: number | null
  readonly recordsPerFsync: number | null
  /** MB/s of 1 MiB writes each followed by fdatasync. */
  readonly diskBefore: number
  readonly diskAfter: number
  readonly ratioToDisk: number
}

async function measure(
  server: string,
  bootstrap: string,
  directory: string,
  partitions: number,
  configs: Record<string, string>,
): Promise<Row> {
  const seconds = Number(values.seconds)
  const target = await Target.open(bootstrap)
  const topic = topicName()
  try {
    await target.createTopic(topic, partitions, 1, configs)
    const load = {
      recordSize: RECORD_BYTES,
      batchSize: 16_384,
      connections: Number(values.connections),
      inFlight: 5,
      acks: -1,
      compression: 'none',
    } as const
    const run = (length: number) => runProduce(target, topic, load, { seconds: length, records: Infinity }, { records: 0, bytes: 0 })
    // Before and after the load, since shared disks change by the minute; the ratio is to the better one, which is harder to reach.
    const alone = () => writeAlone(directory, 1 << 20, Math.min(2, seconds / 2), true).mbPerSecond
    const diskBefore = alone()
    await run(Math.min(1, seconds / 4))
    const flushes = flushCounter(directory)
    const before = flushes?.()
    const result = await run(seconds)
    const fsyncs = flushes === undefined ? null : flushes() - before!
    const diskAfter = alone()
    const mbPerSecond = result.wireBytes / result.seconds / 1e6
    return {
      server,
      partitions,
      mbPerSecond: round(mbPerSecond, 1),
      recordsPerSecond: Math.round(result.records / result.seconds),
      ackP50Ms: round(result.ack!.getValueAtPercentile(50) / 1000),
      ackP99Ms: round(result.ack!.getValueAtPercentile(99) / 1000),
      fsyncsPerSecond: fsyncs === null ? null : round(fsyncs / result.seconds, 1),
      recordsPerFsync: fsyncs ? round(result.records / fsyncs, 1) : null,
      diskBefore,
      diskAfter,
      ratioToDisk: round(mbPerSecond / Math.max(diskBefore, diskAfter)),
    }
  } finally {
    await target.deleteTopic(topic).catch(() => undefined)
    target.close()
  }
}

function kafka(...args: string[]): string {
  const { status, stdout } = spawnSync(process.execPath, [KAFKA, ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
  if (status !== 0) throw new Error(`kafka.mjs ${args[0]} ended with ${status}`)
  return stdout
}

async function onMillrace(directory: string, partitions: number): Promise<Row> {
  const data = resolve(directory, `millrace-${partitions}`)
  const server = await startServer(data, values.workers === undefined ? undefined : Number(values.workers))
  try {
    return await measure('millrace', server.bootstrap, directory, partitions, { 'millrace.ack': 'disk' })
  } finally {
    await server.stop()
  }
}

async function onKafka(directory: string, partitions: number): Promise<Row> {
  const data = resolve(directory, `kafka-${partitions}`)
  mkdirSync(data)
  const started = JSON.parse(kafka('start', '--port', String(KAFKA_PORT), '--data', data)) as { readonly bootstrap: string }
  try {
    return await measure('kafka', started.bootstrap, directory, partitions, { 'flush.messages': '1' })
  } finally {
    kafka('stop', '--data', data, '--wipe')
  }
}

if (values.help) {
  console.log(HELP)
} else {
  if (!values.json) printMachine()
  const rows = await withDirectory(values.dir, async (directory) => {
    const done: Row[] = []
    for (const partitions of values.partitions.split(',').map(Number)) {
      done.push(await onMillrace(directory, partitions))
      if (values.kafka) done.push(await onKafka(directory, partitions))
    }
    return done
  })
  if (values.json) console.log(JSON.stringify({ machine: machine(), rows }))
  else console.table(rows)
}
