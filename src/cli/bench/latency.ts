// Latency at a fixed rate, as an open loop: record i is due at start + i / rate whatever the server does, and its latency counts from that
// moment, not from when it could be sent. A server that stalls is charged for everything that waited (no coordinated omission).
// Records that are due together leave together, one batch per partition, as a client without linger does; at most `inFlight` requests wait.

import { randomBytes } from 'node:crypto'
import { Worker } from 'node:worker_threads'
import type { Histogram } from 'hdr-histogram-js'
import { errorName } from '../../model/errors.js'
import { decodeResponse, encodeRequest } from '../../protocol/codec/index.js'
import { BatchBuilder, BatchCursor, RecordCursor } from '../../protocol/records/index.js'
import { apis } from '../../protocol/schema/index.js'
import { CliError } from '../errors.js'
import { newHistogram, payload, recordMicros, type Acks, type LoadResult, type Tally } from './load.js'
import type { PacerData } from './pacer-thread.js'
import { frameOf, RawConnection } from './raw-connection.js'
import type { Target } from './target.js'

export interface LatencySettings {
  readonly rate: number
  readonly recordSize: number
  readonly acks: Acks
  /** Per broker. */
  readonly inFlight: number
  readonly seconds: number
  /** Sent at the same rate before what counts. */
  readonly warmupSeconds: number
}

/** A run's mark and the record's number, at the head of every value. */
export const LATENCY_HEAD_BYTES = 12
/** How long records may stay away before the run has failed. */
const STRAGGLERS_MS = 30_000
/** More ticks a second than this gain nothing. */
const MIN_TICK_MS = 0.2

const nowMs = (): number => Number(process.hrtime.bigint()) / 1e6

class Run {
  readonly settings: LatencySettings
  readonly mark = randomBytes(8)
  readonly total: number
  readonly warm: number
  readonly tally: Tally
  readonly ack = newHistogram()
  readonly endToEnd = newHistogram()
  startMs = Infinity
  due = 0
  acked = 0
  seen = 0
  requests = 0
  wireBytes = 0
  readonly #waiting: { resolve(): void; reject(error: Error): void }[] = []
  #failure: Error | undefined

  constructor(settings: LatencySettings, tally: Tally) {
    this.settings = settings
    this.tally = tally
    this.warm = Math.round(settings.rate * settings.warmupSeconds)
    this.total = this.warm + Math.round(settings.rate * settings.seconds)
  }

  dueAt(index: number): number {
    return this.startMs + (index * 1000) / this.settings.rate
  }

  count(histogram: Histogram, index: number, now: number): void {
    if (index >= this.warm) recordMicros(histogram, now - this.dueAt(index))
  }

