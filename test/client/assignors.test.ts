import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { Assignor, AssignorMember, GroupAssignment } from '../../src/client/consumer/assignors/assignor.js'
import { cooperativeStickyAssignor } from '../../src/client/consumer/assignors/cooperative-sticky.js'
import { rangeAssignor } from '../../src/client/consumer/assignors/range.js'
import { roundRobinAssignor } from '../../src/client/consumer/assignors/round-robin.js'
import { decodeAssignment, decodeSubscription, encodeAssignment, encodeSubscription } from '../../src/client/consumer/group-protocol.js'
import type { TopicPartition } from '../../src/model/topic-partition.js'

function member(
  memberId: string,
  topics: string[],
  ownedPartitions: TopicPartition[] = [],
  generationId = -1,
  groupInstanceId: string | null = null,
): AssignorMember {
  return { memberId, groupInstanceId, topics, ownedPartitions, generationId }
}

function plain(assignment: GroupAssignment): Record<string, string[]> {
  return Object.fromEntries([...assignment].map(([id, list]) => [id, list.map((p) => `${p.topic}${p.partition}`).sort()]))
}

const counts = (entries: Record<string, number>): Map<string, number> => new Map(Object.entries(entries))

describe('range', () => {
  test('each topic is cut into runs, the first members take the odd ones', () => {
    const result = rangeAssignor.assign([member('b', ['t', 'u']), member('a', ['t', 'u'])], counts({ t: 3, u: 2 }))
    assert.deepEqual(plain(result), { a: ['t0', 't1', 'u0'], b: ['t2', 'u1'] })
  })

  test('static members come first by instance id, so that a new member id moves nothing', () => {
    const before = rangeAssignor.assign([member('m1', ['t'], [], -1, 'x'), member('m2', ['t'], [], -1, 'y')], counts({ t: 2 }))
    const after = rangeAssignor.assign([member('m9', ['t'], [], -1, 'x'), member('m2', ['t'], [], -1, 'y')], counts({ t: 2 }))
    assert.deepEqual(plain(before)['m1'], plain(after)['m9'])
  })

  test('a topic that does not exist assigns nothing', () => {
    assert.deepEqual(plain(rangeAssignor.assign([member('a', ['gone'])], counts({}))), { a: [] })
  })
})

describe('roundrobin', () => {
  test('partitions are dealt in a circle, members that did not subscribe are passed over', () => {
    const members = [member('c0', ['t0']), member('c1', ['t0', 't1']), member('c2', ['t0', 't1', 't2'])]
    const result = roundRobinAssignor.assign(members, counts({ t0: 1, t1: 2, t2: 3 }))
    assert.deepEqual(plain(result), { c0: ['t00'], c1: ['t10'], c2: ['t11', 't20', 't21', 't22'] })
  })
})

describe('cooperative-sticky', () => {
  test('what moves is withheld until its owner has given it up', () => {
    const owned = [0, 1, 2, 3].map((partition) => ({ topic: 't', partition }))
    const first = cooperativeStickyAssignor.assign([member('a', ['t'], owned, 1), member('b', ['t'])], counts({ t: 4 }))
    assert.equal(first.get('a')!.length, 2)
    assert.deepEqual(first.get('b'), [])
    const second = cooperativeStickyAssignor.assign([member('a', ['t'], first.get('a')!, 2), member('b', ['t'], [], 2)], counts({ t: 4 }))
    assert.deepEqual(second.get('a'), first.get('a'))
    assert.equal(second.get('b')!.length, 2)
  })

  test('of two claims the newer generation counts, and its member is not disturbed', () => {
    const p = { topic: 't', partition: 0 }
    const result = cooperativeStickyAssignor.assign([member('old', ['t'], [p], 3), member('new', ['t'], [p], 4)], counts({ t: 1 }))
    assert.deepEqual(plain(result), { old: [], new: ['t0'] })
  })
})

interface Scenario {
  readonly members: AssignorMember[]
  readonly counts: Map<string, number>
}

const scenarios: fc.Arbitrary<Scenario> = fc
  .record({
    topicCounts: fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 4 }),
    wants: fc.array(fc.integer({ min: 1, max: 15 }), { minLength: 1, maxLength: 7 }),
  })
  .map(({ topicCounts, wants }) => ({
    counts: new Map(topicCounts.map((count, i) => [`t${i}`, count])),
    members: wants.map((bits, i) =>
      member(
        `m${i}`,
        topicCounts.flatMap((_, topic) => (bits & (1 << topic) ? [`t${topic}`] : [])),
      ),
    ),
  }))

