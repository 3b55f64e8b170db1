// Odd requests about groups and committed offsets.

import { answered, rows, type CallResult } from '../raw/apis.js'
import type { Fields } from '../raw/shape.js'
import type { Context, OddCase } from './context.js'

const metadata = Buffer.from('member metadata')

function joinRequest(group: string, more: Fields = {}): Fields {
  return {
    group,
    sessionTimeoutMs: 30_000,
    rebalanceTimeoutMs: 30_000,
    member: '',
    instance: null,
    protocolType: 'consumer',
    protocols: [{ name: 'range', metadata }],
    ...more,
  }
}

function joined(result: CallResult): unknown {
  if (typeof result === 'string') return result
  const member = result['member'] as string
  return {
    error: result['error'],
    generation: result['generation'],
    protocol: result['protocol'],
    leader: result['leader'] === '' ? '' : result['leader'] === member ? 'itself' : 'another',
    member: member === '' ? '' : 'an id',
    members: rows(result['members']).length,
  }
}

async function join(context: Context, more: Fields = {}, version = 5, group?: string): Promise<unknown> {
  const name = group ?? context.name('group')
  if (name !== '') await context.coordinator(name)
  return joined(await context.call('JoinGroup', version, joinRequest(name, more)))
}

interface Member {
  readonly group: string
  readonly member: string
  readonly generation: number
}

/** A group of one, stable, in generation 1. */
async function stable(context: Context, more: Fields = {}): Promise<Member> {
  const group = context.name('group')
  await context.coordinator(group)
  const first = answered(await context.call('JoinGroup', 5, joinRequest(group, more)))
  const again =
    first['error'] === 79 ? answered(await context.call('JoinGroup', 5, joinRequest(group, { ...more, member: first['member']! }))) : first
  if (again['error'] !== 0) throw new Error(`join: ${String(again['error'])}`)
  const member = again['member'] as string
  const generation = again['generation'] as number
  const assignments = [{ member, assignment: Buffer.from('assigned') }]
  const synced = answered(
    await context.call('SyncGroup', 3, { group, generation, member, instance: more['instance'] ?? null, assignments }),
  )
  if (synced['error'] !== 0) throw new Error(`sync: ${String(synced['error'])}`)
  return { group, member, generation }
}

const JOIN: readonly OddCase[] = [
  { name: 'JoinGroup: first without a member id', ask: (context) => join(context) },
  { name: 'JoinGroup: first without a member id, version 1', ask: (context) => join(context, {}, 1) },
  { name: 'JoinGroup: a static member', ask: (context) => join(context, { instance: 'i-1' }) },
  { name: 'JoinGroup: session timeout too small', ask: (context) => join(context, { sessionTimeoutMs: 10 }) },
  { name: 'JoinGroup: session timeout too big', ask: (context) => join(context, { sessionTimeoutMs: 100_000_000 }) },
  { name: 'JoinGroup: session timeout -1', ask: (context) => join(context, { sessionTimeoutMs: -1 }) },
  { name: 'JoinGroup: an empty group', ask: (context) => join(context, {}, 5, '') },
  { name: 'JoinGroup: an unknown member', ask: (context) => join(context, { member: 'who' }) },
  { name: 'JoinGroup: an unknown static member', ask: (context) => join(context, { member: 'who', instance: 'i-1' }) },
  { name: 'JoinGroup: no protocols', ask: (context) => join(context, { instance: 'i-1', protocols: [] }) },
  { name: 'JoinGroup: an empty protocol type', ask: (context) => join(context, { instance: 'i-1', protocolType: '' }) },
  {
    name: 'JoinGroup: another protocol type',
    ask: async (context) => {
      const { group } = await stable(context)
      return joined(await context.call('JoinGroup', 5, joinRequest(group, { protocolType: 'connect' })))
    },
  },
  {
    name: 'JoinGroup: no common protocol',
    ask: async (context) => {
      const { group } = await stable(context)
      return joined(await context.call('JoinGroup', 5, joinRequest(group, { protocols: [{ name: 'sticky', metadata }] })))
    },
  },
  {
    name: 'JoinGroup: a static member again, without its id',
    ask: async (context) => {
      const { group } = await stable(context, { instance: 'i-1' })
      return joined(await context.call('JoinGroup', 5, joinRequest(group, { instance: 'i-1' })))
    },
  },
  {
    name: 'JoinGroup: a static member with another member id',
    ask: async (context) => {
      const { group } = await stable(context, { instance: 'i-1' })
      return joined(await context.call('JoinGroup', 5, joinRequest(group, { instance: 'i-1', member: 'who' })))
    },
  },
  {
    name: 'JoinGroup: the leader again with the same metadata',
    ask: async (context) => {
      const { group, member } = await stable(context)
      return joined(await context.call('JoinGroup', 5, joinRequest(group, { member })))
    },
  },
]

