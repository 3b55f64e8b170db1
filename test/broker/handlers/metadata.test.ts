import assert from 'node:assert/strict'
import { test } from 'node:test'
import { handleMetadata } from '../../../src/broker/handlers/metadata.js'
import type { BrokerImage, MetadataImage } from '../../../src/controller/image.js'
import { ZERO_UUID } from '../../../src/model/topic-partition.js'
import type { MetadataRequest } from '../../../src/protocol/schema/metadata.js'
import { createTopic, fixture, type Fixture } from './metadata-fixture.js'

const NONE = -2147483648

function ask(
  f: Fixture,
  version: number,
  topics: readonly (string | { id: string })[] | null,
  more: Partial<MetadataRequest> = {},
  context = {},
) {
  const named =
    topics?.map((each) => (typeof each === 'string' ? { name: each, topicId: ZERO_UUID } : { name: null, topicId: each.id })) ?? null
  const request: MetadataRequest = {
    topics: named,
    allowAutoTopicCreation: true,
    includeClusterAuthorizedOperations: false,
    includeTopicAuthorizedOperations: false,
    ...more,
  }
  return handleMetadata(request, f.context(version, context), f.broker)
}

test('null asks for all topics, an empty list for none, and in version 0 for all', async (t) => {
  const f = await fixture(t)
  await createTopic(f, 'a')
  await createTopic(f, 'b')
  const names = async (version: number, topics: string[] | null) => (await ask(f, version, topics)).topics.map((row) => row.name)
  assert.deepEqual(await names(9, null), ['a', 'b'])
  assert.deepEqual(await names(9, []), [])
  assert.deepEqual(await names(0, []), ['a', 'b'])
})

test('a missing topic is created with the defaults of the node and answered at once', async (t) => {
  const f = await fixture(t, { settings: { 'num.partitions': '3' } })
  const { topics } = await ask(f, 12, ['new'])
  assert.deepEqual([topics[0]!.errorCode, topics[0]!.partitions.length], [0, 3])
  assert.equal(topics[0]!.topicId, f.controller.image.topics.get('new')!.id)
})

test('nothing is created when the request, or the node, does not allow it', async (t) => {
  const f = await fixture(t)
  assert.equal((await ask(f, 12, ['new'], { allowAutoTopicCreation: false })).topics[0]!.errorCode, 3)
  const off = await fixture(t, { settings: { 'auto.create.topics.enable': 'false' } })
  assert.equal((await ask(off, 12, ['new'])).topics[0]!.errorCode, 3)
  assert.equal(f.controller.image.topics.size + off.controller.image.topics.size, 0)
})

test('an invalid name is INVALID_TOPIC_EXCEPTION and creates nothing, while its neighbour is created', async (t) => {
  const f = await fixture(t)
  for (const allow of [true, false]) {
    const { topics } = await ask(f, 12, ['a b', '..', 'fine'], { allowAutoTopicCreation: allow })
    assert.deepEqual(
      topics.map((row) => row.errorCode),
      [17, 17, 0],
    )
  }
  assert.deepEqual([...f.controller.image.topics.keys()], ['fine'])
})

test('a name that collides is refused by the controller, and the code comes through', async (t) => {
  const f = await fixture(t)
  await createTopic(f, 'a.b')
  assert.equal((await ask(f, 12, ['a_b'])).topics[0]!.errorCode, 17)
})

test('topics are found by id from version 12, an unknown id is UNKNOWN_TOPIC_ID with no name', async (t) => {
  const f = await fixture(t)
  const id = await createTopic(f, 'a')
  const other = 'AAAAAAAAAAAAAAAAAAAAAQ'
  const { topics } = await ask(f, 12, [{ id }, { id: other }])
  assert.deepEqual(
    topics.map((row) => [row.errorCode, row.name, row.topicId]),
    [
      [0, 'a', id],
      [100, null, other],
    ],
  )
  assert.equal((await ask(f, 10, [{ id }])).topics[0]!.errorCode, 42)
})

test('a topic named twice has one row', async (t) => {
  const f = await fixture(t)
  assert.equal((await ask(f, 9, ['a', 'a'])).topics.length, 1)
})

