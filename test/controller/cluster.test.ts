// Elections, failover, fencing and the life of brokers, with several nodes over one ensemble.

import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { CreateTopicSpec } from '../../src/controller/controller-api.js'
import type { PartitionImage } from '../../src/controller/image.js'
import { firstLevels, SUPPORTED_FEATURES } from '../../src/controller/features.js'
import { errors } from '../../src/model/errors.js'
import { Cluster, until, type TestNode } from './cluster.js'

const timeout = 60_000

async function three(t: TestContext): Promise<{ cluster: Cluster; nodes: TestNode[] }> {
  const cluster = new Cluster(t)
  return { cluster, nodes: await cluster.startAll(1, 2, 3) }
}

function create(node: TestNode, name: string, partitions: readonly (readonly number[])[], configs: CreateTopicSpec['configs'] = []) {
  const assignments = partitions.map((brokerIds, partitionIndex) => ({ partitionIndex, brokerIds }))
  return node.node.api.createTopics([{ name, numPartitions: -1, replicationFactor: -1, assignments, configs }], false)
}

function sorted(ids: readonly number[]): number[] {
  return ids.toSorted((a, b) => a - b)
}

function state(node: TestNode, topic: string, partition = 0): PartitionImage {
  return node.node.view.image.topics.get(topic)!.partitions[partition]!
}

function alter(cluster: Cluster, from: number, topic: string, newIsr: readonly number[], more: Partial<PartitionImage> = {}) {
  const { node } = cluster.nodes.get(from)!
  const { image } = node.view
  const found = image.topics.get(topic)!
  const { leaderEpoch, partitionEpoch } = { ...found.partitions[0]!, ...more }
  const isr = newIsr.map((brokerId) => ({ brokerId, brokerEpoch: image.brokers.get(brokerId)?.epoch ?? -1n }))
  const item = { topicId: found.id, partition: 0, leaderEpoch, partitionEpoch, newIsr: isr }
  return node.api.alterPartition({ brokerId: from, brokerEpoch: node.registration.epoch!, partitions: [item] })
}

test('one of three is controller; each may ask for changes and has them in its image when it is answered', { timeout }, async (t) => {
  const { cluster, nodes } = await three(t)
  const controllers = nodes.filter(({ node }) => node.controller !== null)
  assert.equal(controllers.length, 1)
  for (const each of nodes) {
    const [outcome] = await create(each, `from-${each.id}`, [[1, 2, 3]])
    assert.equal(outcome!.errorCode, 0)
    assert.equal(state(each, `from-${each.id}`).leader, 1)
  }
  await until(() => nodes.every(({ node }) => node.view.image.topics.size === 3))
  assert.equal(cluster.member.tree.node('/controller_epoch')!.version, 0)
})

test('a controller that is killed is followed by another, which moves its leaders', { timeout }, async (t) => {
  const { cluster } = await three(t)
  const first = await cluster.controller()
  await create(first, 'a', [[first.id, ...[1, 2, 3].filter((id) => id !== first.id)]])
  await cluster.kill(first.id)
  const next = await cluster.controller()
  await until(() => state(next, 'a').leader !== first.id)
  const after = state(next, 'a')
  assert.deepEqual([after.leaderEpoch, after.isr.includes(first.id)], [1, false])
  assert.ok(after.isr.includes(after.leader))
  assert.equal(next.node.view.image.controllerEpoch, 2)
})

test('a zombie controller, not told that its session ended, writes nothing', { timeout }, async (t) => {
  const { cluster } = await three(t)
  const zombie = await cluster.controller()
  // It hears nothing any more: its view would tell it.
  const controller = zombie.node.controller!
  zombie.node.view.close()
  await zombie.session().expire(false)
  await cluster.controller(zombie.id)
  const specs = [{ name: 'late', numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }]
  const outcome = await controller.createTopics(specs, false).then(
    ([row]) => row!.errorCode,
    (error: { code: string }) => error.code,
  )
  assert.ok(outcome === errors.NOT_CONTROLLER.code || outcome === 'ERR_MILLRACE_NOT_CONTROLLER', String(outcome))
  assert.equal(cluster.member.tree.node('/brokers/topics/late'), undefined)
})

