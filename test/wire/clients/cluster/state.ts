// What a cluster is, by Kafka's tools: quorum, nodes, features, directories, offsets, settings.

import { withAdmin } from '../../../cluster/support/state.js'
import { check, until } from '../client.js'
import { says, tool } from '../kafka-tool.js'
import type { ClusterBench, ClusterScenario } from './bench.js'

async function quorum(bench: ClusterBench): Promise<void> {
  const command = 'MetadataQuorumCommand'
  const at = (address: string, ...more: string[]): Promise<string> => tool(command, ['--bootstrap-server', address, 'describe', ...more])
  const statuses = await Promise.all(bench.addresses.map((address) => at(address, '--status')))
  const said = (name: string, output: string): string => new RegExp(`^${name}:\\s+(.*)$`, 'm').exec(output)?.[1] ?? ''
  for (const status of statuses) {
    says(status, /^ClusterId:\s+\S{22}$/m, /^LeaderId:\s+[123]$/m, /^LeaderEpoch:\s+[1-9]\d*$/m, /^HighWatermark:\s+[1-9]\d*$/m)
    says(status, /^MaxFollowerLag:\s+\d+$/m, /^CurrentVoters:.*"id": 1.*"id": 2.*"id": 3/m, /^CurrentObservers:\s+\[\]$/m)
    check(said('LeaderId', status) === said('LeaderId', statuses[0]!), `nodes name different leaders:\n${statuses.join('\n')}`)
  }
  const leader = said('LeaderId', statuses[0]!)
  for (const table of await Promise.all(bench.addresses.map((address) => at(address, '--replication')))) {
    const rows = table.split('\n').filter((line) => /^[123]\s/.test(line))
    check(rows.length === 3, `three voters were expected:\n${table}`)
    for (const row of rows) says(row, new RegExp(`^[123]\\s+\\S+\\s+[1-9]\\d*\\s+\\d+\\s+\\d{13}\\s+\\d{13}\\s+(Leader|Follower)\\s*$`))
    says(
      rows.find((row) => row.startsWith(leader))!,
      /\s0\s+\d{13}\s+\d{13}\s+Leader/,
    )
  }
  says(await at(bench.addresses[0]!, '--replication', '--human-readable'), /\d+ ms ago\s+\d+ ms ago/)
}

async function versions(bench: ClusterBench): Promise<void> {
  const output = await bench.tool('BrokerApiVersionsCommand', [])
  for (const { id, kafka } of bench.cluster.nodes) says(output, new RegExp(`${kafka} \\(id: ${id} rack: null isFenced: false\\) -> \\(`))
  check([...output.matchAll(/Fetch\(1\): 4 to 18/g)].length === 3, `Fetch of three nodes:\n${output.slice(0, 2000)}`)
}

async function cluster(bench: ClusterBench): Promise<void> {
  const command = 'ClusterTool'
  const of = ['--bootstrap-server', bench.bootstrap]
  says(await tool(command, ['cluster-id', ...of]), /Cluster ID: \S{22}/)
  const listed = await tool(command, ['list-endpoints', ...of])
  for (const { id, kafka } of bench.cluster.nodes)
    says(listed, new RegExp(`^${id}\\s+127.0.0.1\\s+${kafka.split(':')[1]}\\s+null\\s+unfenced\\s+broker`, 'm'))
  says(await tool(command, ['unregister', ...of, '--id', '77'], { accept: [1] }), /77/)
  await bench.without([3], [], async () => {
    await until('broker 3 is not listed', async () => !/^3\s/m.test(await tool(command, ['list-endpoints', ...of])))
    says(await tool(command, ['list-endpoints', ...of, '--include-fenced-brokers']), /^3\s+127.0.0.1\s+\d+\s+null\s+fenced\s+broker/m)
    says(await tool(command, ['unregister', ...of, '--id', '3']), /Broker 3 is no longer registered/)
    check(!/^3\s/m.test(await tool(command, ['list-endpoints', ...of, '--include-fenced-brokers'])), 'broker 3 is still listed')
  })
  await until('broker 3 is back', async () => /^3\s.*unfenced/m.test(await tool(command, ['list-endpoints', ...of])))
}

