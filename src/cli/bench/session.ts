// One benchmark of one server, from flags to output: finds the server, makes a topic, warms up, measures, prints, writes, cleans up.

import { reach } from '../client.js'
import { CliError, notFound, usageError } from '../errors.js'
import { bootstrapOf, parseCompression, parseWhole } from '../options.js'
import { startProgress } from '../output.js'
import type { CommonFlags, ConsumeFlags, LatencyFlags, ProduceFlags } from './command.js'
import { runConsume } from './consume.js'
import { parseAcks, parsePids, parseSeconds, parseSize } from './flags.js'
import { LATENCY_HEAD_BYTES, runLatency } from './latency.js'
import type { Extent, LoadResult, Tally } from './load.js'
import { finish } from './print.js'
import { Probe } from './probe.js'
import { runProduce } from './produce.js'
import { resultOf, type ServerUnderTest } from './result-file.js'
import { measure, type RowKind } from './row.js'
import { Target, topicName } from './target.js'

interface Plan {
  readonly kind: RowKind
  readonly flags: CommonFlags
  readonly settings: Readonly<Record<string, unknown>>
  readonly extent: Extent
  /** Fills the topic before anything is measured. */
  prepare?(target: Target, topic: string): Promise<void>
  load(target: Target, topic: string, extent: Extent, tally: Tally): Promise<LoadResult>
}

export function benchProduce(flags: ProduceFlags): Promise<number> {
  if (flags.producer !== 'raw' && flags.producer !== 'client')
    throw usageError(`--producer takes raw or client, and ${JSON.stringify(flags.producer)} is neither`)
  const settings = {
    producer: flags.producer,
    recordSize: parseSize(flags.recordSize, '--record-size', 1, 1 << 28),
    batchSize: parseSize(flags.batchSize, '--batch-size', 1, 1 << 28),
    connections: parseWhole(flags.connections, '--connections', 1, 10_000),
    inFlight: parseWhole(flags.inFlight, '--in-flight', 1, 10_000),
    acks: parseAcks(flags.acks),
    compression: parseCompression(flags.compression),
    lingerMs: parseWhole(flags.linger, '--linger', 0, 3_600_000),
  }
  return runPlan({
    kind: 'produce',
    flags,
    settings,
    extent: extentOf(flags),
    async load(target, topic, extent, tally) {
      if (settings.producer === 'raw') return runProduce(target, topic, settings, extent, tally)
      const { runClientProduce } = await import('./produce-client.js')
      return runClientProduce(bootstrapOf(flags), topic, settings, extent, tally)
    },
  })
}

export function benchConsume(flags: ConsumeFlags): Promise<number> {
  const recordSize = parseSize(flags.recordSize, '--record-size', 1, 1 << 28)
  const fill = parseSize(flags.fill, '--fill')
  const settings = {
    connections: parseWhole(flags.connections, '--connections', 1, 10_000),
    fetchMaxBytes: parseSize(flags.fetchMaxBytes, '--fetch-max-bytes', 1, 1 << 30),
    fetchTotalBytes: parseSize(flags.fetchTotalBytes, '--fetch-total-bytes', 1, 1 << 30),
    // What a topic that exists holds is not known: there the bytes of its batches count.
    recordSize: flags.topic === undefined ? recordSize : undefined,
  }
  const filling = {
    recordSize,
    batchSize: parseSize(flags.batchSize, '--batch-size', 1, 1 << 28),
    connections: 2,
    inFlight: 5,
    acks: -1,
    compression: parseCompression(flags.compression),
  } as const
  return runPlan({
    kind: 'consume',
    flags,
    settings: {
      ...settings,
      ...(flags.topic === undefined ? { filled: fill, fillBatchSize: filling.batchSize, compression: filling.compression } : {}),
    },
    extent: extentOf(flags),
    async prepare(target, topic) {
      if (flags.topic === undefined)
        await runProduce(target, topic, filling, { seconds: Infinity, records: Math.ceil(fill / recordSize) }, { records: 0, bytes: 0 })
    },
    load: (target, topic, extent, tally) => runConsume(target, topic, settings, extent, tally),
  })
}

