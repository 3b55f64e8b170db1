import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConnectionCounts } from '../../src/broker/connection-counts.js'

function workers(count: number): { memory: SharedArrayBuffer; all: ConnectionCounts[]; counts(): number[] } {
  const memory = ConnectionCounts.memory(count)
  const all = Array.from({ length: count }, (_, worker) => new ConnectionCounts(memory, worker))
  return { memory, all, counts: () => all.map(({ worker }) => all[0]!.of(worker)) }
}

test('what is counted at another worker is taken off that one, not off its successor', () => {
  const { memory, all, counts } = workers(3)
  const [first, second] = [all[0]!, all[1]!]
  const lives = [first.add(1), first.add(1), second.add(1)]
  first.remove(1, lives[0]!)
  assert.deepEqual(counts(), [0, 2, 0])
  const successor = new ConnectionCounts(memory, 1)
  assert.deepEqual(counts(), [0, 0, 0])
  first.remove(1, lives[1]!)
  second.removeOwn()
  assert.deepEqual(counts(), [0, 0, 0])
  const life = first.add(1)
  successor.removeOwn()
  assert.notEqual(life, lives[1])
  assert.deepEqual(counts(), [0, 0, 0])
})

test('a connection that was counted before a worker was replaced, and that the successor took, is counted', () => {
  const { memory, all, counts } = workers(2)
  const before = all[0]!.add(1)
  const successor = new ConnectionCounts(memory, 1)
  successor.taken(before)
  successor.taken(all[0]!.add(1))
  assert.deepEqual(counts(), [0, 2])
})

test('room made for a connection counts where it is to go, and is forgotten with the worker that it was to leave', () => {
  const { memory, all, counts } = workers(3)
  all[0]!.add(0)
  all[0]!.add(0)
  all[0]!.room(2, 1)
  all[0]!.room(2, 1)
  assert.deepEqual(counts(), [0, 0, 2])
  // The one that they go to is replaced: they are still to go there.
  const successor = new ConnectionCounts(memory, 2)
  assert.deepEqual(counts(), [0, 0, 2])
  all[0]!.room(2, -1)
  assert.deepEqual(counts(), [1, 0, 1])
  assert.equal(new ConnectionCounts(memory, 0).of(2), 0)
  assert.equal(successor.of(0), 0)
})