async function sync(context: Context, change: (member: Member) => Fields, version = 3): Promise<unknown> {
  const member = await stable(context)
  const result = await context.call('SyncGroup', version, {
    ...member,
    instance: null,
    protocolType: 'consumer',
    protocol: 'range',
    assignments: [],
    ...change(member),
  })
  return typeof result === 'string'
    ? result
    : { error: result['error'], assignment: (result['assignment'] as Buffer | null)?.toString() ?? null }
}

async function heartbeat(context: Context, change: Fields): Promise<unknown> {
  return context.call('Heartbeat', 3, { ...(await stable(context)), instance: null, ...change })
}

const MEMBERS: readonly OddCase[] = [
  { name: 'SyncGroup: again in a stable group', ask: (context) => sync(context, () => ({})) },
  { name: 'SyncGroup: a wrong generation', ask: (context) => sync(context, () => ({ generation: 9 })) },
  { name: 'SyncGroup: an unknown member', ask: (context) => sync(context, () => ({ member: 'who' })) },
  { name: 'SyncGroup: an unknown group', ask: (context) => sync(context, () => ({ group: context.name('none') })) },
  { name: 'SyncGroup: an empty group', ask: (context) => sync(context, () => ({ group: '' })) },
  { name: 'SyncGroup: another protocol type, version 5', ask: (context) => sync(context, () => ({ protocolType: 'connect' }), 5) },
  { name: 'SyncGroup: another protocol, version 5', ask: (context) => sync(context, () => ({ protocol: 'sticky' }), 5) },
  { name: 'Heartbeat: good', ask: (context) => heartbeat(context, {}) },
  { name: 'Heartbeat: a wrong generation', ask: (context) => heartbeat(context, { generation: 9 }) },
  { name: 'Heartbeat: an unknown member', ask: (context) => heartbeat(context, { member: 'who' }) },
  { name: 'Heartbeat: an unknown group', ask: (context) => heartbeat(context, { group: 'no-such-group' }) },
  { name: 'Heartbeat: an empty group', ask: (context) => heartbeat(context, { group: '' }) },
  { name: 'Heartbeat: an instance id that is not its own', ask: (context) => heartbeat(context, { instance: 'i-9' }) },
  {
    name: 'Heartbeat: while another member joins',
    ask: async (context) => {
      const member = await stable(context)
      const first = answered(await context.call('JoinGroup', 5, joinRequest(member.group)))
      const other = await import('../raw/connection.js').then(({ RawConnection }) => RawConnection.open(context.bootstrap))
      const { encodeRequest } = await import('../raw/apis.js')
      other.send(
        { apiKey: 11, version: 5, flexible: false },
        encodeRequest('JoinGroup', 5, joinRequest(member.group, { member: first['member']! })),
      )
      let error: unknown = 0
      await context.until(async () => {
        error = answered(await context.call('Heartbeat', 3, { ...member, instance: null }))['error']
        return error !== 0
      })
      const commit = await commitOffset(context, member, { topic: (await context.topic('one')).name })
      other.close()
      return { heartbeat: error, commit }
    },
  },
  {
    name: 'LeaveGroup: an unknown member',
    ask: async (context) =>
      context.call('LeaveGroup', 3, { group: (await stable(context)).group, members: [{ member: 'who', instance: null }] }),
  },
  {
    name: 'LeaveGroup: an unknown group',
    ask: (context) => context.call('LeaveGroup', 3, { group: 'no-such-group', members: [{ member: 'who', instance: null }] }),
  },
  {
    name: 'LeaveGroup: no members',
    ask: async (context) => context.call('LeaveGroup', 3, { group: (await stable(context)).group, members: [] }),
  },
  {
    name: 'LeaveGroup: a static member by its instance id',
    ask: async (context) =>
      context.call('LeaveGroup', 3, {
        group: (await stable(context, { instance: 'i-1' })).group,
        members: [{ member: '', instance: 'i-1' }],
      }),
  },
  {
    name: 'LeaveGroup: good, then a heartbeat',
    ask: async (context) => {
      const { group, member, generation } = await stable(context)
      const left = answered(await context.call('LeaveGroup', 3, { group, members: [{ member, instance: null }] }))
      return {
        error: left['error'],
        members: rows(left['members']).map((row) => row['error']),
        heartbeat: await context.call('Heartbeat', 3, { group, member, generation, instance: null }),
      }
    },
  },
]

interface Commit {
  readonly topic?: string
  readonly index?: number
  readonly offset?: number
  readonly metadata?: string | null
  readonly instance?: string
}

