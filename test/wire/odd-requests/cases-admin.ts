// Odd requests about topics and configurations.

import type { Fields } from '../raw/shape.js'
import { rows, type CallResult } from '../raw/apis.js'
import type { Context, OddCase } from './context.js'

type Configs = Readonly<Record<string, string | null>>

const pairs = (configs: Configs): { name: string; value: string | null }[] =>
  Object.entries(configs).map(([name, value]) => ({ name, value }))

interface Creation {
  readonly partitions?: number
  readonly replication?: number
  readonly assignments?: readonly { readonly index: number; readonly brokers: number[] }[]
  readonly configs?: Configs
}

function topicOf(name: string, creation: Creation): Fields {
  return {
    name,
    partitions: creation.partitions ?? 1,
    replication: creation.replication ?? 1,
    assignments: (creation.assignments ?? []).map((each) => ({ ...each })),
    configs: pairs(creation.configs ?? {}),
  }
}

function created(result: CallResult): unknown {
  if (typeof result === 'string') return result
  return rows(result['topics']).map((row) => {
    const id = row['id'] as Buffer
    return {
      name: row['name'],
      id: id.some((byte) => byte !== 0) ? 'an id' : 'zero',
      error: row['error'],
      message: row['message'],
      partitions: row['partitions'],
      replication: row['replication'],
      configs: configCount(row['configs']),
    }
  })
}

/** How many settings come back is the server's own; whether any do is not. */
function configCount(value: unknown): string {
  return value === null ? 'null' : (value as unknown[]).length > 0 ? 'some' : 'none'
}

async function create(context: Context, topics: readonly Fields[], validateOnly = false): Promise<unknown> {
  const result = created(await context.call('CreateTopics', 7, { topics: [...topics], timeoutMs: 20_000, validateOnly }))
  return result
}

function creating(label: string, creation: Creation, name?: string): OddCase {
  return { name: `CreateTopics: ${label}`, ask: (context) => create(context, [topicOf(name ?? context.name('made'), creation)]) }
}

const CREATE: readonly OddCase[] = [
  creating('a good one', { partitions: 3 }),
  creating('default partitions and replication', { partitions: -1, replication: -1 }),
  creating('an empty name', {}, ''),
  creating('the name "."', {}, '.'),
  creating('the name ".."', {}, '..'),
  creating('a name with a slash', {}, 'a/b'),
  creating('a name with a space', {}, 'a b'),
  {
    name: 'CreateTopics: a name of 249 characters',
    ask: (context) => create(context, [topicOf(context.name('x').padStart(249, 'x'), {})]),
  },
  creating('a name of 250 characters', {}, 'x'.repeat(250)),
  creating('a name with umlauts', {}, 'größe'),
  creating('the name of an internal topic', {}, '__cluster_metadata'),
  creating('0 partitions', { partitions: 0 }),
  creating('-2 partitions', { partitions: -2 }),
  creating('replication 0', { replication: 0 }),
  creating('replication -2', { replication: -2 }),
  creating('replication 3 on one node', { replication: 3 }),
  creating('replication 32767', { replication: 32767 }),
  creating('an unknown config', { configs: { 'no.such.config': '1' } }),
  creating('a config that is no number', { configs: { 'retention.ms': 'soon' } }),
  creating('a config out of range', { configs: { 'retention.ms': '-2' } }),
  creating('segment.bytes too small', { configs: { 'segment.bytes': '1' } }),
  creating('a config of null', { configs: { 'retention.ms': null } }),
  creating('an unknown cleanup policy', { configs: { 'cleanup.policy': 'burn' } }),
  creating('an empty cleanup policy', { configs: { 'cleanup.policy': '' } }),
  creating('an unknown compression', { configs: { 'compression.type': 'rar' } }),
  creating('min.insync.replicas beyond replication', { configs: { 'min.insync.replicas': '3' } }),
  creating('good configs', { configs: { 'retention.ms': '1000', 'cleanup.policy': 'compact,delete' } }),
  creating('the same config twice', { configs: { 'retention.ms': '1' } }),
  creating('assignments', {
    partitions: -1,
    replication: -1,
    assignments: [
      { index: 0, brokers: [1] },
      { index: 1, brokers: [1] },
    ],
  }),
  creating('assignments and a partition count', { partitions: 2, replication: -1, assignments: [{ index: 0, brokers: [1] }] }),
  creating('assignments with a hole', { partitions: -1, replication: -1, assignments: [{ index: 1, brokers: [1] }] }),
  creating('assignments to an unknown broker', { partitions: -1, replication: -1, assignments: [{ index: 0, brokers: [99] }] }),
  creating('assignments with a broker twice', { partitions: -1, replication: -1, assignments: [{ index: 0, brokers: [1, 1] }] }),
  creating('an assignment of no broker', { partitions: -1, replication: -1, assignments: [{ index: 0, brokers: [] }] }),
  {
    name: 'CreateTopics: one that exists',
    ask: async (context) => create(context, [topicOf((await context.topic('there')).name, {})]),
  },
  {
    name: 'CreateTopics: names that differ in . and _',
    ask: async (context) => {
      const name = (await context.topic('a_b')).name
      return create(context, [topicOf(name.replace('a_b', 'a.b'), {})])
    },
  },
  {
    name: 'CreateTopics: the same name twice in a request',
    ask: (context) => {
      const name = context.name('twice')
      return create(context, [topicOf(name, {}), topicOf(name, {})])
    },
  },
  {
    name: 'CreateTopics: one good and one bad',
    ask: (context) => create(context, [topicOf(context.name('good'), {}), topicOf('b/d', {})]),
  },
  {
    name: 'CreateTopics: only validated',
    ask: async (context) => {
      const name = context.name('validated')
      const answer = await create(context, [topicOf(name, { partitions: 4 })], true)
      return { answer, exists: (await context.offset(name, -1))['error'] === 0 }
    },
  },
  { name: 'CreateTopics: no topics', ask: (context) => create(context, []) },
]

