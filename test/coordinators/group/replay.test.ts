import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Random } from '../../../src/env/env.js'
import { SimEnv, seededRandom } from '../../support/sim-env.js'
import { GroupDriver } from '../support/group-driver.js'

const GROUPS = ['g0', 'g1', 'g2']
const TOPICS = ['t', 'u']

/** Everything a client can learn about groups at rest. */
async function visibleState(driver: GroupDriver): Promise<unknown> {
  const described = (await driver.shard.describeGroups({ groupIds: GROUPS })).groups
  const offsets = []
  for (const groupId of GROUPS) {
    const { topics } = await driver.shard.fetchOffsets({ groupId, topics: null, requireStable: true })
    const flat = topics.flatMap(({ topic, partitions }) => partitions.map((partition) => ({ topic, ...partition })))
    offsets.push([groupId, flat.sort((a, b) => a.topic.localeCompare(b.topic) || a.partition - b.partition)])
  }
  const listed = (await driver.shard.listGroups({ statesFilter: [], typesFilter: [] })).groups
  // As it crosses the mailbox: a Buffer arrives as a Uint8Array.
  return structuredClone({ described, offsets, listed: [...listed].sort((a, b) => a.groupId.localeCompare(b.groupId)) })
}

interface Member {
  id: string
  groupId: string
  generationId: number
}

/** One random client action; answers that must wait are not awaited. */
async function act(driver: GroupDriver, random: Random, members: Member[]): Promise<void> {
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random.next() * items.length)]!
  driver.groupId = pick(GROUPS)
  const mine = members.filter((member) => member.groupId === driver.groupId)
  const someone = mine.length > 0 ? pick(mine) : undefined
  const { groupId } = driver
  const kind = Math.floor(random.next() * 9)
  if (kind <= 1) {
    const groupInstanceId = random.next() < 0.3 ? `i${Math.floor(random.next() * 2)}` : null
    void driver.join({ groupInstanceId }).promise.then((join) => {
      if (join.errorCode === 0)
        remember(
          driver,
          members,
          { id: join.memberId, groupId, generationId: join.generationId },
          join.members.map((each) => each.memberId),
        )
    })
  } else if (kind === 2 && someone !== undefined) {
    await driver.leave({ memberId: someone.id })
  } else if (kind === 3) {
    await driver.commit(pick(TOPICS), Math.floor(random.next() * 3), Math.floor(random.next() * 100), { metadata: 'm', leaderEpoch: 1 })
  } else if (kind === 4 && someone !== undefined) {
    await driver.commit(pick(TOPICS), 0, Math.floor(random.next() * 100), { memberId: someone.id, generationId: someone.generationId })
  } else if (kind === 5) {
    await driver.shard.deleteOffsets({ groupId, topics: [{ topic: pick(TOPICS), partitions: [0, 1, 2] }] })
  } else if (kind === 6) {
    await driver.shard.deleteGroups({ groupIds: [groupId] })
  } else if (kind === 7) {
    if (random.next() < 0.3) driver.shard.onTopicsDeleted([pick(TOPICS)])
  } else {
    await driver.env.advance(random.next() * 8_000)
  }
}

function remember(driver: GroupDriver, members: Member[], member: Member, all: readonly string[]): void {
  members.push(member)
  // Whoever is answered syncs at once; the leader assigns.
  const argument = {
    groupId: member.groupId,
    generationId: member.generationId,
    memberId: member.id,
    groupInstanceId: null,
    protocolType: null,
    protocolName: null,
    assignments: all.map((memberId) => ({ memberId, assignment: Buffer.from(`for ${memberId}`) })),
  }
  void driver.shard.syncGroup(argument)
}

/** Until no rebalance is under way: waits out sessions and rebalances. */
async function comeToRest(driver: GroupDriver): Promise<void> {
  for (let i = 0; i < 60; i++) {
    await driver.env.advance(2_000)
    const { groups } = await driver.shard.listGroups({ statesFilter: ['PreparingRebalance', 'CompletingRebalance'], typesFilter: [] })
    if (groups.length === 0) return
  }
  assert.fail('a rebalance does not end')
}

test('replaying the log gives the state that was live, after any sequence of operations', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 1_000_000 }), fc.integer({ min: 1, max: 60 }), async (seed, steps) => {
      const driver = await GroupDriver.start({ initialRebalanceDelayMs: 500 }, new SimEnv(seed))
      const random = seededRandom(seed * 7 + 1)
      const members: Member[] = []
      for (let step = 0; step < steps; step++) await act(driver, random, members)
      await comeToRest(driver)
      const live = (await visibleState(driver)) as { listed: { groupId: string; protocolType: string }[] }
      await driver.restart()
      assert.deepEqual(await visibleState(driver), live)
    }),
    { numRuns: 150, includeErrorInReport: true },
  )
})

test('records of unknown kinds are skipped with one warning per kind', async () => {
  const driver = await GroupDriver.start()
  await driver.commit('t', 0, 5)
  const { encodeBatch } = await import('../../../src/coordinators/runtime/record-batches.js')
  const consumerGroup = { key: Buffer.from([0, 3, 0, 1, 0x67]), value: Buffer.from([0, 0, 0, 0, 0, 1]) }
  const broken = { key: Buffer.from([0, 2, 0, 1, 0x68]), value: Buffer.from([0, 3, 0, 90]) }
  driver.partition.batches.push(encodeBatch([consumerGroup, consumerGroup, broken], 0))
  await driver.restart()
  assert.equal(await driver.committed('t', 0), 5)
  const warnings = driver.env.lines.filter((line) => line.level === 'warn' || line.level === 'error')
  assert.deepEqual(
    warnings.map((line) => line.level),
    ['warn', 'error'],
  )
})

test('a loaded member has one session timeout to be heard of', async () => {
  const driver = await GroupDriver.start()
  const { ids, generationId } = await driver.stableGroup(2)
  await driver.restart()
  await driver.env.advance(9_000)
  assert.equal(await driver.heartbeat(ids[0]!, generationId), 0)
  await driver.env.advance(2_000)
  assert.deepEqual((await driver.describe()).state, 'PreparingRebalance')
  assert.deepEqual((await driver.describe()).members, [ids[0]])
})