async function logDirs(bench: ClusterBench): Promise<void> {
  const topic = await bench.topic('dirs', [
    [1, 2],
    [2, 3],
  ])
  await bench.fill(topic, 2, 10)
  const described = async (...more: string[]): Promise<Record<number, Record<string, number>>> => {
    const output = await bench.tool('LogDirsCommand', ['--describe', '--topic-list', topic, ...more])
    const json = JSON.parse(output.split('\n').find((line) => line.startsWith('{'))!) as {
      brokers: {
        broker: number
        logDirs: { error: string | null; partitions: { partition: string; size: number; isFuture: boolean }[] }[]
      }[]
    }
    const rows = json.brokers.map(({ broker, logDirs: dirs }) => {
      for (const { error } of dirs) check(error === null, `broker ${broker}: ${error}`)
      return [broker, Object.fromEntries(dirs.flatMap((dir) => dir.partitions).map(({ partition, size }) => [partition, size]))] as const
    })
    return Object.fromEntries(rows)
  }
  const all = await described()
  const names = Object.entries(all).map(([id, partitions]) => `${id}:${Object.keys(partitions).join(',')}`)
  check(names.join(' ') === `1:${topic}-0 2:${topic}-0,${topic}-1 3:${topic}-1`, `directories: ${names.join(' ')}`)
  check(all[1]![`${topic}-0`]! > 10_000 && all[1]![`${topic}-0`] === all[2]![`${topic}-0`], `sizes: ${JSON.stringify(all)}`)
  check(Object.keys(await described('--broker-list', '2')).join() === '2', 'only broker 2 was asked for')
}

async function offsets(bench: ClusterBench): Promise<void> {
  const topic = await bench.topic('offsets', [
    [1, 2],
    [2, 3],
    [3, 1],
  ])
  await bench.fill(topic, 3, 20)
  const get = async (...more: string[]): Promise<string> =>
    [...(await bench.tool('GetOffsetShell', more)).matchAll(/^(\S+:\d+:-?\d+)$/gm)].map((match) => match[1]).join(' ')
  const ends = [0, 1, 2].map((partition) => `${topic}:${partition}:20`)
  check((await get('--topic', topic)) === ends.join(' '), 'the ends')
  const range = await get('--topic-partitions', `${topic}:1-3`, '--time', 'latest')
  check(range === ends.slice(1).join(' '), `the ends of a range: ${range}`)
  check((await get('--topic', topic, '--partitions', '0', '--time', 'earliest')) === `${topic}:0:0`, 'the beginning')
  const newest = await get('--topic', topic, '--partitions', '0', '--time', 'max-timestamp')
  check(/:0:1?\d$/.test(newest), `the newest record: ${newest}`)
  const plan = { version: 1, partitions: [0, 1, 2].map((partition) => ({ topic, partition, offset: 5 + partition })) }
  const deleted = await bench.tool('DeleteRecordsCommand', ['--offset-json-file', bench.file('delete.json', plan)])
  for (const partition of [0, 1, 2]) says(deleted, new RegExp(`partition: ${topic}-${partition}\\s+low_watermark: ${5 + partition}`))
  check((await get('--topic', topic, '--time', '-2')) === [0, 1, 2].map((p) => `${topic}:${p}:${5 + p}`).join(' '), 'the new beginnings')
}

async function features(bench: ClusterBench): Promise<void> {
  const described = await bench.tool('FeatureCommand', ['describe'])
  says(described, /Feature: metadata\.version\s+SupportedMinVersion: .*SupportedMaxVersion: .*FinalizedVersionLevel: .*33\s+Epoch: \d+/)
  says(
    described,
    /Feature: eligible\.leader\.replicas\.version\s+SupportedMinVersion: \d\s+SupportedMaxVersion: 1\s+FinalizedVersionLevel: 1/,
  )
  const refused = { accept: [1] }
  says(
    await bench.tool('FeatureCommand', ['downgrade', '--feature', 'eligible.leader.replicas.version=0'], refused),
    /Could not downgrade eligible\.leader\.replicas\.version to 0/,
  )
  says(
    await bench.tool('FeatureCommand', ['upgrade', '--feature', 'metadata.version=99'], refused),
    /Could not upgrade metadata\.version to 99/,
  )
  says(await bench.tool('FeatureCommand', ['upgrade', '--feature', 'no.such.feature=1'], refused), /no\.such\.feature/)
  says(
    await bench.tool('FeatureCommand', ['upgrade', '--feature', 'eligible.leader.replicas.version=1', '--dry-run']),
    /eligible\.leader\.replicas\.version can be upgraded to 1/,
  )
}

