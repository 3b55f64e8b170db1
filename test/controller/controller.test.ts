import assert from 'node:assert/strict'
import path from 'node:path'
import { test, type TestContext } from 'node:test'
import { ControllerNode } from '../../src/controller/controller-node.js'
import type { Controller } from '../../src/controller/controller.js'
import type { CreateTopicSpec } from '../../src/controller/controller-api.js'
import { applyDelta, type MetadataChange } from '../../src/controller/image.js'
import type { ControllerRules } from '../../src/controller/rules.js'
import { Member } from '../../src/ensemble/member.js'
import type { MultiOp, ZnodeClient } from '../../src/ensemble/znode-client.js'
import { realEnv } from '../../src/env/real.js'
import { ZERO_UUID } from '../../src/model/topic-partition.js'
import { tempDir } from '../ensemble/helpers.js'

const LISTS: Record<string, string> = { 'cleanup.policy': 'delete' }

const rules: ControllerRules = {
  defaults: () => ({ numPartitions: 2, replicationFactor: 1 }),
  validateConfig: (kind, _entity, name, value) => {
    if (kind === 'topic' && !['retention.ms', 'cleanup.policy'].includes(name)) return `Unknown topic config name: ${name}`
    if (name === 'retention.ms' && !/^-?\d+$/.test(value))
      return `Invalid value ${value} for configuration retention.ms: Not a number of type LONG`
    return null
  },
  listDefault: (_kind, _entity, name) => LISTS[name] ?? null,
}

interface Node {
  readonly member: Member
  readonly node: ControllerNode
  readonly controller: Controller
  readonly client: ZnodeClient
  /** Bytes of each multi the controller sent. */
  readonly multis: readonly number[]
}

async function start(t: TestContext, dir: string): Promise<Node> {
  const env = realEnv()
  const member = Member.open({ dir, env })
  t.after(() => member.close())
  const multis: number[] = []
  const counting = (client: ZnodeClient): ZnodeClient =>
    new Proxy(client, {
      get: (target, name) => {
        if (name === 'multi') {
          return (ops: readonly MultiOp[]) => {
            multis.push(ops.reduce((sum, op) => sum + op.path.length + ('data' in op ? (op.data?.length ?? 0) : 0), 0))
            return target.multi(ops)
          }
        }
        const value = Reflect.get(target, name) as unknown
        return typeof value === 'function' ? (value.bind(target) as unknown) : value
      },
    })
  const node = await ControllerNode.start({
    env,
    nodeId: 1,
    identity: 'directory-1',
    connect: () => counting(member.connect()),
    rules: () => rules,
    announcement: () => ({
      endpoints: [{ name: 'PLAINTEXT', host: '', port: 9092, securityProtocol: 'PLAINTEXT' }],
      rack: null,
      features: new Map(),
      logDirs: [],
      uncleanShutdown: member.stoppedUncleanly,
      lostWrites: member.stoppedUncleanly,
    }),
  })
  await node.ready()
  return { member, node, controller: node.controller!, client: node.client, multis }
}

function fresh(t: TestContext): Promise<Node> {
  return start(t, path.join(tempDir(t), 'ensemble'))
}

function spec(name: string, more: Partial<CreateTopicSpec> = {}): CreateTopicSpec {
  return { name, numPartitions: -1, replicationFactor: -1, assignments: [], configs: [], ...more }
}

async function createOne(controller: Controller, topic: CreateTopicSpec) {
  return (await controller.createTopics([topic], false))[0]!
}

test('a new controller has a cluster id, an epoch and its broker in the image', async (t) => {
  const { controller } = await fresh(t)
  assert.match(controller.image.clusterId, /^[\w-]{22}$/)
  assert.equal(controller.image.controllerEpoch, 1)
  assert.equal(controller.image.controllerId, 1)
  assert.ok(controller.image.brokers.get(1)!.epoch > 0n)
})

test('a created topic is in the image with its configs before the call resolves', async (t) => {
  const { controller } = await fresh(t)
  const outcome = await createOne(controller, spec('orders', { configs: [{ name: 'retention.ms', value: '1000' }] }))
  assert.deepEqual([outcome.errorCode, outcome.numPartitions, outcome.replicationFactor], [0, 2, 1])
  const topic = controller.image.topics.get('orders')!
  assert.equal(topic.id, outcome.topicId)
  assert.deepEqual(
    topic.partitions.map((p) => [p.partition, p.leader, p.replicas, p.isr]),
    [
      [0, 1, [1], [1]],
      [1, 1, [1], [1]],
    ],
  )
  assert.deepEqual([...controller.image.configs.get('topic:orders')!], [['retention.ms', '1000']])
})

