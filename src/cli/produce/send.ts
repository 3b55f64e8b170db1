// The work of `produce`: reads lines, paces them, sends with bounded memory, sums up.

import { createReadStream, statSync } from 'node:fs'
import type { Readable } from 'node:stream'
import type { Producer, ProducerRecord, RecordHeaders } from '../../client/index.js'
import { createProducer } from '../client.js'
import { CliError, ExitCode, notFound } from '../errors.js'
import { formatBytes, printJson, startProgress } from '../output.js'
import type { Progress } from '../output.js'
import type { ProduceFlags } from '../produce.js'
import type { LineFormat } from './lines.js'
import { parseLine } from './lines.js'

export interface SendOptions extends LineFormat {
  readonly partition: number | undefined
  readonly rate: number
  readonly compression: 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd'
  readonly acks: 'all' | 0 | 1
  readonly ack: 'process' | 'disk' | undefined
  readonly lingerMs: number
  readonly batchSize: number
}

/** Records given to the producer and not yet acknowledged; beyond it reading waits. */
const MAX_IN_FLIGHT = 20_000
/** Records that wait this long for any acknowledgement are told of, once until there is one. */
const SILENCE_MS = 5000

class Tally {
  sent = 0
  acknowledged = 0
  failed = 0
  bytes = 0
  firstError: Error | undefined
  /** A signal ended the reading. */
  interrupted = false
  readonly partitions = new Map<number, { first: number; last: number; count: number }>()
  #wake: (() => void) | undefined

  /** `offset` of the first of `count` records; -1 when the broker does not say (acks 0). */
  acked(partition: number, offset: number, count: number): void {
    this.acknowledged += count
    const last = offset < 0 ? -1 : offset + count - 1
    const row = this.partitions.get(partition)
    if (!row) this.partitions.set(partition, { first: offset, last, count })
    else {
      row.first = Math.min(row.first, offset)
      row.last = Math.max(row.last, last)
      row.count += count
    }
    this.#advance()
  }

  lost(error: Error, count: number): void {
    this.failed += count
    this.firstError ??= error
    this.#advance()
  }

  get inFlight(): number {
    return this.sent - this.acknowledged - this.failed
  }

