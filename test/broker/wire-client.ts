// A client for tests of the broker: a bare socket that may send anything, pipelines, reads only when asked to, and keeps count of its answers.

import { type AddressInfo, connect, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { decodeResponse, encodeRequest, type BodyOf } from '../../src/protocol/codec/index.js'
import type { MessageOf } from '../../src/protocol/schema/dsl.js'
import { type Api, apis } from '../../src/protocol/schema/index.js'
import { batch } from '../log/support.js'
import { patience, STEP_MS } from '../support/patience.js'

/** Ends a test in which something never comes; what comes late is no failure. */
const WAIT_MS = 60_000
/** For what is parked, or must not be given up by the server: a test that depends on its end has failed before. */
export const LONGER_THAN_A_TEST_WAITS_MS = 5 * WAIT_MS

export class WireClient {
  readonly socket: Socket
  /** Whole answers, without their length, in the order they came. */
  readonly frames: Buffer[] = []
  receivedBytes = 0
  private rest: Buffer[] = []
  private restBytes = 0
  private wanted = -1
  private correlation = 0
  private closedBy: string | undefined
  private wake: () => void = () => {}

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (chunk: Buffer) => this.received(chunk))
    socket.on('error', (error: NodeJS.ErrnoException) => (this.closedBy ??= error.code ?? error.message))
    socket.on('close', () => {
      this.closedBy ??= 'end'
      this.wake()
    })
  }

  static async open(t: TestContext, bootstrap: string): Promise<WireClient> {
    const at = bootstrap.lastIndexOf(':')
    const socket = connect(Number(bootstrap.slice(at + 1)), bootstrap.slice(0, at))
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject))
    socket.setNoDelay(true)
    t.after(() => socket.destroy())
    return new WireClient(socket)
  }

  get localPort(): number {
    return (this.socket.address() as AddressInfo).port
  }

  write(bytes: Uint8Array): void {
    this.socket.write(bytes)
  }

  /** A whole request; returns its correlation id. */
  send<A extends Api>(api: A, version: number, body: BodyOf<A['request']>, clientId = 'test'): number {
    this.write(requestFrame(api, version, body, ++this.correlation, clientId))
    return this.correlation
  }

  /** Sends and waits for the next answer, which must be the one to this. */
  async call<A extends Api>(api: A, version: number, body: BodyOf<A['request']>): Promise<MessageOf<A['response']>> {
    const correlationId = this.send(api, version, body)
    const answer = decodeResponse(api, version, await this.next())
    if (answer.correlationId !== correlationId) throw new Error(`answer ${answer.correlationId} to request ${correlationId}`)
    return answer.body
  }

  /** The next answer; rejects when the connection ends first. */
  async next(waitMs = WAIT_MS): Promise<Buffer> {
    await this.until(() => this.frames.length > 0, waitMs)
    return this.frames.shift()!
  }

  /** Resolves when the server has closed. */
  async closed(waitMs = WAIT_MS): Promise<string> {
    await this.until(() => this.closedBy !== undefined, waitMs, true)
    return this.closedBy!
  }

  get isClosed(): boolean {
    return this.closedBy !== undefined
  }

  private async until(done: () => boolean, waitMs: number, closeIsFine = false): Promise<void> {
    const left = patience(waitMs)
    while (!done()) {
      if (this.closedBy !== undefined && !closeIsFine) throw new Error(`the connection ended: ${this.closedBy}`)
      if (left() <= 0) throw new Error(`nothing came in ${waitMs} ms`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, STEP_MS)
        this.wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }

  private received(chunk: Buffer): void {
    this.receivedBytes += chunk.length
    this.rest.push(chunk)
    this.restBytes += chunk.length
    if (this.wanted >= 0 && this.restBytes < this.wanted) return
    let all = Buffer.concat(this.rest)
    while (all.length >= 4 && all.length >= 4 + all.readInt32BE(0)) {
      const end = 4 + all.readInt32BE(0)
      this.frames.push(all.subarray(4, end))
      all = all.subarray(end)
    }
    this.rest = [all]
    this.restBytes = all.length
    this.wanted = all.length >= 4 ? 4 + all.readInt32BE(0) : -1
    this.wake()
  }
}

