// `millrace groups`: list, describe with lag, reset, delete.

import type { Command } from 'commander'
import type { AdminPort, TopicPartitionOffset } from './client.js'
import { CliError, notFound, usageError } from './errors.js'
import { collect, parseTime, parseWhole, withClientFlags } from './options.js'
import type { ClientFlags } from './options.js'
import { printJson, printTable } from './output.js'
import { run } from './run.js'

export function registerGroups(program: Command): void {
  const groups = program.command('groups').description('list, describe, reset and delete consumer groups')
  withClientFlags(groups.command('list').description('all groups and their state')).action(run(list))
  withClientFlags(groups.command('describe').description('members, committed offsets and lag').argument('<group...>')).action(run(describe))
  withClientFlags(groups.command('delete').description('delete groups and their offsets').argument('<group...>')).action(run(remove))
  withClientFlags(
    groups.command('reset').description('move committed offsets; shows what it would do unless --execute').argument('<group>'),
  )
    .option('-t, --topic <name[:p,p]>', 'topic, and partitions after a colon; repeatable (default: every topic with an offset)', collect)
    .option('--to-earliest', 'to the first record')
    .option('--to-latest', 'to the end')
    .option('--to-offset <offset>', 'to this offset (cut to what the partition has)')
    .option('--to-datetime <time>', 'to the first record at or after this time (a date, 15m, 2h, epoch ms)')
    .option('--shift-by <count>', 'forward, or back when negative')
    .option('--execute', 'do it')
    .action(run(reset))
}

async function admin<T>(flags: ClientFlags, use: (admin: AdminPort) => Promise<T>): Promise<T> {
  const { withAdmin } = await import('./client.js')
  return withAdmin(flags, use)
}

async function list(flags: ClientFlags): Promise<void> {
  const groups = (await admin(flags, (port) => port.listGroups())).toSorted((a, b) => (a.groupId < b.groupId ? -1 : 1))
  if (flags.json) return printJson(groups)
  await printTable(
    ['group', 'state', 'type', 'protocol'],
    groups.map((group) => [group.groupId, group.state, group.type, group.protocolType]),
  )
}

interface LagRow extends TopicPartitionOffset {
  readonly endOffset: number | null
  readonly lag: number | null
  readonly memberId: string | null
  readonly clientId: string | null
  readonly host: string | null
}

async function describe(names: string[], flags: ClientFlags): Promise<void> {
  const described = await admin(flags, (port) => Promise.all(names.map((name) => describeOne(port, name))))
  if (flags.json) return printJson(described)
  for (const group of described) {
    process.stdout.write(
      `${group.groupId}  ${group.state}  ${group.members.length} ${group.members.length === 1 ? 'member' : 'members'}${group.protocol ? `  ${group.protocol}` : ''}  total lag ${group.totalLag}\n`,
    )
    await printTable(
      ['topic', 'partition', 'committed', 'end offset', 'lag', 'member', 'host'],
      group.offsets.map((row) => [
        row.topic,
        row.partition,
        row.offset < 0 ? null : row.offset,
        row.endOffset,
        row.lag,
        row.clientId === null ? null : `${row.clientId} ${row.memberId}`,
        row.host,
      ]),
    )
  }
}

async function describeOne(port: AdminPort, groupId: string) {
  const group = await port.describeGroup(groupId)
  const committed = await port.groupOffsets(groupId)
  if (group.state === 'Dead' && committed.length === 0)
    throw notFound(`there is no group ${groupId}`, 'millrace groups list shows the groups there are')
  const owners = group.members.flatMap((member) => member.partitions.map((assigned) => ({ ...assigned, member })))
  const without = owners.filter((owner) => !committed.some((row) => row.topic === owner.topic && row.partition === owner.partition))
  const rows: TopicPartitionOffset[] = [...committed, ...without.map(({ topic, partition }) => ({ topic, partition, offset: -1 }))]
  const ends = await port.listOffsets(rows, 'latest')
  const offsets = rows
    .map((row): LagRow => {
      const endOffset = ends.find((end) => end.topic === row.topic && end.partition === row.partition)?.offset ?? null
      const member = owners.find((owner) => owner.topic === row.topic && owner.partition === row.partition)?.member
      const lag = endOffset === null || row.offset < 0 ? null : Math.max(0, endOffset - row.offset)
      return { ...row, endOffset, lag, memberId: member?.memberId ?? null, clientId: member?.clientId ?? null, host: member?.host ?? null }
    })
    .toSorted((a, b) => (a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1))
  const totalLag = offsets.reduce((sum, row) => sum + (row.lag ?? 0), 0)
  return { ...group, totalLag, offsets }
}

async function remove(names: string[], flags: ClientFlags): Promise<void> {
  await admin(flags, (port) => port.deleteGroups(names))
  if (flags.json) printJson({ deleted: names })
  else process.stdout.write(names.map((name) => `deleted ${name}\n`).join(''))
}

