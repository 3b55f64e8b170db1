// What a hostile or broken client may send over a real socket. After each the node still serves others and its memory is bounded.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, test, type TestContext } from 'node:test'
import { gzipSync } from 'node:zlib'
import { compress } from 'zstd-napi'
import { startTestBroker, type TestBroker } from '../../src/embedded/testing.js'
import { errors } from '../../src/model/errors.js'
import { decodeResponse } from '../../src/protocol/codec/index.js'
import { apis } from '../../src/protocol/schema/index.js'
import { batch, batchOfSize, sealCrc } from '../log/support.js'
import {
  createTopic,
  fetch,
  fetchBody,
  FETCH,
  LONGER_THAN_A_TEST_WAITS_MS,
  PRODUCE,
  produce,
  produceBody,
  requestFrame,
  rssMiB,
  until,
  WireClient,
} from './wire-client.js'

const MIB = 1 << 20

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

/** A batch of one record of `size` zeros, packed with gzip (1) or zstd (4). */
function bomb(size: number, codec: 1 | 4): Uint8Array {
  const body = Buffer.concat([Buffer.from([0, 0, 0, 1]), zigzag(size), Buffer.alloc(size), Buffer.from([0])])
  const record = Buffer.concat([zigzag(body.length), body])
  const packed = codec === 1 ? gzipSync(record, { level: 9 }) : compress(record)
  const template = batch(1)
  const bytes = Buffer.concat([template.subarray(0, 61), packed])
  bytes.writeInt32BE(bytes.length - 12, 8)
  bytes.writeInt16BE(codec, 21)
  sealCrc(bytes)
  return bytes
}

function zigzag(value: number): Buffer {
  const bytes: number[] = []
  let rest = value * 2
  while (rest >= 128) {
    bytes.push((rest % 128) | 128)
    rest = Math.floor(rest / 128)
  }
  return Buffer.from([...bytes, rest])
}

