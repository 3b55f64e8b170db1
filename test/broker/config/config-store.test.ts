import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigStore } from '../../../src/broker/config/config-store.js'
import { ConfigSource } from '../../../src/broker/config/definition.js'
import { emptyImage } from '../../../src/controller/image.js'
import type { MetadataImage } from '../../../src/controller/image.js'

type Settings = Readonly<Record<string, string>>

function imageWith(configs: Readonly<Record<string, Settings>>): MetadataImage {
  return { ...emptyImage('test'), configs: new Map(Object.entries(configs).map(([key, values]) => [key, new Map(Object.entries(values))])) }
}

function storeWith(statics: Settings = {}, configs: Readonly<Record<string, Settings>> = {}): ConfigStore {
  const image = imageWith(configs)
  return new ConfigStore({ nodeId: 1, properties: new Map(Object.entries(statics)) }, () => image)
}

test('built-in defaults are those of Kafka 4.4', () => {
  const store = storeWith()
  assert.equal(store.getNumber('num.partitions'), 1)
  assert.equal(store.getBoolean('auto.create.topics.enable'), true)
  assert.deepEqual(store.getList('log.cleanup.policy'), ['delete'])
  assert.equal(store.getString('compression.type'), 'producer')
  const topic = store.topic('any')
  assert.equal(topic.retentionMs, 7 * 24 * 3_600_000)
  assert.equal(topic.segmentBytes, 1 << 30)
  assert.equal(topic.maxMessageBytes, 1_048_588)
  assert.equal(topic.flushMessages, Number.MAX_SAFE_INTEGER)
  assert.equal(topic.ack, 'process')
})

test('a value comes from the strongest source: topic, this broker, all brokers, static, default', () => {
  const layers: Record<string, Settings> = {}
  const expected: [string, Settings | null, number, number][] = [
    ['default', null, ConfigSource.default, -1],
    ['static', { 'log.retention.bytes': '40' }, ConfigSource.staticBroker, 40],
    ['broker:', { 'log.retention.bytes': '30' }, ConfigSource.dynamicDefaultBroker, 30],
    ['broker:1', { 'log.retention.bytes': '20' }, ConfigSource.dynamicBroker, 20],
    ['topic:t', { 'retention.bytes': '10' }, ConfigSource.topic, 10],
  ]
  let statics: Settings = {}
  for (const [layer, settings, source, value] of expected) {
    if (layer === 'static') statics = settings!
    else if (settings) layers[layer] = settings
    const store = storeWith(statics, layers)
    assert.equal(store.topic('t').retentionBytes, value, layer)
    const entry = store.describe('topic', 't').find((row) => row.name === 'retention.bytes')!
    assert.equal(entry.source, source, layer)
    assert.equal(entry.value, String(value), layer)
    assert.equal(entry.isDefault, source === ConfigSource.default)
  }
  const all = storeWith(statics, layers)
    .describe('topic', 't')
    .find((row) => row.name === 'retention.bytes')!
  assert.deepEqual(
    all.synonyms.map(({ name, value, source }) => [name, value, source]),
    [
      ['retention.bytes', '10', 1],
      ['log.retention.bytes', '20', 2],
      ['log.retention.bytes', '30', 3],
      ['log.retention.bytes', '40', 4],
      ['log.retention.bytes', '-1', 5],
    ],
  )
  assert.equal(storeWith(statics, layers).topic('other').retentionBytes, 20)
})

test('settings of another broker do not hold here', () => {
  assert.equal(storeWith({}, { 'broker:2': { 'log.retention.bytes': '5' } }).topic('t').retentionBytes, -1)
})

