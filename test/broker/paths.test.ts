// Produce and fetch through a whole node with 0, 1, 2 and 8 workers: what another worker owns must look no different.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import { startTestBroker, type TestBroker } from '../../src/embedded/testing.js'
import { errors } from '../../src/model/errors.js'
import { decodeResponse } from '../../src/protocol/codec/index.js'
import { BatchCursor, readRecords } from '../../src/protocol/records/index.js'
import { apis } from '../../src/protocol/schema/index.js'
import { batch, batchOfSize } from '../log/support.js'
import {
  createTopic,
  fetch,
  fetchBody,
  FETCH,
  LONGER_THAN_A_TEST_WAITS_MS,
  PRODUCE,
  produce,
  produceBody,
  until,
  WireClient,
} from './wire-client.js'

const PARTITIONS = 12

function valuesOf(records: Uint8Array | null): string[] {
  return records && records.length > 0 ? [...readRecords(wholeBatches(records))].map(({ value }) => Buffer.from(value!).toString()) : []
}

/** Kafka's answers may end in the middle of a batch. */
function wholeBatches(records: Uint8Array): Uint8Array {
  const cursor = new BatchCursor(records)
  let end = 0
  while (cursor.next()) end = cursor.position + cursor.size
  return records.subarray(0, end)
}

