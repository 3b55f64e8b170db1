// Records for partitions of another worker: how many bytes may be on their way at once, whose the memory is that they lie in, and what comes back.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PartitionService } from '../../src/broker/partition-service.js'
import type { ProduceLane } from '../../src/broker/produce-lane.js'
import type { AppendResult } from '../../src/log/types.js'
import { errors } from '../../src/model/errors.js'
import { type AppendTerms, failedAppend } from '../../src/replica/hosted-partition.js'
import type { ProduceSink } from '../../src/replica/purgatory/produce-queue.js'
import type { ReplicaManager } from '../../src/replica/replica-manager.js'
import { SimEnv } from '../support/sim-env.js'

const RING_BYTES = 4 << 20
const TERMS: AppendTerms = { acks: -1, disk: false, apiVersion: 11, origin: 'client' }

interface Appended {
  readonly topic: string
  readonly partition: number
  readonly bytes: number[]
  readonly terms: AppendTerms
  readonly memory: ArrayBufferLike
  answer(result: AppendResult): void
}

const taken = (baseOffset: number, more: Partial<AppendResult> = {}): AppendResult => ({
  ...failedAppend(0),
  baseOffset,
  lastOffset: baseOffset,
  logStartOffset: 0,
  ...more,
})

/** A worker that owns nothing beside one that owns all; messages between them pass as structured clones, one after the other. */
class Pair {
  readonly appended: Appended[] = []
  flushes = 0
  readonly service: PartitionService
  readonly lane: ProduceLane
  #isCut = false

  constructor(maxForwardedBytes: number) {
    const replicas = {
      hasStaged: true,
      flush: () => this.flushes++,
      append: (topic: string, partition: number, records: Uint8Array, terms: AppendTerms, sink: ProduceSink, slot: number) => {
        const answer = (result: AppendResult): void => sink.complete(slot, result)
        this.appended.push({ topic, partition, bytes: [...records], terms, memory: records.buffer, answer })
      },
    } as unknown as ReplicaManager
    const lanes: ProduceLane[] = []
    const service = (worker: number): PartitionService =>
      new PartitionService({
        env: new SimEnv(),
        worker,
        replicas: worker === 0 ? ({ hasStaged: false, flush: () => undefined } as unknown as ReplicaManager) : replicas,
        placement: () => new Map(),
        peer: () => undefined,
        lane: () => lanes[worker],
        peers: () => [1 - worker],
        maxForwardedBytes: () => maxForwardedBytes,
      })
    this.service = service(0)
    lanes.push(
      this.service.newLane(
        to(() => lanes[1]!),
        RING_BYTES,
      ),
    )
    lanes.push(
      service(1).newLane(
        to(() => lanes[0]!),
        RING_BYTES,
      ),
    )
    this.lane = lanes[0]!
    const isCut = (): boolean => this.#isCut
    function to(other: () => ProduceLane): (method: string, message: object) => void {
      return (method, message) => {
        if (isCut()) return
        const copy = structuredClone(message)
        setImmediate(() => new Map(other().handlers()).get(method)!(copy as never))
      }
    }
  }

  /** Result by slot, as they come. */
  forward(...parts: number[][]): Map<number, AppendResult> {
    const results = new Map<number, AppendResult>()
    const items = parts.map((part, slot) => ({ topic: 't', partition: slot, records: Uint8Array.from(part), slot }))
    this.service.forwardProduce(1, items, TERMS, { complete: (slot, result) => results.set(slot, result) })
    this.service.turnEnded()
    return results
  }

  cut(): void {
    this.#isCut = true
    this.lane.close()
  }
}

const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 6; turn++) await new Promise(setImmediate)
}
const codes = (results: Map<number, AppendResult>): number[] => Array.from(results.values(), ({ errorCode }) => errorCode)
const bytesOf = (size: number): number[] => Array.from({ length: size }, (_, i) => i & 0xff)

