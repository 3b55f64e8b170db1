// Runs the table of bad batches against any Kafka-compatible server and gives what it answered, row by row.
// Command: node dist/test/wire/bad-batches/run.js --bootstrap HOST:PORT [--record] [--only TEXT]
// Without --record the answers are compared with kafka.json, which was recorded from Apache Kafka 4.4.

import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { answered, APIS, call, encodeRequest, rows, type CallResult } from '../raw/apis.js'
import { RawConnection } from '../raw/connection.js'
import type { Fields } from '../raw/shape.js'
import type { Case, Step, TopicKind } from './case.js'
import { FRAME_CASES } from './cases-frame.js'
import { PRODUCER_CASES } from './cases-producer.js'
import { RECORD_CASES } from './cases-records.js'

export interface Answer {
  /** 'closed' and 'silent' stand for an answer that did not come. */
  readonly error: number | 'closed' | 'silent'
  /** `end+0`: appended at the log's end; `end-3`: three before it; `none`: -1. */
  readonly baseOffset: string
  /** How far the log end moved. */
  readonly appended: number
  readonly logAppendTime: boolean
  /** batch_index of the records complained of. */
  readonly records: readonly number[]
  /** For reading only; never compared. */
  readonly message: string | null
}

export interface Row {
  readonly name: string
  readonly notCompared?: string
  readonly mayRefuse?: true
  readonly answers: readonly Answer[]
}

export const CASES: readonly Case[] = [...FRAME_CASES, ...RECORD_CASES, ...PRODUCER_CASES]
const FIXTURE = fileURLToPath(new URL('../../../../test/wire/bad-batches/kafka.json', import.meta.url))

const TOPIC_CONFIGS: Readonly<Record<TopicKind, Readonly<Record<string, string>>>> = {
  plain: {},
  compact: { 'cleanup.policy': 'compact' },
  small: { 'max.message.bytes': '1000' },
  narrowTime: { 'message.timestamp.before.max.ms': '60000', 'message.timestamp.after.max.ms': '60000' },
  appendTime: { 'message.timestamp.type': 'LogAppendTime' },
  gzipTopic: { 'compression.type': 'gzip' },
  zstdTopic: { 'compression.type': 'zstd' },
}

interface Topic {
  readonly name: string
  readonly id: Buffer
}

class Runner {
  private readonly bootstrap: string
  private readonly topics = new Map<TopicKind, Topic>()
  private connection: RawConnection | null = null

  constructor(bootstrap: string) {
    this.bootstrap = bootstrap
  }

  private async open(): Promise<RawConnection> {
    if (!this.connection || this.connection.closed) this.connection = await RawConnection.open(this.bootstrap)
    return this.connection
  }

  async start(): Promise<void> {
    const run = `${process.pid}-${Date.now().toString(36)}`
    const kinds = Object.keys(TOPIC_CONFIGS) as TopicKind[]
    const topics = kinds.map((kind) => ({
      name: `bad-batches-${kind}-${run}`,
      partitions: 1,
      replication: 1,
      assignments: [],
      configs: Object.entries(TOPIC_CONFIGS[kind]).map(([name, value]) => ({ name, value })),
    }))
    const made = answered(await call(await this.open(), 'CreateTopics', 7, { topics, timeoutMs: 30_000, validateOnly: false }))
    for (const [index, row] of rows(made['topics']).entries()) {
      if (row['error'] !== 0) throw new Error(`topic ${String(row['name'])}: error ${String(row['error'])} ${String(row['message'])}`)
      this.topics.set(kinds[index]!, { name: row['name'] as string, id: row['id'] as Buffer })
    }
    for (const topic of this.topics.values()) await this.untilLed(topic.name)
    await this.untilInternalTopic()
  }