async function deleted(context: Context, topics: readonly Fields[]): Promise<unknown> {
  const result = await context.call('DeleteTopics', 6, { topics: [...topics], timeoutMs: 20_000 })
  if (typeof result === 'string') return result
  return rows(result['topics']).map((row) => ({ ...row, id: (row['id'] as Buffer).some((byte) => byte !== 0) ? 'an id' : 'zero' }))
}

const DELETE: readonly OddCase[] = [
  { name: 'DeleteTopics: unknown name', ask: (context) => deleted(context, [{ name: 'no-such-topic', id: null }]) },
  { name: 'DeleteTopics: unknown id', ask: (context) => deleted(context, [{ name: null, id: Buffer.alloc(16, 3) }]) },
  { name: 'DeleteTopics: neither name nor id', ask: (context) => deleted(context, [{ name: null, id: null }]) },
  { name: 'DeleteTopics: an invalid name', ask: (context) => deleted(context, [{ name: 'a/b', id: null }]) },
  {
    name: 'DeleteTopics: unknown name, version 3',
    ask: (context) => context.call('DeleteTopics', 3, { names: ['no-such-topic'], timeoutMs: 5000 }),
  },
  {
    name: 'DeleteTopics: both name and id',
    ask: async (context) => {
      const { name, id } = await context.topic('both')
      return deleted(context, [{ name, id }])
    },
  },
  { name: 'DeleteTopics: by id', ask: async (context) => deleted(context, [{ name: null, id: (await context.topic('by-id')).id }]) },
  { name: 'DeleteTopics: by name', ask: async (context) => deleted(context, [{ name: (await context.topic('by-name')).name, id: null }]) },
  {
    name: 'DeleteTopics: the same one twice',
    ask: async (context) => {
      const { name } = await context.topic('twice')
      return deleted(context, [
        { name, id: null },
        { name, id: null },
      ])
    },
  },
  {
    name: 'DeleteTopics: produce and metadata afterwards',
    ask: async (context) => {
      const { name } = await context.topic('gone')
      await deleted(context, [{ name, id: null }])
      await context.until(async () => (await context.offset(name, -1))['error'] !== 0)
      return context.offset(name, -1)
    },
  },
]

async function grow(
  context: Context,
  name: string,
  count: number,
  assignments: { brokers: number[] }[] | null = null,
  validateOnly = false,
): Promise<unknown> {
  return context.call('CreatePartitions', 1, { topics: [{ name, count, assignments }], timeoutMs: 20_000, validateOnly })
}