export function benchLatency(flags: LatencyFlags): Promise<number> {
  const settings = {
    rate: parseWhole(flags.rate, '--rate', 1, 1_000_000),
    recordSize: parseSize(flags.recordSize, '--record-size', LATENCY_HEAD_BYTES, 1 << 20),
    acks: parseAcks(flags.acks),
    inFlight: parseWhole(flags.inFlight, '--in-flight', 1, 10_000),
    seconds: parseSeconds(flags.duration, '--duration', 0.1),
    // Records of the warm-up are part of the same open loop, so that the rate never changes.
    warmupSeconds: parseSeconds(flags.warmup, '--warmup'),
  }
  return runPlan({
    kind: 'latency',
    flags: { ...flags, warmup: '0' },
    settings,
    extent: { seconds: settings.seconds + settings.warmupSeconds, records: Infinity },
    load: (target, topic, _extent, tally) => runLatency(target, topic, settings, tally),
  })
}

function extentOf(flags: CommonFlags & { readonly records?: string }): Extent {
  if (flags.records !== undefined) return { seconds: Infinity, records: parseWhole(flags.records, '--records', 1) }
  return { seconds: parseSeconds(flags.duration, '--duration', 0.1), records: Infinity }
}

async function runPlan(plan: Plan): Promise<number> {
  const { flags, kind, extent } = plan
  const partitions = parseWhole(flags.partitions, '--partitions', 1, 100_000)
  const replicas = parseWhole(flags.replicas, '--replicas', 1, 100)
  const warmup = parseSeconds(flags.warmup, '--warmup')
  const probe = new Probe(parsePids(flags.pid))
  const missing = probe.missing()
  if (missing.length > 0) throw notFound(`no process ${missing.join(', ')}`, "give --pid the server's process id on this machine")
  const startedAt = new Date()
  const { bootstrapServers } = await reach(flags)
  const target = await Target.open(bootstrapServers)
  const topic = flags.topic ?? topicName()
  let made = false
  try {
    made = await ensureTopic(target, topic, partitions, replicas, flags.topic !== undefined)
    await plan.prepare?.(target, topic)
    if (warmup > 0) await plan.load(target, topic, { seconds: warmup, records: Infinity }, { records: 0, bytes: 0 })
    const byRecords = extent.records !== Infinity
    const total = byRecords ? extent.records : Math.round(extent.seconds)
    const bar = await startProgress(`bench ${kind}`, total, flags.json === true)
    const row = await measure({
      name: kind,
      kind,
      server: target.info.kind,
      settings: { ...plan.settings, topicPartitions: partitions, replicas, warmupSeconds: warmup },
      probe,
      progress: { bar, total, byRecords },
      load: (tally) => plan.load(target, topic, extent, tally),
    }).finally(() => bar.stop())
    const server: ServerUnderTest = {
      ...target.info,
      name: target.info.kind,
      bootstrap: bootstrapServers.join(','),
      pids: probe.pids,
      startSeconds: null,
      idleMemoryBytes: null,
      version: null,
    }
    const result = resultOf(`bench ${kind}`, startedAt, [server], row.settings, [row])
    await finish(result, flags)
    return 0
  } finally {
    if (made && !flags.keep) await target.deleteTopic(topic).catch(() => undefined)
    target.close()
  }
}

/** True where the topic was made here. */
async function ensureTopic(target: Target, topic: string, partitions: number, replicas: number, named: boolean): Promise<boolean> {
  if (named) {
    try {
      await target.leaders(topic)
      return false
    } catch (error) {
      if (!(error instanceof CliError) || error.exitCode !== notFound('').exitCode) throw error
    }
  }
  await target.createTopic(topic, partitions, replicas)
  return true
}