test('a controller whose session is suspended resigns when it might have ended, and answers NOT_CONTROLLER', { timeout }, async (t) => {
  const { cluster } = await three(t)
  const first = await cluster.controller()
  const { controller } = first.node
  first.session().set('suspended', 0)
  await until(() => first.node.controller === null)
  await assert.rejects(controller!.deleteTopics([]), { code: 'ERR_MILLRACE_NOT_CONTROLLER' })
  first.session().set('connected')
  // Its session lived on: it is elected again, under a new epoch.
  await until(() => first.node.controller !== null)
  assert.equal(first.node.view.image.controllerEpoch, 2)
})

test('the answer of an election is lost: the incarnation tells that it was won', { timeout }, async (t) => {
  const { cluster, nodes } = await three(t)
  const first = await cluster.controller()
  for (const { id, session } of nodes) if (id !== first.id) session().loseAnswers = 1
  await cluster.kill(first.id)
  const next = await cluster.controller()
  assert.equal(next.node.view.image.controllerEpoch, 2)
  assert.equal((await create(next, 'a', [[next.id]]))[0]!.errorCode, 0)
})

for (const [what, fault, epoch] of [
  ['answer of its next election', 'loseAnswers', 2],
  ['request of its next election', 'loseRequests', 2],
  ['answer of its next election, which comes in late,', 'lateRequests', 3],
] as const) {
  test(
    `a controller that resigned on an uncertain session, and lost the ${what} does not wait for itself to go`,
    { timeout },
    async (t) => {
      const { cluster } = await three(t)
      const first = await cluster.controller()
      const { controller: former } = first.node
      first.session()[fault] = 1
      first.session().set('suspended', 0)
      await until(() => first.session()[fault] === 0)
      assert.equal(first.node.controller, null)
      first.session().set('connected')
      await until(() => first.node.controller !== null)
      const { view } = first.node
      assert.deepEqual([view.image.controllerId, view.image.controllerEpoch], [first.id, epoch])
      assert.equal(view.node('/controller_epoch')!.version, epoch - 1, 'a term is never taken up again')
      assert.equal((await create(first, 'a', [[1, 2, 3]]))[0]!.errorCode, 0)
      await assert.rejects(former!.deleteTopics([]), { code: 'ERR_MILLRACE_NOT_CONTROLLER' })
    },
  )
}

for (const [what, fault] of [
  ['answer', 'loseAnswers'],
  ['request', 'loseRequests'],
] as const) {
  test(`the ${what} of a write is lost: it is made exactly once`, { timeout }, async (t) => {
    const { cluster } = await three(t)
    const first = await cluster.controller()
    await create(first, 'a', [[1, 2, 3]])
    const leader = cluster.nodes.get(1)!
    for (const isr of [[1, 2], [1], [1, 2, 3]]) {
      await until(() => first.node.view.image.zxid >= leader.node.view.image.zxid)
      first.session()[fault] = 1
      const { partitionEpoch } = state(leader, 'a')
      const { partitions } = await alter(cluster, 1, 'a', isr)
      assert.deepEqual([partitions[0]!.errorCode, partitions[0]!.partitionEpoch], [0, partitionEpoch + 1])
      assert.equal(first.session()[fault], 0)
    }
    first.session()[fault] = 1
    assert.equal((await create(first, 'b', [[1]]))[0]!.errorCode, 0)
    first.session()[fault] = 1
    assert.equal((await first.node.api.deleteTopics([{ name: 'b', topicId: null }]))[0]!.errorCode, 0)
    first.session()[fault] = 1
    const blocks = [await first.node.api.allocateProducerIds(), await first.node.api.allocateProducerIds()]
    assert.deepEqual(
      blocks.map((block) => block.first),
      [0, 1000],
    )
  })
}

