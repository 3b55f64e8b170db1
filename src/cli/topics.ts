// `millrace topics`: list, describe, create, alter, delete.

import type { Command } from 'commander'
import type { AdminPort, TopicDescription } from './client.js'
import { CliError, ExitCode, notFound, usageError } from './errors.js'
import { collect, parsePair, parseWhole, withClientFlags } from './options.js'
import type { ClientFlags } from './options.js'
import { printJson, printTable } from './output.js'
import { run } from './run.js'

export function registerTopics(program: Command): void {
  const topics = program.command('topics').description('list, describe, create, alter and delete topics')
  withClientFlags(topics.command('list').description('names and sizes of all topics'))
    .option('--internal', 'also the topics a cluster keeps for itself')
    .action(run(list))
  withClientFlags(
    topics.command('describe').description('partitions, leaders, replicas, offsets and own settings').argument('<topic...>'),
  ).action(run(describe))
  withClientFlags(topics.command('create').description('create a topic').argument('<topic...>'))
    .option('-p, --partitions <count>', 'number of partitions (default: num.partitions of the broker)')
    .option('-r, --replicas <count>', 'copies of each partition (default: default.replication.factor of the broker)')
    .option('-c, --config <name=value>', 'topic setting; repeatable', collect)
    .option('--if-not-exists', 'succeed when it exists already')
    .option('--validate-only', 'check, and create nothing')
    .action(run(create))
  withClientFlags(topics.command('alter').description('add partitions, change settings').argument('<topic>'))
    .option('-p, --partitions <count>', 'new total number of partitions; it can only grow')
    .option('-c, --config <name=value>', 'set a topic setting; repeatable', collect)
    .option('--unset <name>', 'back to the default; repeatable', collect)
    .action(run(alter))
  withClientFlags(topics.command('delete').description('delete topics and all their records').argument('<topic...>'))
    .option('--if-exists', 'succeed when it does not exist')
    .action(run(remove))
}

async function admin<T>(flags: ClientFlags, use: (admin: AdminPort) => Promise<T>): Promise<T> {
  const { withAdmin } = await import('./client.js')
  return withAdmin(flags, use)
}

async function list(flags: ClientFlags & { internal?: boolean }): Promise<void> {
  const topics = await admin(flags, async (port) => port.describeTopics(await port.listTopics()))
  const shown = topics.filter((topic) => flags.internal || !topic.internal).toSorted((a, b) => (a.name < b.name ? -1 : 1))
  if (flags.json)
    return printJson(
      shown.map((topic) => ({
        name: topic.name,
        id: topic.id,
        partitions: topic.partitions.length,
        replicas: replicasOf(topic),
        internal: topic.internal,
      })),
    )
  await printTable(
    ['topic', 'partitions', 'replicas'],
    shown.map((topic) => [topic.name, topic.partitions.length, replicasOf(topic)]),
  )
}

function replicasOf(topic: TopicDescription): number {
  return topic.partitions[0]?.replicas.length ?? 0
}

async function describe(names: string[], flags: ClientFlags): Promise<void> {
  const described = await admin(flags, async (port) => {
    const topics = await port.describeTopics(names)
    const partitions = topics.flatMap((topic) =>
      topic.partitions.filter(({ leader }) => leader >= 0).map(({ partition }) => ({ topic: topic.name, partition })),
    )
    const [first, next, settings] = await Promise.all([
      port.listOffsets(partitions, 'earliest'),
      port.listOffsets(partitions, 'latest'),
      Promise.all(names.map((name) => port.describeConfigs('topic', name))),
    ])
    const offsetOf = (offsets: typeof first, topic: string, partition: number): number | null =>
      offsets.find((row) => row.topic === topic && row.partition === partition)?.offset ?? null
    return topics.map((topic) => ({
      ...topic,
      partitions: topic.partitions.map((row) => ({
        ...row,
        startOffset: offsetOf(first, topic.name, row.partition),
        endOffset: offsetOf(next, topic.name, row.partition),
      })),
      configs: Object.fromEntries(
        (settings[names.indexOf(topic.name)] ?? []).filter((entry) => entry.source === 'topic').map(({ name, value }) => [name, value]),
      ),
    }))
  })
  if (flags.json) return printJson(described)
  for (const topic of described) {
    const configs = Object.entries(topic.configs).map(([name, value]) => `${name}=${value}`)
    process.stdout.write(
      `${topic.name}  id ${topic.id}${topic.internal ? '  internal' : ''}${configs.length > 0 ? `  ${configs.join(' ')}` : ''}\n`,
    )
    await printTable(
      ['partition', 'leader', 'replicas', 'in sync', 'start offset', 'end offset', 'records'],
      topic.partitions.map((row) => {
        const records = row.startOffset === null || row.endOffset === null ? null : row.endOffset - row.startOffset
        return [
          row.partition,
          row.leader < 0 ? 'none' : row.leader,
          row.replicas.join(','),
          row.isr.join(','),
          row.startOffset,
          row.endOffset,
          records,
        ]
      }),
    )
  }
}

