// Raw fetch load: each connection asks for its partitions from the start, walks the batch headers of the answer for the next offsets, and
// starts over at the end of the log. Records are not decoded: what is measured is the server.

import { errorName } from '../../model/errors.js'
import { decodeResponse, encodeRequest } from '../../protocol/codec/index.js'
import { batchHeader } from '../../protocol/records/index.js'
import { apis } from '../../protocol/schema/index.js'
import { CliError } from '../errors.js'
import type { Histogram } from 'hdr-histogram-js'
import { newHistogram, recordMicros, type Extent, type LoadResult, type Tally } from './load.js'
import { frameOf, RawConnection } from './raw-connection.js'
import type { Target } from './target.js'

export interface ConsumeSettings {
  /** Per broker. */
  readonly connections: number
  /** Per partition and answer. */
  readonly fetchMaxBytes: number
  /** Per answer. */
  readonly fetchTotalBytes: number
  /** Bytes of a record's value where known; otherwise the bytes of batches are counted. */
  readonly recordSize: number | undefined
}

interface Shared {
  readonly settings: ConsumeSettings
  readonly topic: string
  readonly version: number
  readonly tally: Tally
  readonly histogram: Histogram
  readonly maxRecords: number
  requests: number
  wireBytes: number
  deadline: number
}

class Reader {
  readonly #connection: RawConnection
  readonly #shared: Shared
  readonly #offsets: Map<number, number>
  readonly #start: ReadonlyMap<number, number>
  /** Where a partition ended when the load began: there it starts over, without waiting for an answer that has nothing. */
  readonly #end: ReadonlyMap<number, number>
  /** The partition to ask for first, so that a limit on the whole answer does not starve the last. */
  #first = 0
  #sentAt = 0
  #empty = 0
  #finish: (() => void) | undefined

  constructor(connection: RawConnection, shared: Shared, start: ReadonlyMap<number, number>, end: ReadonlyMap<number, number>) {
    this.#connection = connection
    this.#shared = shared
    this.#start = start
    this.#end = end
    this.#offsets = new Map(start)
  }

  run(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#finish = resolve
      this.#connection.attach((frame) => {
        try {
          this.#answered(frame)
        } catch (error) {
          reject(error as Error)
        }
      }, reject)
      this.#ask()
    })
  }

  #ask(): void {
    const { settings, topic, version, tally, deadline, maxRecords } = this.#shared
    this.#sentAt = performance.now()
    if (this.#sentAt >= deadline || tally.records >= maxRecords) {
      this.#finish?.()
      return
    }
    const entries = [...this.#offsets]
    const turn = this.#first++ % entries.length
    const partitions = [...entries.slice(turn), ...entries.slice(0, turn)].map(([partition, fetchOffset]) => ({
      partition,
      fetchOffset,
      partitionMaxBytes: settings.fetchMaxBytes,
    }))
    const pieces = encodeRequest(apis.fetch, version, 1, 'millrace-bench', {
      maxWaitMs: 500,
      minBytes: 1,
      maxBytes: settings.fetchTotalBytes,
      isolationLevel: 0,
      replicaId: -1,
      topics: [{ topic, partitions }],
      forgottenTopicsData: [],
    })
    this.#connection.send([frameOf(pieces)])
  }

  #answered(frame: Buffer): void {
    const shared = this.#shared
    const { body } = decodeResponse(apis.fetch, shared.version, frame)
    if (body.errorCode !== 0) throw new CliError(`the server refused a fetch: ${errorName(body.errorCode)}`)
    let got = 0
    for (const topic of body.responses) {
      for (const { partitionIndex, errorCode, records } of topic.partitions) {
        if (errorCode !== 0) throw new CliError(`fetching partition ${partitionIndex}: ${errorName(errorCode)}`)
        if (records && records.length > 0) got += this.#walk(partitionIndex, records)
      }
    }
    recordMicros(shared.histogram, performance.now() - this.#sentAt)
    shared.requests++
    if (got > 0) this.#empty = 0
    else {
      if (++this.#empty > 3)
        throw new CliError(`topic ${shared.topic} gives nothing to read`, undefined, 'millrace bench produce --topic NAME --keep fills one')
      for (const [partition, offset] of this.#start) this.#offsets.set(partition, offset)
    }
    this.#ask()
  }

  #walk(partition: number, bytes: Uint8Array): number {
    const { tally, settings } = this.#shared
    let at = 0
    let records = 0
    let next = -1
    while (at + batchHeader.HEADER_SIZE <= bytes.length) {
      const size = batchHeader.batchSize(bytes, at)
      if (size < batchHeader.HEADER_SIZE) throw new CliError(`partition ${partition}: a batch of ${size} bytes`)
      if (at + size > bytes.length) break
      next = batchHeader.lastOffset(bytes, at) + 1
      records += batchHeader.recordCount(bytes, at)
      at += size
    }
    if (next >= 0) this.#offsets.set(partition, next >= (this.#end.get(partition) ?? Infinity) ? this.#start.get(partition)! : next)
    tally.records += records
    tally.bytes += settings.recordSize === undefined ? at : records * settings.recordSize
    this.#shared.wireBytes += bytes.length
    return records
  }
}

export async function runConsume(
  target: Target,
  topic: string,
  settings: ConsumeSettings,
  extent: Extent,
  tally: Tally,
): Promise<LoadResult> {
  const shared: Shared = {
    settings,
    topic,
    version: target.fetchVersion,
    tally,
    histogram: newHistogram(),
    maxRecords: extent.records,
    requests: 0,
    wireBytes: 0,
    deadline: Infinity,
  }
  const connections: RawConnection[] = []
  const readers: Reader[] = []
  try {
    for (const leader of await target.leaders(topic)) {
      const starts = await target.offsets(topic, leader, 'earliest')
      const ends = await target.offsets(topic, leader, 'latest')
      for (let index = 0; index < settings.connections; index++) {
        const mine = leader.partitions.filter((_, i) => i % settings.connections === index)
        if (mine.length === 0) continue
        const connection = await RawConnection.connect(leader.address)
        connections.push(connection)
        readers.push(new Reader(connection, shared, new Map(mine.map((partition) => [partition, starts.get(partition) ?? 0])), ends))
      }
    }
    const start = performance.now()
    shared.deadline = start + extent.seconds * 1000
    await Promise.all(readers.map((reader) => reader.run()))
    const seconds = (performance.now() - start) / 1000
    return { ...tally, seconds, requests: shared.requests, wireBytes: shared.wireBytes, ack: shared.histogram }
  } finally {
    for (const connection of connections) connection.close()
  }
}