test('a session that expires is replaced: the broker registers again, with another epoch', { timeout }, async (t) => {
  const { cluster, nodes } = await three(t)
  const node = nodes.find((each) => each.node.controller === null)!
  const before = node.node.registration.epoch!
  await node.session().expire()
  await until(() => node.node.health.state === 'registered' && node.node.registration.epoch !== before)
  await node.node.ready()
  assert.ok(node.node.registration.epoch! > before)
  const first = await cluster.controller()
  await until(() => first.node.view.image.brokers.get(node.id)?.epoch === node.node.registration.epoch)
})

test('a node that comes back while its former session stands takes its registration over', { timeout }, async (t) => {
  const { cluster } = await three(t)
  const first = await cluster.controller()
  const id = [1, 2, 3].find((each) => each !== first.id)!
  const former = cluster.nodes.get(id)!.node.registration.epoch!
  // The session of the killed process has not ended yet.
  const { node } = cluster.nodes.get(id)!
  node.candidate.stop()
  node.registration.stop()
  const again = await cluster.start(id)
  await again.node.ready()
  assert.ok(again.node.registration.epoch! > former)
})

test('a stranger with the same id is refused after the limit, and the first keeps its registration', { timeout }, async (t) => {
  const { cluster, nodes } = await three(t)
  const { epoch } = nodes[1]!.node.registration
  const stranger = await cluster.start(2, { identity: 'another-directory', strangerLimitMs: 50 })
  await assert.rejects(stranger.node.ready(), /broker id 2 is registered by another node/)
  assert.equal(nodes[1]!.node.view.image.brokers.get(2)!.epoch, epoch)
})

test('AlterPartition is refused with the codes of Kafka', { timeout }, async (t) => {
  const { cluster } = await three(t)
  await create(await cluster.controller(), 'a', [[1, 2, 3]])
  await until(() => [...cluster.nodes.values()].every(({ node }) => node.view.image.topics.has('a')))
  const code = async (from: number, isr: readonly number[], more: Partial<PartitionImage> = {}): Promise<number> =>
    (await alter(cluster, from, 'a', isr, more)).partitions[0]!.errorCode
  assert.equal(await code(1, [1, 2]), 0)
  assert.equal(await code(1, [1, 2], { partitionEpoch: 0 }), errors.INVALID_UPDATE_VERSION.code)
  assert.equal(await code(1, [1, 2], { leaderEpoch: -1 }), errors.FENCED_LEADER_EPOCH.code)
  assert.equal(await code(2, [1, 2]), errors.INVALID_REQUEST.code)
  assert.equal(await code(1, [2]), errors.INVALID_REQUEST.code)
  assert.equal(await code(1, [1, 4]), errors.INVALID_REQUEST.code)
  const { node } = cluster.nodes.get(1)!
  const { id } = node.view.image.topics.get('a')!
  const { leaderEpoch, partitionEpoch } = state(cluster.nodes.get(1)!, 'a')
  const item = { topicId: id, partition: 0, leaderEpoch, partitionEpoch, newIsr: [1, 3].map((brokerId) => ({ brokerId, brokerEpoch: 1n })) }
  const asked = (brokerEpoch: bigint, each = item) => node.api.alterPartition({ brokerId: 1, brokerEpoch, partitions: [each] })
  const epoch = node.registration.epoch!
  assert.equal((await asked(epoch)).partitions[0]!.errorCode, errors.INELIGIBLE_REPLICA.code)
  assert.equal((await asked(epoch, { ...item, topicId: 'AAAAAAAAAAAAAAAAAAAAAQ' })).partitions[0]!.errorCode, errors.UNKNOWN_TOPIC_ID.code)
  assert.equal((await asked(1n)).errorCode, errors.STALE_BROKER_EPOCH.code)
})

