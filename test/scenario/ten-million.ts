// Ten million records of 100 bytes through a server, all read back, and checked by the order of their keys and by content.
// Command: node dist/test/scenario/ten-million.js [--records N] [--partitions N] [--keys N] [--kill9] [--bootstrap HOST:PORT]
//
// Without --bootstrap it starts this project's server as a process. With --kill9 that process gets SIGKILL when half of the
// records are acknowledged, and is started again on the same port and directory while the idempotent producer goes on: no
// acknowledged record may be missing and none may be there twice. Not part of `npm test`. Ends with a line
// `N passed, N failed, N skipped` and exit code 1 when a check fails.
//
// A record is `key k<id>`, value: u32 id, u32 number within its key, u32 number in all, then a filler that follows from it.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Admin, type BatchResult, BatchRecordCursor, Consumer, type ConsumerBatch, Producer } from '../../src/client/index.js'
import { startServer, type RunningServer } from '../wire/clients/server.js'

const VALUE_BYTES = 100
const HEAD_BYTES = 12
const PATTERNS = 251
const READ_LIMIT_MS = 60_000

interface Options {
  readonly records: number
  readonly partitions: number
  readonly keys: number
  readonly kill9: boolean
  readonly bootstrap: string | undefined
}

function options(): Options {
  const { values } = parseArgs({
    options: {
      records: { type: 'string', default: '10000000' },
      partitions: { type: 'string', default: '12' },
      keys: { type: 'string', default: '100000' },
      kill9: { type: 'boolean', default: false },
      bootstrap: { type: 'string' },
    },
  })
  const number = (name: 'records' | 'partitions' | 'keys'): number => {
    const value = Number(values[name])
    if (!Number.isSafeInteger(value) || value < 1) throw new Error(`--${name} ${values[name]}: a whole number from 1 is needed`)
    return value
  }
  if (values.kill9 && values.bootstrap) throw new Error('--kill9 kills a server of its own: leave out --bootstrap')
  return {
    records: number('records'),
    partitions: number('partitions'),
    keys: number('keys'),
    kill9: values.kill9,
    bootstrap: values.bootstrap,
  }
}

/** The fillers: a record's is chosen by its number, so that a value at a wrong place shows. */
const FILLERS = Array.from({ length: PATTERNS }, (_, pattern) =>
  Buffer.from(Array.from({ length: VALUE_BYTES - HEAD_BYTES }, (__, at) => (pattern * 31 + at * 7) & 255)),
)

function writeValue(value: Buffer, key: number, within: number, index: number): void {
  value.writeUInt32BE(key, 0)
  value.writeUInt32BE(within, 4)
  value.writeUInt32BE(index, 8)
  value.set(FILLERS[index % PATTERNS]!, HEAD_BYTES)
}

class Sent {
  acknowledged = 0
  failed = 0
  firstError: Error | undefined
  private half: (() => void) | undefined
  private halfAt = Infinity

  readonly onBatch = (result: BatchResult): void => {
    if (result.error) {
      this.failed += result.recordCount
      this.firstError ??= result.error
      return
    }
    this.acknowledged += result.recordCount
    if (this.acknowledged >= this.halfAt) this.half?.()
  }

  /** Resolves once `count` records are acknowledged. */
  reaches(count: number): Promise<void> {
    this.halfAt = count
    return new Promise((resolve) => {
      this.half = resolve
    })
  }
}

async function produce(bootstrap: string, topic: string, { records, keys }: Options, sent: Sent): Promise<void> {
  const producer = new Producer({
    bootstrapServers: bootstrap,
    acks: 'all',
    enableIdempotence: true,
    lingerMs: 10,
    batchSize: 65_536,
    bufferMemory: 64 << 20,
    deliveryTimeoutMs: 300_000,
    maxBlockMs: 300_000,
    onBatch: sent.onBatch,
  })
  const names = Array.from({ length: keys }, (_, key) => Buffer.from(`k${key}`))
  const value = Buffer.alloc(VALUE_BYTES)
  for (let index = 0; index < records; index++) {
    const key = index % keys
    writeValue(value, key, Math.floor(index / keys), index)
    while (!producer.append(topic, -1, names[key]!, value)) await producer.ready(topic)
    // The loop gives way to the sockets now and then, where the buffer alone would not make it.
    if (index % 4096 === 4095) await new Promise((resolve) => setImmediate(resolve))
  }
  await producer.flush()
  await producer.close()
}

class Checker {
  read = 0
  missing = 0
  duplicates = 0
  wrongContent = 0
  wrongPlace = 0
  private readonly next: Uint32Array
  private readonly home: Int16Array
  private readonly cursor = new BatchRecordCursor()
  private readonly options: Options

  constructor(given: Options) {
    this.options = given
    this.next = new Uint32Array(given.keys)
    this.home = new Int16Array(given.keys).fill(-1)
  }

  take(batch: ConsumerBatch): void {
    const cursor = batch.records(this.cursor)
    while (cursor.next()) this.one(batch.partition, cursor.key() as Buffer | null, cursor.value() as Buffer | null)
  }

  private one(partition: number, key: Buffer | null, value: Buffer | null): void {
    this.read++
    if (key === null || value?.length !== VALUE_BYTES || !this.contentHolds(key, value)) {
      this.wrongContent++
      return
    }
    const id = value.readUInt32BE(0)
    if (this.home[id] === -1) this.home[id] = partition
    else if (this.home[id] !== partition) this.wrongPlace++
    const within = value.readUInt32BE(4)
    const expected = this.next[id]!
    if (within < expected) this.duplicates++
    else {
      this.missing += within - expected
      this.next[id] = within + 1
    }
  }