test('everything is there again after a restart, under a higher epoch', async (t) => {
  const dir = path.join(tempDir(t), 'ensemble')
  const first = await start(t, dir)
  await createOne(first.controller, spec('orders', { numPartitions: 600, configs: [{ name: 'retention.ms', value: '5' }] }))
  await first.controller.alterConfigs(
    [{ resource: 'group', name: 'a/b .. c', replaceAll: false, changes: [{ name: 'x', operation: 0, value: 'y' }] }],
    false,
  )
  await first.controller.alterConfigs(
    [{ resource: 'broker', name: '', replaceAll: false, changes: [{ name: 'x', operation: 0, value: 'y' }] }],
    false,
  )
  await first.client.close()
  await first.member.close()
  const second = await start(t, dir)
  assert.equal(second.controller.image.controllerEpoch, 2)
  assert.equal(second.controller.image.clusterId, first.controller.image.clusterId)
  assert.deepEqual(second.controller.image.topics, first.controller.image.topics)
  assert.deepEqual(second.controller.image.topicNames, first.controller.image.topicNames)
  assert.deepEqual(second.controller.image.configs, first.controller.image.configs)
})

test('listeners hear the changes in order and can rebuild the image from them', async (t) => {
  const { controller, node } = await fresh(t)
  let copy = controller.image
  let last = copy.zxid
  node.view.onChange((zxid: bigint, changes: readonly MetadataChange[]) => {
    assert.ok(zxid > last)
    last = zxid
    copy = applyDelta(copy, { zxid, changes })
  })
  await Promise.all([controller.createTopics([spec('a'), spec('b')], false), controller.createTopics([spec('c')], false)])
  await controller.deleteTopics([{ name: 'b', topicId: null }])
  await controller.createPartitions([{ name: 'a', count: 5, assignments: null }], false)
  assert.deepEqual(copy, controller.image)
  assert.deepEqual([...copy.topics.keys()].sort(), ['a', 'c'])
  assert.equal(copy.topics.get('a')!.partitions.length, 5)
})

test('a topic with 10,000 partitions is created, loaded and deleted by writes below the limit', async (t) => {
  const dir = path.join(tempDir(t), 'ensemble')
  const first = await start(t, dir)
  assert.equal((await createOne(first.controller, spec('big', { numPartitions: 10_000 }))).errorCode, 0)
  await first.member.close()
  const second = await start(t, dir)
  assert.equal(second.controller.image.topics.get('big')!.partitions.length, 10_000)
  const grown = await second.controller.createPartitions([{ name: 'big', count: 20_000, assignments: null }], false)
  assert.equal(grown[0]!.errorCode, 0)
  await second.member.close()
  const third = await start(t, dir)
  assert.ok(third.controller.image.topics.get('big')!.partitions.every((state) => state.leaderEpoch > 0))
  assert.equal((await third.controller.deleteTopics([{ name: 'big', topicId: null }]))[0]!.errorCode, 0)
  assert.equal(third.controller.image.topics.size, 0)
  assert.ok(![...third.member.tree.nodes.keys()].some((znode) => znode.startsWith('/brokers/topics/')))
  for (const { multis } of [first, second, third]) assert.ok(Math.max(...multis) < 512 * 1024, String(Math.max(...multis)))
  // The new leader epochs of 20,000 partitions alone are about 900 KiB.
  assert.ok(third.multis.length > 3)
})

test('a request for more than 10,000 partitions is POLICY_VIOLATION', async (t) => {
  const { controller } = await fresh(t)
  const outcomes = await controller.createTopics([spec('a', { numPartitions: 6000 }), spec('b', { numPartitions: 6000 })], false)
  assert.deepEqual(
    outcomes.map((o) => o.errorCode),
    [44, 44],
  )
})

const refusals: [string, CreateTopicSpec, number, RegExp][] = [
  ['an empty name', spec(''), 17, /the empty string is not allowed/],
  ['the name ..', spec('..'), 17, /'\.\.' is not allowed/],
  ['a name of 250 characters', spec('x'.repeat(250)), 17, /longer than the max allowed length 249/],
  ['a name with a space', spec('a b'), 17, /ASCII alphanumerics/],
  ['an existing name', spec('here.now'), 36, /^Topic 'here\.now' already exists\.$/],
  ['a colliding name', spec('here_now'), 17, /^Topic 'here_now' collides with existing topic: here\.now$/],
  ['no partitions', spec('n', { numPartitions: 0 }), 37, /invalid non-positive value/],
  ['a replication factor of 0', spec('n', { replicationFactor: 0 }), 38, /must be larger than 0/],
  [
    'more replicas than brokers',
    spec('n', { replicationFactor: 3 }),
    38,
    /^Unable to replicate the partition 3 time\(s\): The target replication factor of 3 cannot be reached because only 1 broker/,
  ],
  ['an unknown config', spec('n', { configs: [{ name: 'nonsense', value: '1' }] }), 40, /^Unknown topic config name: nonsense$/],
  [
    'a null config',
    spec('n', { configs: [{ name: 'retention.ms', value: null }] }),
    40,
    /Null value not supported for topic configs: retention\.ms/,
  ],
  [
    'an assignment with a partition count',
    spec('n', { numPartitions: 1, assignments: [{ partitionIndex: 0, brokerIds: [1] }] }),
    42,
    /numPartitions was not set to -1/,
  ],
  [
    'an assignment to an unknown broker',
    spec('n', { assignments: [{ partitionIndex: 0, brokerIds: [7] }] }),
    39,
    /no such broker is registered/,
  ],
  ['an assignment with a gap', spec('n', { assignments: [{ partitionIndex: 1, brokerIds: [1] }] }), 39, /consecutive 0-based/],
  ['an assignment naming a broker twice', spec('n', { assignments: [{ partitionIndex: 0, brokerIds: [1, 1] }] }), 39, /more than once/],
  ['an empty replica list', spec('n', { assignments: [{ partitionIndex: 0, brokerIds: [] }] }), 39, /empty replica list/],
]

