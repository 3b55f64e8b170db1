// What a case of odd requests works with: a connection that is opened again when the last one was closed, topics of its own, names of its own.

import { answered, call, rows, type ApiName, type CallResult, type Row } from '../raw/apis.js'
import { RawConnection, type RequestHead } from '../raw/connection.js'
import type { Fields, Value } from '../raw/shape.js'

const NOT_LEADER = 6

export class Context {
  readonly bootstrap: string
  /** Unlike any other run's, so that one server can be asked many times. */
  readonly run = `${process.pid}-${Date.now().toString(36)}`
  private connection: RawConnection | null = null
  private names = 0
  /** Every name given out: what of it became a topic is deleted in the end. */
  private readonly made: string[] = []

  constructor(bootstrap: string) {
    this.bootstrap = bootstrap
  }

  async open(): Promise<RawConnection> {
    if (!this.connection || this.connection.closed) this.connection = await RawConnection.open(this.bootstrap)
    return this.connection
  }

  close(): void {
    this.connection?.close()
  }

  /** A name that occurs once; the run's mark is taken out of what is recorded. */
  name(stem: string): string {
    const name = `${stem}-${++this.names}-${this.run}`
    this.made.push(name)
    return name
  }

  async call(api: ApiName, version: number, values: Fields, waitMs = 8000): Promise<CallResult> {
    const result = await call(await this.open(), api, version, values, waitMs)
    if (result === 'silent') this.close()
    return result
  }

  async raw(head: RequestHead, body: Buffer): Promise<string> {
    const outcome = await (await this.open()).request(head, body, 5000)
    if (outcome.kind === 'silent') this.close()
    return outcome.kind === 'answer' ? `answer of error ${outcome.body.readInt16BE(0)}` : outcome.kind
  }

  async topic(stem: string, partitions = 1, configs: Readonly<Record<string, string>> = {}): Promise<{ name: string; id: Buffer }> {
    const name = this.name(stem)
    const topic = {
      name,
      partitions,
      // Of a cluster: as many copies as its run asks for.
      replication: Number(process.env['MILLRACE_TEST_REPLICAS'] ?? 1),
      assignments: [],
      configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
    }
    const made = answered(await this.call('CreateTopics', 7, { topics: [topic], timeoutMs: 30_000, validateOnly: false }))
    const row = rows(made['topics'])[0]!
    if (row['error'] !== 0) throw new Error(`topic ${name}: error ${String(row['error'])} ${String(row['message'])}`)
    // One after the other: the connection takes one request at a time.
    for (let index = 0; index < partitions; index++) await this.until(() => this.isThere(name, index))
    return { name, id: row['id'] as Buffer }
  }

  /** Its leader answers, or (in a cluster) this broker knows another one that leads it. */
  private async isThere(name: string, index: number): Promise<boolean> {
    const { error } = await this.offset(name, -1, index)
    if (error !== NOT_LEADER) return error === 0
    const asked = { topics: [{ name }], autoCreate: false }
    const metadata = answered(await this.call('Metadata', 4, asked))
    const partition = rows(rows(metadata['topics'])[0]!['partitions']).find((row) => row['index'] === index)
    return rows(metadata['brokers']).length > 1 && partition !== undefined && Number(partition['leader']) >= 0
  }

  async until(condition: () => Promise<boolean>): Promise<void> {
    for (const deadline = Date.now() + 30_000; Date.now() < deadline;) {
      if (await condition()) return
      await new Promise((resolve) => setTimeout(resolve, 25))
    }
    throw new Error('a condition did not hold within 30 s')
  }

  async offset(name: string, timestamp: number | bigint, index = 0, version = 4): Promise<Row> {
    const partition = { index, leaderEpoch: -1, timestamp }
    const values = { replica: -1, isolation: 0, topics: [{ name, partitions: [partition] }], timeoutMs: 5000 }
    return onlyPartition(await this.call('ListOffsets', version, values))
  }

  async produce(name: string, records: Buffer, index = 0): Promise<Row> {
    const values = { transactionalId: null, acks: -1, timeoutMs: 10_000, topics: [{ name, partitions: [{ index, records }] }] }
    return onlyPartition(await this.call('Produce', 8, values))
  }

  async fetch(name: string, offset: number, more: Fields = {}, request: Fields = {}): Promise<Row> {
    const partition = { index: 0, leaderEpoch: -1, offset, logStart: -1, maxBytes: 1_000_000, ...more }
    const result = await this.call('Fetch', 11, fetchRequest([{ name, partitions: [partition] }], request))
    return result === 'closed' || result === 'silent' ? { result } : fetched(result)
  }

  /** The group's coordinator is found and loaded. */
  async coordinator(group: string): Promise<void> {
    await this.until(async () => {
      const found = answered(await this.call('FindCoordinator', 1, { key: group, type: 0 }))
      if (found['error'] !== 0) return false
      const described = answered(await this.call('DescribeGroups', 4, { groups: [group], operations: false }))
      return rows(described['groups'])[0]!['error'] === 0
    })
  }

  async cleanUp(): Promise<void> {
    if (this.made.length > 0) await this.call('DeleteTopics', 3, { names: this.made, timeoutMs: 30_000 })
    this.close()
  }
}

export function fetchRequest(topics: Value[], more: Fields = {}): Fields {
  const session = { session: 0, epoch: -1, topics, forgotten: [], rack: '' }
  return { replica: -1, maxWaitMs: 200, minBytes: 0, maxBytes: 10_000_000, isolation: 0, ...session, ...more }
}

/** A fetch answer with what is in its records instead of their bytes: the base offsets of the batches. */
export function fetched(answer: Row): Row {
  const partition = rows(rows(answer['topics'])[0]?.['partitions'])[0]
  if (!partition) return { error: answer['error']!, partitions: 0 }
  const records = partition['records'] as Buffer | null
  const batches: Value[] = []
  for (let at = 0; records && at + 61 <= records.length; at += 12 + records.readInt32BE(at + 8))
    batches.push(Number(records.readBigInt64BE(at)))
  const { index: _index, ...rest } = partition
  return { topError: answer['error']!, ...rest, records: batches }
}

export function onlyPartition(result: CallResult): Row {
  if (typeof result === 'string') return { result }
  const partition = rows(rows(result['topics'])[0]?.['partitions'])[0]
  return partition ?? { error: result['error'] ?? null, partitions: 0 }
}

export interface OddCase {
  readonly name: string
  /** Why the answer is recorded but not compared. */
  readonly notCompared?: string
  readonly ask: (context: Context) => Promise<unknown>
}