async function commitOffset(context: Context, member: Member, commit: Commit): Promise<unknown> {
  const name = commit.topic ?? (await context.topic('one')).name
  const partition = {
    index: commit.index ?? 0,
    offset: commit.offset ?? 5,
    leaderEpoch: -1,
    metadata: commit.metadata === undefined ? 'm' : commit.metadata,
  }
  const result = await context.call('OffsetCommit', 7, {
    ...member,
    instance: commit.instance ?? null,
    topics: [{ name, partitions: [partition] }],
  })
  return typeof result === 'string' ? result : rows(result['topics']).flatMap((topic) => rows(topic['partitions']))
}

async function simple(context: Context, commit: Commit = {}, more: Partial<Member> = {}): Promise<unknown> {
  const group = context.name('simple')
  await context.coordinator(group)
  return commitOffset(context, { group, member: '', generation: -1, ...more }, commit)
}

async function committedBack(context: Context, text: string | null, offset = 5): Promise<unknown> {
  const group = context.name('back')
  await context.coordinator(group)
  const { name } = await context.topic('one')
  await commitOffset(context, { group, member: '', generation: -1 }, { topic: name, metadata: text, offset })
  return context.call('OffsetFetch', 5, { group, topics: [{ name, partitions: [0, 1] }] })
}

const OFFSETS: readonly OddCase[] = [
  { name: 'OffsetCommit: a group without members', ask: (context) => simple(context) },
  {
    name: 'OffsetCommit: a generation in a group that does not exist',
    ask: (context) => simple(context, {}, { generation: 3, member: 'who' }),
  },
  { name: 'OffsetCommit: an empty group', ask: (context) => simple(context, {}, { group: '' }) },
  { name: 'OffsetCommit: unknown topic', ask: (context) => simple(context, { topic: 'no-such-topic' }) },
  { name: 'OffsetCommit: unknown partition', ask: (context) => simple(context, { index: 9 }) },
  { name: 'OffsetCommit: offset -1', ask: (context) => simple(context, { offset: -1 }) },
  { name: 'OffsetCommit: offset -2', ask: (context) => simple(context, { offset: -2 }) },
  { name: 'OffsetCommit: beyond the log end', ask: (context) => simple(context, { offset: 1_000_000 }) },
  { name: 'OffsetCommit: metadata of 4096 bytes', ask: (context) => simple(context, { metadata: 'x'.repeat(4096) }) },
  { name: 'OffsetCommit: metadata of 4097 bytes', ask: (context) => simple(context, { metadata: 'x'.repeat(4097) }) },
  { name: 'OffsetCommit: metadata of null', ask: (context) => simple(context, { metadata: null }) },
  { name: 'OffsetCommit: a member of a stable group', ask: async (context) => commitOffset(context, await stable(context), {}) },
  {
    name: 'OffsetCommit: an unknown member',
    ask: async (context) => commitOffset(context, { ...(await stable(context)), member: 'who' }, {}),
  },
  {
    name: 'OffsetCommit: a wrong generation',
    ask: async (context) => commitOffset(context, { ...(await stable(context)), generation: 9 }, {}),
  },
  {
    name: 'OffsetCommit: no member in a stable group',
    ask: async (context) => commitOffset(context, { ...(await stable(context)), member: '', generation: -1 }, {}),
  },
  {
    name: 'OffsetCommit: an instance id that is not its own',
    ask: async (context) => commitOffset(context, await stable(context), { instance: 'i-9' }),
  },
  { name: 'OffsetFetch: metadata comes back as it was', ask: (context) => committedBack(context, 'größe: {"a":1}') },
  { name: 'OffsetFetch: metadata of null comes back', ask: (context) => committedBack(context, null) },
  { name: 'OffsetFetch: an empty metadata comes back', ask: (context) => committedBack(context, '') },
  {
    name: 'OffsetFetch: unknown group',
    ask: async (context) => {
      const group = context.name('none')
      await context.coordinator(group)
      return context.call('OffsetFetch', 5, { group, topics: [{ name: 'no-such-topic', partitions: [0, 7] }] })
    },
  },
  {
    name: 'OffsetFetch: unknown group, all topics, version 8',
    ask: async (context) => {
      const group = context.name('none')
      await context.coordinator(group)
      return context.call('OffsetFetch', 8, { groups: [{ group, topics: null }], stable: false })
    },
  },
  {
    name: 'OffsetFetch: an empty group',
    ask: (context) => context.call('OffsetFetch', 5, { group: '', topics: [{ name: 't', partitions: [0] }] }),
  },
  {
    name: 'OffsetDelete: unknown group',
    ask: (context) => context.call('OffsetDelete', 0, { group: 'no-such-group', topics: [{ name: 't', partitions: [{ index: 0 }] }] }),
  },
  {
    name: 'OffsetDelete: unknown topic of a group',
    ask: async (context) =>
      context.call('OffsetDelete', 0, { group: (await stable(context)).group, topics: [{ name: 't', partitions: [{ index: 0 }] }] }),
  },
  {
    name: 'OffsetDelete: a group without members',
    ask: async (context) => {
      const group = context.name('simple')
      const { name } = await context.topic('one')
      await context.coordinator(group)
      await commitOffset(context, { group, member: '', generation: -1 }, { topic: name })
      const removed = await context.call('OffsetDelete', 0, { group, topics: [{ name, partitions: [{ index: 0 }, { index: 8 }] }] })
      return { removed, after: await context.call('OffsetFetch', 5, { group, topics: [{ name, partitions: [0] }] }) }
    },
  },
]

