import assert from 'node:assert/strict'
import { test } from 'node:test'
import { errors } from '../../../src/model/errors.js'
import { GroupDriver, subscription, text } from '../support/group-driver.js'

const REBALANCE_IN_PROGRESS = errors.REBALANCE_IN_PROGRESS.code
const UNKNOWN_MEMBER_ID = errors.UNKNOWN_MEMBER_ID.code

test('the first generation waits for the initial delay, and again while members keep coming', async () => {
  const driver = await GroupDriver.start()
  const first = driver.join()
  await driver.env.advance(2_999)
  assert.equal(first.settled, false)
  const second = driver.join()
  await driver.env.advance(2)
  assert.equal(first.settled, false, 'a member came during the delay: another delay')
  await driver.env.advance(3_000)
  assert.equal(first.value?.generationId, 1)
  assert.equal(second.value?.generationId, 1)
  assert.equal(first.value?.leader, first.value?.memberId)
  assert.equal(first.value?.members.length, 2, 'the leader learns the members')
  assert.equal(second.value?.members.length, 0, 'a follower does not')
  assert.equal(first.value?.protocolName, 'range')
  assert.equal(first.value?.protocolType, 'consumer')
  assert.match(first.value.memberId, /^client-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
})

test('the initial delays end with the rebalance timeout', async () => {
  const driver = await GroupDriver.start()
  const first = driver.join({ rebalanceTimeoutMs: 7_000 })
  for (let i = 0; i < 4; i++) {
    driver.join({ rebalanceTimeoutMs: 7_000 })
    await driver.env.advance(2_000)
  }
  assert.equal(first.value?.generationId, 1)
})

test('a new dynamic member is told its id first and joins with it', async () => {
  const driver = await GroupDriver.start({ initialRebalanceDelayMs: 0 })
  const told = await driver.join({ requireKnownMemberId: true }).promise
  assert.equal(told.errorCode, errors.MEMBER_ID_REQUIRED.code)
  assert.equal(told.generationId, -1)
  const joined = driver.join({ requireKnownMemberId: true, memberId: told.memberId })
  await driver.env.advance(1)
  assert.equal(joined.value?.errorCode, 0)
  assert.equal(joined.value?.memberId, told.memberId)
})

test('a member that was told its id and never came back does not hold up the group', async () => {
  const driver = await GroupDriver.start({ initialRebalanceDelayMs: 0 })
  const { ids, generationId } = await driver.stableGroup(1)
  await driver.join({ requireKnownMemberId: true }).promise
  const rejoin = driver.join({ memberId: ids[0]! })
  await driver.env.settle()
  assert.equal(rejoin.settled, false, 'the pending member is waited for')
  await driver.env.advance(10_000)
  assert.equal(rejoin.value?.generationId, generationId + 1)
})

test('a member that was told its id joins though the last other one has left meanwhile', async () => {
  const driver = await GroupDriver.start({ initialRebalanceDelayMs: 0 })
  const { ids, generationId } = await driver.stableGroup(1)
  const { memberId } = await driver.join({ requireKnownMemberId: true }).promise
  assert.deepEqual(await driver.leave({ memberId: ids[0]! }), [0])
  assert.equal((await driver.join({ memberId, protocolType: 'connect' }).promise).errorCode, errors.INCONSISTENT_GROUP_PROTOCOL.code)
  const joined = driver.join({ memberId })
  await driver.env.settle()
  assert.deepEqual([joined.value?.errorCode, joined.value?.generationId, joined.value?.leader], [0, generationId + 1, memberId])
})

test('200 members join at once, all get one generation and their own assignment', async () => {
  const driver = await GroupDriver.start()
  const { ids, generationId } = await driver.stableGroup(200)
  assert.equal(generationId, 1)
  assert.equal(new Set(ids).size, 200)
  const described = (await driver.shard.describeGroups({ groupIds: ['g'] })).groups[0]!
  assert.equal(described.groupState, 'Stable')
  assert.equal(described.protocolData, 'range')
  assert.deepEqual(described.members.map((member) => text(member.memberAssignment)).sort(), ids.map((_, index) => `a${index}`).sort())
})

test('the leader syncs last: followers wait, then all are answered with the protocol', async () => {
  const driver = await GroupDriver.start({ initialRebalanceDelayMs: 0 })
  const joins = [driver.join(), driver.join()]
  await driver.env.advance(1)
  const [leader, follower] = joins.map((join) => join.value!.memberId)
  const early = driver.sync(follower!, 1)
  await driver.env.settle()
  assert.equal(early.settled, false)
  const late = driver.sync(leader!, 1, { [leader!]: 'L' })
  await driver.env.settle()
  assert.equal(text(late.value?.assignment), 'L')
  assert.equal(early.value?.errorCode, 0)
  assert.equal(early.value?.assignment.length, 0, 'a member that the leader left out gets an empty assignment')
  assert.equal(early.value?.protocolName, 'range')
})

test('a third member makes the others rejoin: heartbeats say so and the generation starts when all are back', async () => {
  const driver = await GroupDriver.start()
  const { ids, generationId } = await driver.stableGroup(2)
  const third = driver.join()
  await driver.env.settle()
  assert.equal(await driver.heartbeat(ids[0]!, generationId), REBALANCE_IN_PROGRESS)
  const sync = await driver.sync(ids[1]!, generationId).promise
  assert.equal(sync.errorCode, REBALANCE_IN_PROGRESS)
  const rejoins = ids.map((memberId) => driver.join({ memberId }))
  await driver.env.settle()
  assert.equal(third.value?.generationId, generationId + 1)
  assert.deepEqual(
    rejoins.map((join) => join.value?.generationId),
    [generationId + 1, generationId + 1],
  )
  assert.equal(third.value?.leader, ids[0], 'the leader stays')
  assert.equal(await driver.heartbeat(ids[0]!, generationId), errors.ILLEGAL_GENERATION.code)
})

test('a join while the leader assigns fails the waiting syncs and starts over', async () => {
  const driver = await GroupDriver.start({ initialRebalanceDelayMs: 0 })
  const joins = [driver.join(), driver.join()]
  await driver.env.advance(1)
  const [leader, follower] = joins.map((join) => join.value!.memberId)
  const waiting = driver.sync(follower!, 1)
  const third = driver.join()
  await driver.env.settle()
  assert.equal(waiting.value?.errorCode, REBALANCE_IN_PROGRESS)
  assert.equal((await driver.sync(leader!, 1, {}).promise).errorCode, REBALANCE_IN_PROGRESS)
  driver.join({ memberId: leader! })
  driver.join({ memberId: follower! })
  await driver.env.settle()
  assert.equal(third.value?.generationId, 2)
})

test('members that do not rejoin within the rebalance timeout lose their place, the leader too', async () => {
  const driver = await GroupDriver.start()
  const { ids } = await driver.stableGroup(3, () => ({ sessionTimeoutMs: 1_000_000, rebalanceTimeoutMs: 5_000 }))
  const rejoin = driver.join({
    memberId: ids[1]!,
    sessionTimeoutMs: 1_000_000,
    rebalanceTimeoutMs: 5_000,
    protocols: [{ name: 'range', metadata: subscription('u') }],
  })
  await driver.env.advance(4_999)
  assert.equal(rejoin.settled, false)
  await driver.env.advance(2)
  assert.equal(rejoin.value?.leader, ids[1])
  assert.deepEqual((await driver.describe()).members, [ids[1]])
  assert.equal(await driver.heartbeat(ids[0]!, 1), UNKNOWN_MEMBER_ID)
})

test('a silent member expires after its session timeout, not before, and heartbeats keep it', async () => {
  const driver = await GroupDriver.start()
  const { ids, generationId } = await driver.stableGroup(2)
  for (let i = 0; i < 3; i++) {
    await driver.env.advance(4_000)
    assert.equal(await driver.heartbeat(ids[0]!, generationId), i < 2 ? 0 : REBALANCE_IN_PROGRESS)
  }
  const rejoin = driver.join({ memberId: ids[0]! })
  await driver.env.settle()
  assert.deepEqual((await driver.describe()).members, [ids[0]])
  assert.equal(rejoin.value?.generationId, generationId + 1)
  assert.equal(await driver.heartbeat(ids[1]!, generationId), UNKNOWN_MEMBER_ID)
})

test('when the last member expires the group is empty and keeps its generation count', async () => {
  const driver = await GroupDriver.start()
  await driver.stableGroup(1)
  await driver.env.advance(10_001)
  assert.equal((await driver.describe()).state, 'Empty')
  const { generationId } = await driver.stableGroup(1)
  assert.equal(generationId, 3, '1, then 2 without members, then 3')
})

test('members that never sync are removed after the rebalance timeout', async () => {
  const driver = await GroupDriver.start({ initialRebalanceDelayMs: 0 })
  const joins = [driver.join({ rebalanceTimeoutMs: 5_000 }), driver.join({ rebalanceTimeoutMs: 5_000 })]
  await driver.env.advance(1)
  const [leader, follower] = joins.map((join) => join.value!.memberId)
  await driver.sync(leader!, 1, {}).promise
  await driver.env.advance(5_001)
  assert.deepEqual((await driver.describe()).members, [leader])
  assert.equal(await driver.heartbeat(follower!, 1), UNKNOWN_MEMBER_ID)
  assert.equal(await driver.heartbeat(leader!, 1), REBALANCE_IN_PROGRESS)
})

test('a follower that joins again with the same protocols learns the generation it is in; the leader starts a rebalance', async () => {
  const driver = await GroupDriver.start()
  const { ids, generationId } = await driver.stableGroup(2)
  const again = await driver.join({ memberId: ids[1]! }).promise
  assert.equal(again.generationId, generationId)
  assert.equal(again.leader, ids[0])
  assert.equal((await driver.describe()).state, 'Stable')
  const leaderAgain = driver.join({ memberId: ids[0]! })
  await driver.env.settle()
  assert.equal(leaderAgain.settled, false)
  assert.equal((await driver.describe()).state, 'PreparingRebalance')
})

test('a cooperative round is two rebalances in a row over changed subscriptions', async () => {
  const driver = await GroupDriver.start()
  const cooperative = { protocols: [{ name: 'cooperative-sticky', metadata: subscription('t') }] }
  const { ids, generationId } = await driver.stableGroup(2, () => cooperative)
  const owned = (value: string) => ({
    protocols: [{ name: 'cooperative-sticky', metadata: Buffer.concat([subscription('t'), Buffer.from(value)]) }],
  })
  for (let round = 1; round <= 2; round++) {
    const joins = ids.map((memberId, index) => driver.join({ memberId, ...owned(`round${round}-${index}`) }))
    await driver.env.settle()
    assert.deepEqual(
      joins.map((join) => join.value?.generationId),
      [generationId + round, generationId + round],
    )
    assert.match(text(joins[0]!.value!.members[1]!.metadata), new RegExp(`round${round}-1$`))
    assert.deepEqual(
      (await driver.syncAll(ids, generationId + round)).map((sync) => text(sync.assignment)),
      ['a0', 'a1'],
    )
  }
})

test('the protocol with most votes among the common ones wins', async () => {
  const driver = await GroupDriver.start()
  const named = (...names: string[]) => ({ protocols: names.map((name) => ({ name, metadata: subscription('t') })) })
  const sets = [named('range', 'sticky', 'only-mine'), named('sticky', 'range'), named('sticky', 'range')]
  const joins = sets.map((set) => driver.join(set))
  await driver.env.advance(6_000)
  assert.deepEqual(
    joins.map((join) => join.value?.protocolName),
    ['sticky', 'sticky', 'sticky'],
  )
})

test('a member that shares no protocol, or names none, is refused', async () => {
  const driver = await GroupDriver.start()
  const refused = errors.INCONSISTENT_GROUP_PROTOCOL.code
  assert.equal((await driver.join({ protocols: [] }).promise).errorCode, refused)
  assert.equal((await driver.join({ protocolType: '' }).promise).errorCode, refused)
  await driver.stableGroup(1)
  assert.equal((await driver.join({ protocols: [{ name: 'other', metadata: subscription('t') }] }).promise).errorCode, refused)
  assert.equal((await driver.join({ protocolType: 'connect' }).promise).errorCode, refused)
})

test('session timeouts outside the limits, empty group ids and unknown members are refused', async () => {
  const driver = await GroupDriver.start()
  assert.equal((await driver.join({ sessionTimeoutMs: 5_999 }).promise).errorCode, errors.INVALID_SESSION_TIMEOUT.code)
  assert.equal((await driver.join({ sessionTimeoutMs: 1_800_001 }).promise).errorCode, errors.INVALID_SESSION_TIMEOUT.code)
  assert.equal((await driver.join({ groupId: '' }).promise).errorCode, errors.INVALID_GROUP_ID.code)
  assert.equal((await driver.join({ memberId: 'nobody' }).promise).errorCode, UNKNOWN_MEMBER_ID)
  assert.equal(await driver.heartbeat('nobody', 1), UNKNOWN_MEMBER_ID)
  await driver.stableGroup(1)
  assert.equal((await driver.join({ memberId: 'nobody' }).promise).errorCode, UNKNOWN_MEMBER_ID)
  assert.equal((await driver.sync('nobody', 1).promise).errorCode, UNKNOWN_MEMBER_ID)
})

test('a full group refuses newcomers and keeps its members', async () => {
  const driver = await GroupDriver.start({ maxSize: 2 })
  const { ids } = await driver.stableGroup(2)
  assert.equal((await driver.join().promise).errorCode, errors.GROUP_MAX_SIZE_REACHED.code)
  assert.equal((await driver.describe()).state, 'Stable')
  const rejoins = ids.map((memberId) => driver.join({ memberId }))
  await driver.env.settle()
  assert.deepEqual(
    rejoins.map((join) => join.value?.errorCode),
    [0, 0],
  )
})

test('sync checks the protocol type and name where they are sent', async () => {
  const driver = await GroupDriver.start()
  const { ids, generationId } = await driver.stableGroup(1)
  const base = { groupId: 'g', generationId, memberId: ids[0]!, groupInstanceId: null, assignments: [] }
  const refused = errors.INCONSISTENT_GROUP_PROTOCOL.code
  assert.equal((await driver.shard.syncGroup({ ...base, protocolType: 'connect', protocolName: 'range' })).errorCode, refused)
  assert.equal((await driver.shard.syncGroup({ ...base, protocolType: 'consumer', protocolName: 'sticky' })).errorCode, refused)
  assert.equal((await driver.shard.syncGroup({ ...base, protocolType: 'consumer', protocolName: 'range' })).errorCode, 0)
})

test('leaving starts a rebalance for the others, and the last one leaves an empty group', async () => {
  const driver = await GroupDriver.start()
  const { ids, generationId } = await driver.stableGroup(2)
  assert.deepEqual(await driver.leave({ memberId: ids[0]! }, { memberId: 'nobody' }), [0, UNKNOWN_MEMBER_ID])
  assert.equal(await driver.heartbeat(ids[1]!, generationId), REBALANCE_IN_PROGRESS)
  assert.deepEqual(await driver.leave({ memberId: ids[1]! }), [0])
  assert.equal((await driver.describe()).state, 'Empty')
  assert.deepEqual(await driver.leave({ memberId: ids[1]! }), [UNKNOWN_MEMBER_ID])
})

test('a failed write of the assignment sends the group into a new rebalance with an error for the waiting syncs', async () => {
  const driver = await GroupDriver.start({ initialRebalanceDelayMs: 0 })
  const joins = [driver.join(), driver.join()]
  await driver.env.advance(1)
  const [leader, follower] = joins.map((join) => join.value!.memberId)
  driver.partition.outcomes.push({ errorCode: errors.NOT_ENOUGH_REPLICAS.code, offset: -1 })
  const syncs = [driver.sync(follower!, 1), driver.sync(leader!, 1, { [leader!]: 'x' })]
  await driver.env.settle()
  assert.deepEqual(
    syncs.map((sync) => sync.value?.errorCode),
    [errors.COORDINATOR_NOT_AVAILABLE.code, errors.COORDINATOR_NOT_AVAILABLE.code],
  )
  assert.equal((await driver.describe()).state, 'PreparingRebalance')
})

test('a sync is answered only once the assignment is committed', async () => {
  const driver = await GroupDriver.start({ initialRebalanceDelayMs: 0 })
  const join = driver.join()
  await driver.env.advance(1)
  driver.partition.held = true
  const sync = driver.sync(join.value!.memberId, 1, { [join.value!.memberId]: 'x' })
  await driver.env.settle()
  assert.equal(sync.settled, false)
  driver.partition.release()
  await driver.env.settle()
  assert.equal(text(sync.value?.assignment), 'x')
})

test('resigning answers parked joins and syncs NOT_COORDINATOR, and so is everything after it', async () => {
  const driver = await GroupDriver.start()
  const join = driver.join()
  await driver.env.settle()
  driver.shard.resign()
  await driver.env.settle()
  assert.equal(join.value?.errorCode, errors.NOT_COORDINATOR.code)
  assert.equal((await driver.join().promise).errorCode, errors.NOT_COORDINATOR.code)
  assert.equal(driver.env.pendingTimers, 0)
})

test('while the partition loads, operations are refused and heartbeats are not', async () => {
  const driver = new GroupDriver()
  const loading = driver.shard.load()
  const answers = [driver.shard.joinGroup(driver.joinArgument()), driver.shard.listGroups({ statesFilter: [], typesFilter: [] })]
  const heartbeat = driver.heartbeat('m', 1)
  for (const answer of answers) assert.equal((await answer).errorCode, errors.COORDINATOR_LOAD_IN_PROGRESS.code)
  assert.equal(await heartbeat, 0)
  await loading
  assert.equal((await driver.shard.listGroups({ statesFilter: [], typesFilter: [] })).errorCode, 0)
})

test('an assignment that commits after the next generation began is not given to that one', async () => {
  const driver = await GroupDriver.start({ initialRebalanceDelayMs: 0 })
  const join = driver.join()
  await driver.env.advance(1)
  const leader = join.value!.memberId
  driver.partition.held = true
  const sync = driver.sync(leader, 1, { [leader]: 'old' })
  await driver.env.settle()
  const second = driver.join()
  await driver.env.settle()
  assert.equal(sync.value?.errorCode, REBALANCE_IN_PROGRESS)
  driver.join({ memberId: leader })
  await driver.env.settle()
  const waiting = driver.sync(second.value!.memberId, 2)
  driver.partition.release()
  await driver.env.settle()
  assert.equal(waiting.settled, false)
  assert.equal((await driver.describe()).state, 'CompletingRebalance')
  const last = driver.sync(leader, 2, { [leader]: 'new', [second.value!.memberId]: 'new2' })
  await driver.env.settle()
  assert.deepEqual([text(last.value?.assignment), text(waiting.value?.assignment)], ['new', 'new2'])
})