test('AlterPartition requests that wait share a write', { timeout }, async (t) => {
  const { cluster } = await three(t)
  const first = await cluster.controller()
  await create(
    first,
    'a',
    Array.from({ length: 200 }, () => [1, 2, 3]),
  )
  const { node } = cluster.nodes.get(1)!
  await until(() => node.view.image.topics.has('a'))
  const { id, partitions } = node.view.image.topics.get('a')!
  const newIsr = [1, 2].map((brokerId) => ({ brokerId, brokerEpoch: -1n }))
  const before = first.session().count('multi')
  const { controller } = first.node
  const results = await Promise.all(
    partitions.map(({ partition }) =>
      controller!.alterPartition({
        brokerId: 1,
        brokerEpoch: node.registration.epoch!,
        partitions: [{ topicId: id, partition, leaderEpoch: 0, partitionEpoch: 0, newIsr }],
      }),
    ),
  )
  assert.ok(results.every((result) => result.partitions[0]!.errorCode === 0))
  assert.equal(first.session().count('multi') - before, 1)
})

test('a reassignment ends when the added replica is in sync, another is cancelled', { timeout }, async (t) => {
  const { cluster } = await three(t)
  const first = await cluster.controller()
  await create(first, 'a', [[1, 2]])
  const leader = cluster.nodes.get(1)!
  const { api } = leader.node
  const [moved] = await api.alterPartitionReassignments([{ topic: 'a', partition: 0, replicas: [1, 3] }], true)
  assert.equal(moved!.errorCode, 0)
  const [listed] = await api.listPartitionReassignments(null)
  assert.deepEqual(listed, { topic: 'a', partition: 0, replicas: [1, 3, 2], addingReplicas: [3], removingReplicas: [2] })
  await alter(cluster, 1, 'a', [1, 2, 3])
  assert.deepEqual(
    [state(leader, 'a').replicas, state(leader, 'a').isr],
    [
      [1, 3],
      [1, 3],
    ],
  )
  assert.deepEqual(await api.listPartitionReassignments(null), [])
  await api.alterPartitionReassignments([{ topic: 'a', partition: 0, replicas: [1, 2] }], true)
  const [cancelled] = await api.alterPartitionReassignments([{ topic: 'a', partition: 0, replicas: null }], true)
  assert.equal(cancelled!.errorCode, 0)
  assert.deepEqual(state(leader, 'a').replicas, [1, 3])
  const code = async (replicas: number[] | null, allow = true, topic = 'a'): Promise<number> =>
    (await api.alterPartitionReassignments([{ topic, partition: 0, replicas }], allow))[0]!.errorCode
  assert.equal(await code(null), errors.NO_REASSIGNMENT_IN_PROGRESS.code)
  assert.equal(await code([1, 9]), errors.INVALID_REPLICA_ASSIGNMENT.code)
  assert.equal(await code([1], false), errors.INVALID_REPLICATION_FACTOR.code)
  assert.equal(await code([1], true, 'nope'), errors.UNKNOWN_TOPIC_OR_PARTITION.code)
})

test('a broker that stops hands over what others can lead; back again it is elected on request', { timeout }, async (t) => {
  const { cluster, nodes } = await three(t)
  await create(nodes[0]!, 'a', [[1, 2, 3]])
  await create(nodes[0]!, 'alone', [[1]])
  const { node } = nodes[0]!
  const stopped = await node.api.controlledShutdown(1, node.registration.epoch!)
  assert.deepEqual([stopped.errorCode, stopped.remaining], [0, 1])
  assert.deepEqual([state(nodes[0]!, 'a').leader, state(nodes[0]!, 'a').isr, state(nodes[0]!, 'alone').leader], [2, [2, 3], 1])
  assert.equal((await node.api.controlledShutdown(1, 7n)).errorCode, errors.STALE_BROKER_EPOCH.code)
  await cluster.kill(1)
  const second = cluster.nodes.get(2)!
  await until(() => state(second, 'alone').leader === -1)
  const elect = async (type: number, topic = 'a'): Promise<number> =>
    (await second.node.api.electLeaders(type, [{ topic, partition: 0 }]))[0]!.errorCode
  assert.equal(await elect(0), errors.PREFERRED_LEADER_NOT_AVAILABLE.code)
  assert.equal(await elect(1), errors.ELECTION_NOT_NEEDED.code)
  assert.equal(await elect(1, 'alone'), errors.ELIGIBLE_LEADERS_NOT_AVAILABLE.code)
  const back = await cluster.start(1)
  await back.node.ready()
  await until(() => state(second, 'alone').leader === 1)
  await alter(cluster, 2, 'a', [1, 2, 3])
  assert.equal(await elect(0), 0)
  assert.equal(state(second, 'a').leader, 1)
})