  private contentHolds(key: Buffer, value: Buffer): boolean {
    const id = value.readUInt32BE(0)
    const index = value.readUInt32BE(8)
    const consistent =
      id < this.options.keys && index % this.options.keys === id && Math.floor(index / this.options.keys) === value.readUInt32BE(4)
    return consistent && value.subarray(HEAD_BYTES).equals(FILLERS[index % PATTERNS]!) && key.toString('latin1') === `k${id}`
  }

  /** Records at the end of their keys that never came. */
  finish(): void {
    const { records, keys } = this.options
    for (let id = 0; id < keys; id++) this.missing += Math.floor((records - id - 1) / keys) + 1 - this.next[id]!
  }
}

async function readBack(bootstrap: string, topic: string, given: Options): Promise<Checker> {
  const checker = new Checker(given)
  const consumer = new Consumer({ bootstrapServers: bootstrap, autoOffsetReset: 'earliest', fetchMaxBytes: 32 << 20 })
  const partitions = Array.from({ length: given.partitions }, (_, partition) => ({ topic, partition }))
  consumer.assign(partitions)
  const ends = await consumer.endOffsets(partitions)
  const total = ends.reduce((sum, end) => sum + end.offset, 0)
  for (let deadline = Date.now() + READ_LIMIT_MS; checker.read < total && Date.now() < deadline;) {
    const batch = await consumer.pollBatch(1000)
    if (!batch) continue
    checker.take(batch)
    deadline = Date.now() + READ_LIMIT_MS
  }
  await consumer.close()
  checker.finish()
  return checker
}

async function createTopic(bootstrap: string, topic: string, partitions: number): Promise<void> {
  const admin = new Admin({ bootstrapServers: bootstrap })
  await admin.createTopics([{ name: topic, partitions, replicationFactor: 1 }])
  await admin.close()
}

async function deleteTopic(bootstrap: string, topic: string): Promise<void> {
  const admin = new Admin({ bootstrapServers: bootstrap })
  await admin.deleteTopics([topic])
  await admin.close()
}

async function timed<T>(what: string, records: number, work: () => Promise<T>): Promise<T> {
  const began = performance.now()
  const result = await work()
  const seconds = (performance.now() - began) / 1000
  const rate = Math.round(records / seconds).toLocaleString('en-US')
  console.log(
    `${what}: ${records.toLocaleString('en-US')} records in ${seconds.toFixed(1)} s, ${rate} a second, ${((records * VALUE_BYTES) / seconds / 1e6).toFixed(0)} MB/s`,
  )
  return result
}

/** SIGKILL when half is acknowledged, then the same again on the same port and directory. */
async function killHalfway(server: RunningServer, sent: Sent, records: number): Promise<RunningServer> {
  await sent.reaches(Math.floor(records / 2))
  await server.kill()
  const acknowledged = sent.acknowledged
  const began = performance.now()
  const next = await startServer({ dataDir: server.dataDir, listen: server.bootstrap })
  console.log(
    `kill -9 of ${server.pid} after ${acknowledged.toLocaleString('en-US')} acknowledged records; ready again after ${(performance.now() - began).toFixed(0)} ms`,
  )
  return next
}

function report(given: Options, sent: Sent, checker: Checker): number {
  const checks: readonly (readonly [string, boolean])[] = [
    [
      `${sent.acknowledged} of ${given.records} acknowledged, ${sent.failed} failed ${sent.firstError?.message ?? ''}`,
      sent.acknowledged === given.records && sent.failed === 0,
    ],
    [`${checker.read} read`, checker.read === given.records],
    [`${checker.missing} missing`, checker.missing === 0],
    [`${checker.duplicates} twice or out of order`, checker.duplicates === 0],
    [`${checker.wrongContent} with wrong content`, checker.wrongContent === 0],
    [`${checker.wrongPlace} in another partition than their key's first`, checker.wrongPlace === 0],
  ]
  for (const [text, holds] of checks) console.log(`  ${holds ? 'ok    ' : 'FAILED'}  ${text}`)
  return checks.filter(([, holds]) => !holds).length
}

async function main(): Promise<void> {
  const given = options()
  const dataDir = given.bootstrap ? null : mkdtempSync(join(tmpdir(), 'millrace-ten-million-'))
  let server = dataDir ? await startServer({ dataDir }) : null
  const bootstrap = given.bootstrap ?? server!.bootstrap
  const topic = `ten-million-${process.pid}-${Date.now().toString(36)}`
  console.log(
    `${given.records.toLocaleString('en-US')} records of ${VALUE_BYTES} bytes, ${given.keys} keys, ${given.partitions} partitions, at ${bootstrap}${given.kill9 ? ', with kill -9' : ''}`,
  )
  try {
    await createTopic(bootstrap, topic, given.partitions)
    const sent = new Sent()
    const killing = given.kill9 ? killHalfway(server!, sent, given.records).then((next) => void (server = next)) : Promise.resolve()
    await timed('produced', given.records, () => Promise.all([produce(bootstrap, topic, given, sent), killing]))
    const checker = await timed('read back', given.records, () => readBack(bootstrap, topic, given))
    const failed = report(given, sent, checker)
    console.log(`${6 - failed} passed, ${failed} failed, 0 skipped`)
    process.exitCode = failed > 0 ? 1 : 0
    // A server of one's own goes with its directory.
    if (given.bootstrap) await deleteTopic(bootstrap, topic)
  } finally {
    await server?.stop()
    if (dataDir) rmSync(dataDir, { recursive: true, force: true })
  }
}

await main()