const PARTITIONS: readonly OddCase[] = [
  ...[5, 3, 2, 0, -1].map((count) => ({
    name: `CreatePartitions: from 3 to ${count}`,
    ask: async (context: Context) => grow(context, (await context.topic('grown', 3)).name, count),
  })),
  { name: 'CreatePartitions: unknown topic', ask: (context) => grow(context, 'no-such-topic', 5) },
  { name: 'CreatePartitions: an empty name', ask: (context) => grow(context, '', 5) },
  {
    name: 'CreatePartitions: assignments that do not fit the count',
    ask: async (context) => grow(context, (await context.topic('grown', 1)).name, 3, [{ brokers: [1] }]),
  },
  {
    name: 'CreatePartitions: assignment to an unknown broker',
    ask: async (context) => grow(context, (await context.topic('grown', 1)).name, 2, [{ brokers: [9] }]),
  },
  {
    name: 'CreatePartitions: only validated',
    ask: async (context) => {
      const { name } = await context.topic('grown', 1)
      const answer = await grow(context, name, 2, null, true)
      return { answer, second: (await context.offset(name, -1, 1))['error'] }
    },
  },
  {
    name: 'CreatePartitions: the same topic twice',
    ask: async (context) => {
      const { name } = await context.topic('grown', 1)
      const topic = { name, count: 2, assignments: null }
      return context.call('CreatePartitions', 1, { topics: [topic, topic], timeoutMs: 20_000, validateOnly: false })
    },
  },
]

const TOPIC = 2
const BROKER = 4

async function describe(context: Context, type: number, name: string, keys: string[] | null = null): Promise<unknown> {
  const result = await context.call('DescribeConfigs', 3, { resources: [{ type, name, keys }], synonyms: false, documentation: false })
  if (typeof result === 'string') return result
  return rows(result['results']).map((row) => ({
    error: row['error'],
    message: row['message'],
    type: row['type'],
    name: row['name'],
    configs: keys && keys.length > 0 ? rows(row['configs']).toSorted(byName) : configCount(row['configs']),
  }))
}

function byName(a: Fields, b: Fields): number {
  return String(a['name']).localeCompare(String(b['name']))
}

async function topicConfigNames(context: Context): Promise<unknown> {
  const { name } = await context.topic('described', 1, { 'retention.ms': '1234567' })
  const result = await context.call('DescribeConfigs', 3, {
    resources: [{ type: TOPIC, name, keys: null }],
    synonyms: true,
    documentation: false,
  })
  if (typeof result === 'string') return result
  const configs = rows(rows(result['results'])[0]!['configs'])
  return (
    configs
      .filter((row) => !(row['name'] as string).startsWith('millrace.'))
      // Where a node's own file sets something, the source is another; what a topic itself sets is source 1 everywhere.
      .filter((row) => row['name'] !== 'file.delete.delay.ms')
      .map(
        (row) =>
          `${String(row['name'])}=${String(row['value'])} type ${String(row['configType'])} ${row['source'] === 1 ? 'of the topic' : 'default'} ${row['readOnly'] ? 'read-only ' : ''}${row['sensitive'] ? 'sensitive' : ''}`,
      )
      .toSorted()
  )
}

async function alter(context: Context, type: number, name: string, configs: Configs, validateOnly = false): Promise<unknown> {
  return context.call('AlterConfigs', 1, { resources: [{ type, name, configs: pairs(configs) }], validateOnly })
}

type Operation = readonly [name: string, operation: number, value: string | null]

async function incremental(context: Context, type: number, name: string, operations: readonly Operation[]): Promise<unknown> {
  const configs = operations.map(([key, operation, value]) => ({ name: key, operation, value }))
  return context.call('IncrementalAlterConfigs', 0, { resources: [{ type, name, configs }], validateOnly: false })
}

const KEYS = ['retention.ms', 'cleanup.policy']

async function altered(context: Context, operations: readonly Operation[]): Promise<unknown> {
  const { name } = await context.topic('altered', 1, { 'retention.ms': '1000', 'cleanup.policy': 'delete' })
  const answer = await incremental(context, TOPIC, name, operations)
  return { answer, after: await settled(context, name) }
}

/** The broker learns of a change after the answer: what it says twice in a row counts. */
async function settled(context: Context, name: string): Promise<unknown> {
  let last = ''
  await context.until(async () => {
    await new Promise((resolve) => setTimeout(resolve, 100))
    const now = JSON.stringify(await describe(context, TOPIC, name, KEYS))
    const same = now === last
    last = now
    return same
  })
  return JSON.parse(last)
}

const incrementalCase = (label: string, ...operations: Operation[]): OddCase => ({
  name: `IncrementalAlterConfigs: ${label}`,
  ask: (context) => altered(context, operations),
})