test('a broker hands over to a controller on another node as well', { timeout }, async (t) => {
  const { cluster, nodes } = await three(t)
  const { controllerId } = nodes[0]!.node.view.image
  const other = controllerId === 1 ? 2 : 1
  await create(nodes[0]!, 'a', [[other, controllerId, 3]])
  const { node } = cluster.nodes.get(other)!
  const stopped = await node.api.controlledShutdown(other, node.registration.epoch!)
  assert.deepEqual([stopped.errorCode, stopped.remaining], [0, 0])
  assert.equal(state(cluster.nodes.get(other)!, 'a').leader, controllerId)
})

test('a broker back from a failed machine leaves the ISR though it came back before anybody saw it go', { timeout }, async (t) => {
  const { cluster, nodes } = await three(t)
  cluster.topicRules.set('a', { minIsr: 2, uncleanElection: false })
  await create(nodes[0]!, 'a', [[1, 2, 3]])
  await create(nodes[0]!, 'alone', [[1]])
  const { node } = nodes[0]!
  node.candidate.stop()
  node.registration.stop()
  await until(() => nodes[1]!.node.view.image.topics.size === 2)
  const epochs = ['a', 'alone'].map((topic) => state(nodes[1]!, topic).leaderEpoch)
  const back = await cluster.start(1, { uncleanShutdown: true, lostWrites: true })
  await back.node.ready()
  assert.deepEqual(sorted(state(back, 'a').isr), [2, 3])
  assert.deepEqual([state(back, 'a').leader, state(back, 'a').elr], [2, []])
  // Alone it stays, under a new epoch.
  assert.equal(state(back, 'alone').leader, 1)
  assert.ok(state(back, 'a').leaderEpoch > epochs[0]! && state(back, 'alone').leaderEpoch > epochs[1]!)
})

test(
  'a power loss costs a topic nothing that has promised the disk since it was created, and costs one that has not always',
  { timeout },
  async (t) => {
    const { cluster, nodes } = await three(t)
    const onDisk = [{ name: 'millrace.ack', value: 'disk' }]
    const setAck = (value: string) =>
      nodes[0]!.node.api.alterConfigs(
        [{ resource: 'topic', name: 'since', replaceAll: false, changes: [{ name: 'millrace.ack', operation: 0, value }] }],
        false,
      )
    for (const name of ['always', 'since']) {
      cluster.topicRules.set(name, { minIsr: 2, uncleanElection: false })
      await create(nodes[0]!, name, [[1, 2, 3]], onDisk)
    }
    for (const ack of ['process', 'disk']) assert.equal((await setAck(ack))[0]!.errorCode, 0)
    const grown = await nodes[0]!.node.api.createPartitions([{ name: 'always', count: 2, assignments: null }], false)
    assert.equal(grown[0]!.errorCode, 0)
    const { node } = nodes[0]!
    await until(() => nodes[1]!.node.view.image.topics.get('always')?.partitions.length === 2)
    const epoch = state(nodes[1]!, 'always').leaderEpoch
    node.candidate.stop()
    node.registration.stop()
    const back = await cluster.start(1, { uncleanShutdown: true, lostWrites: true })
    await back.node.ready()
    assert.deepEqual([state(back, 'always').leader, sorted(state(back, 'always').isr)], [1, [1, 2, 3]])
    assert.ok(state(back, 'always').leaderEpoch > epoch, 'what it had not acknowledged may be gone, so consumers compare')
    assert.deepEqual([state(back, 'since').leader, sorted(state(back, 'since').isr)], [2, [2, 3]])
  },
)