  /** Resolves once fewer than half of the limit are in flight. */
  room(): Promise<void> {
    return new Promise((resolve) => (this.#wake = resolve))
  }

  #advance(): void {
    if (this.#wake && this.inFlight < MAX_IN_FLIGHT / 2) {
      const wake = this.#wake
      this.#wake = undefined
      wake()
    }
  }
}

export async function sendLines(topic: string, flags: ProduceFlags, options: SendOptions): Promise<number> {
  const size = flags.input === undefined ? 0 : statSync(flags.input, { throwIfNoEntry: false })?.size
  if (size === undefined)
    throw notFound(`the file ${flags.input} does not exist`, 'name an existing file with --input, or leave it out to read stdin')
  const input: Readable = flags.input === undefined ? process.stdin : createReadStream(flags.input)
  if (process.stdin.isTTY && flags.input === undefined && !flags.json && !flags.quiet)
    process.stderr.write('reading lines; end with Ctrl-D\n')
  const tally = new Tally()
  const producer = await createProducer(flags, {
    ...(options.ack
      ? {}
      : {
          onBatch: (batch) =>
            batch.error ? tally.lost(batch.error, batch.recordCount) : tally.acked(batch.partition, batch.baseOffset, batch.recordCount),
        }),
    acks: options.acks,
    compressionType: options.compression,
    lingerMs: options.lingerMs,
    batchSize: options.batchSize,
  })
  const started = performance.now()
  const progress = await startProgress('read', size, flags.quiet === true)
  const silence = watchSilence(tally)
  const signals = stopAtSignal(input, tally)
  let problem: unknown
  try {
    await pump(producer, topic, input, options, tally, started, progress)
  } catch (error) {
    if (!tally.interrupted) problem = error // what was read before still goes out and is counted
  }
  await producer.flush().catch((error: unknown) => (problem ??= error))
  await producer.close()
  signals.off()
  clearInterval(silence)
  progress.stop()
  summary(topic, flags, tally, performance.now() - started)
  if (problem) throw problem
  if (tally.failed > 0)
    throw new CliError(
      `${tally.failed} of ${tally.sent} records were not acknowledged: ${tally.firstError?.message}`,
      ExitCode.failed,
      undefined,
      { cause: tally.firstError },
    )
  return tally.interrupted ? ExitCode.interrupted : ExitCode.ok
}

/** The first SIGINT or SIGTERM ends the reading: what was handed to the producer still goes out and is counted. A second one ends the process, as it would anyway. */
function stopAtSignal(input: Readable, tally: Tally): { off(): void } {
  const stop = (): void => {
    tally.interrupted = true
    off()
    input.destroy()
  }
  const off = (): void => void process.off('SIGINT', stop).off('SIGTERM', stop)
  process.on('SIGINT', stop).on('SIGTERM', stop)
  return { off }
}

/** A broker that went away is retried for long: the person at the terminal hears what is waited for. */
function watchSilence(tally: Tally): NodeJS.Timeout {
  let answered = 0
  let told = false
  return setInterval(() => {
    const now = tally.acknowledged + tally.failed
    if (now !== answered || tally.inFlight === 0) told = false
    else if (!told) {
      told = true
      process.stderr.write(`${tally.inFlight} records wait for an acknowledgement, and none came for ${SILENCE_MS / 1000} s; trying on\n`)
    }
    answered = now
  }, SILENCE_MS)
}

async function pump(
  producer: Producer,
  topic: string,
  input: Readable,
  options: SendOptions,
  tally: Tally,
  started: number,
  progress: Progress,
): Promise<void> {
  let number = 0
  let read = 0
  const counted = (bytes: number): void => progress.update((read += bytes))
  for await (const lines of linesOf(input, counted)) {
    for (const line of lines) {
      number++
      if (line === '' && options.format === 'json') continue
      const parsed = parseLine(line, number, options)
      if (options.rate !== Infinity) await pace(started, tally.sent, options.rate)
      if (tally.inFlight >= MAX_IN_FLIGHT) await tally.room()
      // A failure that no retry cured will meet the next records too.
      if (tally.firstError || tally.interrupted) return
      const headers = parsed.headers?.map(([key, value]) => ({ key, value }))
      const record = {
        topic,
        key: parsed.key,
        value: parsed.value,
        partition: options.partition ?? parsed.partition,
        timestamp: parsed.timestamp,
        headers,
      }
      tally.bytes += line.length
      if (options.ack) sendOne(producer, { ...record, ack: options.ack }, tally)
      else await append(producer, record, tally)
    }
  }
}

type Outgoing = Omit<ProducerRecord, 'headers'> & { readonly headers: RecordHeaders | undefined }

/** The quick way, without a promise per record: batches are counted as they are answered. */
async function append(producer: Producer, record: Outgoing, tally: Tally): Promise<void> {
  const { topic, partition = -1, key = null, value, headers, timestamp } = record
  while (!producer.append(topic, partition, key, value, headers, timestamp)) await producer.ready(topic)
  tally.sent++
}

/** A promise of its own is asked for each record: only `send` carries it. */
function sendOne(producer: Producer, record: Outgoing, tally: Tally): void {
  tally.sent++
  producer.send(record).then(
    (done) => tally.acked(done.partition, done.offset, 1),
    (error: Error) => tally.lost(error, 1),
  )
}

/** Sleeps until the record with this number is due; lateness is made up for, so the average holds. */
async function pace(started: number, number: number, rate: number): Promise<void> {
  const due = started + (number * 1000) / rate
  const wait = due - performance.now()
  if (wait > 1) await new Promise((resolve) => setTimeout(resolve, wait))
}

/** Lines of a chunk at a time; \r\n and \n end a line, and so does the end of the input. */
async function* linesOf(input: Readable, counted: (bytes: number) => void): AsyncGenerator<string[]> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of input) {
    counted((chunk as Uint8Array).length)
    const lines = (rest + decoder.decode(chunk as Uint8Array, { stream: true })).split('\n')
    rest = lines.pop()!
    yield lines.map(withoutReturn)
  }
  rest += decoder.decode()
  if (rest !== '') yield [withoutReturn(rest)]
}

function withoutReturn(line: string): string {
  return line.endsWith('\r') ? line.slice(0, -1) : line
}

function summary(topic: string, flags: ProduceFlags, tally: Tally, elapsedMs: number): void {
  const partitions = [...tally.partitions].toSorted(([a], [b]) => a - b)
  if (flags.json) {
    const rows = partitions.map(([partition, { first, last, count }]) => ({
      partition,
      firstOffset: first,
      lastOffset: last,
      records: count,
    }))
    printJson({ topic, records: tally.acknowledged, failed: tally.failed, bytes: tally.bytes, ms: Math.round(elapsedMs), partitions: rows })
    return
  }
  if (flags.quiet) return
  const where =
    partitions.length === 1 && partitions[0]![1].first >= 0
      ? ` partition ${partitions[0]![0]} offsets ${partitions[0]![1].first}-${partitions[0]![1].last}`
      : ''
  const speed = elapsedMs > 1000 ? `, ${Math.round((tally.acknowledged * 1000) / elapsedMs)}/s` : ''
  process.stderr.write(
    `${tally.acknowledged} ${tally.acknowledged === 1 ? 'record' : 'records'} (${formatBytes(tally.bytes)}) to ${topic}${where} in ${Math.round(elapsedMs)} ms${speed}\n`,
  )
}
