// The work of `consume`: finds where to start and stop, reads, prints with a slow reader's pace, commits what was printed.

import type { Consumer, ConsumerRecord } from '../../client/index.js'
import { createConsumer, withAdmin } from '../client.js'
import type { ConsumeFlags } from '../consume.js'
import { ExitCode, notFound, usageError } from '../errors.js'
import { formatBytes, startProgress } from '../output.js'
import type { Progress } from '../output.js'
import type { Formatter } from './format.js'
import type { Bound } from './range.js'

export interface PrintRequest {
  readonly from: Bound | undefined
  readonly until: Bound | undefined
  readonly max: number
  readonly partitions: readonly number[] | undefined
  readonly formatter: Formatter
}

const POLL_MS = 250
const COMMIT_EVERY_MS = 5000
/** Text collected before it is written. */
const FLUSH_CHARS = 64 * 1024

export async function printRecords(topic: string, flags: ConsumeFlags, request: PrintRequest): Promise<number> {
  const partitions = await partitionsOf(topic, flags, request.partitions)
  const inGroup = flags.group !== undefined
  if (inGroup && request.from && request.from.kind !== 'beginning' && request.from.kind !== 'end') {
    throw usageError(
      'with --group, --from takes beginning or end (for partitions the group has no offset of)',
      'move the offsets with millrace groups reset, or leave --group out',
    )
  }
  const printer = new Printer(topic, request)
  const consumer = await createConsumer(flags, {
    ...(inGroup ? { groupId: flags.group, onPartitionsRevoked: () => printer.commit() } : {}),
    enableAutoCommit: false,
    autoOffsetReset: request.from?.kind === 'beginning' ? 'earliest' : 'latest',
    isolationLevel: flags.readCommitted ? 'read_committed' : 'read_uncommitted',
    allowAutoCreateTopics: false,
    maxPollRecords: 5000,
  })
  printer.consumer = consumer
  const stop = (): void => printer.interrupt()
  process.on('SIGINT', stop).on('SIGTERM', stop)
  const started = performance.now()
  try {
    const all = partitions.map((partition) => ({ topic, partition }))
    printer.until = await resolveUntil(consumer, all, request.until)
    const starts = inGroup ? undefined : await resolveStarts(consumer, all, request.from ?? { kind: 'end' })
    if (starts) consumer.assign(all.map((one) => ({ ...one, offset: starts.get(one.partition)! })))
    else consumer.subscribe({ topics: [topic] })
    await printer.run(inGroup, await progressFor(starts, printer.until, flags))
    await printer.commit()
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop)
    await consumer.close()
  }
  if (!flags.quiet && process.stderr.isTTY) {
    process.stderr.write(`${printer.count} records (${formatBytes(printer.bytes)}) in ${Math.round(performance.now() - started)} ms\n`)
  }
  return ExitCode.ok
}

/** Asking first keeps a mistyped name from being waited for. */
async function partitionsOf(topic: string, flags: ConsumeFlags, wanted: readonly number[] | undefined): Promise<number[]> {
  const [found] = await withAdmin(flags, (admin) => admin.describeTopics([topic]))
  const all = found!.partitions.map(({ partition }) => partition)
  const missing = wanted?.find((partition) => !all.includes(partition))
  if (missing !== undefined) throw notFound(`${topic} has no partition ${missing}; it has ${all.length}, numbered from 0`)
  return wanted ? [...new Set(wanted)] : all
}

type Partitions = readonly { readonly topic: string; readonly partition: number }[]

async function resolveStarts(consumer: Consumer, all: Partitions, bound: Bound): Promise<Map<number, number>> {
  const [first, end] = await Promise.all([consumer.beginningOffsets(all), consumer.endOffsets(all)])
  const least = new Map(first.map(({ partition, offset }) => [partition, offset]))
  const most = new Map(end.map(({ partition, offset }) => [partition, offset]))
  if (bound.kind === 'beginning') return least
  if (bound.kind === 'end') return most
  if (bound.kind === 'offset') {
    // Kept within what the partition has: an offset given for several partitions fits few of them exactly.
    return new Map(all.map(({ partition }) => [partition, Math.min(most.get(partition)!, Math.max(least.get(partition)!, bound.offset))]))
  }
  return byTime(consumer, all, bound.timestamp, most)
}

async function byTime(
  consumer: Consumer,
  all: Partitions,
  timestamp: number,
  most: ReadonlyMap<number, number>,
): Promise<Map<number, number>> {
  const found = await consumer.offsetsForTimes(all.map((one) => ({ ...one, timestamp })))
  return new Map(all.map(({ partition }, i) => [partition, found[i]?.offset ?? most.get(partition)!]))
}