for (const [what, topic, code, message] of refusals) {
  test(`${what} is refused with code ${code} and creates nothing`, async (t) => {
    const { controller } = await fresh(t)
    await createOne(controller, spec('here.now'))
    const outcome = await createOne(controller, topic)
    assert.equal(outcome.errorCode, code)
    assert.match(outcome.errorMessage!, message)
    assert.deepEqual([outcome.topicId, outcome.numPartitions], [ZERO_UUID, -1])
    assert.deepEqual([...controller.image.topics.keys()], ['here.now'])
  })
}

test('a topic named twice in one request is refused both times', async (t) => {
  const { controller } = await fresh(t)
  const outcomes = await controller.createTopics([spec('a'), spec('a'), spec('b')], false)
  assert.deepEqual(
    outcomes.map((o) => o.errorCode),
    [42, 42, 0],
  )
})

test('validateOnly answers as if and changes nothing', async (t) => {
  const { controller } = await fresh(t)
  assert.deepEqual(
    (await controller.createTopics([spec('a')], true)).map((o) => [o.errorCode, o.numPartitions]),
    [[0, 2]],
  )
  assert.equal(controller.image.topics.size, 0)
})

test('topics are deleted by name or by id, and the refusals are those of Kafka', async (t) => {
  const { controller } = await fresh(t)
  const [a, b] = await controller.createTopics([spec('a', { configs: [{ name: 'retention.ms', value: '1' }] }), spec('b')], false)
  const unknownId = 'AAAAAAAAAAAAAAAAAAAAAQ'
  const outcomes = await controller.deleteTopics([
    { name: 'a', topicId: null },
    { name: null, topicId: b!.topicId },
    { name: 'nope', topicId: null },
    { name: null, topicId: unknownId },
  ])
  assert.deepEqual(
    outcomes.map((o) => [o.name, o.topicId, o.errorCode]),
    [
      ['a', a!.topicId, 0],
      ['b', b!.topicId, 0],
      ['nope', ZERO_UUID, 3],
      [null, unknownId, 100],
    ],
  )
  assert.equal(controller.image.topics.size + controller.image.configs.size, 0)
})

test('a topic deleted and created again has another id', async (t) => {
  const { controller } = await fresh(t)
  const first = await createOne(controller, spec('a'))
  await controller.deleteTopics([{ name: 'a', topicId: null }])
  const second = await createOne(controller, spec('a'))
  assert.notEqual(first.topicId, second.topicId)
})

test('partitions only grow, across a bucket border too', async (t) => {
  const { controller } = await fresh(t)
  await createOne(controller, spec('a', { numPartitions: 250 }))
  const ask = async (count: number, assignments: { brokerIds: number[] }[] | null = null) =>
    (await controller.createPartitions([{ name: 'a', count, assignments }], false))[0]!
  assert.deepEqual(await ask(250), { name: 'a', errorCode: 37, errorMessage: 'Topic already has 250 partition(s).' })
  assert.match((await ask(3)).errorMessage!, /3 would not be an increase/)
  assert.equal((await ask(252, [{ brokerIds: [1] }])).errorCode, 39)
  assert.equal((await ask(600)).errorCode, 0)
  assert.deepEqual(
    controller.image.topics.get('a')!.partitions.map((p) => p.partition),
    Array.from({ length: 600 }, (_, i) => i),
  )
  assert.equal((await controller.createPartitions([{ name: 'zz', count: 3, assignments: null }], false))[0]!.errorCode, 3)
})