test(
  'a broker whose data directory was replaced while it was away is not eligible with what it has not any more',
  { timeout },
  async (t) => {
    const cluster = new Cluster(t)
    for (const id of [1, 2]) await cluster.start(id)
    await cluster.start(3, { logDirs: ['one', 'two'] })
    cluster.topicRules.set('a', { minIsr: 3, uncleanElection: false })
    await create(await cluster.controller(), 'a', [[3, 1, 2]], [{ name: 'millrace.ack', value: 'disk' }])
    await cluster.kill(3)
    await until(() => state(cluster.nodes.get(1)!, 'a').leader === 1)
    let back = await cluster.start(3, { uncleanShutdown: true, lostWrites: true, logDirs: ['two', 'one'] })
    await back.node.ready()
    assert.deepEqual(state(back, 'a').elr, [3], 'what it had promised is there')
    await cluster.kill(3)
    back = await cluster.start(3, { logDirs: ['one', 'new'] })
    await back.node.ready()
    assert.deepEqual([state(back, 'a').leader, sorted(state(back, 'a').isr), state(back, 'a').elr], [1, [1, 2], []])
  },
)

test('a replica that is reported offline gives up the lead, and may have it again when it is well', { timeout }, async (t) => {
  const { nodes } = await three(t)
  await create(nodes[0]!, 'a', [[1, 2, 3]])
  const { node } = nodes[0]!
  const { id } = node.view.image.topics.get('a')!
  const report = (offline: boolean) => {
    const where = [{ topicId: id, partitions: [0] }]
    const brokerEpoch = node.registration.epoch!
    return node.api.reportReplicas({ brokerId: 1, brokerEpoch, offline: offline ? where : [], online: offline ? [] : where })
  }
  assert.equal((await report(true)).errorCode, 0)
  assert.deepEqual([state(nodes[0]!, 'a').leader, state(nodes[0]!, 'a').isr, state(nodes[0]!, 'a').offline], [2, [2, 3], [1]])
  await report(false)
  assert.deepEqual(state(nodes[0]!, 'a').offline, [])
})

test('a replica whose disk is full leaves the lead and the in-sync set to others where there are any', { timeout }, async (t) => {
  const { nodes } = await three(t)
  await create(nodes[0]!, 'a', [[1, 2, 3]])
  await create(nodes[0]!, 'alone', [[1]])
  const { node } = nodes[0]!
  const report = async (): Promise<void> => {
    const full = ['a', 'alone'].map((name) => ({ topicId: node.view.image.topics.get(name)!.id, partitions: [0] }))
    const brokerEpoch = node.registration.epoch!
    assert.equal((await node.api.reportReplicas({ brokerId: 1, brokerEpoch, offline: [], online: [], full })).errorCode, 0)
  }
  await report()
  assert.deepEqual([state(nodes[0]!, 'a').leader, state(nodes[0]!, 'a').isr, state(nodes[0]!, 'a').offline], [2, [2, 3], []])
  assert.deepEqual([state(nodes[0]!, 'alone').leader, state(nodes[0]!, 'alone').isr], [1, [1]])
  const { partitionEpoch } = state(nodes[0]!, 'a')
  await report()
  assert.equal(state(nodes[0]!, 'a').partitionEpoch, partitionEpoch, 'it was out already')
})

