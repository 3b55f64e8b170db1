// What an administrator does to a cluster with Kafka's tools: moves of replicas, elections, topics while a node is away, groups that lose their
// coordinator.

import { eventually, withAdmin } from '../../../cluster/support/state.js'
import { check, until } from '../client.js'
import { says } from '../kafka-tool.js'
import { type ClusterBench, type ClusterScenario, LIMIT_MS } from './bench.js'

type Move = readonly [topic: string, partition: number, ...replicas: number[]]

const plan = (...moves: readonly Move[]): object => ({
  version: 1,
  partitions: moves.map(([topic, partition, ...replicas]) => ({ topic, partition, replicas })),
})

const REASSIGN = 'reassign.ReassignPartitionsCommand'
/** Bytes a second at which nothing gets done. */
const SLOW = '1000'

const throttles = (bench: ClusterBench, topics: readonly string[]): Promise<string[]> =>
  withAdmin(bench.bootstrap, async (admin) => {
    const brokers = [1, 2, 3].map((id) => ({ type: 'broker', name: String(id) }) as const)
    const described = await admin.describeConfigs([...brokers, ...topics.map((name) => ({ type: 'topic', name }) as const)])
    return described.flatMap(({ name, entries }) =>
      entries
        .filter((entry) => /replication\.throttled\.(rate|replicas)$/.test(entry.name) && entry.source !== 'default')
        .map((entry) => `${name}:${entry.name}=${entry.value}`),
    )
  })