test('records on their way to another worker are bounded: more are refused until it has answered, one request alone goes', async () => {
  const pair = new Pair(100)
  const first = pair.forward(bytesOf(150))
  assert.deepEqual(codes(pair.forward([1])), [errors.REQUEST_TIMED_OUT.code])
  await turns()
  assert.equal(first.size, 0)
  assert.deepEqual(codes(pair.forward([1])), [errors.REQUEST_TIMED_OUT.code])
  pair.appended[0]!.answer(taken(7))
  await turns()
  assert.deepEqual(codes(first), [0])
  const [second, third] = [pair.forward(bytesOf(60)), pair.forward(bytesOf(40))]
  assert.deepEqual(codes(pair.forward([1])), [errors.REQUEST_TIMED_OUT.code])
  await turns()
  assert.equal(pair.appended.length, 3)
  pair.appended[1]!.answer(failedAppend(errors.CORRUPT_MESSAGE.code))
  await turns()
  assert.deepEqual([codes(second), codes(third)], [[errors.CORRUPT_MESSAGE.code], []])
  pair.forward(bytesOf(60))
  await turns()
  assert.equal(pair.appended.length, 4)
})

test('what the owner says of each batch comes back whole, whatever the order of its answers', async () => {
  const pair = new Pair(1 << 20)
  const first = pair.forward([1, 2], [3])
  const second = pair.forward([4])
  await turns()
  assert.deepEqual(
    pair.appended.map(({ topic, partition, bytes, terms }) => ({ topic, partition, bytes, terms })),
    [
      { topic: 't', partition: 0, bytes: [1, 2], terms: TERMS },
      { topic: 't', partition: 1, bytes: [3], terms: TERMS },
      { topic: 't', partition: 0, bytes: [4], terms: TERMS },
    ],
  )
  assert.ok(pair.flushes > 0)
  const refused = { ...failedAppend(errors.INVALID_RECORD.code, 'no'), recordErrors: [{ batchIndex: 3, message: 'bad' }] }
  const late = taken(2 ** 40, { logAppendTime: Date.now(), duplicate: true })
  pair.appended[2]!.answer(late)
  pair.appended[1]!.answer(refused)
  await turns()
  assert.deepEqual([...second], [[0, late]])
  assert.equal(first.size, 0)
  pair.appended[0]!.answer(taken(5))
  await turns()
  assert.deepEqual(
    first,
    new Map([
      [0, taken(5)],
      [1, refused],
    ]),
  )
})

test('the memory of records is used again once the owner has appended them, answered or not; what finds no room has its own', async () => {
  const pair = new Pair(1 << 30)
  const big = bytesOf(RING_BYTES / 2 - 64)
  pair.forward([9])
  for (let i = 0; i < 6; i++) {
    pair.forward(big)
    await turns()
  }
  const [ring] = pair.appended.map(({ memory }) => memory)
  assert.ok(pair.appended.every(({ memory }) => memory === ring))
  pair.forward(big, big, big)
  await turns()
  const last = pair.appended.slice(-3)
  assert.ok(last.some(({ memory }) => memory === ring) && last.some(({ memory }) => memory !== ring))
  for (const { bytes } of pair.appended.slice(1)) assert.ok(Buffer.from(bytes).equals(Buffer.from(big)))
  const larger = bytesOf(RING_BYTES + (1 << 20))
  pair.forward(larger)
  await turns()
  assert.ok(Buffer.from(pair.appended.at(-1)!.bytes).equals(Buffer.from(larger)))
})

test('memory of what found no room in the ring is used again once it is answered', async () => {
  const pair = new Pair(1 << 30)
  const half = bytesOf(RING_BYTES / 2 - 64)
  const overflow = async (): Promise<Uint8Array> => {
    pair.forward(half, half, bytesOf(1000))
    await turns()
    const three = pair.appended.splice(0)
    for (const { answer } of three) answer(taken(0))
    await turns()
    return new Uint8Array(three[2]!.memory)
  }
  const first = await overflow()
  assert.deepEqual([...first.subarray(0, 1000)], bytesOf(1000))
  first[2000] = 77
  assert.equal((await overflow())[2000], 77)
})

test('an owner that is gone ends what it has not answered, and what comes after', async () => {
  const pair = new Pair(100)
  const [first, second] = [pair.forward([1], [2]), pair.forward([3])]
  await turns()
  pair.appended[2]!.answer(taken(0))
  await turns()
  pair.cut()
  const { code } = errors.NOT_LEADER_OR_FOLLOWER
  assert.deepEqual([codes(first), codes(second)], [[code, code], [0]])
  assert.deepEqual(codes(pair.forward(bytesOf(99))), [code])
  assert.deepEqual(codes(pair.forward(bytesOf(99))), [code])
})
