import assert from 'node:assert/strict'
import { test } from 'node:test'
import { handleCreatePartitions } from '../../../src/broker/handlers/create-partitions.js'
import { handleCreateTopics } from '../../../src/broker/handlers/create-topics.js'
import { handleDeleteTopics } from '../../../src/broker/handlers/delete-topics.js'
import { handleDescribeTopicPartitions } from '../../../src/broker/handlers/describe-topic-partitions.js'
import { ZERO_UUID } from '../../../src/model/topic-partition.js'
import type { CreateTopicsRequest } from '../../../src/protocol/schema/create-topics.js'
import { createTopic, fixture, type Fixture } from './metadata-fixture.js'

type Topic = CreateTopicsRequest['topics'][number]

function topic(name: string, more: Partial<Topic> = {}): Topic {
  return { name, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [], ...more }
}

function create(f: Fixture, topics: Topic[], validateOnly = false) {
  return handleCreateTopics({ topics, timeoutMs: 1000, validateOnly }, f.context(7), f.broker)
}

test('CreateTopics answers with the id, the counts and every setting with its source', async (t) => {
  const f = await fixture(t)
  const { topics } = await create(f, [topic('a', { numPartitions: 4, configs: [{ name: 'retention.ms', value: '1000' }] })])
  const row = topics[0]!
  assert.deepEqual([row.errorCode, row.numPartitions, row.replicationFactor], [0, 4, 1])
  assert.equal(row.topicId, f.controller.image.topics.get('a')!.id)
  const settings = new Map(row.configs!.map((each) => [each.name, each]))
  assert.deepEqual([settings.get('retention.ms')!.value, settings.get('retention.ms')!.configSource], ['1000', 1])
  assert.deepEqual([settings.get('cleanup.policy')!.value, settings.get('cleanup.policy')!.configSource], ['delete', 5])
})

test('CreateTopics with validateOnly answers the same and creates nothing', async (t) => {
  const f = await fixture(t)
  const { topics } = await create(f, [topic('a', { configs: [{ name: 'retention.ms', value: '1000' }] })], true)
  const retention = topics[0]!.configs!.find((each) => each.name === 'retention.ms')!
  assert.deepEqual([topics[0]!.errorCode, retention.value, retention.configSource], [0, '1000', 1])
  assert.equal(f.controller.image.topics.size, 0)
})

test('CreateTopics has one row for a name given twice', async (t) => {
  const { topics } = await create(await fixture(t), [topic('a'), topic('a'), topic('b')])
  assert.deepEqual(
    topics.map((row) => [row.name, row.errorCode]),
    [
      ['a', 42],
      ['b', 0],
    ],
  )
})

test('CreateTopics refuses unknown and invalid settings with INVALID_CONFIG', async (t) => {
  const f = await fixture(t)
  const { topics } = await create(f, [
    topic('a', { configs: [{ name: 'nonsense', value: '1' }] }),
    topic('b', { configs: [{ name: 'retention.ms', value: 'soon' }] }),
    topic('c', { configs: [{ name: 'cleanup.policy', value: 'shred' }] }),
  ])
  assert.deepEqual(
    topics.map((row) => row.errorCode),
    [40, 40, 40],
  )
  assert.match(topics[0]!.errorMessage!, /^Unknown topic config name: nonsense/)
  assert.equal(f.controller.image.topics.size, 0)
})

test('DeleteTopics takes names in old versions and names or ids from version 6', async (t) => {
  const f = await fixture(t)
  for (const name of ['a', 'b', 'c']) await createTopic(f, name)
  const id = f.controller.image.topics.get('c')!.id
  const old = await handleDeleteTopics({ topics: [], topicNames: ['a', 'zz'], timeoutMs: 1 }, f.context(5), f.broker)
  assert.deepEqual(
    old.responses.map((row) => [row.name, row.errorCode]),
    [
      ['a', 0],
      ['zz', 3],
    ],
  )
  const topics = [
    { name: 'b', topicId: ZERO_UUID },
    { name: null, topicId: id },
  ]
  const now = await handleDeleteTopics({ topics, topicNames: [], timeoutMs: 1 }, f.context(6), f.broker)
  assert.deepEqual(
    now.responses.map((row) => [row.name, row.errorCode]),
    [
      ['b', 0],
      ['c', 0],
    ],
  )
  assert.equal(f.controller.image.topics.size, 0)
})

test('DeleteTopics has one row for a topic named twice', async (t) => {
  const f = await fixture(t)
  await createTopic(f, 'a')
  const { responses } = await handleDeleteTopics({ topics: [], topicNames: ['a', 'a'], timeoutMs: 1 }, f.context(5), f.broker)
  assert.deepEqual(
    responses.map((row) => [row.name, row.errorCode, row.errorMessage]),
    [['a', 42, 'Duplicate topic name.']],
  )
  assert.equal(f.controller.image.topics.size, 1)
})

test('DeleteTopics says TOPIC_DELETION_DISABLED, to old clients INVALID_REQUEST', async (t) => {
  const f = await fixture(t, { settings: { 'delete.topic.enable': 'false' } })
  await createTopic(f, 'a')
  for (const [version, code] of [
    [3, 73],
    [1, 42],
  ] as const) {
    const { responses } = await handleDeleteTopics({ topics: [], topicNames: ['a'], timeoutMs: 1 }, f.context(version), f.broker)
    assert.equal(responses[0]!.errorCode, code)
  }
})

test('CreatePartitions answers with a row per topic', async (t) => {
  const f = await fixture(t)
  await createTopic(f, 'a')
  const topics = [
    { name: 'a', count: 3, assignments: null },
    { name: 'b', count: 3, assignments: null },
  ]
  const { results } = await handleCreatePartitions({ topics, timeoutMs: 1, validateOnly: false }, f.context(3), f.broker)
  assert.deepEqual(
    results.map((row) => [row.name, row.errorCode]),
    [
      ['a', 0],
      ['b', 3],
    ],
  )
  assert.equal(f.controller.image.topics.get('a')!.partitions.length, 3)
})

test('DescribeTopicPartitions pages through partitions and topics by its cursor', async (t) => {
  const f = await fixture(t)
  await createTopic(f, 'b', 3)
  await createTopic(f, 'a', 3)
  const seen: string[] = []
  let cursor: { topicName: string; partitionIndex: number } | null = null
  let pages = 0
  do {
    const page = handleDescribeTopicPartitions({ topics: [], responsePartitionLimit: 2, cursor }, f.context(0), f.broker)
    for (const row of page.topics) for (const partition of row.partitions) seen.push(`${row.name}-${partition.partitionIndex}`)
    cursor = page.nextCursor
    pages++
  } while (cursor)
  assert.deepEqual([seen, pages], [['a-0', 'a-1', 'a-2', 'b-0', 'b-1', 'b-2'], 3])
})

test('DescribeTopicPartitions names missing and invalid topics, and refuses a cursor outside the list', async (t) => {
  const f = await fixture(t)
  const ask = (topics: string[], cursor: { topicName: string; partitionIndex: number } | null = null) =>
    handleDescribeTopicPartitions({ topics: topics.map((name) => ({ name })), responsePartitionLimit: 10, cursor }, f.context(0), f.broker)
      .topics
  assert.deepEqual(
    ask(['no', 'a b']).map((row) => [row.name, row.errorCode]),
    [
      ['a b', 17],
      ['no', 3],
    ],
  )
  assert.deepEqual(
    ask(['no'], { topicName: 'x', partitionIndex: 0 }).map((row) => row.errorCode),
    [42],
  )
})