test('ms wins over minutes, minutes over hours, and each is converted', () => {
  assert.equal(storeWith({ 'log.retention.hours': '2' }).topic('t').retentionMs, 7_200_000)
  assert.equal(storeWith({ 'log.retention.hours': '2', 'log.retention.minutes': '5' }).topic('t').retentionMs, 300_000)
  assert.equal(storeWith({ 'log.retention.hours': '2', 'log.retention.minutes': '5', 'log.retention.ms': '7' }).topic('t').retentionMs, 7)
  assert.equal(storeWith({ 'log.retention.hours': '2' }, { 'broker:': { 'log.retention.ms': '9' } }).topic('t').retentionMs, 9)
  assert.equal(storeWith({ 'log.retention.hours': '-1' }).topic('t').retentionMs, -1)
  assert.equal(storeWith({ 'log.roll.hours': '1', 'log.roll.jitter.hours': '2' }).topic('t').segmentJitterMs, 7_200_000)
  assert.equal(storeWith({ 'log.flush.interval.ms': '250' }).topic('t').flushMs, 250)
  assert.equal(storeWith({ 'log.retention.hours': '2' }).getNumber('log.retention.ms'), 7_200_000)
})

test('one store follows the image: a change is seen, and topics without overrides share one object', () => {
  let image = imageWith({ 'topic:a': { 'retention.ms': '1000' } })
  const store = new ConfigStore({ nodeId: 1, properties: new Map() }, () => image)
  assert.equal(store.topic('a').retentionMs, 1000)
  assert.equal(store.topic('a'), store.topic('a'))
  assert.equal(store.topic('b'), store.topic('c'))
  image = imageWith({ 'topic:b': { 'millrace.ack': 'disk' }, 'broker:': { 'message.max.bytes': '77' } })
  assert.equal(store.topic('a').retentionMs, 604_800_000)
  assert.equal(store.topic('a').maxMessageBytes, 77)
  assert.equal(store.getNumber('message.max.bytes'), 77)
  assert.equal(store.topic('b').ack, 'disk')
  image = imageWith({ 'topic:b': { 'millrace.ack': 'process' } })
  assert.equal(store.topic('b').ack, 'process')
})

test('the decompression limit is the smaller of the topic and the node', () => {
  assert.equal(storeWith().topic('t').maxDecompressedBytes, 268_435_456)
  assert.equal(storeWith({}, { 'topic:t': { 'max.decompressed.message.bytes': '5000' } }).topic('t').maxDecompressedBytes, 5000)
})

test('the input survives a structured clone and gives the same answers on another thread', () => {
  const store = storeWith({ 'num.partitions': '6' })
  const copy = new ConfigStore(structuredClone(store.input), () => emptyImage('x'))
  assert.equal(copy.getNumber('num.partitions'), 6)
  assert.deepEqual(copy.describe('broker', '1'), store.describe('broker', '1'))
})

test('describing a broker lists every setting with type, source and whether it may change', () => {
  const store = storeWith(
    { 'num.partitions': '6', 'ssl.key.password': 'secret', 'listener.name.internal.ssl.keystore.password': 'hush' },
    { 'broker:1': { 'log.segment.bytes': '2097152' } },
  )
  const rows = new Map(store.describe('broker', '1').map((row) => [row.name, row]))
  assert.ok(rows.size > 340)
  assert.deepEqual([...rows.keys()].slice(0, -1), [...rows.keys()].slice(0, -1).toSorted())
  const partitions = rows.get('num.partitions')!
  assert.deepEqual([partitions.value, partitions.source, partitions.readOnly, partitions.type], ['6', 4, true, 3])
  const segment = rows.get('log.segment.bytes')!
  assert.deepEqual([segment.value, segment.source, segment.readOnly], ['2097152', 2, false])
  assert.deepEqual([rows.get('node.id')!.value, rows.get('broker.id')!.source], ['1', 4])
  const retention = rows.get('log.retention.ms')!
  assert.deepEqual([retention.value, retention.source, retention.synonyms], [null, 5, []], 'unset, as Kafka shows it: the hours decide')
  const password = rows.get('ssl.key.password')!
  assert.deepEqual([password.value, password.isSensitive, password.type], [null, true, 9])
  assert.ok(password.synonyms.every((synonym) => synonym.value === null))
  assert.equal(rows.get('listener.name.internal.ssl.keystore.password')?.isSensitive, true)
  assert.equal(rows.has('group.share.persister.class.name'), false, 'internal settings stay hidden until set')
})

