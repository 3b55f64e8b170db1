import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ownerOf, Placement } from '../../src/threads/placement.js'

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i)

test('partitions spread evenly over the workers', () => {
  const placement = new Placement(4)
  placement.assign('a', upTo(6))
  placement.assign('b', upTo(6))
  const counts = [0, 0, 0, 0]
  for (const topic of ['a', 'b']) for (const partition of upTo(6)) counts[ownerOf(placement.table, topic, partition)]!++
  assert.deepEqual(counts, [3, 3, 3, 3])
})

test('a topic that grows keeps the owners it had', () => {
  const placement = new Placement(3)
  placement.assign('a', upTo(5))
  const before = upTo(5).map((partition) => ownerOf(placement.table, 'a', partition))
  assert.equal(placement.assign('a', upTo(9)), true)
  assert.deepEqual(
    upTo(5).map((partition) => ownerOf(placement.table, 'a', partition)),
    before,
  )
  assert.ok(upTo(9).every((partition) => ownerOf(placement.table, 'a', partition) >= 0))
  assert.equal(placement.assign('a', upTo(9)), false)
})

test('a table handed out is not changed afterwards', () => {
  const placement = new Placement(2)
  placement.assign('a', [0])
  const handedOut = placement.table.get('a')!
  placement.assign('a', [0, 1])
  assert.equal(handedOut.length, 1)
})

test('partitions that this node does not host have no owner', () => {
  const placement = new Placement(2)
  placement.assign('a', [1, 3])
  assert.deepEqual(
    upTo(5).map((partition) => ownerOf(placement.table, 'a', partition) >= 0),
    [false, true, false, true, false],
  )
  assert.equal(ownerOf(placement.table, 'a', -1), -1)
  assert.equal(ownerOf(placement.table, 'nowhere', 0), -1)
})

test('a removed topic gives its load back', () => {
  const placement = new Placement(2)
  placement.assign('a', upTo(4))
  placement.remove('a')
  assert.equal(placement.table.has('a'), false)
  placement.assign('b', [0])
  placement.assign('c', [0])
  assert.notEqual(ownerOf(placement.table, 'b', 0), ownerOf(placement.table, 'c', 0))
})