export function requestFrame<A extends Api>(
  api: A,
  version: number,
  body: BodyOf<A['request']>,
  correlationId: number,
  clientId = 'test',
): Buffer {
  const frame = Buffer.concat(encodeRequest(api, version, correlationId, clientId, body))
  const length = Buffer.alloc(4)
  length.writeInt32BE(frame.length)
  return Buffer.concat([length, frame])
}

export function produceBody(
  topic: string,
  partitions: readonly (readonly [index: number, records: Uint8Array])[],
  over: { acks?: number; millraceAck?: number; timeoutMs?: number } = {},
) {
  return {
    acks: -1,
    timeoutMs: LONGER_THAN_A_TEST_WAITS_MS,
    topicData: [{ name: topic, partitionData: partitions.map(([index, records]) => ({ index, records })) }],
    ...over,
  }
}

export interface FetchOver {
  readonly maxWaitMs?: number
  readonly minBytes?: number
  readonly maxBytes?: number
  readonly partitionMaxBytes?: number
  readonly sessionId?: number
  readonly sessionEpoch?: number
}

export function fetchBody(topic: string, offsets: readonly (readonly [partition: number, offset: number])[], over: FetchOver = {}) {
  const { partitionMaxBytes = 1 << 20, ...rest } = over
  return {
    maxWaitMs: 0,
    minBytes: 1,
    maxBytes: 50 << 20,
    isolationLevel: 0,
    sessionId: 0,
    sessionEpoch: -1,
    forgottenTopicsData: [],
    rackId: '',
    topics: [{ topic, partitions: offsets.map(([partition, fetchOffset]) => ({ partition, fetchOffset, partitionMaxBytes })) }],
    ...rest,
  }
}

export const PRODUCE = 12
export const FETCH = 12

export async function createTopic(
  client: WireClient,
  name: string,
  numPartitions: number,
  configs: Readonly<Record<string, string>> = {},
): Promise<void> {
  const { topics } = await client.call(apis.createTopics, 5, {
    topics: [
      {
        name,
        numPartitions,
        replicationFactor: 1,
        assignments: [],
        configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
      },
    ],
    timeoutMs: LONGER_THAN_A_TEST_WAITS_MS,
    validateOnly: false,
  })
  if (topics[0]!.errorCode !== 0) throw new Error(`creating ${name}: ${topics[0]!.errorCode} ${topics[0]!.errorMessage}`)
}

/** Produces `count` small records to one partition and returns the outcome. */
export async function produce(
  client: WireClient,
  topic: string,
  partition: number,
  values: readonly string[],
  over: Parameters<typeof produceBody>[2] = {},
) {
  const records = batch(values.map((value) => ({ value })))
  const { responses } = await client.call(apis.produce, PRODUCE, produceBody(topic, [[partition, records]], over))
  return responses[0]!.partitionResponses[0]!
}

export async function fetch(client: WireClient, topic: string, offsets: readonly (readonly [number, number])[], over: FetchOver = {}) {
  const { responses } = await client.call(apis.fetch, FETCH, fetchBody(topic, offsets, over))
  return responses.flatMap(({ partitions }) => partitions)
}

/** Polls a condition until it holds; the tests' only way to wait for what tells nobody. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, waitMs = WAIT_MS): Promise<void> {
  const left = patience(waitMs)
  while (!(await holds())) {
    if (left() <= 0) throw new Error(`not in ${waitMs} ms: ${what}`)
    await sleep(10)
  }
}

export const rssMiB = (): number => process.memoryUsage.rss() / (1 << 20)