const CONFIGS: readonly OddCase[] = [
  { name: 'DescribeConfigs: every setting of a topic', ask: topicConfigNames },
  { name: 'DescribeConfigs: unknown topic', ask: (context) => describe(context, TOPIC, 'no-such-topic') },
  { name: 'DescribeConfigs: an invalid topic name', ask: (context) => describe(context, TOPIC, 'a/b') },
  { name: 'DescribeConfigs: an empty topic name', ask: (context) => describe(context, TOPIC, '') },
  {
    name: 'DescribeConfigs: keys, one unknown',
    ask: async (context) => describe(context, TOPIC, (await context.topic('one')).name, ['retention.ms', 'no.such']),
  },
  { name: 'DescribeConfigs: no keys', ask: async (context) => describe(context, TOPIC, (await context.topic('one')).name, []) },
  { name: 'DescribeConfigs: this broker', ask: (context) => describe(context, BROKER, '1') },
  { name: 'DescribeConfigs: broker 99', ask: (context) => describe(context, BROKER, '99') },
  { name: 'DescribeConfigs: a broker that is no number', ask: (context) => describe(context, BROKER, 'one') },
  {
    name: 'DescribeConfigs: the default broker',
    notCompared: 'lists what was set for all brokers, which is nothing on a new node',
    ask: (context) => describe(context, BROKER, ''),
  },
  { name: 'DescribeConfigs: resource type 0', ask: (context) => describe(context, 0, 'x') },
  { name: 'DescribeConfigs: resource type 99', ask: (context) => describe(context, 99, 'x') },
  { name: 'AlterConfigs: unknown topic', ask: (context) => alter(context, TOPIC, 'no-such-topic', { 'retention.ms': '1' }) },
  {
    name: 'AlterConfigs: unknown config',
    ask: async (context) => alter(context, TOPIC, (await context.topic('one')).name, { 'no.such': '1' }),
  },
  {
    name: 'AlterConfigs: a bad value',
    ask: async (context) => alter(context, TOPIC, (await context.topic('one')).name, { 'retention.ms': 'soon' }),
  },
  {
    name: 'AlterConfigs: a null value',
    ask: async (context) => alter(context, TOPIC, (await context.topic('one')).name, { 'retention.ms': null }),
  },
  { name: 'AlterConfigs: broker 99', ask: (context) => alter(context, BROKER, '99', { 'message.max.bytes': '1000' }) },
  { name: 'AlterConfigs: resource type 99', ask: (context) => alter(context, 99, 'x', { a: '1' }) },
  { name: 'AlterConfigs: a broker setting that is fixed', ask: (context) => alter(context, BROKER, '1', { 'node.id': '7' }, true) },
  {
    name: 'AlterConfigs: what is not named goes back to its default',
    ask: async (context) => {
      const { name } = await context.topic('replaced', 1, { 'retention.ms': '1000', 'cleanup.policy': 'compact' })
      const answer = await alter(context, TOPIC, name, { 'retention.ms': '2000' })
      return { answer, after: await settled(context, name) }
    },
  },
  incrementalCase('SET', ['retention.ms', 0, '5000']),
  incrementalCase('DELETE', ['retention.ms', 1, null]),
  incrementalCase('DELETE of what is not set', ['segment.ms', 1, null]),
  incrementalCase('APPEND to a list', ['cleanup.policy', 2, 'compact']),
  incrementalCase('APPEND what is there', ['cleanup.policy', 2, 'delete']),
  incrementalCase('SUBTRACT from a list', ['cleanup.policy', 3, 'delete']),
  incrementalCase('SUBTRACT what is not there', ['cleanup.policy', 3, 'compact']),
  incrementalCase('APPEND to a number', ['retention.ms', 2, '5']),
  incrementalCase('operation 9', ['retention.ms', 9, '5']),
  incrementalCase('SET to null', ['retention.ms', 0, null]),
  incrementalCase('SET to a bad value', ['retention.ms', 0, 'soon']),
  incrementalCase('unknown config', ['no.such', 0, '1']),
  incrementalCase('one key twice', ['retention.ms', 0, '1'], ['retention.ms', 0, '2']),
  incrementalCase('one good, one bad', ['retention.ms', 0, '7000'], ['cleanup.policy', 0, 'burn']),
  {
    name: 'IncrementalAlterConfigs: unknown topic',
    ask: (context) => incremental(context, TOPIC, 'no-such-topic', [['retention.ms', 0, '1']]),
  },
  { name: 'IncrementalAlterConfigs: broker 99', ask: (context) => incremental(context, BROKER, '99', [['message.max.bytes', 0, '1']]) },
  { name: 'IncrementalAlterConfigs: resource type 99', ask: (context) => incremental(context, 99, 'x', [['a', 0, '1']]) },
  {
    name: 'IncrementalAlterConfigs: an unknown broker setting',
    ask: (context) => incremental(context, BROKER, '1', [['no.such', 1, null]]),
  },
  { name: 'ListConfigResources: type 99', ask: (context) => context.call('ListConfigResources', 1, { types: [99] }) },
  { name: 'ListConfigResources: brokers', ask: (context) => context.call('ListConfigResources', 1, { types: [BROKER] }) },
]