for (const workers of [0, 1, 2, 8]) {
  describe(`produce and fetch, workers: ${workers}`, () => {
    let broker: TestBroker
    let client: WireClient
    const cleanups: (() => void)[] = []

    before(async () => {
      broker = await startTestBroker({ workers })
      client = await WireClient.open({ after: (cleanup: () => void) => cleanups.push(cleanup) } as unknown as TestContext, broker.bootstrap)
      await createTopic(client, 'spread', PARTITIONS)
    })
    after(async () => {
      for (const cleanup of cleanups) cleanup()
      await broker.close()
    })

    test('one request to 12 partitions is answered for each, and one fetch reads all of it back', async () => {
      const records = (partition: number, round: number): Uint8Array =>
        batch([{ value: `p${partition}r${round}a` }, { value: `p${partition}r${round}b` }])
      for (let round = 0; round < 5; round++) {
        const { responses } = await client.call(
          apis.produce,
          PRODUCE,
          produceBody(
            'spread',
            Array.from({ length: PARTITIONS }, (_, p) => [p, records(p, round)] as const),
          ),
        )
        assert.deepEqual(
          responses[0]!.partitionResponses.map(({ index, errorCode, baseOffset }) => [index, errorCode, Number(baseOffset)]),
          Array.from({ length: PARTITIONS }, (_, p) => [p, 0, round * 2]),
        )
      }
      const read = await fetch(
        client,
        'spread',
        Array.from({ length: PARTITIONS }, (_, p) => [p, 0] as const),
      )
      assert.equal(read.length, PARTITIONS)
      for (const { partitionIndex: p, records: bytes, highWatermark } of read) {
        assert.equal(Number(highWatermark), 10)
        assert.deepEqual(valuesOf(bytes), Array.from({ length: 5 }, (_, r) => [`p${p}r${r}a`, `p${p}r${r}b`]).flat())
      }
    })

    test('a fetch by topic id answers by topic id', async () => {
      const { topics } = await client.call(apis.metadata, 12, { topics: [{ name: 'spread', topicId: 'AAAAAAAAAAAAAAAAAAAAAA' }] })
      const { topicId } = topics[0]!
      const body = fetchBody('', [
        [0, 0],
        [7, 0],
      ])
      const answer = await client.call(apis.fetch, 17, { ...body, topics: [{ topicId, partitions: body.topics[0]!.partitions }] })
      assert.equal(answer.responses[0]!.topicId, topicId)
      assert.deepEqual(
        answer.responses[0]!.partitions.map(({ errorCode, records }) => [errorCode, valuesOf(records).length]),
        [
          [0, 10],
          [0, 10],
        ],
      )
      const unknown = await client.call(apis.fetch, 17, {
        ...body,
        topics: [{ topicId: 'AAAAAAAAAAAAAAAAAAAABg', partitions: body.topics[0]!.partitions }],
      })
      assert.deepEqual(
        unknown.responses[0]!.partitions.map(({ errorCode }) => errorCode),
        [errors.UNKNOWN_TOPIC_ID.code, errors.UNKNOWN_TOPIC_ID.code],
      )
    })

    test('an unknown partition, a negative one and an unknown topic each get their own error beside what is there', async () => {
      const { responses } = await client.call(apis.produce, PRODUCE, {
        acks: -1,
        timeoutMs: 1000,
        topicData: [
          { name: 'nowhere', partitionData: [{ index: 0, records: batch(1) }] },
          {
            name: 'spread',
            partitionData: [
              { index: 99, records: batch(1) },
              { index: -1, records: batch(1) },
              { index: 3, records: batch(1) },
            ],
          },
        ],
      })
      const unknown = errors.UNKNOWN_TOPIC_OR_PARTITION.code
      assert.deepEqual(
        responses.map(({ partitionResponses }) => partitionResponses.map(({ errorCode }) => errorCode)),
        [[unknown], [unknown, unknown, 0]],
      )
      const read = await fetch(client, 'spread', [
        [99, 0],
        [3, 0],
        [4, 1000],
        [5, -1],
      ])
      assert.deepEqual(
        read.map(({ errorCode }) => errorCode),
        [unknown, 0, errors.OFFSET_OUT_OF_RANGE.code, errors.OFFSET_OUT_OF_RANGE.code],
      )
    })

    test('a fetch at an offset inside a batch returns the whole batch', async () => {
      await createTopic(client, 'inside', 2)
      for (const partition of [0, 1]) {
        await produce(client, 'inside', partition, ['a', 'b', 'c'])
        await produce(client, 'inside', partition, ['d', 'e', 'f'])
        const [read] = await fetch(client, 'inside', [[partition, 4]])
        assert.deepEqual(valuesOf(read!.records), ['d', 'e', 'f'])
      }
    })

    test('a batch larger than all limits is delivered alone, whole', async () => {
      await createTopic(client, 'large', 2)
      for (const partition of [0, 1]) await client.call(apis.produce, PRODUCE, produceBody('large', [[partition, batchOfSize(200_000)]]))
      const read = await fetch(
        client,
        'large',
        [
          [0, 0],
          [1, 0],
        ],
        { maxBytes: 1000, partitionMaxBytes: 1000 },
      )
      assert.ok(read.some(({ records }) => records!.length === 200_000))
    })

    test('a long poll wakes on whichever partition the record comes to', async (t) => {
      await createTopic(client, 'poll', PARTITIONS)
      const reader = await WireClient.open(t, broker.bootstrap)
      for (const partition of [0, 3, 11]) {
        const started = performance.now()
        const ends = await ends_(client, 'poll')
        const waiting = reader.call(apis.fetch, FETCH, fetchBody('poll', ends, { maxWaitMs: LONGER_THAN_A_TEST_WAITS_MS }))
        await until('the fetch is parked', () => performance.now() - started > 30)
        await produce(client, 'poll', partition, [`to ${partition}`])
        const { responses } = await waiting
        const records = responses[0]!.partitions.flatMap(({ records: bytes }) => valuesOf(bytes))
        assert.deepEqual(records, [`to ${partition}`])
      }
    })

    test('who fetches on and on has each record once, whichever partition it comes to', async (t) => {
      await createTopic(client, 'onward', PARTITIONS)
      const reader = await WireClient.open(t, broker.bootstrap)
      const expected: string[] = []
      const got: string[] = []
      const offsets = Array.from({ length: PARTITIONS }, () => 0)
      const produced = (async () => {
        for (let i = 0; i < 300; i++) {
          expected.push(`r${i}`)
          await produce(client, 'onward', (i * 7 + Math.floor(i / 5)) % PARTITIONS, [`r${i}`])
        }
      })()
      while (got.length < 300) {
        const body = fetchBody(
          'onward',
          offsets.map((offset, p) => [p, offset] as const),
          { maxWaitMs: LONGER_THAN_A_TEST_WAITS_MS },
        )
        const { responses } = await reader.call(apis.fetch, FETCH, body)
        for (const { partitionIndex, errorCode, records } of responses[0]!.partitions) {
          assert.equal(errorCode, 0)
          const values = valuesOf(records)
          offsets[partitionIndex]! += values.length
          got.push(...values)
        }
      }
      await produced
      assert.deepEqual(got.toSorted(), expected.toSorted())
    })

    test('a long poll waits for min bytes through records that are not enough, without spinning', async (t) => {
      await createTopic(client, 'enough', PARTITIONS)
      const reader = await WireClient.open(t, broker.bootstrap)
      const from = Array.from({ length: PARTITIONS }, (_, p) => [p, 0] as const)
      let done = false
      const waiting = reader
        .call(apis.fetch, FETCH, fetchBody('enough', from, { maxWaitMs: LONGER_THAN_A_TEST_WAITS_MS, minBytes: 5000 }))
        .then((answer) => {
          done = true
          return answer
        })
      for (let partition = 0; partition < PARTITIONS; partition++) await produce(client, 'enough', partition, ['little'])
      assert.equal(done, false)
      const [began, before_] = [performance.now(), process.cpuUsage()]
      await new Promise((resolve) => setTimeout(resolve, 200))
      const { user, system } = process.cpuUsage(before_)
      const [usedMs, waitedMs] = [(user + system) / 1000, performance.now() - began]
      assert.ok(usedMs < 0.75 * waitedMs, `${usedMs} ms of CPU in ${waitedMs} ms of waiting`)
      await client.call(apis.produce, PRODUCE, produceBody('enough', [[5, batchOfSize(6000)]]))
      const { responses } = await waiting
      const got = responses[0]!.partitions.reduce((sum, { records }) => sum + records!.length, 0)
      assert.ok(got >= 5000, `${got} bytes`)
    })

    test('max wait ends a fetch that finds nothing', async () => {
      const started = performance.now()
      const read = await fetch(client, 'poll', await ends_(client, 'poll'), { maxWaitMs: 120 })
      const took = performance.now() - started
      assert.ok(took >= 110, `${took} ms`)
      assert.ok(read.every(({ errorCode, records }) => errorCode === 0 && records!.length === 0))
    })

    test('500 requests of several kinds on one connection are answered in their order', async (t) => {
      await createTopic(client, 'mixed', PARTITIONS)
      const mixed = await WireClient.open(t, broker.bootstrap)
      const kinds: (readonly [id: number, kind: 'produce' | 'fetch' | 'metadata'])[] = []
      for (let i = 0; i < 500; i++) {
        if (i % 3 === 0)
          kinds.push([mixed.send(apis.produce, PRODUCE, produceBody('mixed', [[i % PARTITIONS, batch([{ value: `m${i}` }])]])), 'produce'])
        else if (i % 3 === 1)
          kinds.push([
            mixed.send(
              apis.fetch,
              FETCH,
              fetchBody(
                'mixed',
                [
                  [(i + 5) % PARTITIONS, 0],
                  [i % PARTITIONS, 0],
                ],
                { maxWaitMs: 2 },
              ),
            ),
            'fetch',
          ])
        else kinds.push([mixed.send(apis.metadata, 9, { topics: [{ name: 'mixed' }] }), 'metadata'])
      }
      const offsets: number[] = Array.from({ length: PARTITIONS }, () => 0)
      for (const [id, kind] of kinds) {
        const frame = await mixed.next()
        if (kind === 'produce') {
          const { correlationId, body } = decodeResponse(apis.produce, PRODUCE, frame)
          assert.equal(correlationId, id)
          const { index, errorCode, baseOffset } = body.responses[0]!.partitionResponses[0]!
          assert.deepEqual([errorCode, Number(baseOffset)], [0, offsets[index]!++])
        } else
          assert.equal(
            (kind === 'fetch' ? decodeResponse(apis.fetch, FETCH, frame) : decodeResponse(apis.metadata, 9, frame)).correlationId,
            id,
          )
      }
      const read = await fetch(
        client,
        'mixed',
        offsets.map((_, p) => [p, 0] as const),
      )
      assert.equal(
        read.reduce((sum, { records }) => sum + valuesOf(records).length, 0),
        167,
      )
    })

    test('deleting a topic ends the fetches that wait on it, and those that read it go on without it', async (t) => {
      await createTopic(client, 'doomed', PARTITIONS)
      const records = batchOfSize(100_000)
      for (let p = 0; p < PARTITIONS; p++) await client.call(apis.produce, PRODUCE, produceBody('doomed', [[p, records]]))
      const all = Array.from({ length: PARTITIONS }, (_, p) => [p, 0] as const)
      const parked = await WireClient.open(t, broker.bootstrap)
      const waiting = parked.call(
        apis.fetch,
        FETCH,
        fetchBody(
          'doomed',
          all.map(([p]) => [p, 1] as const),
          { maxWaitMs: LONGER_THAN_A_TEST_WAITS_MS },
        ),
      )
      const readers = await Promise.all(Array.from({ length: 4 }, () => WireClient.open(t, broker.bootstrap)))
      let over = false
      const reading = Promise.allSettled(
        readers.map(async (reader) => {
          for (;;) {
            const read = await fetch(reader, 'doomed', all)
            if (read.every(({ errorCode }) => errorCode === errors.UNKNOWN_TOPIC_OR_PARTITION.code)) return 'gone'
            if (over)
              assert.ok(
                read.every(
                  ({ errorCode }) =>
                    errorCode === 0 ||
                    errorCode === errors.UNKNOWN_TOPIC_OR_PARTITION.code ||
                    errorCode === errors.NOT_LEADER_OR_FOLLOWER.code,
                ),
              )
          }
        }),
      )
      const { responses } = await client.call(apis.deleteTopics, 5, { topicNames: ['doomed'], timeoutMs: 10_000 })
      over = true
      assert.equal(responses[0]!.errorCode, 0)
      const ended = await waiting
      assert.ok(ended.responses[0]!.partitions.some(({ errorCode }) => errorCode !== 0))
      // A reader in the middle of an answer may lose its connection; the others hear that the topic is gone.
      for (const outcome of await reading) if (outcome.status === 'rejected') assert.match(String(outcome.reason), /the connection ended/)
      assert.equal((await produce(client, 'doomed', 0, ['x'])).errorCode, errors.UNKNOWN_TOPIC_OR_PARTITION.code)
      await createTopic(client, 'doomed', 2)
      assert.equal(Number((await produce(client, 'doomed', 1, ['again'])).baseOffset), 0)
    })

    test('partitions added while producing take records, and no acknowledged record is lost', async (t) => {
      await createTopic(client, 'growing', 2)
      const writer = await WireClient.open(t, broker.bootstrap)
      const counts: number[] = Array.from({ length: PARTITIONS }, () => 0)
      let stop = false
      const writing = (async () => {
        // One more round over all partitions after the last of them is there.
        for (let i = 0, left = PARTITIONS; left > 0; i++, left -= stop ? 1 : 0) {
          const partition = i % PARTITIONS
          const { errorCode } = await produce(writer, 'growing', partition, ['v'])
          if (errorCode === 0) counts[partition]!++
          else
            assert.ok(
              errorCode === errors.UNKNOWN_TOPIC_OR_PARTITION.code || errorCode === errors.NOT_LEADER_OR_FOLLOWER.code,
              String(errorCode),
            )
        }
      })()
      for (const count of [3, 7, PARTITIONS]) {
        const { results } = await client.call(apis.createPartitions, 3, {
          topics: [{ name: 'growing', count, assignments: null }],
          timeoutMs: 10_000,
          validateOnly: false,
        })
        assert.equal(results[0]!.errorCode, 0)
      }
      assert.equal(
        (await produce(client, 'growing', PARTITIONS - 1, ['at once'])).errorCode,
        0,
        'the answer comes when the partition is there',
      )
      counts[PARTITIONS - 1]!++
      stop = true
      await writing
      const read = await fetch(
        client,
        'growing',
        counts.map((_, p) => [p, 0] as const),
      )
      assert.deepEqual(
        read.map(({ highWatermark }) => Number(highWatermark)),
        counts,
      )
      assert.ok(counts.every((count) => count > 0))
    })

    test('an incremental fetch session names only what is new', async (t) => {
      await createTopic(client, 'session', PARTITIONS)
      const reader = await WireClient.open(t, broker.bootstrap)
      const all = Array.from({ length: PARTITIONS }, (_, p) => [p, 0] as const)
      const full = await reader.call(apis.fetch, FETCH, fetchBody('session', all, { sessionEpoch: 0 }))
      assert.notEqual(full.sessionId, 0)
      assert.equal(full.responses[0]!.partitions.length, PARTITIONS)
      await produce(client, 'session', 7, ['news'])
      const { sessionId } = full
      const body = { ...fetchBody('session', []), topics: [] }
      const news = await reader.call(apis.fetch, FETCH, { ...body, sessionId, sessionEpoch: 1 })
      assert.deepEqual(
        news.responses.flatMap(({ partitions }) => partitions.map(({ partitionIndex, records }) => [partitionIndex, valuesOf(records)])),
        [[7, ['news']]],
      )
      const wrong = await reader.call(apis.fetch, FETCH, { ...body, sessionId, sessionEpoch: 9 })
      assert.equal(wrong.errorCode, errors.INVALID_FETCH_SESSION_EPOCH.code)
    })
  })
}

async function ends_(client: WireClient, topic: string): Promise<(readonly [number, number])[]> {
  const { topics } = await client.call(apis.listOffsets, 5, {
    replicaId: -1,
    isolationLevel: 0,
    topics: [{ name: topic, partitions: Array.from({ length: PARTITIONS }, (_, partitionIndex) => ({ partitionIndex, timestamp: -1 })) }],
  })
  return topics[0]!.partitions.map(({ partitionIndex, offset }) => [partitionIndex, Number(offset)] as const)
}