test('describing the broker default lists the dynamic defaults alone', () => {
  const rows = storeWith({ 'num.partitions': '6' }, { 'broker:': { 'log.retention.ms': '5' } }).describe('broker', '')
  assert.deepEqual(
    rows.map(({ name, value, source }) => [name, value, source]),
    [['log.retention.ms', '5', 3]],
  )
})

test('a group setting takes its default from the broker', () => {
  const store = storeWith({ 'group.consumer.session.timeout.ms': '50000' }, { 'group:g': { 'consumer.heartbeat.interval.ms': '6000' } })
  assert.equal(store.groupSetting('g', 'consumer.session.timeout.ms'), '50000')
  assert.equal(store.groupSetting('g', 'consumer.heartbeat.interval.ms'), '6000')
  const row = store.describe('group', 'g').find((entry) => entry.name === 'consumer.heartbeat.interval.ms')!
  assert.deepEqual([row.value, row.source], ['6000', ConfigSource.group])
})

test('APPEND and SUBTRACT apply to lists only', () => {
  const store = storeWith()
  assert.equal(store.isListType('cleanup.policy'), true)
  assert.equal(store.isListType('log.cleanup.policy'), true)
  assert.equal(store.isListType('retention.ms'), false)
  assert.equal(store.isListType('nonsense'), false)
})

test('values are accepted and refused as Kafka 4.4 does', () => {
  const store = storeWith()
  // Recorded from LogConfig.validate of Kafka 4.4.
  const accepted = [
    ['cleanup.policy', ''],
    ['cleanup.policy', 'delete,delete'],
    ['retention.ms', ' 15 '],
    ['preallocate', 'TRUE'],
    ['compression.gzip.level', '-1'],
    ['retention.ms', '-1'],
  ]
  const refused = [
    ['cleanup.policy', 'none'],
    ['cleanup.policy', 'delete,'],
    ['compression.gzip.level', '0'],
    ['retention.ms', '1.5'],
    ['retention.ms', '-2'],
    ['segment.bytes', '99999999999'],
    ['preallocate', 'yes'],
    ['x.y', '1'],
    ['min.cleanable.dirty.ratio', '2'],
    ['compression.type', 'GZIP'],
    ['segment.bytes', '10'],
  ]
  for (const [name, value] of accepted) assert.equal(store.validate('topic', name!, value!), null, `${name}=${value}`)
  for (const [name, value] of refused) assert.notEqual(store.validate('topic', name!, value!), null, `${name}=${value}`)
  assert.match(
    store.validateTogether(
      'topic',
      new Map([
        ['min.compaction.lag.ms', '50'],
        ['max.compaction.lag.ms', '5'],
      ]),
    )!,
    /conflict .*min\.compaction\.lag\.ms/,
  )
  assert.equal(store.validateTogether('topic', new Map([['min.compaction.lag.ms', '5']])), null)
})

test('at run time read-only settings are refused, and per-broker ones at the cluster-wide default', () => {
  const store = storeWith()
  assert.match(store.validateChange('broker', '1', 'num.partitions', '5')!, /read-only while the node runs/)
  assert.match(store.validateChange('broker', '', 'ssl.keystore.location', '/x')!, /on each broker/)
  assert.equal(store.validateChange('broker', '', 'log.retention.ms', '5'), null)
  assert.equal(store.validateChange('broker', '1', 'listener.name.internal.ssl.keystore.location', '/x'), null)
  assert.equal(store.validateChange('topic', 't', 'retention.ms', null), null)
})

test('asking for a setting that is not defined is a bug and throws', () => {
  assert.throws(() => storeWith().getNumber('no.such.setting'), /is not defined/)
})
