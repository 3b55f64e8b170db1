import assert from 'node:assert/strict'
import { test } from 'node:test'
import { errors } from '../../../src/model/errors.js'
import { GroupDriver, subscription } from '../support/group-driver.js'

const DAY = 24 * 3_600_000

test('a simple consumer commits without a group and reads back offset, epoch and metadata as they were', async () => {
  const driver = await GroupDriver.start()
  assert.equal(await driver.commit('t', 0, 42, { metadata: 'mine: ä', leaderEpoch: 7 }), 0)
  const result = await driver.shard.fetchOffsets({ groupId: 'g', topics: null, requireStable: true })
  assert.deepEqual(result.topics, [
    { topic: 't', partitions: [{ partition: 0, offset: 42, leaderEpoch: 7, metadata: 'mine: ä', errorCode: 0 }] },
  ])
  await driver.restart()
  assert.deepEqual((await driver.shard.fetchOffsets({ groupId: 'g', topics: null, requireStable: true })).topics, result.topics)
})

test('an offset that was never committed is -1 without an error', async () => {
  const driver = await GroupDriver.start()
  const result = await driver.shard.fetchOffsets({ groupId: 'nobody', topics: [{ topic: 't', partitions: [3] }], requireStable: false })
  assert.deepEqual(result.topics[0]!.partitions, [{ partition: 3, offset: -1, leaderEpoch: -1, metadata: '', errorCode: 0 }])
})

test('metadata longer than the limit is refused for its partition alone', async () => {
  const driver = await GroupDriver.start({ offsetMetadataMaxBytes: 4 })
  assert.equal(await driver.commit('t', 0, 1, { metadata: '12345' }), errors.OFFSET_METADATA_TOO_LARGE.code)
  assert.equal(await driver.commit('t', 0, 1, { metadata: '1234' }), 0)
})

test('a commit names the generation: wrong ones, strangers and unknown groups are refused', async () => {
  const driver = await GroupDriver.start()
  assert.equal(await driver.commit('t', 0, 1, { memberId: 'm', generationId: 1 }), errors.ILLEGAL_GENERATION.code)
  assert.equal(
    await driver.commit('t', 0, 1, { memberId: 'm', generationId: 1, groupIdNotFoundKnown: true }),
    errors.GROUP_ID_NOT_FOUND.code,
  )
  const { ids, generationId } = await driver.stableGroup(1)
  assert.equal(await driver.commit('t', 0, 1, { memberId: ids[0]!, generationId }), 0)
  assert.equal(await driver.commit('t', 0, 1, { memberId: ids[0]!, generationId: generationId + 1 }), errors.ILLEGAL_GENERATION.code)
  assert.equal(await driver.commit('t', 0, 1, { memberId: 'm', generationId }), errors.UNKNOWN_MEMBER_ID.code)
  assert.equal(await driver.commit('t', 0, 1), errors.UNKNOWN_MEMBER_ID.code, 'a simple consumer may not commit into a live group')
})

test('a commit during a rebalance: allowed while members rejoin, REBALANCE_IN_PROGRESS while the leader assigns', async () => {
  const driver = await GroupDriver.start()
  const { ids, generationId } = await driver.stableGroup(2)
  const [a, b] = ids as [string, string]
  driver.join({ memberId: a })
  await driver.env.settle()
  assert.equal((await driver.describe()).state, 'PreparingRebalance')
  assert.equal(await driver.commit('t', 0, 10, { memberId: b, generationId }), 0)
  driver.join({ memberId: b })
  await driver.env.settle()
  assert.equal((await driver.describe()).state, 'CompletingRebalance')
  assert.equal(await driver.commit('t', 0, 11, { memberId: b, generationId }), errors.ILLEGAL_GENERATION.code)
  assert.equal(await driver.commit('t', 0, 11, { memberId: b, generationId: generationId + 1 }), errors.REBALANCE_IN_PROGRESS.code)
  assert.equal(await driver.committed('t', 0), 10)
})

test('a commit keeps its member alive', async () => {
  const driver = await GroupDriver.start()
  const { ids, generationId } = await driver.stableGroup(1)
  for (let i = 0; i < 3; i++) {
    await driver.env.advance(9_000)
    assert.equal(await driver.commit('t', 0, i, { memberId: ids[0]!, generationId }), 0)
  }
})