function check(assignor: Assignor): void {
  test(`${assignor.name}: every subscribed partition has exactly one owner, and that one subscribed to it`, () => {
    fc.assert(
      fc.property(scenarios, ({ members, counts: partitions }) => {
        const result = assignor.assign(members, partitions)
        const seen = new Set<string>()
        for (const { memberId, topics } of members) {
          for (const { topic, partition } of result.get(memberId)!) {
            assert.ok(topics.includes(topic))
            assert.ok(partition < partitions.get(topic)!)
            assert.ok(!seen.has(`${topic}/${partition}`), 'given twice')
            seen.add(`${topic}/${partition}`)
          }
        }
        let expected = 0
        for (const [topic, count] of partitions) if (members.some((one) => one.topics.includes(topic))) expected += count
        assert.equal(seen.size, expected)
      }),
      { verbose: true },
    )
  })
}

describe('properties', () => {
  for (const assignor of [rangeAssignor, roundRobinAssignor, cooperativeStickyAssignor]) check(assignor)

  test('cooperative-sticky is balanced: nobody could take a partition from one who has two more', () => {
    fc.assert(
      fc.property(scenarios, ({ members, counts: partitions }) => {
        const result = cooperativeStickyAssignor.assign(members, partitions)
        for (const taker of members) {
          for (const giver of members) {
            const movable = result.get(giver.memberId)!.some(({ topic }) => taker.topics.includes(topic))
            if (movable) assert.ok(result.get(giver.memberId)!.length <= result.get(taker.memberId)!.length + 1)
          }
        }
      }),
      { verbose: true },
    )
  })

  test('cooperative-sticky: rounds converge, never two owners at once, and a stable group moves nothing', () => {
    fc.assert(
      fc.property(scenarios, fc.array(fc.boolean(), { minLength: 7, maxLength: 7 }), ({ members, counts: partitions }, stays) => {
        const start = cooperativeStickyAssignor.assign(members, partitions)
        let group = members
          .filter((_, i) => i === 0 || stays[i])
          .map((one) => ({ ...one, ownedPartitions: start.get(one.memberId)!, generationId: 1 }))
        for (let round = 2; round < 6; round++) {
          const result = cooperativeStickyAssignor.assign(group, partitions)
          const owners = new Map<string, string>()
          for (const one of group) for (const p of one.ownedPartitions) owners.set(`${p.topic}/${p.partition}`, one.memberId)
          let moved = 0
          for (const [memberId, list] of result) {
            for (const p of list) {
              const owner = owners.get(`${p.topic}/${p.partition}`)
              assert.ok(owner === undefined || owner === memberId, 'given away before it was revoked')
              if (owner === undefined) moved++
            }
          }
          const lost = group.some((one) => one.ownedPartitions.length > result.get(one.memberId)!.length)
          group = group.map((one) => ({ ...one, ownedPartitions: result.get(one.memberId)!, generationId: round }))
          if (moved === 0 && !lost) return
        }
        assert.fail('did not settle in four rounds')
      }),
      { verbose: true },
    )
  })
})

describe('group data', () => {
  test('a subscription comes back as it was sent', () => {
    const subscription = { topics: ['a', 'b'], ownedPartitions: [{ topic: 'a', partition: 1 }], generationId: 7, rack: 'r1' }
    assert.deepEqual(decodeSubscription(encodeSubscription(subscription)), subscription)
  })

  test('a subscription of version 0 has no owned partitions and no generation', () => {
    const bytes = Buffer.from('0000' + '00000001' + '0001' + '74' + 'ffffffff', 'hex')
    assert.deepEqual(decodeSubscription(bytes), { topics: ['t'], ownedPartitions: [], generationId: -1, rack: null })
  })

  test('an empty assignment answer is an empty assignment', () => {
    assert.deepEqual(decodeAssignment(new Uint8Array(0)), [])
    assert.deepEqual(decodeAssignment(encodeAssignment([{ topic: 't', partition: 3 }])), [{ topic: 't', partition: 3 }])
  })
})