async function reassign(bench: ClusterBench): Promise<void> {
  const [first, second] = [await bench.topic('moved', [[1, 2]]), await bench.topic('moved', [[2, 3]])]
  for (const topic of [first, second]) await bench.fill(topic, 1, 3000)
  const generated = await bench.tool(REASSIGN, [
    '--generate',
    '--topics-to-move-json-file',
    bench.file('topics.json', { version: 1, topics: [{ topic: first }, { topic: second }] }),
    '--broker-list',
    '1,3',
  ])
  says(
    generated,
    /Current partition replica assignment\n\{"version":1,"partitions":\[.*"replicas":\[1,2\]/,
    /Proposed partition reassignment configuration\n\{/,
  )
  const proposed = JSON.parse(generated.split('\n').findLast((line) => line.startsWith('{'))!) as { partitions: { replicas: number[] }[] }
  check(
    proposed.partitions.every(({ replicas }) => replicas.every((id) => id !== 2)),
    `proposed: ${JSON.stringify(proposed)}`,
  )

  const one = bench.file('one.json', plan([first, 0, 3, 1]))
  const both = bench.file('both.json', plan([first, 0, 3, 1], [second, 0, 1, 2]))
  const execute = (file: string, ...more: string[]): Promise<string> =>
    bench.tool(REASSIGN, ['--execute', '--reassignment-json-file', file, ...more])
  says(
    await execute(one, '--throttle', SLOW),
    /The inter-broker throttle limit was set to 1000 B\/s/,
    new RegExp(`Successfully started partition reassignment for ${first}-0`),
  )
  const limited = await throttles(bench, [first])
  check(
    limited.includes('1:leader.replication.throttled.rate=1000') &&
      limited.includes(`${first}:follower.replication.throttled.replicas=0:3`),
    limited.join(' '),
  )
  says(await bench.tool(REASSIGN, ['--list']), new RegExp(`${first}-0: replicas: 3,1,2\\. adding: 3\\. removing: 2\\.`))
  says(await execute(both).catch(String), /Cannot execute because there is an existing partition assignment/)
  says(
    await bench.tool(REASSIGN, ['--verify', '--reassignment-json-file', one, '--preserve-throttles']),
    new RegExp(`${first}-0 is still in progress`),
  )
  says(
    await execute(both, '--additional', '--throttle', '100000000'),
    /limit was set to 100000000 B\/s/,
    /Successfully started partition reassignments for/,
  )
  await until('both moves are done', async () => /No partition reassignments found/.test(await bench.tool(REASSIGN, ['--list'])))
  says(
    await bench.tool(REASSIGN, ['--verify', '--reassignment-json-file', both]),
    new RegExp(`Reassignment of partition ${first}-0 is completed`),
    new RegExp(`Reassignment of partition ${second}-0 is completed`),
    /Clearing broker-level throttles on brokers 1,2,3/,
    /Clearing topic-level throttles on topics? /,
  )
  check((await throttles(bench, [first, second])).length === 0, (await throttles(bench, [first, second])).join(' '))
  // Who led and still has a replica goes on.
  await bench.ledBy(first, [1])
}

async function cancel(bench: ClusterBench): Promise<void> {
  const topic = await bench.topic('kept', [[1, 2]])
  await bench.fill(topic, 1, 3000)
  const file = bench.file('cancel.json', plan([topic, 0, 3, 1]))
  await bench.tool(REASSIGN, ['--execute', '--reassignment-json-file', file, '--throttle', SLOW])
  says(
    await bench.tool(REASSIGN, ['--cancel', '--reassignment-json-file', file]),
    new RegExp(`Successfully cancelled partition reassignments? for: ${topic}-0`),
    /Clearing broker-level throttles/,
  )
  says(await bench.tool(REASSIGN, ['--list']), /No partition reassignments found/)
  const replicas = await withAdmin(bench.bootstrap, async (admin) => (await admin.describeTopics([topic]))[0]!.partitions[0]!.replicas)
  check(replicas.join() === '1,2', `replicas ${replicas.join()}`)
  check((await throttles(bench, [topic])).length === 0, (await throttles(bench, [topic])).join(' '))
  says(
    await bench.tool(REASSIGN, ['--cancel', '--reassignment-json-file', file]),
    /None of the specified partition reassignments are active/,
  )
  says(
    await bench.tool(REASSIGN, ['--execute', '--reassignment-json-file', bench.file('none.json', plan([topic, 0, 1, 9]))]).catch(String),
    /Unknown broker id 9/,
  )
}

async function preferred(bench: ClusterBench): Promise<void> {
  const topic = await bench.topic('elected', [
    [1, 2, 3],
    [1, 3, 2],
  ])
  const elect = (...more: string[]): Promise<string> => bench.tool('LeaderElectionCommand', ['--election-type', 'preferred', ...more])
  const of = ['--topic', topic, '--partition']
  await bench.without([1], [topic], async () => {
    await bench.ledBy(topic, [2, 3])
    says(await elect(...of, '0').catch(String), /PreferredLeaderNotAvailableException|preferred leader was not available/i)
  })
  check((await bench.leader(topic)) !== 1, 'it led again without having been elected')
  says(await elect(...of, '0'), new RegExp(`Successfully completed leader election \\(PREFERRED\\) for partitions ${topic}-0`))
  await bench.ledBy(topic, [1])
  says(await elect(...of, '0'), new RegExp(`Valid replica already elected for partitions ${topic}-0`))
  says(
    await elect('--all-topic-partitions'),
    new RegExp(`Successfully completed leader election \\(PREFERRED\\) for partitions .*${topic}-1`),
  )
  await bench.ledBy(topic, [1], 1)
  says(
    await elect('--path-to-json-file', bench.file('elect.json', { partitions: [{ topic, partition: 1 }] })),
    /Valid replica already elected/,
  )
  says(await elect('--topic', bench.name('missing'), '--partition', '0').catch(String), /does not exist|UnknownTopicOrPartition|not found/i)
}

async function unclean(bench: ClusterBench): Promise<void> {
  const topic = await bench.topic('unclean', [[2, 3]], { 'min.insync.replicas': '1' })
  const elect = (): Promise<string> =>
    bench.tool('LeaderElectionCommand', ['--election-type', 'unclean', '--topic', topic, '--partition', '0'])
  says(await elect(), /Valid replica already elected/)
  await bench.fill(topic, 1, 10)
  // 3 leaves, 2 goes on alone and leaves too: only 3, which lacks the newest records, comes back.
  await bench.cluster.node(3).end('SIGTERM')
  await bench.fill(topic, 1, 5)
  await bench.without([2], [topic], async () => {
    await bench.cluster.node(3).start()
    await bench.ledBy(topic, [-1])
    says(await elect(), new RegExp(`Successfully completed leader election \\(UNCLEAN\\) for partitions ${topic}-0`))
    await bench.ledBy(topic, [3])
    says(await bench.tool('GetOffsetShell', ['--topic', topic]), new RegExp(`^${topic}:0:10$`, 'm'))
  })
}

const lines = (output: string, topic: string): string =>
  output
    .split('\n')
    .filter((line) => line.includes(`Topic: ${topic}\t`) && line.includes('Partition:'))
    .map((line) => /Partition: (\d+)/.exec(line)![1])
    .join()

async function topics(bench: ClusterBench): Promise<void> {
  const command = 'TopicCommand'
  const name = bench.name('shaped')
  const single = bench.name('single')
  await Promise.all([
    bench.tool(command, ['--create', '--topic', name, '--replica-assignment', '1:2:3,2:3:1', '--config', 'min.insync.replicas=2']),
    bench.tool(command, ['--create', '--topic', single, '--replica-assignment', '3', '--config', 'min.insync.replicas=1']),
  ])
  await bench.tool(command, ['--alter', '--topic', name, '--partitions', '3', '--replica-assignment', '1:2:3,2:3:1,3:1:2'])
  await bench.inSync(name)
  const described = await bench.tool(command, ['--describe', '--topic', name])
  says(described, /PartitionCount: 3\s+ReplicationFactor: 3\s+Configs: .*min\.insync\.replicas=2/)
  says(described, /Partition: 2\s+Leader: 3\s+Replicas: 3,1,2\s+Isr: [123],[123],[123]/)
  const shown = async (flag: string, topic = name): Promise<string> => lines(await bench.tool(command, ['--describe', flag]), topic)
  await bench.without([3], [name, single], async () => {
    await bench.ledBy(single, [-1])
    await bench.ledBy(name, [1, 2], 2)
    const [under, atMin, unavailable, underMin] = await Promise.all([
      shown('--under-replicated-partitions'),
      shown('--at-min-isr-partitions'),
      shown('--unavailable-partitions', single),
      shown('--under-min-isr-partitions', single),
    ])
    check(under === '0,1,2' && atMin === '0,1,2', `under-replicated ${under}, at min ISR ${atMin}`)
    check(unavailable === '0', `unavailable ${unavailable}`)
    check(underMin === '0' || underMin === '', `under min ISR ${underMin}`)
    await bench.tool('kafka.admin.ConfigCommand', [
      '--entity-type',
      'topics',
      '--entity-name',
      name,
      '--alter',
      '--add-config',
      'min.insync.replicas=3',
    ])
    await until('it is under min ISR', async () => (await shown('--under-min-isr-partitions')) === '0,1,2')
  })
  const flags = ['--under-replicated-partitions', '--at-min-isr-partitions', '--unavailable-partitions', '--under-min-isr-partitions']
  const now = await Promise.all(flags.map((flag) => shown(flag)))
  check(now.join('|') === '|0,1,2||', `after the return: ${now.join('|')}`)
}

async function groups(bench: ClusterBench): Promise<void> {
  const topic = await bench.topic('read', [
    [1, 2, 3],
    [2, 3, 1],
  ])
  const group = bench.name('readers')
  const command = 'consumer.group.ConsumerGroupCommand'
  await bench.fill(topic, 2, 50)
  const reading = ['--topic', topic, '--group', group, '--timeout-ms', '60000']
  await bench.tool('consumer.ConsoleConsumer', [...reading, '--from-beginning', '--max-messages', '100'])
  const coordinator = async (): Promise<number> => {
    const state = await bench.tool(command, ['--describe', '--state', '--group', group])
    return Number(new RegExp(`${group}\\s+\\S+\\s+\\((\\d)\\)\\s.*Empty\\s+0`).exec(state)?.[1] ?? -1)
  }
  const described = async (lag: number): Promise<void> => {
    const output = await bench.tool(command, ['--describe', '--group', group])
    const rows = [...output.matchAll(new RegExp(`${topic}\\s+[01]\\s+50\\s+(\\d+)\\s+(\\d+)`, 'g'))]
    check(rows.reduce((sum, row) => sum + Number(row[2]), 0) === lag && rows.length === 2, `a lag of ${lag} was expected:\n${output}`)
  }
  const first = await coordinator()
  check([1, 2, 3].includes(first), `the coordinator is ${first}: ${await bench.tool(command, ['--describe', '--state', '--group', group])}`)
  await bench.without([first], [topic], async () => {
    await described(0)
    check(![-1, first].includes(await coordinator()), 'no other coordinator')
    await bench.fill(topic, 2, 5)
    await described(10)
    await bench.tool('consumer.ConsoleConsumer', [...reading, '--max-messages', '10'])
    says(await bench.tool(command, ['--list', '--state']), new RegExp(`${group}\\s+Empty`))
  })
  says(
    await bench.tool(command, ['--group', group, '--reset-offsets', '--shift-by', '-5', '--topic', topic, '--execute']),
    new RegExp(`${topic}\\s+1\\s+50`),
  )
  await described(10)
  says(await bench.tool(command, ['--describe', '--all-groups', '--offsets']), new RegExp(`${group}\\s+${topic}`))
  says(await bench.tool(command, ['--group', group, '--delete-offsets', '--topic', topic]), /Successful/)
  says(await bench.tool(command, ['--group', group, '--delete']), /(was|were) successful/)
  says(await bench.tool(command, ['--group', group, '--describe']).catch(String), /does not exist|not found/i)
  await eventually('the group is gone', LIMIT_MS, () =>
    withAdmin(bench.bootstrap, async (admin) => ((await admin.listGroups()).some(({ groupId }) => groupId === group) ? null : true)),
  )
}

export const MOVE_SCENARIOS: readonly ClusterScenario[] = [
  { name: 'reassign-partitions: generate, execute, additional, list, verify', tier: 'short', run: reassign },
  { name: 'reassign-partitions: cancel, refusals', tier: 'all', run: cancel },
  { name: 'leader-election, preferred', tier: 'all', run: preferred },
  { name: 'leader-election, unclean', tier: 'all', run: unclean },
  { name: 'topics while a node is away', tier: 'all', run: topics },
  { name: 'consumer-groups when the coordinator goes', tier: 'all', run: groups },
]
