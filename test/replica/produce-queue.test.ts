import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AppendResult } from '../../src/log/types.js'
import { failedAppend } from '../../src/replica/hosted-partition.js'
import { ProduceQueue, type ProduceSink } from '../../src/replica/purgatory/produce-queue.js'

const OK = { ...failedAppend(0), baseOffset: 7 }

function setup() {
  const done: [number, number][] = []
  const sink: ProduceSink = { complete: (slot, result: AppendResult) => done.push([slot, result.errorCode]) }
  return { queue: new ProduceQueue(), done, sink }
}

test('each promise is answered when its own offset is passed, in order', () => {
  const { queue, done, sink } = setup()
  queue.add(10, 'written', sink, 0, OK)
  queue.add(20, 'committed', sink, 1, OK)
  queue.add(30, 'durable', sink, 2, OK)
  queue.release(9, 9, 9)
  assert.deepEqual(done, [])
  queue.release(30, 9, 9)
  assert.deepEqual(done, [[0, 0]])
  queue.release(30, 20, 9)
  assert.deepEqual(done, [
    [0, 0],
    [1, 0],
  ])
  queue.release(30, 30, 29)
  assert.equal(queue.length, 1)
  queue.release(30, 30, 30)
  assert.deepEqual(done.at(-1), [2, 0])
  assert.equal(queue.length, 0)
})

test('a durable answer also waits for the in-sync set', () => {
  const { queue, done, sink } = setup()
  queue.add(10, 'durable', sink, 0, OK)
  queue.release(10, 5, 10)
  assert.deepEqual(done, [])
})

test('a failed write ends the waits above the log end and keeps those below', () => {
  const { queue, done, sink } = setup()
  queue.add(10, 'committed', sink, 0, OK)
  queue.add(20, 'committed', sink, 1, OK)
  queue.failAbove(10, failedAppend(56))
  assert.deepEqual(done, [[1, 56]])
  queue.release(10, 10, 0)
  assert.deepEqual(done, [
    [1, 56],
    [0, 0],
  ])
})

test('a wait that was ended early is not answered a second time and does not hold up the next', () => {
  const { queue, done, sink } = setup()
  const end = queue.add(10, 'committed', sink, 0, OK)
  queue.add(20, 'written', sink, 1, OK)
  end(failedAppend(7))
  queue.release(20, 0, 0)
  assert.deepEqual(done, [
    [0, 7],
    [1, 0],
  ])
  queue.release(20, 20, 20)
  assert.equal(done.length, 2)
})

test('a sink that adds a wait while it is answered is served', () => {
  const { queue, done, sink } = setup()
  const adding: ProduceSink = { complete: () => queue.add(30, 'written', sink, 5, OK) }
  queue.add(10, 'written', adding, 0, OK)
  queue.failAbove(-1, failedAppend(6))
  assert.equal(queue.length, 1)
  queue.release(30, 0, 0)
  assert.deepEqual(done, [[5, 0]])
})

test('a hundred thousand waits cost a hundred thousand steps, not their square', () => {
  const { queue, done, sink } = setup()
  for (let i = 1; i <= 100_000; i++) queue.add(i, 'written', sink, i, OK)
  for (let i = 1; i <= 100_000; i++) queue.release(i, 0, 0)
  assert.equal(done.length, 100_000)
  assert.equal(queue.length, 0)
})
