// A cluster of one broker without sockets, for tests of the client: answers what every client asks first, keeps a log
// with Kafka's checks of sequences, and does to each Produce request what a script says.

import { ClientError } from '../../src/client/errors.js'
import type { BrokerAddress, Connection, Transport } from '../../src/client/transport.js'
import { decodeRequest, decodeRequestHeader, encodeResponse } from '../../src/protocol/codec/index.js'
import type { MessageOf } from '../../src/protocol/schema/dsl.js'
import { type Api, apiByKey, apis } from '../../src/protocol/schema/index.js'
import { BatchCursor, batchHeader, readRecords } from '../../src/protocol/records/index.js'

/** What happens to one Produce request. `lose`: the connection ends before it arrives; `loseAnswer`: after it was written. */
export type Fault = 'none' | 'lose' | 'loseAnswer' | { readonly code: number } | { readonly codeAfterWrite: number }

interface ProducerEntry {
  epoch: number
  nextSequence: number
  recent: { sequence: number; offset: number }[]
}

interface Log {
  values: string[]
  producers: Map<number, ProducerEntry>
}

type Responder = (body: never, version: number) => object | undefined

export const OUT_OF_ORDER = 45
export const MESSAGE_TOO_LARGE = 10

export class FakeCluster implements Transport {
  readonly bootstrap: readonly BrokerAddress[] = [{ nodeId: -1, host: 'fake', port: 1 }]
  readonly logs = new Map<string, Log>()
  /** Consumed one per Produce request; `none` when it is empty. */
  faults: Fault[] = []
  maxBatchBytes = Infinity
  /** Every Produce request seen, with its arrival. */
  readonly produced: MessageOf<typeof apis.produce.request>[] = []
  /** Overrides by API key. */
  readonly answers = new Map<number, Responder>()
  features: { name: string; minVersion: number; maxVersion: number }[] = []
  partitionCount = 1
  maxVersions = new Map<number, number>()
  #nextProducerId = 1000
  connects = 0

  async connect(): Promise<Connection> {
    this.connects++
    return new FakeConnection(this)
  }

  close(): void {}

  values(topic = 't', partition = 0): string[] {
    return this.#log(`${topic}/${partition}`).values
  }

  forgetProducers(): void {
    for (const log of this.logs.values()) log.producers.clear()
  }

  /** The answer's body; undefined ends the connection. */
  answer(api: Api, version: number, body: never): object | undefined {
    const override = this.answers.get(api.key)
    if (override) return override(body, version)
    switch (api.key) {
      case apis.apiVersions.key:
        return {
          apiKeys: Object.values(apis).map((each) => ({
            apiKey: each.key,
            minVersion: each.minVersion,
            maxVersion: this.maxVersions.get(each.key) ?? each.maxVersion,
          })),
          supportedFeatures: this.features,
        }
      case apis.metadata.key:
        return this.#metadata(body)
      case apis.initProducerId.key:
        return { producerId: this.#nextProducerId++, producerEpoch: 0 }
      case apis.produce.key:
        return this.#produce(body)
      default:
        throw new Error(`the fake cluster does not answer ${api.name}`)
    }
  }

  #metadata(body: MessageOf<typeof apis.metadata.request>): object {
    const partitions = Array.from({ length: this.partitionCount }, (_, partitionIndex) => ({
      partitionIndex,
      leaderId: 1,
      leaderEpoch: 0,
      replicaNodes: [1],
      isrNodes: [1],
    }))
    return {
      brokers: [{ nodeId: 1, host: 'fake', port: 1 }],
      clusterId: 'fake',
      controllerId: 1,
      topics: (body.topics ?? []).map(({ name }) => ({ name, topicId: topicId(name!), partitions })),
    }
  }