test('a broker that is gone is unregistered, one that runs is not; features need every broker', { timeout }, async (t) => {
  const { cluster } = await three(t)
  await cluster.kill(3)
  const { node } = cluster.nodes.get(1)!
  await until(() => node.view.image.brokers.get(3)?.alive === false)
  assert.equal((await node.api.unregisterBroker(2)).errorCode, errors.INVALID_REQUEST.code)
  assert.equal((await node.api.unregisterBroker(9)).errorCode, errors.BROKER_ID_NOT_REGISTERED.code)
  assert.equal((await node.api.unregisterBroker(3)).errorCode, 0)
  assert.equal(node.view.image.brokers.has(3), false)
  const update = async (level: number, upgradeType = 1): Promise<number> =>
    (await node.api.updateFeatures([{ feature: 'millrace.version', level, upgradeType }], false)).errorCode
  const levels = (): [string, number][] => [...node.view.image.features]
  assert.deepEqual(levels(), [['millrace.version', 3]], 'a new cluster begins with the highest')
  assert.equal(await update(4), errors.INVALID_UPDATE_VERSION.code)
  assert.equal(await update(2), errors.INVALID_UPDATE_VERSION.code)
  assert.equal(await update(0, 3), errors.INVALID_UPDATE_VERSION.code)
  assert.equal(await update(1, 2), 0)
  assert.deepEqual(levels(), [['millrace.version', 1]])
  assert.equal((await node.api.updateFeatures([{ feature: 'millrace.version', level: 2, upgradeType: 1 }], true)).errorCode, 0)
  assert.deepEqual(levels(), [['millrace.version', 1]], 'it was only to be validated')
  assert.equal(await update(2, 2), errors.INVALID_UPDATE_VERSION.code)
  assert.equal(await update(2), 0)
  await assert.rejects(cluster.start(3, { features: new Map([['millrace.version', { min: 3, max: 4 }]]) }), {
    code: 'ERR_MILLRACE_FEATURE',
    message: /finalized level 2 of the feature millrace\.version, and this build knows levels 3 to 4/,
  })
})

test('levels that a cluster of earlier builds lacks are finalized once every broker knows them, and not before', { timeout }, async (t) => {
  const cluster = new Cluster(t)
  const before = { features: new Map() }
  await (await cluster.start(1, before)).node.ready()
  await (await cluster.start(2, { features: SUPPORTED_FEATURES })).node.ready()
  const { node } = cluster.nodes.get(2)!
  assert.equal(node.view.image.features.size, 0)
  await cluster.kill(1)
  await (await cluster.start(1, { features: SUPPORTED_FEATURES })).node.ready()
  await until(() => node.view.image.features.size > 0)
  assert.deepEqual(node.view.image.features, firstLevels(SUPPORTED_FEATURES))
})

test('failover costs as many znode operations with 10,000 partitions as with 100', { timeout: 120_000 }, async (t) => {
  const cost = async (partitions: number): Promise<{ reads: number; writes: number; ms: number }> => {
    const { cluster } = await three(t)
    const first = await cluster.controller()
    const others = [1, 2, 3].filter((id) => id !== first.id)
    // The one that dies holds one partition; the others lead the rest.
    await create(
      first,
      'big',
      Array.from({ length: partitions }, () => others),
    )
    await create(first, 'small', [[first.id, ...others]])
    await until(() => others.every((id) => cluster.nodes.get(id)!.node.view.image.topics.size === 2))
    const sessions = others.map((id) => cluster.nodes.get(id)!.session())
    const count = (...names: string[]): number => sessions.reduce((sum, session) => sum + session.count(...names), 0)
    const names = { reads: ['getData', 'getChildren', 'exists', 'sync'], writes: ['multi', 'setData', 'create', 'create2', 'delete'] }
    const before = { reads: count(...names.reads), writes: count(...names.writes) }
    const started = performance.now()
    await cluster.kill(first.id)
    const next = await cluster.controller()
    await until(() => others.every((id) => state(cluster.nodes.get(id)!, 'small').leader !== first.id))
    const ms = performance.now() - started
    await next.node.api.listPartitionReassignments([])
    return { reads: count(...names.reads) - before.reads, writes: count(...names.writes) - before.writes, ms }
  }
  const small = await cost(100)
  const big = await cost(10_000)
  t.diagnostic(`100: ${JSON.stringify(small)}; 10,000: ${JSON.stringify(big)}`)
  assert.ok(big.reads <= small.reads + 4 && big.writes <= small.writes + 1, 'the cost grows with partitions')
  assert.ok(big.reads < 40)
})