interface ResetFlags extends ClientFlags {
  readonly topic?: string[]
  readonly toEarliest?: boolean
  readonly toLatest?: boolean
  readonly toOffset?: string
  readonly toDatetime?: string
  readonly shiftBy?: string
  readonly execute?: boolean
}

type Target =
  | { kind: 'earliest' }
  | { kind: 'latest' }
  | { kind: 'offset'; offset: number }
  | { kind: 'time'; timestamp: number }
  | { kind: 'shift'; count: number }

function targetOf(flags: ResetFlags): Target {
  const targets: Target[] = []
  if (flags.toEarliest) targets.push({ kind: 'earliest' })
  if (flags.toLatest) targets.push({ kind: 'latest' })
  if (flags.toOffset !== undefined) targets.push({ kind: 'offset', offset: parseWhole(flags.toOffset, '--to-offset') })
  if (flags.toDatetime !== undefined) targets.push({ kind: 'time', timestamp: parseTime(flags.toDatetime, '--to-datetime') })
  if (flags.shiftBy !== undefined) targets.push({ kind: 'shift', count: parseWhole(flags.shiftBy, '--shift-by', Number.MIN_SAFE_INTEGER) })
  if (targets.length !== 1)
    throw usageError(
      targets.length === 0 ? 'no target given' : 'more than one target given',
      'give one of --to-earliest, --to-latest, --to-offset N, --to-datetime TIME, --shift-by N',
    )
  return targets[0]!
}

async function reset(groupId: string, flags: ResetFlags): Promise<void> {
  const target = targetOf(flags)
  const plan = await admin(flags, async (port) => {
    const group = await port.describeGroup(groupId)
    if (group.members.length > 0)
      throw new CliError(
        `the group ${groupId} has ${group.members.length} active members, and offsets move only while it has none`,
        1,
        'stop its consumers first',
      )
    const committed = await port.groupOffsets(groupId)
    const partitions = await partitionsOf(port, flags.topic, committed)
    if (partitions.length === 0) throw notFound(`the group ${groupId} has no offsets`, 'name the topics with --topic')
    const rows = await planReset(port, partitions, committed, target)
    if (flags.execute)
      await port.setGroupOffsets(
        groupId,
        rows.map(({ topic, partition, to }) => ({ topic, partition, offset: to })),
      )
    return rows
  })
  if (flags.json) return printJson({ groupId, executed: flags.execute === true, offsets: plan })
  await printTable(
    ['topic', 'partition', 'from', 'to'],
    plan.map(({ topic, partition, from, to }) => [topic, partition, from, to]),
  )
  process.stdout.write(flags.execute ? `reset ${groupId}\n` : 'nothing was changed; add --execute to do it\n')
}

async function partitionsOf(
  port: AdminPort,
  topics: readonly string[] | undefined,
  committed: readonly TopicPartitionOffset[],
): Promise<{ topic: string; partition: number }[]> {
  if (!topics) return committed.map(({ topic, partition }) => ({ topic, partition }))
  const wanted = topics.map((text) => {
    const match = /^([^:]+)(?::([\d,]+))?$/.exec(text)
    if (!match) throw usageError(`--topic takes NAME or NAME:0,1, and ${JSON.stringify(text)} is neither`)
    return { name: match[1]!, partitions: match[2]?.split(',').map(Number) }
  })
  const described = await port.describeTopics(wanted.map(({ name }) => name))
  return wanted.flatMap(({ name, partitions }) =>
    (partitions ?? described.find((topic) => topic.name === name)!.partitions.map((row) => row.partition)).map((partition) => ({
      topic: name,
      partition,
    })),
  )
}

async function planReset(
  port: AdminPort,
  partitions: readonly { topic: string; partition: number }[],
  committed: readonly TopicPartitionOffset[],
  target: Target,
) {
  const [first, end] = await Promise.all([port.listOffsets(partitions, 'earliest'), port.listOffsets(partitions, 'latest')])
  const byTime = target.kind === 'time' ? await port.listOffsets(partitions, target.timestamp) : []
  const find = (rows: readonly TopicPartitionOffset[], topic: string, partition: number): number | undefined =>
    rows.find((row) => row.topic === topic && row.partition === partition)?.offset
  return partitions.map(({ topic, partition }) => {
    const least = find(first, topic, partition) ?? 0
    const most = find(end, topic, partition) ?? 0
    const from = find(committed, topic, partition) ?? null
    const cut = (offset: number): number => Math.min(most, Math.max(least, offset))
    switch (target.kind) {
      case 'earliest':
        return { topic, partition, from, to: least }
      case 'latest':
        return { topic, partition, from, to: most }
      case 'offset':
        return { topic, partition, from, to: cut(target.offset) }
      case 'shift':
        return { topic, partition, from, to: cut((from ?? least) + target.count) }
      case 'time': {
        const found = find(byTime, topic, partition) ?? -1
        return { topic, partition, from, to: found < 0 ? most : found }
      }
    }
  })
}
