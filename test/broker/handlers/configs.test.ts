import assert from 'node:assert/strict'
import { test } from 'node:test'
import { handleAlterConfigs } from '../../../src/broker/handlers/alter-configs.js'
import { handleDescribeConfigs } from '../../../src/broker/handlers/describe-configs.js'
import { handleIncrementalAlterConfigs } from '../../../src/broker/handlers/incremental-alter-configs.js'
import { handleListConfigResources } from '../../../src/broker/handlers/list-config-resources.js'
import { createTopic, fixture, type Fixture } from './metadata-fixture.js'

const TOPIC = 2
const BROKER = 4
const GROUP = 32

function describe(f: Fixture, resourceType: number, resourceName: string, keys: string[] | null = null, more = {}) {
  const resources = [{ resourceType, resourceName, configurationKeys: keys }]
  const request = { resources, includeSynonyms: false, includeDocumentation: false, ...more }
  return handleDescribeConfigs(request, f.context(4), f.broker).results[0]!
}

function alter(f: Fixture, resourceType: number, resourceName: string, changes: [string, number, string | null][], validateOnly = false) {
  const configs = changes.map(([name, configOperation, value]) => ({ name, configOperation, value }))
  return handleIncrementalAlterConfigs({ resources: [{ resourceType, resourceName, configs }], validateOnly }, f.context(1), f.broker)
}

test('DescribeConfigs lists every topic setting with value, source, type and on request documentation', async (t) => {
  const f = await fixture(t)
  await createTopic(f, 'a')
  const { errorCode, configs } = describe(f, TOPIC, 'a', null, { includeDocumentation: true })
  assert.equal(errorCode, 0)
  assert.ok(configs.length > 20)
  const retention = configs.find((each) => each.name === 'retention.ms')!
  assert.deepEqual([retention.value, retention.configSource, retention.configType], ['604800000', 5, 5])
  assert.ok(configs.every((each) => each.documentation !== null))
})

test('DescribeConfigs gives synonyms and documentation only when asked', async (t) => {
  const f = await fixture(t)
  await createTopic(f, 'a')
  const plain = describe(f, TOPIC, 'a', ['retention.ms']).configs
  assert.deepEqual([plain.length, plain[0]!.synonyms, plain[0]!.documentation], [1, [], null])
  const synonyms = describe(f, TOPIC, 'a', ['retention.ms'], { includeSynonyms: true }).configs[0]!.synonyms
  assert.ok(synonyms.some((each) => each.name === 'log.retention.hours'))
})

test('DescribeConfigs refuses what it cannot describe, each with its own code', async (t) => {
  const f = await fixture(t)
  const codes = [
    describe(f, TOPIC, 'no'),
    describe(f, TOPIC, 'a b'),
    describe(f, BROKER, '9'),
    describe(f, BROKER, 'x'),
    describe(f, 77, 'x'),
    describe(f, GROUP, ''),
  ]
  assert.deepEqual(
    codes.map((each) => each.errorCode),
    [3, 17, 42, 42, 42, 42],
  )
  assert.equal(codes[0]!.errorMessage, '')
  assert.equal(codes[2]!.errorMessage, 'Unexpected broker id, expected 1 or empty string, but received 9')
})

test('SET, APPEND, SUBTRACT and DELETE change what DescribeConfigs shows', async (t) => {
  const f = await fixture(t)
  await createTopic(f, 'a')
  const policy = () => describe(f, TOPIC, 'a', ['cleanup.policy']).configs[0]!
  assert.equal((await alter(f, TOPIC, 'a', [['cleanup.policy', 2, 'compact']])).responses[0]!.errorCode, 0)
  assert.deepEqual([policy().value, policy().configSource], ['delete,compact', 1])
  await alter(f, TOPIC, 'a', [
    ['cleanup.policy', 3, 'delete'],
    ['retention.ms', 0, '5'],
  ])
  assert.equal(policy().value, 'compact')
  await alter(f, TOPIC, 'a', [['cleanup.policy', 1, null]])
  assert.deepEqual([policy().value, policy().configSource], ['delete', 5])
})