test('a commit is answered, and seen, only once it is in the log', async () => {
  const driver = await GroupDriver.start()
  driver.partition.held = true
  let answered = false
  const commit = driver.commit('t', 0, 5).finally(() => (answered = true))
  await driver.env.settle()
  assert.equal(answered, false)
  assert.equal(await driver.committed('t', 0), -1)
  driver.partition.release()
  assert.equal(await commit, 0)
  assert.equal(await driver.committed('t', 0), 5)
})

test('a commit that the log refuses changes nothing and says why', async () => {
  const driver = await GroupDriver.start()
  await driver.commit('t', 0, 1)
  for (const [appendError, told] of [
    [errors.NOT_ENOUGH_REPLICAS.code, errors.COORDINATOR_NOT_AVAILABLE.code],
    [errors.NOT_LEADER_OR_FOLLOWER.code, errors.NOT_COORDINATOR.code],
    [errors.MESSAGE_TOO_LARGE.code, errors.INVALID_COMMIT_OFFSET_SIZE.code],
  ] as const) {
    driver.partition.outcomes.push({ errorCode: appendError, offset: -1 })
    assert.equal(await driver.commit('t', 0, 2), told)
  }
  assert.equal(await driver.committed('t', 0), 1)
})

test('deleting offsets: not of topics the group reads, not of groups without subscriptions, else gone for good', async () => {
  const driver = await GroupDriver.start()
  const erase = async (topic: string) => {
    const result = await driver.shard.deleteOffsets({ groupId: driver.groupId, topics: [{ topic, partitions: [0] }] })
    return result.errorCode || result.topics[0]!.partitions[0]!.errorCode
  }
  assert.equal(await erase('t'), errors.GROUP_ID_NOT_FOUND.code)
  await driver.commit('t', 0, 1)
  await driver.commit('old', 0, 2)
  await driver.stableGroup(1)
  assert.equal(await erase('t'), errors.GROUP_SUBSCRIBED_TO_TOPIC.code)
  assert.equal(await erase('old'), 0)
  await driver.restart()
  assert.equal(await driver.committed('old', 0), -1)
  assert.equal(await driver.committed('t', 0), 1)
  driver.groupId = 'connect'
  await driver.stableGroup(1, () => ({ protocolType: 'connect' }))
  assert.equal(await erase('t'), errors.NON_EMPTY_GROUP.code)
})

test('deleting groups: only empty ones, with their offsets', async () => {
  const driver = await GroupDriver.start()
  const erase = async () => (await driver.shard.deleteGroups({ groupIds: [driver.groupId] })).results[0]!.errorCode
  assert.equal(await erase(), errors.GROUP_ID_NOT_FOUND.code)
  const { ids, generationId } = await driver.stableGroup(1)
  await driver.commit('t', 0, 1, { memberId: ids[0]!, generationId })
  assert.equal(await erase(), errors.NON_EMPTY_GROUP.code)
  await driver.leave({ memberId: ids[0]! })
  assert.equal(await erase(), 0)
  assert.equal(await erase(), errors.GROUP_ID_NOT_FOUND.code)
  await driver.restart()
  assert.equal(await driver.committed('t', 0), -1)
  assert.deepEqual((await driver.shard.listGroups({ statesFilter: [], typesFilter: [] })).groups, [])
})

test('nobody joins a group whose deletion is on its way; when the deletion fails the group is back', async () => {
  const driver = await GroupDriver.start()
  await driver.commit('t', 0, 1)
  driver.partition.held = true
  driver.partition.outcomes.push({ errorCode: errors.NOT_ENOUGH_REPLICAS.code, offset: -1 })
  const deletion = driver.shard.deleteGroups({ groupIds: ['g'] })
  await driver.env.settle()
  assert.equal((await driver.join().promise).errorCode, errors.COORDINATOR_NOT_AVAILABLE.code)
  assert.equal(await driver.commit('t', 0, 2), errors.COORDINATOR_NOT_AVAILABLE.code)
  driver.partition.release()
  assert.equal((await deletion).results[0]!.errorCode, errors.COORDINATOR_NOT_AVAILABLE.code)
  assert.equal(await driver.commit('t', 0, 3), 0)
  assert.equal(await driver.committed('t', 0), 3)
})

test('a commit in flight when its group is deleted outlives the group, now and after a restart', async () => {
  const driver = await GroupDriver.start()
  await driver.commit('t', 0, 1)
  driver.partition.held = true
  const commit = driver.commit('t', 1, 9)
  const deletion = driver.shard.deleteGroups({ groupIds: ['g'] })
  await driver.env.settle()
  driver.partition.release()
  assert.equal(await commit, 0)
  assert.equal((await deletion).results[0]!.errorCode, 0)
  for (let i = 0; i < 2; i++) {
    assert.equal(await driver.committed('t', 0), -1)
    assert.equal(await driver.committed('t', 1), 9)
    assert.equal((await driver.describe()).state, 'Empty')
    await driver.restart()
  }
})

