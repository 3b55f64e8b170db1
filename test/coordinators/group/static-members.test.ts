import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JoinGroupArgument } from '../../../src/coordinators/group/messages.js'
import { errors } from '../../../src/model/errors.js'
import { GroupDriver, text } from '../support/group-driver.js'

const FENCED = errors.FENCED_INSTANCE_ID.code
const UNKNOWN_MEMBER_ID = errors.UNKNOWN_MEMBER_ID.code

const instance = (index: number): Partial<JoinGroupArgument> => ({ groupInstanceId: `i${index}`, sessionTimeoutMs: 30_000 })

async function stable(driver: GroupDriver, count: number): Promise<{ ids: string[]; generationId: number }> {
  return driver.stableGroup(count, instance)
}

test('a static follower that restarts keeps the generation and gets its assignment back under a new member id', async () => {
  const driver = await GroupDriver.start()
  const { ids, generationId } = await stable(driver, 2)
  assert.match(ids[1]!, /^i1-/)
  const back = await driver.join(instance(1)).promise
  assert.equal(back.errorCode, 0)
  assert.equal(back.generationId, generationId)
  assert.notEqual(back.memberId, ids[1])
  assert.equal(back.skipAssignment, false)
  assert.equal((await driver.describe()).state, 'Stable')
  const sync = await driver.sync(back.memberId, generationId, {}, 'i1').promise
  assert.equal(text(sync.assignment), 'a1')
})

test('the old incarnation of a static member is fenced', async () => {
  const driver = await GroupDriver.start()
  const { ids, generationId } = await stable(driver, 2)
  await driver.join(instance(1)).promise
  assert.equal(await driver.heartbeat(ids[1]!, generationId, 'i1'), FENCED)
  assert.equal((await driver.sync(ids[1]!, generationId, {}, 'i1').promise).errorCode, FENCED)
  assert.equal((await driver.join({ ...instance(1), memberId: ids[1]! }).promise).errorCode, FENCED)
  assert.equal(await driver.commit('t', 0, 5, { memberId: ids[1]!, generationId, groupInstanceId: 'i1' }), FENCED)
  assert.deepEqual(await driver.leave({ memberId: ids[1]!, groupInstanceId: 'i1' }), [FENCED])
  assert.equal(await driver.heartbeat(ids[1]!, generationId, 'nobody'), UNKNOWN_MEMBER_ID)
})

test('a static leader that restarts learns the members and skips the assignment from v9 on', async () => {
  const driver = await GroupDriver.start()
  const { generationId } = await stable(driver, 2)
  const back = await driver.join(instance(0)).promise
  assert.equal(back.skipAssignment, true)
  assert.equal(back.leader, back.memberId)
  assert.equal(back.members.length, 2)
  assert.equal(back.generationId, generationId)
})

test('an older static leader that restarts is answered with the previous leader id, so that it follows', async () => {
  const driver = await GroupDriver.start()
  const { ids } = await stable(driver, 2)
  const back = await driver.join({ ...instance(0), supportsSkippingAssignment: false }).promise
  assert.equal(back.leader, ids[0])
  assert.equal(back.members.length, 0)
  assert.equal(back.skipAssignment, false)
})

test('the replacement survives a restart of the coordinator', async () => {
  const driver = await GroupDriver.start()
  const { ids, generationId } = await stable(driver, 2)
  const back = await driver.join(instance(1)).promise
  await driver.restart()
  assert.deepEqual((await driver.describe()).members, [ids[0], back.memberId])
  assert.equal(await driver.heartbeat(back.memberId, generationId, 'i1'), 0)
  assert.equal(await driver.heartbeat(ids[1]!, generationId, 'i1'), FENCED)
})

test('when the replacement cannot be stored the old member stays', async () => {
  const driver = await GroupDriver.start()
  const { ids, generationId } = await stable(driver, 2)
  driver.partition.outcomes.push({ errorCode: errors.NOT_ENOUGH_REPLICAS.code, offset: -1 })
  const back = await driver.join(instance(1)).promise
  assert.equal(back.errorCode, errors.COORDINATOR_NOT_AVAILABLE.code)
  assert.deepEqual((await driver.describe()).members, ids)
  assert.equal(await driver.heartbeat(ids[1]!, generationId, 'i1'), 0)
})

test('a static member that comes back with another choice of protocol starts a rebalance', async () => {
  const driver = await GroupDriver.start()
  const metadata = driver.joinArgument().protocols[0]!.metadata
  const two = [
    { name: 'range', metadata },
    { name: 'sticky', metadata },
  ]
  await driver.stableGroup(1, (index) => ({ ...instance(index), protocols: two }))
  const back = driver.join({ ...instance(0), protocols: [...two].reverse() })
  await driver.env.settle()
  assert.equal(back.value?.generationId, 2)
  assert.equal(back.value?.protocolName, 'sticky')
})

test('a static member that comes back while the leader assigns starts the rebalance over', async () => {
  const driver = await GroupDriver.start({ initialRebalanceDelayMs: 0 })
  const joins = [driver.join(instance(0)), driver.join(instance(1))]
  await driver.env.advance(1)
  const [leader, follower] = joins.map((join) => join.value!.memberId)
  const waiting = driver.sync(follower!, 1, {}, 'i1')
  const back = driver.join(instance(1))
  await driver.env.settle()
  assert.equal(waiting.value?.errorCode, FENCED)
  assert.equal((await driver.describe()).state, 'PreparingRebalance')
  const rejoin = driver.join({ ...instance(0), memberId: leader! })
  await driver.env.settle()
  assert.equal(back.value?.generationId, 2)
  assert.equal(rejoin.value?.generationId, 2)
})

test('the parked join of a replaced static member is answered FENCED_INSTANCE_ID', async () => {
  const driver = await GroupDriver.start()
  const first = driver.join(instance(0))
  await driver.env.settle()
  const second = driver.join(instance(0))
  await driver.env.advance(6_000)
  assert.equal(first.value?.errorCode, FENCED)
  assert.equal(second.value?.errorCode, 0)
  assert.equal(second.value?.members.length, 1)
})

test('a static member that does not rejoin in a rebalance keeps its place until its session ends', async () => {
  const driver = await GroupDriver.start()
  const { ids } = await driver.stableGroup(2, (index) => ({ ...instance(index), rebalanceTimeoutMs: 5_000 }))
  const rejoin = driver.join({ ...instance(0), memberId: ids[0]!, rebalanceTimeoutMs: 5_000 })
  await driver.env.advance(5_001)
  assert.equal(rejoin.value?.generationId, 2)
  assert.deepEqual((await driver.describe()).members, ids)
})

test('static members leave by instance id alone, as the admin client asks', async () => {
  const driver = await GroupDriver.start()
  await stable(driver, 2)
  assert.deepEqual(await driver.leave({ memberId: '', groupInstanceId: 'i0' }, { memberId: '', groupInstanceId: 'nobody' }), [
    0,
    UNKNOWN_MEMBER_ID,
  ])
  assert.equal((await driver.describe()).members.length, 1)
})