/** What ends each partition: an offset (exclusive), or a time still to come. */
interface Until {
  readonly offsets: ReadonlyMap<number, number> | undefined
  readonly timestamp: number
}

async function resolveUntil(consumer: Consumer, all: Partitions, bound: Bound | undefined): Promise<Until> {
  if (!bound) return { offsets: undefined, timestamp: Infinity }
  if (bound.kind === 'offset') return { offsets: new Map(all.map(({ partition }) => [partition, bound.offset])), timestamp: Infinity }
  if (bound.kind === 'time' && bound.timestamp > Date.now()) return { offsets: undefined, timestamp: bound.timestamp }
  const offsets = await resolveStarts(consumer, all, bound)
  return { offsets, timestamp: Infinity }
}

function progressFor(starts: ReadonlyMap<number, number> | undefined, until: Until, flags: ConsumeFlags): Promise<Progress> {
  let total = 0
  for (const [partition, offset] of starts ?? []) total += Math.max(0, (until.offsets?.get(partition) ?? 0) - offset)
  return startProgress('records', total, flags.quiet === true || process.stdout.isTTY === true)
}

class Printer {
  count = 0
  bytes = 0
  until: Until = { offsets: undefined, timestamp: Infinity }
  consumer!: Consumer
  readonly #topic: string
  readonly #request: PrintRequest
  readonly #finished = new Set<number>()
  /** Next offset to commit, by partition. */
  #printed = new Map<number, number>()
  #text = ''
  #stopped = false

  constructor(topic: string, request: PrintRequest) {
    this.#topic = topic
    this.#request = request
  }

  /** The first signal ends the reading; a second one ends the process. */
  interrupt(): void {
    if (this.#stopped) process.exit(ExitCode.interrupted)
    this.#stopped = true
  }

  async run(inGroup: boolean, progress: Progress): Promise<void> {
    let nextCommit = performance.now() + COMMIT_EVERY_MS
    while (!this.#stopped && !(await this.#allDone())) {
      const records = await this.consumer.poll(POLL_MS)
      for (const record of records) {
        if (this.#stopped) break
        this.#take(record)
        if (this.#text.length >= FLUSH_CHARS) await this.#flush()
      }
      await this.#flush()
      progress.update(this.count)
      if (inGroup && performance.now() >= nextCommit) {
        await this.commit()
        nextCommit = performance.now() + COMMIT_EVERY_MS
      }
    }
    progress.stop()
  }

  #take(record: ConsumerRecord): void {
    if (this.#isPast(record)) {
      this.#finished.add(record.partition)
      return
    }
    if (this.#finished.has(record.partition)) return
    this.#text += this.#request.formatter({ ...record, headers: record.headers.map(({ key, value }) => [key, value] as const) })
    this.#printed.set(record.partition, record.offset + 1)
    this.bytes += (record.key?.length ?? 0) + (record.value?.length ?? 0)
    if (++this.count >= this.#request.max) this.#stopped = true
  }

  #isPast(record: ConsumerRecord): boolean {
    const until = this.until.offsets?.get(record.partition)
    return until === undefined ? record.timestamp >= this.until.timestamp : record.offset >= until
  }

  /** True once every partition read here is at its end. Positions also move over records that are not delivered. */
  async #allDone(): Promise<boolean> {
    if (!this.until.offsets && this.until.timestamp === Infinity) return false
    const assigned = this.consumer.assignment()
    if (assigned.length === 0) return false
    for (const { topic, partition } of assigned) {
      if (this.#finished.has(partition)) continue
      const until = this.until.offsets?.get(partition)
      if (until === undefined || (await this.consumer.position({ topic, partition })) < until) return false
    }
    return true
  }

  async #flush(): Promise<void> {
    const text = this.#text
    if (text === '') return
    this.#text = ''
    if (!process.stdout.write(text)) await new Promise((resolve) => process.stdout.once('drain', resolve))
  }

  /** Commits what has been written out; does nothing outside a group. */
  async commit(): Promise<void> {
    await this.#flush()
    if (this.#printed.size === 0 || !this.#inGroup) return
    const offsets = [...this.#printed].map(([partition, offset]) => ({ topic: this.#topic, partition, offset }))
    this.#printed = new Map()
    await this.consumer.commit(offsets)
  }

  get #inGroup(): boolean {
    return this.consumer.memberId !== ''
  }
}