  /** One case writes to __consumer_offsets, which the first question for a coordinator makes. */
  private async untilInternalTopic(): Promise<void> {
    for (const deadline = Date.now() + 20_000; Date.now() < deadline;) {
      const found = answered(await call(await this.open(), 'FindCoordinator', 1, { key: 'any-group', type: 0 }))
      if (found['error'] === 0) return
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    throw new Error('no group coordinator within 20 s')
  }

  private async untilLed(name: string): Promise<void> {
    for (const deadline = Date.now() + 20_000; Date.now() < deadline;) {
      if ((await this.logEnd(name)) >= 0) return
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    throw new Error(`topic ${name} got no leader within 20 s`)
  }

  async stop(): Promise<void> {
    const names = [...this.topics.values()].map((topic) => topic.name)
    await call(await this.open(), 'DeleteTopics', 3, { names, timeoutMs: 30_000 })
    this.connection?.close()
  }

  private async logEnd(name: string): Promise<number> {
    const topics = [{ name, partitions: [{ index: 0, leaderEpoch: -1, timestamp: -1 }] }]
    const answer = answered(await call(await this.open(), 'ListOffsets', 4, { replica: -1, isolation: 0, topics }))
    const partition = rows(rows(answer['topics'])[0]!['partitions'])[0]!
    return partition['error'] === 0 ? Number(partition['offset']) : -1
  }

  private async producerId(): Promise<bigint> {
    for (const deadline = Date.now() + 20_000; Date.now() < deadline;) {
      const answer = answered(await call(await this.open(), 'InitProducerId', 1, { transactionalId: null, timeoutMs: 60_000 }))
      if (answer['error'] === 0) return answer['producerId'] as bigint
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    throw new Error('no producer id within 20 s')
  }

  async run(each: Case): Promise<Row> {
    const topic = this.topics.get(each.topic ?? 'plain')!
    const producer = each.steps.length > 0
    const steps = each.steps(producer ? await this.producerId() : 0n, producer ? await this.producerId() : 0n)
    const answers: Answer[] = []
    for (const step of steps) answers.push(await this.step(topic, step))
    const { name, notCompared, mayRefuse } = each
    return { name, ...(notCompared ? { notCompared } : {}), ...(mayRefuse ? { mayRefuse } : {}), answers }
  }

  private async step(topic: Topic, step: Step): Promise<Answer> {
    const before = await this.logEnd(topic.name)
    const version = step.version ?? 9
    const acks = step.acks ?? -1
    const name = step.topic ?? topic.name
    const partitions = [{ index: step.partition ?? 0, records: step.records }]
    const id = step.topic === undefined ? topic.id : Buffer.alloc(16, 7)
    const request: Fields = {
      ...(version >= 3 ? { transactionalId: step.transactionalId ?? null } : {}),
      acks,
      timeoutMs: 10_000,
      topics: [version >= 13 ? { id, partitions } : { name, partitions }],
    }
    const connection = await this.open()
    const result =
      acks === 0 ? await withoutAnswer(connection, version, request) : await call(connection, 'Produce', version, request, 5000)
    // After silence or a close the next case needs a connection that is not waiting for anything.
    if (typeof result === 'string' && acks !== 0) connection.close()
    return answerOf(result, before, (await this.logEnd(topic.name)) - before)
  }
}

/** With acks=0 there is no answer to wait for: a following ApiVersions tells whether the connection lives. */
async function withoutAnswer(connection: RawConnection, version: number, request: Fields): Promise<CallResult> {
  connection.send({ apiKey: 0, version, flexible: version >= APIS.Produce.flexibleFrom }, encodeRequest('Produce', version, request))
  const next = await call(connection, 'ApiVersions', 0, {})
  return typeof next === 'string' ? next : 'silent'
}

function answerOf(result: CallResult, before: number, appended: number): Answer {
  const nothing = { baseOffset: 'none', appended, logAppendTime: false, records: [], message: null }
  if (typeof result === 'string') return { error: result, ...nothing }
  const partition = rows(rows(result['topics'])[0]?.['partitions'])[0]
  if (!partition) return { error: 0, ...nothing, message: 'the answer has no partition' }
  const base = Number(partition['baseOffset'])
  return {
    error: partition['error'] as number,
    baseOffset: base < 0 ? 'none' : base >= before ? `end+${base - before}` : `end-${before - base}`,
    appended,
    logAppendTime: partition['logAppendTime'] !== undefined && Number(partition['logAppendTime']) >= 0,
    records: rows(partition['recordErrors']).map((row) => row['index'] as number),
    message: (partition['message'] as string | null | undefined) ?? null,
  }
}

/** Runs every case, in order, and gives the rows. */
export async function runBadBatches(bootstrap: string, only = ''): Promise<Row[]> {
  const runner = new Runner(bootstrap)
  await runner.start()
  const table: Row[] = []
  try {
    for (const each of CASES) if (each.name.includes(only)) table.push(await runner.run(each).catch((error: unknown) => ended(each, error)))
  } finally {
    await runner.stop()
  }
  return table
}

function ended(each: Case, error: unknown): never {
  throw new Error(`case "${each.name}": ${error instanceof Error ? error.message : String(error)}`)
}

export function recordedRows(): readonly Row[] {
  return (JSON.parse(readFileSync(FIXTURE, 'utf8')) as { rows: Row[] }).rows
}

const UNKNOWN_SERVER_ERROR = -1
const CORRUPT_MESSAGE = 2
const INVALID_RECORD = 87

function sameAnswer(kafka: Answer, here: Answer, mayRefuse: boolean): boolean {
  const refused = typeof here.error === 'number' && here.error !== 0 && here.appended === 0
  // Where Kafka fails inside, the point is that the batch is refused; naming the cause is better than -1.
  if (kafka.error === UNKNOWN_SERVER_ERROR) return refused
  if (mayRefuse && refused && (here.error === CORRUPT_MESSAGE || here.error === INVALID_RECORD)) return true
  return comparable(kafka) === comparable(here)
}

function comparable({ message: _message, ...rest }: Answer): string {
  return JSON.stringify(rest)
}

function sameRow(kafka: Row | undefined, here: Row): boolean {
  if (here.notCompared) return here.answers.every((answer) => answer.error !== 'silent')
  if (kafka?.answers.length !== here.answers.length) return false
  return here.answers.every((answer, index) => sameAnswer(kafka.answers[index]!, answer, here.mayRefuse === true))
}

export interface Difference {
  readonly name: string
  readonly expected: string
  readonly actual: string
}

export function differences(actual: readonly Row[]): Difference[] {
  const recorded = new Map(recordedRows().map((row) => [row.name, row]))
  return actual
    .filter((row) => !sameRow(recorded.get(row.name), row))
    .map((row) => ({ name: row.name, expected: JSON.stringify(recorded.get(row.name)?.answers), actual: JSON.stringify(row.answers) }))
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { bootstrap: { type: 'string' }, record: { type: 'boolean' }, only: { type: 'string' } } })
  if (!values.bootstrap) throw new Error('--bootstrap HOST:PORT is missing')
  const table = await runBadBatches(values.bootstrap, values.only)
  if (values.record) {
    const lines = table.map((row) => `  ${JSON.stringify(row)}`).join(',\n')
    writeFileSync(FIXTURE, `{ "recordedFrom": "Apache Kafka 4.4.0", "rows": [\n${lines}\n] }\n`)
    console.log(`${table.length} rows recorded`)
    return
  }
  const different = differences(table)
  for (const each of different) console.log(`${each.name}\n  Kafka: ${each.expected}\n  here:  ${each.actual}`)
  console.log(`${table.length - different.length} passed, ${different.length} failed, 0 skipped`)
  process.exitCode = different.length > 0 ? 1 : 0
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main()
