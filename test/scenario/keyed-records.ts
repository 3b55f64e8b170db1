// Records whose loss, doubling, order and content can be told when they are read back: written with keys, read by key. Used by the scenarios
// of many records, on one node and on a cluster.
//
// A record is `key k<id>`, value: u32 id, u32 number within its key, u32 number in all, then a filler that follows from it.

import {
  type BatchResult,
  BatchRecordCursor,
  Consumer,
  type ConsumerBatch,
  Producer,
  type ProducerSettings,
} from '../../src/client/index.js'

export const VALUE_BYTES = 100
const HEAD_BYTES = 12
const PATTERNS = 251
const READ_LIMIT_MS = 60_000

export interface KeyedRecords {
  readonly records: number
  readonly partitions: number
  readonly keys: number
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

export class Sent {
  acknowledged = 0
  failed = 0
  firstError: Error | undefined
  private reached: (() => void) | undefined
  private reachedAt = Infinity

  readonly onBatch = (result: BatchResult): void => {
    if (result.error) {
      this.failed += result.recordCount
      this.firstError ??= result.error
      return
    }
    this.acknowledged += result.recordCount
    if (this.acknowledged >= this.reachedAt) this.reached?.()
  }

  /** Resolves once `count` records are acknowledged. */
  reaches(count: number): Promise<void> {
    if (this.acknowledged >= count) return Promise.resolve()
    this.reachedAt = count
    return new Promise((resolve) => {
      this.reached = resolve
    })
  }
}

export async function produce(
  bootstrap: string,
  topic: string,
  { records, keys }: KeyedRecords,
  sent: Sent,
  settings: Partial<ProducerSettings> = {},
): Promise<void> {
  const producer = new Producer({
    bootstrapServers: bootstrap,
    acks: 'all',
    enableIdempotence: true,
    lingerMs: 10,
    batchSize: 65_536,
    bufferMemory: 64 << 20,
    deliveryTimeoutMs: 300_000,
    maxBlockMs: 300_000,
    ...settings,
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

export class Checker {
  read = 0
  missing = 0
  duplicates = 0
  wrongContent = 0
  wrongPlace = 0
  private readonly next: Uint32Array
  private readonly home: Int16Array
  private readonly cursor = new BatchRecordCursor()
  private readonly options: KeyedRecords

  constructor(given: KeyedRecords) {
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

export async function readBack(bootstrap: string, topic: string, given: KeyedRecords): Promise<Checker> {
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

export async function timed<T>(what: string, records: number, work: () => Promise<T>): Promise<T> {
  const began = performance.now()
  const result = await work()
  const seconds = (performance.now() - began) / 1000
  const rate = Math.round(records / seconds).toLocaleString('en-US')
  console.log(
    `${what}: ${records.toLocaleString('en-US')} records in ${seconds.toFixed(1)} s, ${rate} a second, ${((records * VALUE_BYTES) / seconds / 1e6).toFixed(0)} MB/s`,
  )
  return result
}

export function report(given: KeyedRecords, sent: Sent, checker: Checker): number {
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