async function find(context: Context, version: 1 | 4, key: string, type: number): Promise<unknown> {
  const result = await context.call('FindCoordinator', version, version === 1 ? { key, type } : { keys: [key], type })
  if (typeof result === 'string') return result
  const row = version === 1 ? result : rows(result['coordinators'])[0]!
  return { error: row['error'], message: row['message'], node: row['node'], host: row['host'] === '' ? '' : 'a host' }
}

async function describeGroup(context: Context, group: string, version = 6): Promise<unknown> {
  const result = await context.call('DescribeGroups', version, { groups: [group], operations: false })
  if (typeof result === 'string') return result
  return rows(result['groups']).map((row) => ({ ...row, members: rows(row['members']).length }))
}

const GROUPS: readonly OddCase[] = [
  {
    name: 'FindCoordinator: a group',
    ask: async (context) => {
      await context.coordinator('some-group')
      return find(context, 4, 'some-group', 0)
    },
  },
  { name: 'FindCoordinator: type 9', ask: (context) => find(context, 4, 'x', 9) },
  { name: 'FindCoordinator: type 9, version 1', ask: (context) => find(context, 1, 'x', 9) },
  { name: 'FindCoordinator: type -1', ask: (context) => find(context, 4, 'x', -1) },
  { name: 'FindCoordinator: an empty group', ask: (context) => find(context, 4, '', 0) },
  { name: 'FindCoordinator: no keys', ask: (context) => context.call('FindCoordinator', 4, { type: 0, keys: [] }) },
  { name: 'DescribeGroups: unknown, version 6', ask: (context) => describeGroup(context, 'no-such-group') },
  { name: 'DescribeGroups: unknown, version 4', ask: (context) => describeGroup(context, 'no-such-group', 4) },
  { name: 'DescribeGroups: an empty name', ask: (context) => describeGroup(context, '') },
  { name: 'DescribeGroups: a stable group', ask: async (context) => describeGroup(context, (await stable(context)).group) },
  {
    name: 'DescribeGroups: a group with offsets only',
    ask: async (context) => {
      const group = context.name('simple')
      await context.coordinator(group)
      await commitOffset(context, { group, member: '', generation: -1 }, {})
      return describeGroup(context, group)
    },
  },
  {
    name: 'ListGroups: a stable group, by state and type',
    ask: async (context) => {
      const { group } = await stable(context)
      const ask = async (states: string[], types: string[]): Promise<unknown> => {
        const result = answered(await context.call('ListGroups', 5, { states, types }))
        return { error: result['error'], found: rows(result['groups']).find((row) => row['group'] === group) ?? null }
      }
      return {
        all: await ask([], []),
        stable: await ask(['Stable'], []),
        lower: await ask(['stable'], []),
        empty: await ask(['Empty'], []),
        unknown: await ask(['Nonsense'], []),
        classic: await ask([], ['classic']),
        consumer: await ask([], ['consumer']),
      }
    },
  },
  { name: 'DeleteGroups: unknown', ask: (context) => context.call('DeleteGroups', 1, { groups: ['no-such-group'] }) },
  { name: 'DeleteGroups: an empty name', ask: (context) => context.call('DeleteGroups', 1, { groups: [''] }) },
  {
    name: 'DeleteGroups: with members',
    ask: async (context) => context.call('DeleteGroups', 1, { groups: [(await stable(context)).group] }),
  },
  {
    name: 'DeleteGroups: without members, then its offsets',
    ask: async (context) => {
      const group = context.name('simple')
      const { name } = await context.topic('one')
      await context.coordinator(group)
      await commitOffset(context, { group, member: '', generation: -1 }, { topic: name })
      const removed = await context.call('DeleteGroups', 1, { groups: [group] })
      return { removed, after: await context.call('OffsetFetch', 5, { group, topics: [{ name, partitions: [0] }] }) }
    },
  },
]

export const GROUP_CASES: readonly OddCase[] = [...JOIN, ...MEMBERS, ...OFFSETS, ...GROUPS]
