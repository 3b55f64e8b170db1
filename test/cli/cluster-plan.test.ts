// What `millrace cluster` decides before it asks anybody: where replicas go, how local nodes are started.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { planLocalCluster } from '../../src/cli/cluster/local.js'
import { throttledReplicas } from '../../src/cli/cluster/throttle.js'
import { planMoves } from '../../src/cli/cluster/plan.js'
import { seededRandom } from '../support/sim-env.js'

const brokers = (...ids: number[]) => ids.map((id) => ({ id, rack: null as string | null }))
const partitions = (...replicas: number[][]) => replicas.map((each, partition) => ({ topic: 't', partition, replicas: each }))

test('a broker that leaves: its replicas go to the others, everything else stays where it is', () => {
  const moves = planMoves(partitions([1, 2, 3], [2, 3, 1], [3, 1, 2], [1, 2, 4]), brokers(1, 2, 4), false)
  assert.deepEqual(
    moves.map(({ partition, to }) => [partition, to]),
    [
      [0, [1, 2, 4]],
      [1, [2, 4, 1]],
      [2, [4, 1, 2]],
    ],
  )
})

test("a throttle names who has a replica as a leader's, and who gets one as a follower's", () => {
  const moves = [
    { topic: 't', partition: 0, from: [1, 2], to: [2, 3] },
    { topic: 't', partition: 4, from: [3], to: [1, 3] },
  ]
  assert.deepEqual(throttledReplicas(moves), { leader: '0:1,0:2,4:3', follower: '0:3,4:1' })
})

test('brokers that joined get their share, and nothing moves that need not', () => {
  const rows = partitions(...Array.from({ length: 12 }, () => [1, 2, 3]))
  const moves = planMoves(rows, brokers(1, 2, 3, 4), true)
  const load = new Map<number, number>()
  for (const row of rows)
    for (const id of moves.find(({ partition }) => partition === row.partition)?.to ?? row.replicas) load.set(id, (load.get(id) ?? 0) + 1)
  assert.deepEqual(
    [...load].sort(([a], [b]) => a - b),
    [
      [1, 9],
      [2, 9],
      [3, 9],
      [4, 9],
    ],
  )
  assert.equal(moves.length, 9)
  assert.deepEqual(planMoves(partitions([1, 2], [2, 1]), brokers(1, 2), true), [])
})

test('a new replica goes to a rack the partition is not in', () => {
  const racked = [
    { id: 1, rack: 'a' },
    { id: 2, rack: 'a' },
    { id: 3, rack: 'b' },
  ]
  assert.deepEqual(planMoves(partitions([1, 9]), racked, false)[0]?.to, [1, 3])
})

test('a plan keeps the replica count, names no broker twice and no broker that is not wanted', () => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = seededRandom(seed)
    const some = (count: number, from: number): number[] => {
      const ids = Array.from({ length: from }, (_, i) => i + 1)
      return Array.from({ length: count }, () => ids.splice(Math.floor(random.next() * ids.length), 1)[0]!)
    }
    const wanted = some(3 + Math.floor(random.next() * 3), 6)
    const rows = partitions(...Array.from({ length: 20 }, () => some(3, 6)))
    const moves = planMoves(rows, brokers(...wanted), random.next() < 0.5)
    for (const row of rows) {
      const to = moves.find(({ partition }) => partition === row.partition)?.to ?? row.replicas
      assert.equal(to.length, 3, `seed ${seed}`)
      assert.equal(new Set(to).size, 3, `seed ${seed}: ${to.join()}`)
      assert.ok(
        to.every((id) => wanted.includes(id)),
        `seed ${seed}: ${to.join()} on ${wanted.join()}`,
      )
    }
  }
})

test('three local nodes all vote, seven have five voters, and no two share a port', () => {
  const ensembleOf = (args: readonly string[]): string => args[args.indexOf('--ensemble') + 1]!
  for (const [count, voters] of [
    [1, 1],
    [2, 1],
    [3, 3],
    [4, 3],
    [7, 5],
  ] as const) {
    const nodes = planLocalCluster(count, '/data', 9092, [])
    assert.equal(ensembleOf(nodes[0]!.args).split(',').length, voters)
    const ports = nodes.flatMap(({ args }) => args.filter((text) => /^127\.0\.0\.1:\d+$/.test(text)))
    assert.equal(new Set(ports).size, count * 3)
  }
})
