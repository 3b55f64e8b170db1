// The `disk` promise through a whole node: by topic, by call, and refused where a server does not announce it.

import assert from 'node:assert/strict'
import { createServer, type AddressInfo } from 'node:net'
import { describe, test, type TestContext } from 'node:test'
import { FakeCluster } from '../client/fake-cluster.js'
import { Consumer } from '../../src/client/consumer/consumer.js'
import { Producer } from '../../src/client/producer/producer.js'
import { apiVersionsFor, decodeRequest, decodeRequestHeader, encodeResponse } from '../../src/protocol/codec/index.js'
import { apiByKey, apis } from '../../src/protocol/schema/index.js'
import { Log } from '../../src/log/log.js'
import { HostedPartition } from '../../src/replica/hosted-partition.js'
import { PartitionState } from '../../src/replica/partition/partition-state.js'
import { startTestBroker } from '../support/broker.js'
import { batch, openLog, tempDir } from '../log/support.js'
import { createTopic, fetch, produce, WireClient } from './wire-client.js'

interface Held {
  readonly hosted: HostedPartition
  readonly log: Log
  /** Lets the fsync that waits end. */
  finishSync(): Promise<void>
  readonly answered: number[]
  append(options?: { disk?: boolean; acks?: number; flush?: boolean }): void
  visible(): number
}

