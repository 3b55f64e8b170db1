// Raw produce load: requests are encoded once and sent again and again, several in flight on each connection, every answer checked.
// The generator does almost nothing per request, so that what is measured is the server.

import type { Histogram } from 'hdr-histogram-js'
import { errorName } from '../../model/errors.js'
import { decodeResponse, encodeRequest } from '../../protocol/codec/index.js'
import type { CompressionName } from '../../protocol/records/index.js'
import { apis } from '../../protocol/schema/index.js'
import { CliError } from '../errors.js'
import {
  encodeBatch,
  newHistogram,
  recordMicros,
  spread,
  type Acks,
  type EncodedBatch,
  type Extent,
  type LoadResult,
  type Tally,
} from './load.js'
import { frameOf, lengthOf, RawConnection } from './raw-connection.js'
import type { Target } from './target.js'

export interface ProduceSettings {
  readonly recordSize: number
  readonly batchSize: number
  /** Per broker. */
  readonly connections: number
  readonly inFlight: number
  readonly acks: Acks
  readonly compression: CompressionName
}

/** Above this a request is sent in pieces that share one batch: the batch then stays in the cache of the sender. */
const SHARE_BATCH_BYTES = 64 * 1024

interface Shared {
  readonly settings: ProduceSettings
  readonly batch: EncodedBatch
  readonly version: number
  readonly tally: Tally
  readonly histogram: Histogram
  readonly maxRecords: number
  requests: number
  /** Sent or on the way, so that a number of records asked for is not passed. */
  started: number
  deadline: number
  failure: Error | undefined
}

/** One connection's part: a window of requests in flight. */
class Stream {
  readonly #connection: RawConnection
  readonly #shared: Shared
  readonly #frames: readonly (readonly Uint8Array[])[]
  /** Send times of what is in flight, as a ring. */
  readonly #sentAt: Float64Array
  #next = 0
  #head = 0
  #inFlight = 0
  #finish: (() => void) | undefined

  constructor(connection: RawConnection, shared: Shared, frames: readonly (readonly Uint8Array[])[]) {
    this.#connection = connection
    this.#shared = shared
    this.#frames = frames
    this.#sentAt = new Float64Array(shared.settings.inFlight)
  }

  run(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#finish = resolve
      const fail = (error: Error): void => {
        this.#shared.failure ??= error
        reject(error)
      }
      this.#connection.attach((frame) => {
        try {
          this.#answered(frame)
        } catch (error) {
          fail(error as Error)
        }
      }, fail)
      this.#fill()
    })
  }

  #answered(frame: Buffer): void {
    const { batch, version, tally, settings } = this.#shared
    const answer = decodeResponse(apis.produce, version, frame).body
    for (const topic of answer.responses) {
      for (const partition of topic.partitionResponses) {
        if (partition.errorCode === 0) continue
        throw new CliError(
          `partition ${partition.index} refused a batch: ${partition.errorMessage ?? errorName(partition.errorCode)} (${errorName(partition.errorCode)})`,
        )
      }
    }
    this.#count(batch.records, settings.recordSize, tally)
    this.#fill()
  }

  #count(records: number, recordSize: number, tally: Tally): void {
    recordMicros(this.#shared.histogram, performance.now() - this.#sentAt[this.#head]!)
    this.#head = (this.#head + 1) % this.#sentAt.length
    this.#inFlight--
    tally.records += records
    tally.bytes += records * recordSize
    this.#shared.requests++
  }

  #fill(): void {
    const shared = this.#shared
    const { inFlight, acks, recordSize } = shared.settings
    const now = performance.now()
    const stop = now >= shared.deadline || shared.failure !== undefined
    const corked = !stop && inFlight - this.#inFlight > 1
    if (corked) this.#connection.cork()
    while (!stop && this.#inFlight < inFlight && shared.started < shared.maxRecords) {
      shared.started += shared.batch.records
      this.#sentAt[(this.#head + this.#inFlight) % this.#sentAt.length] = now
      this.#inFlight++
      const frame = this.#frames[this.#next++ % this.#frames.length]!
      if (acks !== 0) this.#connection.send(frame)
      else
        this.#connection.send(frame, () => {
          // Without answers the kernel taking the bytes is all there is to count.
          this.#count(shared.batch.records, recordSize, shared.tally)
          this.#fill()
        })
    }
    if (corked) this.#connection.uncork()
    if (this.#inFlight === 0 && (stop || shared.started >= shared.maxRecords)) this.#finish?.()
  }
}

export async function runProduce(
  target: Target,
  topic: string,
  settings: ProduceSettings,
  extent: Extent,
  tally: Tally,
): Promise<LoadResult> {
  const batch = encodeBatch(settings.recordSize, settings.batchSize, settings.compression)
  const shared: Shared = {
    settings,
    batch,
    version: target.produceVersion,
    tally,
    histogram: newHistogram(),
    maxRecords: extent.records,
    requests: 0,
    started: 0,
    deadline: Infinity,
    failure: undefined,
  }
  const connections: RawConnection[] = []
  const streams: Stream[] = []
  try {
    for (const leader of await target.leaders(topic)) {
      for (const partitions of spread(leader, settings.connections)) {
        const connection = await RawConnection.connect(leader.address)
        connections.push(connection)
        streams.push(
          new Stream(
            connection,
            shared,
            partitions.map((partition) => encodeFrame(topic, partition, shared)),
          ),
        )
      }
    }
    const start = performance.now()
    shared.deadline = start + extent.seconds * 1000
    await Promise.all(streams.map((stream) => stream.run()))
    const seconds = (performance.now() - start) / 1000
    return { ...tally, seconds, requests: shared.requests, wireBytes: shared.requests * batch.bytes.length, ack: shared.histogram }
  } finally {
    for (const connection of connections) connection.close()
  }
}

function encodeFrame(topic: string, index: number, { settings, batch, version }: Shared): Uint8Array[] {
  const pieces = encodeRequest(apis.produce, version, index, 'millrace-bench', {
    transactionalId: null,
    acks: settings.acks,
    timeoutMs: 30_000,
    topicData: [{ name: topic, partitionData: [{ index, records: batch.bytes }] }],
  })
  if (batch.bytes.length < SHARE_BATCH_BYTES) return [frameOf(pieces)]
  return [Buffer.concat([lengthOf(pieces), pieces[0]!]), ...pieces.slice(1)]
}