test('offsets of a group expire a retention after it became empty, and the group with them', async () => {
  const driver = await GroupDriver.start({ offsetsRetentionMs: DAY })
  const { ids, generationId } = await driver.stableGroup(1, () => ({ sessionTimeoutMs: 1_800_000 }))
  await driver.commit('t', 0, 1, { memberId: ids[0]!, generationId })
  for (let i = 0; i < 200; i++) {
    await driver.env.advance(900_000)
    await driver.heartbeat(ids[0]!, generationId)
  }
  assert.equal(await driver.committed('t', 0), 1, 'a live group keeps what it reads')
  await driver.leave({ memberId: ids[0]! })
  await driver.env.advance(DAY - 1_000)
  assert.equal(await driver.committed('t', 0), 1)
  await driver.env.advance(601_000)
  assert.equal(await driver.committed('t', 0), -1)
  assert.equal((await driver.describe()).errorCode, errors.GROUP_ID_NOT_FOUND.code)
  await driver.restart()
  assert.equal((await driver.describe()).errorCode, errors.GROUP_ID_NOT_FOUND.code)
})

test('a stable consumer group loses the old offsets of topics it no longer reads', async () => {
  const driver = await GroupDriver.start({ offsetsRetentionMs: DAY })
  await driver.commit('old', 0, 1)
  await driver.commit('t', 0, 2)
  const { ids, generationId } = await driver.stableGroup(1, () => ({
    protocols: [{ name: 'range', metadata: subscription('t') }],
    sessionTimeoutMs: 1_800_000,
  }))
  for (let i = 0; i < 100; i++) {
    await driver.env.advance(900_000)
    await driver.heartbeat(ids[0]!, generationId)
  }
  assert.equal(await driver.committed('old', 0), -1)
  assert.equal(await driver.committed('t', 0), 2)
})

test('offsets of a simple consumer expire from their commit on, or by the retention the request names', async () => {
  const driver = await GroupDriver.start({ offsetsRetentionMs: DAY })
  await driver.commit('t', 0, 1)
  await driver.commit('t', 1, 1, { retentionTimeMs: 3_600_000 })
  await driver.restart()
  await driver.env.advance(3_600_000 + 600_000)
  assert.equal(await driver.committed('t', 1), -1)
  await driver.commit('t', 2, 1)
  await driver.env.advance(DAY - 3_600_000)
  assert.equal(await driver.committed('t', 0), -1)
  assert.equal(await driver.committed('t', 2), 1)
})

test('offsets go with their topic, also when it is deleted while the partition loads', async () => {
  const driver = await GroupDriver.start()
  await driver.commit('t', 0, 1)
  await driver.commit('u', 0, 2)
  await driver.commit('v', 0, 3)
  driver.shard.onTopicsDeleted(['t'])
  await driver.env.settle()
  assert.equal(await driver.committed('t', 0), -1)
  driver.shard = driver.createShard()
  const loading = driver.shard.load()
  driver.shard.onTopicsDeleted(['u'])
  await loading
  await driver.env.settle()
  await driver.restart()
  assert.deepEqual([await driver.committed('t', 0), await driver.committed('u', 0), await driver.committed('v', 0)], [-1, -1, 3])
})

test('groups are listed by state and type, whatever the case of the filter', async () => {
  const driver = await GroupDriver.start()
  await driver.stableGroup(1)
  driver.groupId = 'simple'
  await driver.commit('t', 0, 1)
  const list = async (statesFilter: string[], typesFilter: string[]) =>
    (await driver.shard.listGroups({ statesFilter, typesFilter })).groups.map((group) => group.groupId)
  assert.deepEqual(await list([], []), ['g', 'simple'])
  assert.deepEqual(await list(['stable'], []), ['g'])
  assert.deepEqual(await list(['Empty'], ['Classic']), ['simple'])
  assert.deepEqual(await list([], ['consumer']), [])
  assert.deepEqual((await driver.shard.listGroups({ statesFilter: [], typesFilter: [] })).groups[1], {
    groupId: 'simple',
    protocolType: '',
    groupState: 'Empty',
    groupType: 'classic',
  })
})