for (const workers of [1, 2]) {
  describe(`bad input, ${workers} ${workers === 1 ? 'worker' : 'workers'}`, () => {
    let broker: TestBroker
    let good: WireClient
    let lasting: TestContext
    let highestMiB = 0
    const cleanups: (() => void)[] = []

    before(async () => {
      broker = await startTestBroker({
        workers,
        settings: { 'millrace.max.decompressed.bytes': 2 * MIB, 'socket.request.max.bytes': 20 * MIB },
      })
      lasting = { after: (cleanup: () => void) => cleanups.push(cleanup) } as unknown as TestContext
      good = await WireClient.open(lasting, broker.bootstrap)
      await createTopic(good, 'good', 2)
    })
    after(async () => {
      for (const cleanup of cleanups) cleanup()
      await broker.close()
    })

    /** An old connection and a new one both write and read. */
    async function stillServes(t: TestContext, rssBefore: number, mayGrowMiB = 150): Promise<void> {
      for (const client of [good, await WireClient.open(t, broker.bootstrap)]) {
        const answer = await produce(client, 'good', 0, ['still here'])
        assert.equal(answer.errorCode, 0)
        const [read] = await fetch(client, 'good', [[0, Number(answer.baseOffset)]])
        assert.ok(read!.records!.length > 0)
      }
      // What the process had at the end of an earlier test it may have again: the allocator gives back and takes.
      const now = rssMiB()
      const grown = now - Math.max(rssBefore, highestMiB)
      highestMiB = Math.max(highestMiB, now)
      assert.ok(grown < mayGrowMiB, `memory grew by ${Math.round(grown)} MiB`)
    }

    test('random bytes get a clean close', async (t) => {
      const rss = rssMiB()
      for (let i = 0; i < 30; i++) {
        const client = await WireClient.open(t, broker.bootstrap)
        const junk = randomBytes(200 + i * 97)
        // Half of them in a frame of the right length, so that the junk reaches the decoders.
        client.write(i % 2 ? junk : Buffer.concat([int32(junk.length), junk]))
        client.socket.end()
        await client.closed()
      }
      await stillServes(t, rss)
    })

    test('every known API with junk for a body is answered or closed, never left open', async (t) => {
      const rss = rssMiB()
      for (const api of Object.values(apis)) {
        const client = await WireClient.open(t, broker.bootstrap)
        const head = Buffer.alloc(10)
        head.writeInt16BE(api.key, 0)
        head.writeInt16BE(api.maxVersion, 2)
        head.writeInt16BE(-1, 8)
        const body = Buffer.concat([head, Buffer.from([0]), randomBytes(40)])
        client.write(Buffer.concat([int32(body.length), body]))
        await Promise.race([client.closed(), client.next().catch(() => {})])
        client.socket.destroy()
      }
      await stillServes(t, rss)
    })

    test('a request cut off by the end of the connection is dropped', async (t) => {
      const rss = rssMiB()
      const whole = requestFrame(apis.produce, PRODUCE, produceBody('good', [[0, batchOfSize(5000)]]), 1)
      const [before_] = await fetch(good, 'good', [[0, 0]])
      for (const cut of [1, 3, 4, 5, 11, 40, 1000, whole.length - 1]) {
        const client = await WireClient.open(t, broker.bootstrap)
        client.write(whole.subarray(0, cut))
        client.socket.end()
        await client.closed()
        assert.equal(client.receivedBytes, 0)
      }
      const [after_] = await fetch(good, 'good', [[0, 0]])
      assert.equal(after_!.highWatermark, before_!.highWatermark)
      await stillServes(t, rss)
    })

    for (const length of [0x7fffffff, 20 * MIB + 1, 0, -1, -0x80000000]) {
      test(`a length of ${length} closes the connection`, async (t) => {
        const rss = rssMiB()
        const client = await WireClient.open(t, broker.bootstrap)
        client.write(int32(length))
        await client.closed()
        await stillServes(t, rss)
      })
    }

    test('500 connections that announce 20 MiB and send five bytes cost almost nothing', async (t) => {
      const rss = rssMiB()
      const clients = await Promise.all(Array.from({ length: 500 }, () => WireClient.open(t, broker.bootstrap)))
      for (const client of clients) client.write(Buffer.concat([int32(20 * MIB), Buffer.alloc(5)]))
      await stillServes(t, rss)
      assert.ok(clients.every((client) => !client.isClosed))
      for (const client of clients) client.socket.destroy()
    })

    test('an unknown API closes the connection, an unknown version too, and ApiVersions says which there are', async (t) => {
      const rss = rssMiB()
      for (const [key, version] of [
        [999, 0],
        [-1, 0],
        [apis.metadata.key, 99],
        [apis.produce.key, 99],
        [apis.fetch.key, -1],
      ] as const) {
        const client = await WireClient.open(t, broker.bootstrap)
        const head = Buffer.alloc(14)
        head.writeInt16BE(key, 0)
        head.writeInt16BE(version, 2)
        client.write(Buffer.concat([int32(head.length), head]))
        await client.closed()
        assert.equal(client.receivedBytes, 0)
      }
      const client = await WireClient.open(t, broker.bootstrap)
      const head = Buffer.alloc(20)
      head.writeInt16BE(apis.apiVersions.key, 0)
      head.writeInt16BE(99, 2)
      head.writeInt32BE(7, 4)
      client.write(Buffer.concat([int32(head.length), head]))
      const { correlationId, body } = decodeResponse(apis.apiVersions, 0, await client.next())
      assert.equal(correlationId, 7)
      assert.equal(body.errorCode, errors.UNSUPPORTED_VERSION.code)
      assert.deepEqual(
        body.apiKeys.map(({ apiKey }) => apiKey),
        [apis.apiVersions.key],
      )
      assert.equal(client.isClosed, false)
      await stillServes(t, rss)
    })

    for (const codec of [1, 4] as const) {
      test(`a decompression bomb (${codec === 1 ? 'gzip' : 'zstd'}, 100 MiB unpacked) is refused without being unpacked`, async (t) => {
        const packed = bomb(100 * MIB, codec)
        assert.ok(packed.length < MIB, `${packed.length} bytes`)
        const rss = rssMiB()
        const { responses } = await good.call(apis.produce, PRODUCE, produceBody('good', [[1, packed]]))
        const { errorCode, errorMessage } = responses[0]!.partitionResponses[0]!
        assert.notEqual(errorCode, 0, errorMessage ?? '')
        await stillServes(t, rss, 60)
      })
    }

    test('an oversized batch is MESSAGE_TOO_LARGE, on each partition by itself', async (t) => {
      const rss = rssMiB()
      const large = batchOfSize(2 * MIB)
      const { responses } = await good.call(
        apis.produce,
        PRODUCE,
        produceBody('good', [
          [0, large],
          [1, batch(1)],
        ]),
      )
      assert.deepEqual(
        responses[0]!.partitionResponses.map(({ errorCode }) => errorCode),
        [errors.MESSAGE_TOO_LARGE.code, 0],
      )
      await stillServes(t, rss)
    })

    test('a failed produce with acks=0 closes the connection; a good one has no answer', async (t) => {
      const rss = rssMiB()
      const client = await WireClient.open(t, broker.bootstrap)
      client.send(
        apis.produce,
        PRODUCE,
        produceBody(
          'good',
          [
            [0, batch(1)],
            [1, batch(1)],
          ],
          { acks: 0 },
        ),
      )
      const { topics } = await client.call(apis.metadata, 9, { topics: [{ name: 'good' }] })
      assert.equal(topics[0]!.errorCode, 0)
      client.send(apis.produce, PRODUCE, produceBody('nowhere', [[0, batch(1)]], { acks: 0 }))
      await client.closed()
      for (const partition of [0, 1]) {
        const bad = Buffer.from(batch(1))
        bad[70]! ^= 1
        const other = await WireClient.open(t, broker.bootstrap)
        other.send(apis.produce, PRODUCE, produceBody('good', [[partition, bad]], { acks: 0 }))
        await other.closed()
      }
      await stillServes(t, rss)
    })

    test('a reader that asks for 800 MB and takes nothing holds little memory, and others are served', async (t) => {
      for (let i = 0; i < 4; i++)
        assert.equal(
          (
            await good.call(
              apis.produce,
              PRODUCE,
              produceBody('good', [
                [0, batchOfSize(1_000_000)],
                [1, batchOfSize(1_000_000)],
              ]),
            )
          ).responses[0]!.partitionResponses[0]!.errorCode,
          0,
        )
      const rss = rssMiB()
      const slow = await Promise.all(Array.from({ length: 4 }, () => WireClient.open(t, broker.bootstrap)))
      for (const client of slow) {
        client.socket.pause()
        for (let i = 0; i < 25; i++)
          client.send(
            apis.fetch,
            FETCH,
            fetchBody(
              'good',
              [
                [0, 0],
                [1, 0],
              ],
              { partitionMaxBytes: 4 * MIB },
            ),
          )
      }
      for (let i = 0; i < 10; i++) await stillServes(t, rss, 120)
      const [first] = slow
      first!.socket.resume()
      await until('the slow reader has all its answers', () => first!.frames.length === 25)
      assert.ok(new Set(first!.frames.map((frame) => frame.length)).size <= 2)
      for (const client of slow) client.socket.destroy()
    })

    test('a client that only writes and never reads its answers is stopped, not buffered without end', async (t) => {
      const rss = rssMiB()
      const client = await WireClient.open(t, broker.bootstrap)
      client.socket.pause()
      const frame = requestFrame(
        apis.metadata,
        9,
        { topics: Array.from({ length: 300 }, (_, i) => ({ name: `no-such-topic-${i}` })), allowAutoTopicCreation: false },
        1,
      )
      const many = Buffer.concat(Array.from({ length: 100 }, () => frame))
      let rounds = 0
      for (; rounds < 200; rounds++) {
        client.socket.write(many)
        const taken = await until('taken', () => client.socket.writableLength === 0, 1000).then(
          () => true,
          () => false,
        )
        if (!taken) break
      }
      assert.ok(rounds < 200, `${rounds} rounds of ${many.length} bytes were read`)
      await stillServes(t, rss)
      client.socket.destroy()
      await stillServes(t, rss)
    })

    test('1,000 idle connections cost little and take nothing from others', async (t) => {
      const rss = rssMiB()
      const clients: WireClient[] = []
      for (let i = 0; i < 10; i++)
        clients.push(...(await Promise.all(Array.from({ length: 100 }, () => WireClient.open(t, broker.bootstrap)))))
      await stillServes(t, rss, 120)
      const { apiKeys } = await clients[777]!.call(apis.apiVersions, 0, {})
      assert.ok(apiKeys.length > 20)
      assert.ok(clients.every((client) => !client.isClosed))
      for (const client of clients) client.socket.destroy()
      await stillServes(t, rss, 120)
    })

    test('a client that ends its side while an answer is parked does not keep anything open', async (t) => {
      const client = await WireClient.open(t, broker.bootstrap)
      const [{ highWatermark } = { highWatermark: 0 }] = await fetch(good, 'good', [[0, 0]])
      client.send(apis.fetch, FETCH, fetchBody('good', [[0, highWatermark]], { maxWaitMs: LONGER_THAN_A_TEST_WAITS_MS }))
      client.socket.end()
      await client.closed()
      await stillServes(t, rssMiB())
    })
  })
}