async function configs(bench: ClusterBench): Promise<void> {
  const command = 'kafka.admin.ConfigCommand'
  const topic = await bench.topic('configs', [[1, 2, 3]])
  const brokers = (...more: string[]): Promise<string> => bench.tool(command, ['--entity-type', 'brokers', ...more])
  const topics = (...more: string[]): Promise<string> => bench.tool(command, ['--entity-type', 'topics', '--entity-name', topic, ...more])
  says(await brokers('--entity-default', '--alter', '--add-config', 'log.cleaner.backoff.ms=11111'), /default config for brokers/)
  says(
    await brokers(
      '--entity-name',
      '2',
      '--alter',
      '--add-config',
      'log.cleaner.backoff.ms=22222,follower.replication.throttled.rate=1000000',
    ),
    /Completed updating config for broker 2/,
  )
  says(await brokers('--entity-default', '--describe'), /log\.cleaner\.backoff\.ms=11111 .*DYNAMIC_DEFAULT_BROKER_CONFIG/)
  says(
    await brokers('--entity-name', '2', '--describe'),
    /log\.cleaner\.backoff\.ms=22222 .*DYNAMIC_BROKER_CONFIG:log\.cleaner\.backoff\.ms=22222, DYNAMIC_DEFAULT_BROKER_CONFIG/,
  )
  says(await brokers('--entity-name', '2', '--describe'), /follower\.replication\.throttled\.rate=1000000/)
  says(
    await brokers('--entity-name', '3', '--describe', '--all'),
    /log\.cleaner\.backoff\.ms=11111 sensitive=false synonyms=\{DYNAMIC_DEFAULT/,
  )
  says(
    await brokers('--entity-name', '2', '--alter', '--delete-config', 'log.cleaner.backoff.ms,follower.replication.throttled.rate'),
    /Completed/,
  )
  says(await brokers('--entity-name', '2', '--describe', '--all'), /log\.cleaner\.backoff\.ms=11111 /)
  await brokers('--entity-default', '--alter', '--delete-config', 'log.cleaner.backoff.ms')
  says(await brokers('--entity-name', '1', '--describe', '--all'), /log\.cleaner\.backoff\.ms=15000 .*DEFAULT_CONFIG/)
  says(
    await brokers('--entity-name', '1', '--alter', '--add-config', 'log.dirs=/elsewhere'.replace('log.dirs', 'node.id')).catch(String),
    /node\.id/,
  )
  says(await brokers('--entity-name', '1', '--alter', '--add-config', 'log.cleaner.backoff.ms=-1').catch(String), /Invalid value "?-1/)
  await topics('--alter', '--add-config', 'leader.replication.throttled.replicas=[0:1,0:2],retention.ms=5000')
  says(await topics('--describe'), /leader\.replication\.throttled\.replicas=0:1,0:2 /, /retention\.ms=5000 /)
  await topics('--alter', '--delete-config', 'leader.replication.throttled.replicas,retention.ms')
  const left = await withAdmin(
    bench.bootstrap,
    async (admin) => (await admin.describeConfigs([{ type: 'topic', name: topic }]))[0]!.entries,
  )
  check(
    left.every(({ source }) => source !== 'topic'),
    `still set: ${JSON.stringify(left.filter(({ source }) => source === 'topic'))}`,
  )
}

export const STATE_SCENARIOS: readonly ClusterScenario[] = [
  { name: 'metadata-quorum at every node', tier: 'short', run: quorum },
  { name: 'broker-api-versions', tier: 'short', run: versions },
  { name: 'log-dirs', tier: 'short', run: logDirs },
  { name: 'get-offsets and delete-records', tier: 'short', run: offsets },
  { name: 'configs of brokers and topics', tier: 'all', run: configs },
  { name: 'features', tier: 'all', ownOnly: true, run: features },
  { name: 'cluster: id, endpoints, unregister', tier: 'all', run: cluster },
]