test('configs are set, appended to, subtracted from and reset', async (t) => {
  const { controller } = await fresh(t)
  await createOne(controller, spec('a'))
  const alter = async (name: string, operation: number, value: string | null, replaceAll = false) =>
    (await controller.alterConfigs([{ resource: 'topic', name: 'a', replaceAll, changes: [{ name, operation, value }] }], false))[0]!
  const values = () => Object.fromEntries(controller.image.configs.get('topic:a') ?? [])
  await alter('cleanup.policy', 2, 'compact')
  assert.deepEqual(values(), { 'cleanup.policy': 'delete,compact' })
  await alter('cleanup.policy', 2, 'compact')
  assert.deepEqual(values(), { 'cleanup.policy': 'delete,compact' })
  await alter('cleanup.policy', 3, 'delete')
  assert.deepEqual(values(), { 'cleanup.policy': 'compact' })
  await alter('retention.ms', 0, '7', true)
  assert.deepEqual(values(), { 'retention.ms': '7' })
  assert.equal((await alter('retention.ms', 2, '7')).errorCode, 40)
  assert.equal((await alter('retention.ms', 0, 'x')).errorCode, 40)
  assert.equal((await alter('retention.ms', 0, null)).errorCode, 42)
  assert.equal((await alter('retention.ms', 1, null)).errorCode, 0)
  assert.deepEqual(values(), {})
  const missing = await controller.alterConfigs([{ resource: 'topic', name: 'nope', replaceAll: false, changes: [] }], false)
  assert.deepEqual(missing[0], { errorCode: 3, errorMessage: "The topic 'nope' does not exist." })
})

test('producer id blocks never repeat, over a restart too', async (t) => {
  const dir = path.join(tempDir(t), 'ensemble')
  const first = await start(t, dir)
  const blocks = await Promise.all([first.controller.allocateProducerIds(), first.controller.allocateProducerIds()])
  assert.deepEqual(blocks, [
    { first: 0, count: 1000 },
    { first: 1000, count: 1000 },
  ])
  await first.member.close()
  const second = await start(t, dir)
  assert.deepEqual(await second.controller.allocateProducerIds(), { first: 2000, count: 1000 })
})

test('a controller that has been succeeded writes nothing more', async (t) => {
  const { member, controller } = await fresh(t)
  const other = member.connect()
  await other.setData('/controller_epoch', Buffer.from('9'))
  await assert.rejects(createOne(controller, spec('a')), { code: 'ERR_MILLRACE_NOT_CONTROLLER' })
  assert.equal(controller.image.topics.size, 0)
  assert.equal(await other.exists('/brokers/topics/a'), null)
})

test('a topic left half created or half deleted is removed by the next controller', async (t) => {
  const dir = path.join(tempDir(t), 'ensemble')
  const first = await start(t, dir)
  await createOne(first.controller, spec('keep', { numPartitions: 300 }))
  const client = first.member.connect()
  for (const [name, state] of [
    ['half', 'creating'],
    ['gone', 'deleting'],
  ]) {
    await client.create(`/brokers/topics/${name}`, Buffer.from(JSON.stringify({ version: 1, topic_id: 'x', partitions: 300, state })))
    await client.create(`/brokers/topics/${name}/partitions`, null)
    await client.create(`/brokers/topics/${name}/partitions/1`, Buffer.from('{"partitions":[]}'))
  }
  // An increase to 600 that stopped before the count was written.
  const more = Array.from({ length: 256 }, () => ({ leader: 1, leader_epoch: 0, replicas: [1] }))
  await client.setData('/brokers/topics/keep/partitions/1', Buffer.from(JSON.stringify({ version: 1, partitions: more })))
  await client.create('/brokers/topics/keep/partitions/2', Buffer.from('{"partitions":[]}'))
  await first.member.close()
  const second = await start(t, dir)
  assert.deepEqual([...second.controller.image.topics.keys()], ['keep'])
  assert.equal(second.controller.image.topics.get('keep')!.partitions.length, 300)
  assert.deepEqual((await second.member.connect().getChildren('/brokers/topics')).names, ['keep'])
  assert.equal((await second.controller.createPartitions([{ name: 'keep', count: 600, assignments: null }], false))[0]!.errorCode, 0)
})

test('after a stop that was not clean every partition has a new leader epoch, after a clean one the old', async (t) => {
  const dir = path.join(tempDir(t), 'ensemble')
  const epochs = (node: Node): number[][] =>
    [...node.controller.image.topics.values()].map((topic) => [...new Set(topic.partitions.map((p) => p.leaderEpoch))])
  const first = await start(t, dir)
  await first.controller.createTopics([spec('a', { numPartitions: 300 }), spec('b')], false)
  await first.member.close()
  const second = await start(t, dir)
  assert.deepEqual(epochs(second), [[1], [1]])
  await second.client.close()
  await second.member.close()
  const third = await start(t, dir)
  assert.deepEqual(epochs(third), [[1], [1]])
})