  #produce(body: MessageOf<typeof apis.produce.request>): object | undefined {
    this.produced.push(body)
    const fault = this.faults.shift() ?? 'none'
    if (fault === 'lose') return undefined
    const early = typeof fault === 'object' && 'code' in fault ? fault.code : 0
    const late = typeof fault === 'object' && 'codeAfterWrite' in fault ? fault.codeAfterWrite : 0
    const responses = body.topicData.map(({ name, topicId: id, partitionData }) => ({
      name,
      topicId: id,
      partitionResponses: partitionData.map(({ index, records }) => {
        if (early !== 0) return { index, errorCode: early, baseOffset: -1 }
        const topic = name !== '' ? name : Buffer.from(id, 'base64url').toString().replace(/\0+$/, '')
        const written = this.#append(this.#log(`${topic}/${index}`), records!)
        return late === 0 || written.errorCode !== 0 ? { index, ...written } : { index, errorCode: late, baseOffset: -1 }
      }),
    }))
    return fault === 'loseAnswer' ? undefined : { responses }
  }

  #append(log: Log, records: Uint8Array): { errorCode: number; baseOffset: number } {
    const refused = (errorCode: number): { errorCode: number; baseOffset: number } => ({ errorCode, baseOffset: -1 })
    if (records.length > this.maxBatchBytes) return refused(MESSAGE_TOO_LARGE)
    const batch = new BatchCursor(records)
    if (!batch.next() || batch.size !== records.length) return refused(2)
    if (batchHeader.computeCrc(records, 0, batch.size) !== batchHeader.crc(records, 0)) return refused(2)
    const producerId = batch.producerId
    if (producerId >= 0) {
      const epoch = batchHeader.producerEpoch(records, 0)
      const sequence = batchHeader.baseSequence(records, 0)
      let entry = log.producers.get(producerId)
      if (entry && epoch < entry.epoch) return refused(47)
      if (!entry || epoch > entry.epoch) {
        if (sequence !== 0) return refused(OUT_OF_ORDER)
        log.producers.set(producerId, (entry = { epoch, nextSequence: 0, recent: [] }))
      }
      const known = entry.recent.find((one) => one.sequence === sequence)
      if (known) return { errorCode: 0, baseOffset: known.offset }
      if (sequence !== entry.nextSequence) return refused(OUT_OF_ORDER)
      entry.nextSequence += batch.recordCount
      entry.recent = [...entry.recent, { sequence, offset: log.values.length }].slice(-5)
    }
    const baseOffset = log.values.length
    for (const { value } of readRecords(records)) log.values.push(Buffer.from(value!).toString())
    return { errorCode: 0, baseOffset }
  }

  #log(key: string): Log {
    let log = this.logs.get(key)
    if (!log) this.logs.set(key, (log = { values: [], producers: new Map() }))
    return log
  }
}

/** A topic's id that can be read back: its name in sixteen bytes. */
function topicId(name: string): string {
  return Buffer.from(name.padEnd(16, '\0')).toString('base64url')
}

class FakeConnection implements Connection {
  readonly #cluster: FakeCluster
  #waiting: ((error: Error) => void)[] = []
  isOpen = true
  readonly bufferedBytes = 0

  constructor(cluster: FakeCluster) {
    this.#cluster = cluster
  }

  request(pieces: readonly Uint8Array[], _correlationId: number, expectResponse: boolean): Promise<Uint8Array> {
    // A copy: what the client does with its memory afterwards must not matter.
    const frame = Buffer.concat(pieces)
    return new Promise((resolve, reject) => {
      if (!this.isOpen) return reject(new Disconnected())
      this.#waiting.push(reject)
      // The answer comes in a later turn, so that several requests are on the way at once.
      setImmediate(() => {
        if (!this.isOpen) return
        const { apiKey, apiVersion, correlationId, bodyOffset } = decodeRequestHeader(frame)
        const api = apiByKey(apiKey)!
        const body = this.#cluster.answer(api, apiVersion, decodeRequest(api, apiVersion, frame, bodyOffset) as never)
        if (body === undefined) return this.close()
        this.#waiting.shift()
        resolve(expectResponse ? Buffer.concat(encodeResponse(api, apiVersion, correlationId, body)).subarray(4) : new Uint8Array(0))
      })
    })
  }

  close(): void {
    this.isOpen = false
    const waiting = this.#waiting
    this.#waiting = []
    for (const reject of waiting) reject(new Disconnected())
  }
}

class Disconnected extends ClientError {
  constructor() {
    super('ERR_MILLRACE_DISCONNECTED', 'the fake connection ended')
  }
}