async function metadata(context: Context, name: string | null, autoCreate: boolean, id: Buffer | null = null): Promise<unknown> {
  const result = await context.call('Metadata', 12, { topics: [{ id, name }], autoCreate, topicOperations: false })
  if (typeof result === 'string') return result
  return rows(result['topics']).map((row) => ({
    error: row['error'],
    name: row['name'],
    id: (row['id'] as Buffer).some((byte) => byte !== 0) ? 'an id' : 'zero',
    internal: row['internal'],
    partitions: rows(row['partitions']).length,
    operations: row['operations'],
  }))
}

const METADATA: readonly OddCase[] = [
  { name: 'Metadata: unknown topic, not created', ask: (context) => metadata(context, context.name('none'), false) },
  {
    name: 'Metadata: unknown topic, created',
    ask: async (context) => {
      const name = context.name('auto')
      // Kafka answers before the topic is there; a node that waits for it may name it at once.
      await metadata(context, name, true)
      await context.until(async () => (await context.offset(name, -1))['error'] === 0)
      return metadata(context, name, false)
    },
  },
  { name: 'Metadata: an invalid name, created', ask: (context) => metadata(context, 'a/b', true) },
  { name: 'Metadata: an empty name, created', ask: (context) => metadata(context, '', true) },
  { name: 'Metadata: a name too long, created', ask: (context) => metadata(context, 'x'.repeat(250), true) },
  { name: 'Metadata: unknown id', ask: (context) => metadata(context, null, false, Buffer.alloc(16, 5)) },
  { name: 'Metadata: neither name nor id', ask: (context) => metadata(context, null, false, null) },
  {
    name: 'Metadata: both name and id',
    ask: async (context) => {
      const { name, id } = await context.topic('both')
      return metadata(context, name, false, id)
    },
  },
  { name: 'Metadata: by id', ask: async (context) => metadata(context, null, false, (await context.topic('by-id')).id) },
  {
    name: 'DescribeCluster: endpoint type 2',
    ask: async (context) => {
      const result = await context.call('DescribeCluster', 1, { operations: false, endpointType: 2 })
      return typeof result === 'string' ? result : { error: result['error'], brokers: rows(result['brokers']).length }
    },
  },
  {
    name: 'DescribeCluster: endpoint type 9',
    ask: async (context) => {
      const result = await context.call('DescribeCluster', 1, { operations: false, endpointType: 9 })
      return typeof result === 'string' ? result : { error: result['error'], brokers: rows(result['brokers']).length }
    },
  },
  {
    name: 'DescribeLogDirs: unknown topic',
    ask: async (context) => {
      const result = await context.call('DescribeLogDirs', 4, { topics: [{ name: 'no-such-topic', partitions: [0] }] })
      return typeof result === 'string'
        ? result
        : {
            error: result['error'],
            results: rows(result['results']).map((row) => ({ error: row['error'], topics: rows(row['topics']).length })),
          }
    },
  },
  {
    name: 'AlterReplicaLogDirs: an unknown directory',
    ask: async (context) =>
      context.call('AlterReplicaLogDirs', 1, {
        dirs: [{ path: '/no/such/dir', topics: [{ name: (await context.topic('one')).name, partitions: [0] }] }],
      }),
  },
  {
    name: 'AlterReplicaLogDirs: an unknown topic',
    ask: async (context) =>
      context.call('AlterReplicaLogDirs', 1, { dirs: [{ path: '/no/such/dir', topics: [{ name: 'no-such-topic', partitions: [0] }] }] }),
  },
]

export const ADMIN_CASES: readonly OddCase[] = [...CREATE, ...DELETE, ...PARTITIONS, ...CONFIGS, ...METADATA]