interface CreateFlags extends ClientFlags {
  readonly partitions?: string
  readonly replicas?: string
  readonly config?: string[]
  readonly ifNotExists?: boolean
  readonly validateOnly?: boolean
}

async function create(names: string[], flags: CreateFlags): Promise<void> {
  const partitions = flags.partitions === undefined ? -1 : parseWhole(flags.partitions, '--partitions', 1, 1_000_000)
  const replicas = flags.replicas === undefined ? -1 : parseWhole(flags.replicas, '--replicas', 1, 32_767)
  const configs = new Map((flags.config ?? []).map((text) => parsePair(text, '--config')))
  const outcomes: { name: string; created: boolean; partitions: number | null }[] = []
  await admin(flags, async (port) => {
    for (const name of names) {
      try {
        const made = await port.createTopic({ name, partitions, replicas, configs }, flags.validateOnly === true)
        outcomes.push({ name, created: flags.validateOnly !== true, partitions: made.partitions })
      } catch (error) {
        if (!flags.ifNotExists || (error as Error).name !== 'TOPIC_ALREADY_EXISTS') throw error
        outcomes.push({ name, created: false, partitions: null })
      }
    }
  })
  if (flags.json) return printJson(outcomes)
  for (const { name, created, partitions: count } of outcomes) {
    const text = created
      ? `created ${name}${count ? ` with ${count} ${count === 1 ? 'partition' : 'partitions'}` : ''}`
      : flags.validateOnly
        ? `${name} could be created`
        : `${name} exists already`
    process.stdout.write(`${text}\n`)
  }
}

interface AlterFlags extends ClientFlags {
  readonly partitions?: string
  readonly config?: string[]
  readonly unset?: string[]
}

async function alter(name: string, flags: AlterFlags): Promise<void> {
  const changes = [
    ...(flags.config ?? [])
      .map((text) => parsePair(text, '--config'))
      .map(([key, value]) => ({ name: key, operation: 'set' as const, value })),
    ...(flags.unset ?? []).map((key) => ({ name: key, operation: 'delete' as const, value: null })),
  ]
  if (flags.partitions === undefined && changes.length === 0)
    throw usageError('nothing to change', 'give --partitions COUNT, --config NAME=VALUE or --unset NAME')
  const count = flags.partitions === undefined ? undefined : parseWhole(flags.partitions, '--partitions', 1, 1_000_000)
  await admin(flags, async (port) => {
    await port.describeTopics([name])
    if (changes.length > 0) await port.alterConfigs('topic', name, changes, false)
    if (count !== undefined) await port.createPartitions(name, count)
  })
  if (flags.json) return printJson({ name, partitions: count ?? null, configs: changes })
  const done = [
    ...(count === undefined ? [] : [`${count} partitions`]),
    ...changes.map((change) => (change.operation === 'set' ? `${change.name}=${change.value}` : `${change.name} back to its default`)),
  ]
  process.stdout.write(`altered ${name}: ${done.join(', ')}\n`)
}

async function remove(names: string[], flags: ClientFlags & { ifExists?: boolean }): Promise<number> {
  const missing: string[] = []
  await admin(flags, async (port) => {
    const known = new Set(await port.listTopics())
    missing.push(...names.filter((name) => !known.has(name)))
    if (missing.length > 0 && !flags.ifExists)
      throw notFound(
        `there is no topic ${missing.join(', ')}; nothing was deleted`,
        'millrace topics list shows the topics there are; --if-exists ignores missing ones',
      )
    const present = names.filter((name) => known.has(name))
    if (present.length > 0) await port.deleteTopics(present)
  })
  const deleted = names.filter((name) => !missing.includes(name))
  if (flags.json) printJson({ deleted, missing })
  else process.stdout.write([...deleted.map((name) => `deleted ${name}\n`), ...missing.map((name) => `${name} does not exist\n`)].join(''))
  if (deleted.length + missing.length === 0) throw new CliError('no topic named')
  return ExitCode.ok
}
