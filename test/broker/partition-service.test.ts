// Records for partitions of another worker: how many bytes may be on their way at once, and whose the memory is that they lie in.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PartitionService } from '../../src/broker/partition-service.js'
import { errors } from '../../src/model/errors.js'
import type { AppendTerms } from '../../src/replica/hosted-partition.js'
import type { ReplicaManager } from '../../src/replica/replica-manager.js'
import type { Caller } from '../../src/threads/mailbox.js'

/** Owns nothing; all that is forwarded goes to `peer`. */
function serviceBeside(peer: Caller, maxForwardedBytes: number): PartitionService {
  return new PartitionService({
    worker: 0,
    replicas: {} as ReplicaManager,
    placement: () => new Map(),
    peer: () => peer,
    peers: () => [1],
    maxForwardedBytes: () => maxForwardedBytes,
  })
}

test('records on their way to another worker are bounded: more are refused until it has answered, one request alone goes', async () => {
  const calls: { answer(): void; fail(): void }[] = []
  const done = { errorCode: 0 }
  const peer: Caller = {
    call: <Result>() =>
      new Promise<Result>((resolve, reject) => {
        calls.push({ answer: () => resolve([done] as Result), fail: () => reject(new Error('gone')) })
      }),
    notify: () => {},
  }
  const service = serviceBeside(peer, 100)
  const forward = (size: number): number[] => {
    const codes: number[] = []
    const items = [{ topic: 't', partition: 0, records: new Uint8Array(size), slot: 0 }]
    service.forwardProduce(1, items, {} as AppendTerms, { complete: (_slot, { errorCode }) => codes.push(errorCode) })
    return codes
  }
  const first = forward(150)
  assert.deepEqual(forward(1), [errors.REQUEST_TIMED_OUT.code])
  calls[0]!.answer()
  await new Promise(setImmediate)
  assert.deepEqual(first, [0])
  const [second, third] = [forward(60), forward(40)]
  assert.deepEqual(forward(1), [errors.REQUEST_TIMED_OUT.code])
  assert.equal(calls.length, 3)
  calls[1]!.fail()
  await new Promise(setImmediate)
  assert.deepEqual([second, third], [[errors.NOT_LEADER_OR_FOLLOWER.code], []])
  forward(60)
  assert.equal(calls.length, 4)
})

test('memory of records on their way is used again once the owner has answered, and left to an owner that did not', async () => {
  const calls: { readonly bytes: SharedArrayBuffer; answer(): void; fail(): void }[] = []
  const peer: Caller = {
    call: <Result>(_method: string, { bytes }: { bytes: SharedArrayBuffer }) =>
      new Promise<Result>((resolve, reject) => {
        calls.push({ bytes, answer: () => resolve([{ errorCode: 0 }] as Result), fail: () => reject(new Error('gone')) })
      }),
    notify: () => {},
  }
  const service = serviceBeside(peer, 1000)
  const forward = (...parts: number[][]): void => {
    const items = parts.map((part, slot) => ({ topic: 't', partition: slot, records: Uint8Array.from(part), slot }))
    service.forwardProduce(1, items, {} as AppendTerms, { complete: () => {} })
  }
  const sent = (call: number, size: number): number[] => [...new Uint8Array(calls[call]!.bytes, 0, size)]
  forward([1, 2], [3])
  forward([4])
  assert.deepEqual([sent(0, 3), sent(1, 1)], [[1, 2, 3], [4]])
  assert.notEqual(calls[0]!.bytes, calls[1]!.bytes)
  calls[0]!.answer()
  calls[1]!.fail()
  await new Promise(setImmediate)
  forward([5])
  forward([6])
  assert.equal(calls[2]!.bytes, calls[0]!.bytes)
  assert.notEqual(calls[3]!.bytes, calls[1]!.bytes)
  assert.deepEqual([sent(2, 1), sent(1, 1)], [[5], [4]])
})