test('internal topics are marked, and __consumer_offsets is created compacted', async (t) => {
  const f = await fixture(t)
  const { topics } = await ask(f, 9, ['__consumer_offsets'])
  assert.deepEqual([topics[0]!.isInternal, topics[0]!.partitions.length], [true, 50])
  assert.equal(f.controller.image.configs.get('topic:__consumer_offsets')!.get('cleanup.policy'), 'compact')
})

test('authorized operations are sent only when asked for', async (t) => {
  const f = await fixture(t)
  await createTopic(f, 'a')
  const plain = await ask(f, 8, ['a'])
  assert.deepEqual([plain.clusterAuthorizedOperations, plain.topics[0]!.topicAuthorizedOperations], [NONE, NONE])
  const asked = await ask(f, 8, ['a'], { includeClusterAuthorizedOperations: true, includeTopicAuthorizedOperations: true })
  assert.deepEqual([asked.clusterAuthorizedOperations, asked.topics[0]!.topicAuthorizedOperations], [8096, 3576])
})

test('on a wildcard listener this node is advertised by the address the client reached, never by the wildcard', async (t) => {
  for (const host of ['', '0.0.0.0', '::']) {
    const f = await fixture(t, { endpoints: [{ name: 'PLAINTEXT', host, port: 19092, securityProtocol: 'PLAINTEXT' }] })
    const { brokers } = await ask(f, 9, [], {}, { localAddress: '::ffff:10.1.2.3', localPort: 19092 })
    assert.deepEqual(brokers, [{ nodeId: 1, host: '10.1.2.3', port: 19092, rack: null }])
  }
})

test('an advertised host is sent as it is, and each listener sees its own endpoint', async (t) => {
  const endpoints = [
    { name: 'INSIDE', host: 'in.example', port: 1111, securityProtocol: 'PLAINTEXT' },
    { name: 'OUTSIDE', host: 'out.example', port: 2222, securityProtocol: 'PLAINTEXT' },
  ] as const
  const f = await fixture(t, { endpoints })
  const { brokers } = await ask(f, 9, [], {}, { listenerName: 'OUTSIDE' })
  assert.deepEqual([brokers[0]!.host, brokers[0]!.port], ['out.example', 2222])
})

function withDeadReplica(image: MetadataImage): MetadataImage {
  const topics = new Map(
    [...image.topics].map(([name, topic]) => [
      name,
      { ...topic, partitions: topic.partitions.map((p) => ({ ...p, replicas: [1, 2], isr: [1] })) },
    ]),
  )
  return { ...image, topics }
}

test('replicas on dead brokers are offline, and version 0 leaves them out with REPLICA_NOT_AVAILABLE', async (t) => {
  const f = await fixture(t, { see: withDeadReplica })
  await createTopic(f, 'a')
  const row = (await ask(f, 9, ['a'])).topics[0]!.partitions[0]!
  assert.deepEqual([row.errorCode, row.replicaNodes, row.isrNodes, row.offlineReplicas], [0, [1, 2], [1], [2]])
  const old = (await ask(f, 0, ['a'])).topics[0]!.partitions[0]!
  assert.deepEqual([old.errorCode, old.replicaNodes], [9, [1]])
})

test('a partition whose leader is not alive is LEADER_NOT_AVAILABLE with leader -1', async (t) => {
  const fenced = (image: MetadataImage): MetadataImage => ({
    ...image,
    brokers: new Map([...image.brokers].map(([id, broker]): [number, BrokerImage] => [id, { ...broker, fenced: image.topics.size > 0 }])),
  })
  const f = await fixture(t, { see: fenced })
  await createTopic(f, 'a')
  const answer = await ask(f, 9, ['a'])
  assert.deepEqual([answer.topics[0]!.partitions[0]!.errorCode, answer.topics[0]!.partitions[0]!.leaderId], [5, -1])
  assert.deepEqual([answer.brokers, answer.controllerId], [[], -1])
})

test('two requests that create the same topic at once both get it', async (t) => {
  const f = await fixture(t)
  const answers = await Promise.all([ask(f, 9, ['a']), ask(f, 9, ['a'])])
  assert.deepEqual(
    answers.map((answer) => answer.topics[0]!.errorCode),
    [0, 0],
  )
})