  /** Resolves when every record was acknowledged and read. */
  done(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      if (this.#failure) reject(this.#failure)
    })
  }

  check(): void {
    if (this.acked >= this.total && this.seen >= this.total) for (const { resolve } of this.#waiting) resolve()
  }

  fail(error: Error): void {
    this.#failure ??= error
    for (const { reject } of this.#waiting) reject(error)
  }
}

/** Sends what is due to one broker's partitions. */
class Sender {
  readonly #run: Run
  readonly #connection: RawConnection
  readonly #topic: string
  readonly #version: number
  readonly #partitions: readonly number[]
  readonly #builders: readonly BatchBuilder[]
  readonly #value: Buffer
  #queued: number[] = []
  #flights: number[][] = []
  #correlation = 0
  #turn = 0

  constructor(run: Run, connection: RawConnection, topic: string, version: number, partitions: readonly number[]) {
    this.#run = run
    this.#connection = connection
    this.#topic = topic
    this.#version = version
    this.#partitions = partitions
    this.#builders = partitions.map(() => new BatchBuilder(run.settings.recordSize + 256))
    this.#value = payload(run.settings.recordSize)
    run.mark.copy(this.#value, 0)
    connection.attach(
      (frame) => {
        try {
          this.#answered(frame)
        } catch (error) {
          run.fail(error as Error)
        }
      },
      (error) => run.fail(error),
    )
  }

  add(index: number): void {
    this.#queued.push(index)
  }

  flush(): void {
    if (this.#queued.length === 0 || this.#flights.length >= this.#run.settings.inFlight) return
    const flight = this.#queued
    this.#queued = []
    const { acks } = this.#run.settings
    const now = Date.now()
    for (const builder of this.#builders) builder.reset()
    for (const index of flight) {
      this.#value.writeUInt32BE(index, 8)
      this.#builders[this.#turn++ % this.#builders.length]!.append(now, null, this.#value)
    }
    const partitionData = this.#builders.flatMap((builder, i) =>
      builder.count === 0 ? [] : [{ index: this.#partitions[i]!, records: builder.build() }],
    )
    const body = { transactionalId: null, acks, timeoutMs: 30_000, topicData: [{ name: this.#topic, partitionData }] }
    const frame = frameOf(encodeRequest(apis.produce, this.#version, ++this.#correlation, 'millrace-bench', body))
    this.#run.requests++
    this.#run.wireBytes += frame.length
    if (acks === 0) {
      this.#connection.send([frame], () => this.#acknowledged(flight))
      return
    }
    this.#flights.push(flight)
    this.#connection.send([frame])
  }

  #answered(frame: Buffer): void {
    const { body } = decodeResponse(apis.produce, this.#version, frame)
    for (const topic of body.responses) {
      for (const { index, errorCode } of topic.partitionResponses)
        if (errorCode !== 0) throw new CliError(`partition ${index} refused a batch: ${errorName(errorCode)}`)
    }
    this.#acknowledged(this.#flights.shift()!)
    this.flush()
  }

  #acknowledged(flight: readonly number[]): void {
    const run = this.#run
    const now = nowMs()
    for (const index of flight) run.count(run.ack, index, now)
    run.acked += flight.length
    run.check()
  }
}

/** Reads one broker's partitions as records arrive. */
class Tail {
  readonly #run: Run
  readonly #connection: RawConnection
  readonly #topic: string
  readonly #version: number
  readonly #offsets: Map<number, number>
  readonly #cursor = new RecordCursor()

  constructor(run: Run, connection: RawConnection, topic: string, version: number, offsets: Map<number, number>) {
    this.#run = run
    this.#connection = connection
    this.#topic = topic
    this.#version = version
    this.#offsets = offsets
    connection.attach(
      (frame) => {
        try {
          this.#answered(frame)
          this.ask()
        } catch (error) {
          run.fail(error as Error)
        }
      },
      (error) => run.fail(error),
    )
  }

  ask(): void {
    const partitions = [...this.#offsets].map(([partition, fetchOffset]) => ({ partition, fetchOffset, partitionMaxBytes: 1 << 20 }))
    const body = {
      maxWaitMs: 500,
      minBytes: 1,
      maxBytes: 50 << 20,
      isolationLevel: 0,
      replicaId: -1,
      topics: [{ topic: this.#topic, partitions }],
      forgottenTopicsData: [],
    }
    this.#connection.send([frameOf(encodeRequest(apis.fetch, this.#version, 1, 'millrace-bench', body))])
  }

  #answered(frame: Buffer): void {
    const now = nowMs()
    const { body } = decodeResponse(apis.fetch, this.#version, frame)
    if (body.errorCode !== 0) throw new CliError(`the server refused a fetch: ${errorName(body.errorCode)}`)
    for (const topic of body.responses) {
      for (const { partitionIndex, errorCode, records } of topic.partitions) {
        if (errorCode !== 0) throw new CliError(`fetching partition ${partitionIndex}: ${errorName(errorCode)}`)
        if (records && records.length > 0) this.#walk(partitionIndex, records, now)
      }
    }
    this.#run.check()
  }

  #walk(partition: number, bytes: Uint8Array, now: number): void {
    const run = this.#run
    const batches = new BatchCursor(bytes)
    while (batches.next()) {
      this.#cursor.open(batches.bytes, batches.position)
      while (this.#cursor.next()) {
        const value = this.#cursor.value() as Buffer | null
        // Records of others in a topic that is shared are passed over.
        if (!value || value.length < LATENCY_HEAD_BYTES || run.mark.compare(value, 0, 8) !== 0) continue
        run.count(run.endToEnd, value.readUInt32BE(8), now)
        run.seen++
        run.tally.records++
        run.tally.bytes += value.length
      }
      this.#offsets.set(partition, batches.lastOffset + 1)
    }
  }
}

export async function runLatency(target: Target, topic: string, settings: LatencySettings, tally: Tally): Promise<LoadResult> {
  const run = new Run(settings, tally)
  const connections: RawConnection[] = []
  const senders: Sender[] = []
  let stopPacer: (() => Promise<void>) | undefined
  try {
    for (const leader of await target.leaders(topic)) {
      const [out, back] = [await RawConnection.connect(leader.address), await RawConnection.connect(leader.address)]
      connections.push(out, back)
      senders.push(new Sender(run, out, topic, target.produceVersion, leader.partitions))
      new Tail(run, back, topic, target.fetchVersion, await target.offsets(topic, leader, 'latest')).ask()
    }
    run.startMs = nowMs() + 100
    const finished = run.done()
    stopPacer = startPacer(run, () => sendDue(run, senders))
    const timer = setTimeout(
      () =>
        run.fail(
          new CliError(
            `${run.total - run.acked} records were not acknowledged and ${run.total - run.seen} not read within ${STRAGGLERS_MS / 1000} s after the end`,
          ),
        ),
      (settings.seconds + settings.warmupSeconds) * 1000 + STRAGGLERS_MS,
    )
    await finished.finally(() => clearTimeout(timer))
    const seconds = (nowMs() - run.startMs) / 1000
    return { ...tally, seconds, requests: run.requests, wireBytes: run.wireBytes, ack: run.ack, endToEnd: run.endToEnd }
  } finally {
    await stopPacer?.()
    for (const connection of connections) connection.close()
  }
}

function sendDue(run: Run, senders: readonly Sender[]): void {
  const now = nowMs()
  while (run.due < run.total && run.dueAt(run.due) <= now) {
    senders[run.due % senders.length]!.add(run.due)
    run.due++
  }
  for (const sender of senders) sender.flush()
}

function startPacer(run: Run, tick: () => void): () => Promise<void> {
  const state = new Int32Array(new SharedArrayBuffer(8))
  const workerData: PacerData = { state: state.buffer, startMs: run.startMs, intervalMs: Math.max(MIN_TICK_MS, 1000 / run.settings.rate) }
  const worker = new Worker(new URL('./pacer-thread.js', import.meta.url), { workerData })
  worker.on('message', () => {
    Atomics.store(state, 1, 0)
    tick()
  })
  worker.on('error', (error) => run.fail(error))
  return async () => {
    Atomics.store(state, 0, 1)
    Atomics.notify(state, 0)
    await worker.terminate()
  }
}