/** A hosted partition over a real log whose fsync ends when the test says so. */
async function held(t: TestContext, promise: 'process' | 'disk'): Promise<Held> {
  const log = await openLog(t, { dir: tempDir(t) })
  const pending: (() => void)[] = []
  const slow = new Proxy(log, {
    get(target, name) {
      if (name === 'sync') {
        const until = target.writtenOffset
        return () => new Promise<number>((resolve) => pending.push(() => resolve(until)))
      }
      const value = Reflect.get(target, name, target) as unknown
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  const state = new PartitionState(1, log.logEndOffset, log.logStartOffset)
  state.promise = promise
  const hosted = new HostedPartition('t', 0, slow, state)
  hosted.becomeWhatControllerSays({ leader: 1, leaderEpoch: 0, isr: [1], replicas: [1], partitionEpoch: 0 })
  const answered: number[] = []
  let slot = 0
  return {
    hosted,
    log,
    answered,
    append: ({ disk = false, acks = -1, flush = true } = {}) => {
      const mine = slot++
      hosted.append(
        batch(1),
        { acks, disk, apiVersion: 12, origin: 'client' },
        { complete: (_slot, { errorCode }) => answered.push(errorCode === 0 ? mine : -errorCode) },
        mine,
      )
      if (flush) hosted.flush()
    },
    finishSync: async () => {
      pending.shift()!()
      await new Promise((resolve) => setImmediate(resolve))
    },
    visible: () =>
      hosted.planFetch(
        { topic: 't', partition: 0, fetchOffset: 0, maxBytes: 1 << 20, currentLeaderEpoch: -1, lastFetchedEpoch: -1 },
        { readCommitted: false, rackId: null, rackAware: false },
        1 << 20,
        true,
      ).highWatermark,
  }
}

describe('one partition', () => {
  test('on a disk topic neither the producer nor a reader gets ahead of fsync, and what came meanwhile shares the next one', async (t) => {
    const { append, answered, visible, finishSync } = await held(t, 'disk')
    append()
    append({ acks: 1 })
    append()
    assert.deepEqual([answered, visible()], [[], 0])
    await finishSync()
    assert.deepEqual([answered, visible()], [[0], 1])
    await finishSync()
    assert.deepEqual([answered, visible()], [[0, 1, 2], 3])
  })

  test('on a process topic only a call for disk waits, and holds the reader back with it', async (t) => {
    const { append, answered, visible, finishSync } = await held(t, 'process')
    append()
    assert.deepEqual([answered, visible()], [[0], 1])
    append({ disk: true })
    append({ acks: 1 })
    assert.deepEqual([answered, visible()], [[0, 2], 1], 'who asks for the leader alone is not held up by who asks for more')
    append({ disk: true })
    await finishSync()
    assert.deepEqual([answered, visible()], [[0, 2, 1], 2])
    await finishSync()
    assert.deepEqual([answered, visible()], [[0, 2, 1, 3], 4])
  })

  test('a call for disk whose batch is still staged when the fsync before it ends has one of its own', async (t) => {
    const { append, hosted, answered, visible, finishSync } = await held(t, 'process')
    append({ disk: true })
    append({ disk: true, flush: false })
    await finishSync()
    assert.deepEqual([answered, visible()], [[0], 1])
    hosted.flush()
    await finishSync()
    assert.deepEqual([answered, visible()], [[0, 1], 2])
  })

  test('a watcher that watches again while it is woken is woken once', async (t) => {
    const { hosted } = await held(t, 'process')
    let woken = 0
    let stop = (): void => {}
    const wake = (): void => {
      if (++woken > 5) throw new Error('woken without end')
      stop()
      stop = hosted.watch(wake)
    }
    stop = hosted.watch(wake)
    hosted.wake()
    assert.equal(woken, 1)
  })
})

for (const workers of [1, 2]) {
  test(`a disk topic acknowledges and shows what is synced (${workers} workers)`, async (t) => {
    const { bootstrap } = await startTestBroker(t, { workers })
    const client = await WireClient.open(t, bootstrap)
    await createTopic(client, 'safe', 4, { 'millrace.ack': 'disk' })
    for (let p = 0; p < 4; p++) {
      assert.equal((await produce(client, 'safe', p, ['a'])).errorCode, 0)
      const [read] = await fetch(client, 'safe', [[p, 0]])
      assert.equal(Number(read!.highWatermark), 1)
    }
  })

  test(`a call for disk goes through our own client (${workers} workers)`, async (t) => {
    const { bootstrap } = await startTestBroker(t, { workers, settings: { 'num.partitions': 4 } })
    const producer = new Producer({ bootstrapServers: bootstrap })
    t.after(() => producer.close())
    const sends = Array.from({ length: 40 }, (_, i) =>
      producer.send({ topic: 'calls', partition: i % 4, value: `v${i}`, ...(i % 3 === 0 ? { ack: 'disk' as const } : {}) }),
    )
    const offsets = await Promise.all(sends)
    assert.deepEqual(
      offsets.map(({ offset }) => offset),
      Array.from({ length: 40 }, (_, i) => Math.floor(i / 4)),
    )
    const consumer = new Consumer({ bootstrapServers: bootstrap })
    t.after(() => consumer.close())
    const ends = await consumer.endOffsets([0, 1, 2, 3].map((partition) => ({ topic: 'calls', partition })))
    assert.deepEqual(
      ends.map(({ offset }) => offset),
      [10, 10, 10, 10],
    )
  })
}

test('a server that does not announce it is asked for nothing: the call is refused, and says why', async () => {
  const cluster = new FakeCluster()
  const producer = new Producer({ transport: cluster, lingerMs: 0 })
  await assert.rejects(producer.send({ topic: 't', value: 'a', ack: 'disk' }), (error: Error & { code?: string }) => {
    assert.equal(error.code, 'ERR_MILLRACE_UNSUPPORTED')
    assert.match(error.message, /does not announce the feature 'millrace.ack'/)
    return true
  })
  assert.equal(cluster.produced.length, 0)
  await producer.send({ topic: 't', value: 'b' })
  assert.deepEqual(cluster.values(), ['b'])
  await producer.close()
})

test('the same over a socket, against a server of a script', async (t) => {
  let produced = 0
  const server = createServer((socket) => {
    socket.on('error', () => {})
    let rest = Buffer.alloc(0)
    socket.on('data', (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk])
      while (rest.length >= 4 && rest.length >= 4 + rest.readInt32BE(0)) {
        const frame = rest.subarray(4, 4 + rest.readInt32BE(0))
        rest = rest.subarray(4 + rest.readInt32BE(0))
        const { apiKey, apiVersion, correlationId, bodyOffset } = decodeRequestHeader(frame)
        const api = apiByKey(apiKey)!
        const port = (server.address() as AddressInfo).port
        if (apiKey === apis.apiVersions.key) {
          const version = Math.min(apiVersion, 3)
          const apiKeys = apiVersionsFor([apis.apiVersions.key, apis.metadata.key, apis.produce.key, apis.initProducerId.key]).map(
            (range) => ({ ...range }),
          )
          socket.write(
            Buffer.concat(encodeResponse(apis.apiVersions, version, correlationId, { errorCode: 0, apiKeys, throttleTimeMs: 0 } as never)),
          )
        } else if (apiKey === apis.metadata.key) {
          const { topics } = decodeRequest(apis.metadata, apiVersion, frame, bodyOffset)
          const partitions = [
            { errorCode: 0, partitionIndex: 0, leaderId: 1, leaderEpoch: 0, replicaNodes: [1], isrNodes: [1], offlineReplicas: [] },
          ]
          const body = {
            brokers: [{ nodeId: 1, host: '127.0.0.1', port, rack: null }],
            clusterId: 'scripted',
            controllerId: 1,
            topics: (topics ?? []).map(({ name }) => ({ errorCode: 0, name, isInternal: false, partitions })),
          }
          socket.write(Buffer.concat(encodeResponse(apis.metadata, apiVersion, correlationId, body as never)))
        } else if (apiKey === apis.produce.key) produced++
        else
          socket.write(
            Buffer.concat(
              encodeResponse(api, apiVersion, correlationId, { errorCode: 0, producerId: 1, producerEpoch: 0, throttleTimeMs: 0 } as never),
            ),
          )
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const producer = new Producer({ bootstrapServers: `127.0.0.1:${(server.address() as AddressInfo).port}`, lingerMs: 0 })
  await assert.rejects(producer.send({ topic: 't', partition: 0, value: 'a', ack: 'disk' }), /does not announce the feature 'millrace.ack'/)
  assert.equal(produced, 0)
  await producer.close()
  server.close()
  t.diagnostic('no Produce request reached the server')
})
