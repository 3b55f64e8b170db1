import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { placeReplicas, type PlaceableBroker } from '../../src/controller/placement.js'

/** A fixed sequence of numbers in [0, 1). */
function randomOf(seed: number) {
  let state = seed
  const next = (): number => (state = (state * 1103515245 + 12345) % 2147483648) / 2147483648
  return { next, bytes: (count: number) => new Uint8Array(count) }
}

const clusterArb = fc
  .array(fc.constantFrom(null, 'a', 'b', 'c'), { minLength: 1, maxLength: 9 })
  .map((racks) => racks.map((rack, i): PlaceableBroker => ({ id: i + 1, rack })))

test('property: every partition gets distinct brokers, as many as asked', () => {
  fc.assert(
    fc.property(clusterArb, fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 9 }), fc.nat(), (brokers, count, wanted, seed) => {
      const factor = Math.min(wanted, brokers.length)
      const placed = placeReplicas(brokers, count, factor, randomOf(seed))
      assert.equal(placed.length, count)
      for (const replicas of placed) {
        assert.equal(replicas.length, factor)
        assert.equal(new Set(replicas).size, factor)
      }
    }),
  )
})

test('property: leaders are spread to within one, and no rack is used twice before every rack was', () => {
  fc.assert(
    fc.property(clusterArb, fc.integer({ min: 1, max: 60 }), fc.nat(), (brokers, count, seed) => {
      const rackOf = new Map(brokers.map((broker) => [broker.id, broker.rack]))
      const factor = new Set(rackOf.values()).size
      const placed = placeReplicas(brokers, count, factor, randomOf(seed))
      const leaders = brokers.map(({ id }) => placed.filter((replicas) => replicas[0] === id).length)
      assert.ok(Math.max(...leaders) - Math.min(...leaders) <= 1)
      for (const replicas of placed) assert.equal(new Set(replicas.map((id) => rackOf.get(id))).size, factor)
    }),
  )
})

test('followers are spread too: with 4 brokers and 12 partitions no pair has it all', () => {
  const brokers = [1, 2, 3, 4].map((id) => ({ id, rack: null }))
  const placed = placeReplicas(brokers, 12, 2, randomOf(7))
  assert.ok(new Set(placed.map((replicas) => replicas.join())).size >= 8)
})