test('IncrementalAlterConfigs refuses with the codes of Kafka', async (t) => {
  const f = await fixture(t)
  await createTopic(f, 'a')
  const code = async (...args: [number, string, [string, number, string | null][]]) => (await alter(f, ...args)).responses[0]!
  assert.equal((await code(TOPIC, 'a', [['retention.ms', 2, '1']])).errorCode, 40)
  assert.equal((await code(TOPIC, 'a', [['nonsense', 0, '1']])).errorCode, 40)
  assert.equal((await code(TOPIC, 'a', [['retention.ms', 0, 'x']])).errorCode, 40)
  assert.equal((await code(TOPIC, 'a', [['retention.ms', 0, null]])).errorCode, 42)
  assert.equal((await code(TOPIC, 'a', [['retention.ms', 9, '1']])).errorCode, 42)
  assert.deepEqual(
    await code(TOPIC, 'a', [
      ['retention.ms', 0, '1'],
      ['retention.ms', 0, '2'],
    ]),
    {
      resourceType: TOPIC,
      resourceName: 'a',
      errorCode: 42,
      errorMessage: 'Error due to duplicate config keys',
    },
  )
  assert.equal((await code(TOPIC, 'no', [['retention.ms', 0, '1']])).errorMessage, "The topic 'no' does not exist.")
  assert.equal((await code(BROKER, '9', [['log.retention.ms', 0, '1']])).errorCode, 42)
  assert.equal((await code(77, 'a', [])).errorCode, 42)
})

test('a resource that appears twice in a request is refused', async (t) => {
  const f = await fixture(t)
  await createTopic(f, 'a')
  const resource = { resourceType: TOPIC, resourceName: 'a', configs: [] }
  const { responses } = await handleAlterConfigs({ resources: [resource, resource], validateOnly: false }, f.context(2), f.broker)
  assert.deepEqual(responses, [
    { resourceType: TOPIC, resourceName: 'a', errorCode: 42, errorMessage: 'Each resource must appear at most once.' },
  ])
})

test('AlterConfigs resets what it does not name, and validateOnly changes nothing', async (t) => {
  const f = await fixture(t)
  await createTopic(f, 'a')
  await alter(f, TOPIC, 'a', [
    ['retention.ms', 0, '5'],
    ['segment.bytes', 0, '1048576'],
  ])
  const resources = [{ resourceType: TOPIC, resourceName: 'a', configs: [{ name: 'retention.ms', value: '9' }] }]
  await handleAlterConfigs({ resources, validateOnly: true }, f.context(2), f.broker)
  assert.equal(f.controller.image.configs.get('topic:a')!.get('retention.ms'), '5')
  await handleAlterConfigs({ resources, validateOnly: false }, f.context(2), f.broker)
  assert.deepEqual([...f.controller.image.configs.get('topic:a')!], [['retention.ms', '9']])
})

test('broker settings change for one broker or for all, read-only ones do not', async (t) => {
  const f = await fixture(t)
  assert.equal((await alter(f, BROKER, '', [['log.retention.ms', 0, '111']])).responses[0]!.errorCode, 0)
  assert.equal((await alter(f, BROKER, '1', [['log.retention.ms', 0, '222']])).responses[0]!.errorCode, 0)
  for (const name of ['', '1']) {
    const { errorCode, errorMessage } = (await alter(f, BROKER, name, [['node.id', 0, '2']])).responses[0]!
    assert.deepEqual([errorCode, errorMessage], [42, 'Cannot update these configs dynamically: [node.id]'])
  }
  const row = describe(f, BROKER, '1', ['log.retention.ms']).configs[0]!
  assert.deepEqual([row.value, row.configSource], ['222', 2])
})

test('ListConfigResources lists all kinds, and in version 0 client metrics alone', async (t) => {
  const f = await fixture(t)
  await createTopic(f, 'a')
  await alter(f, GROUP, 'g', [['consumer.session.timeout.ms', 0, '50000']])
  const list = (version: number, resourceTypes: number[]) => handleListConfigResources({ resourceTypes }, f.context(version), f.broker)
  assert.deepEqual(
    list(1, []).configResources.map((each) => [each.resourceType, each.resourceName]),
    [
      [2, 'a'],
      [4, '1'],
      [8, '1'],
      [32, 'g'],
    ],
  )
  assert.deepEqual(list(0, []).configResources, [])
  assert.deepEqual(
    list(1, [GROUP]).configResources.map((each) => each.resourceName),
    ['g'],
  )
  assert.equal(list(1, [99]).errorCode, 35)
})
