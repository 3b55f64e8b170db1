// A script of group requests whose answers were recorded from Apache Kafka 4.4 (kafka-group-answers.json) and are replayed against
// our handlers. A step is sent and awaited, or started and finished later; what answers contain that no two servers share (member
// ids, host, throttle time) is replaced by names in the order of appearance. `node …/answer-script.js HOST:PORT FILE` records anew.

import { writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import {
  correlationIdOf,
  decodeRequest,
  decodeRequestHeader,
  decodeResponse,
  encodeRequest,
  encodeResponse,
} from '../../../src/protocol/codec/index.js'
import { apiByName } from '../../../src/protocol/schema/index.js'
import type { Api } from '../../../src/protocol/schema/index.js'
import { subscription } from './group-driver.js'

export type Send = (apiName: string, version: number, body: object) => Promise<object>

type Answers = Record<string, unknown>
interface Step {
  readonly name: string
  readonly api: string
  readonly version: number
  /** Made late: it may need earlier answers. */
  readonly body: (answers: Answers) => object
  /** Sent now, awaited by the step `finish`. */
  readonly parked?: true
}

export interface Recorded {
  readonly name: string
  readonly answer: unknown
}

const ZERO = 'AAAAAAAAAAAAAAAAAAAAAA'
const meta = (...topics: string[]) => subscription(...topics)
const range = [{ name: 'range', metadata: meta('t') }]

const join = (groupId: string, more: object = {}) => ({
  groupId,
  sessionTimeoutMs: 30_000,
  rebalanceTimeoutMs: 60_000,
  memberId: '',
  groupInstanceId: null,
  protocolType: 'consumer',
  protocols: range,
  reason: null,
  ...more,
})
const sync = (groupId: string, generationId: number, memberId: string, more: object = {}) => ({
  groupId,
  generationId,
  memberId,
  groupInstanceId: null,
  protocolType: 'consumer',
  protocolName: 'range',
  assignments: [],
  ...more,
})
const beat = (groupId: string, generationId: number, memberId: string, groupInstanceId: string | null = null) => ({
  groupId,
  generationId,
  memberId,
  groupInstanceId,
})
const commit = (groupId: string, generation: number, memberId: string, topics: object[], more: object = {}) => ({
  groupId,
  generationIdOrMemberEpoch: generation,
  memberId,
  groupInstanceId: null,
  retentionTimeMs: -1,
  topics,
  ...more,
})
const offsetOf = (name: string, partitionIndex: number, committedOffset: number, committedMetadata: string | null = null) => ({
  name,
  topicId: ZERO,
  partitions: [{ partitionIndex, committedOffset, committedLeaderEpoch: -1, committedMetadata }],
})
const offsetsOf = (name: string, ...offsets: [partitionIndex: number, committedOffset: number, committedMetadata: string | null][]) => ({
  name,
  topicId: ZERO,
  partitions: offsets.map(([partitionIndex, committedOffset, committedMetadata]) => ({
    partitionIndex,
    committedOffset,
    committedLeaderEpoch: -1,
    committedMetadata,
  })),
})
const leave = (groupId: string, ...members: [string, string | null][]) => ({
  groupId,
  memberId: '',
  members: members.map(([memberId, groupInstanceId]) => ({ memberId, groupInstanceId, reason: null })),
})
const fetchOne = (groupId: string, topics: object[] | null) => ({
  groupId: '',
  topics: [],
  groups: [{ groupId, memberId: null, memberEpoch: -1, topics }],
  requireStable: false,
})
const describe = (...groups: string[]) => ({ groups, includeAuthorizedOperations: true })
const memberOf = (answers: Answers, step: string) => (answers[step] as { memberId: string }).memberId

function steps(): Step[] {
  const all: Step[] = []
  const send = (name: string, api: string, version: number, body: object | ((answers: Answers) => object)) =>
    void all.push({ name, api, version, body: typeof body === 'function' ? (body as Step['body']) : () => body })
  const park = (name: string, api: string, version: number, body: object | ((answers: Answers) => object)) => {
    send(name, api, version, body)
    all.push({ ...all.pop()!, parked: true })
  }
  const finish = (name: string) => void all.push({ name, api: 'finish', version: 0, body: () => ({}) })

  // What exists not.
  for (const version of [0, 4, 9]) send(`join unknown member v${version}`, 'JoinGroup', version, join('none', { memberId: 'x' }))
  send('join empty group id', 'JoinGroup', 9, join(''))
  send('join short session', 'JoinGroup', 9, join('none', { sessionTimeoutMs: 10 }))
  send('join long session', 'JoinGroup', 5, join('none', { sessionTimeoutMs: 1_800_001 }))
  send('join without protocols', 'JoinGroup', 9, join('bare', { protocols: [] }))
  send('join without protocol type', 'JoinGroup', 3, join('bare2', { protocolType: '' }))
  send('sync unknown group', 'SyncGroup', 5, sync('none', 1, 'x'))
  send('sync without names', 'SyncGroup', 5, sync('none', 1, 'x', { protocolName: null }))
  send('sync empty group id', 'SyncGroup', 3, sync('', 1, 'x'))
  send('heartbeat unknown group', 'Heartbeat', 4, beat('none', 1, 'x'))
  send('heartbeat empty group id', 'Heartbeat', 4, beat('', 1, 'x'))
  send('leave unknown group', 'LeaveGroup', 5, leave('none', ['x', null], ['', 'i']))
  send('leave unknown group v2', 'LeaveGroup', 2, { groupId: 'none', memberId: 'x', members: [] })
  send('leave empty group id', 'LeaveGroup', 4, leave('', ['x', null]))
  send('describe unknown v5', 'DescribeGroups', 5, describe('none'))
  send('describe unknown v6', 'DescribeGroups', 6, describe('none', ''))
  send('delete unknown', 'DeleteGroups', 2, { groupsNames: ['none', ''] })
  send('offset delete unknown group', 'OffsetDelete', 0, { groupId: 'none', topics: [{ name: 't', partitions: [{ partitionIndex: 0 }] }] })
  send('offset delete empty group id', 'OffsetDelete', 0, { groupId: '', topics: [{ name: 't', partitions: [{ partitionIndex: 0 }] }] })
  send(
    'fetch unknown group',
    'OffsetFetch',
    8,
    fetchOne('none', [
      { name: 't', topicId: ZERO, partitionIndexes: [0, 7] },
      { name: 'missing', topicId: ZERO, partitionIndexes: [0] },
    ]),
  )
  send('fetch unknown group, all topics', 'OffsetFetch', 8, fetchOne('none', null))
  send('fetch v1 unknown', 'OffsetFetch', 1, {
    groupId: 'none',
    topics: [{ name: 't', partitionIndexes: [0] }],
    groups: [],
    requireStable: false,
  })
  send(
    'fetch v10 unknown id',
    'OffsetFetch',
    10,
    fetchOne('none', [{ name: '', topicId: 'AAAAAAAAAAAAAAAAAAAAZg', partitionIndexes: [3] }]),
  )
  send('consumer describe unknown', 'ConsumerGroupDescribe', 1, { groupIds: ['none'], includeAuthorizedOperations: false })

  // A simple consumer.
  send('commit unknown group with generation v8', 'OffsetCommit', 8, commit('s', 3, 'x', [offsetOf('t', 0, 1)]))
  send('commit unknown group with generation v9', 'OffsetCommit', 9, commit('s', 3, 'x', [offsetOf('t', 0, 1)]))
  send('commit simple', 'OffsetCommit', 8, commit('s', -1, '', [offsetsOf('t', [0, 5, 'hello'], [9, 5, null]), offsetOf('missing', 0, 5)]))
  send('commit simple with member', 'OffsetCommit', 8, commit('s', -1, 'who', [offsetOf('t', 1, 6)]))
  send('commit long metadata', 'OffsetCommit', 8, commit('s', -1, '', [offsetOf('t', 1, 5, 'x'.repeat(4_097))]))
  send('commit retention v2', 'OffsetCommit', 2, commit('s', -1, '', [offsetOf('t', 1, 8, '')], { retentionTimeMs: 3_600_000 }))
  send('commit v10 unknown id', 'OffsetCommit', 10, commit('s', -1, '', [{ ...offsetOf('', 0, 5), topicId: 'AAAAAAAAAAAAAAAAAAAAZg' }]))
  send('fetch simple', 'OffsetFetch', 8, fetchOne('s', null))
  send('fetch simple v7', 'OffsetFetch', 7, { groupId: 's', topics: null, groups: [], requireStable: true })
  send('describe simple', 'DescribeGroups', 6, describe('s'))
  send('list simple', 'ListGroups', 5, { statesFilter: ['empty'], typesFilter: ['Classic'] })
  send('offset delete simple', 'OffsetDelete', 0, {
    groupId: 's',
    topics: [
      { name: 't', partitions: [{ partitionIndex: 1 }, { partitionIndex: 9 }] },
      { name: 'missing', partitions: [{ partitionIndex: 0 }] },
    ],
  })
  send('fetch after delete', 'OffsetFetch', 9, fetchOne('s', null))
  send('heartbeat simple', 'Heartbeat', 4, beat('s', 0, 'x'))
  send('sync simple', 'SyncGroup', 4, sync('s', 0, 'x'))
  send('leave simple', 'LeaveGroup', 5, leave('s', ['x', null]))
  send('join simple unknown member', 'JoinGroup', 9, join('s', { memberId: 'x' }))
  send('commit empty group id', 'OffsetCommit', 8, commit('', -1, '', [offsetOf('t', 0, 5)]))
  send('fetch empty group id', 'OffsetFetch', 8, fetchOne('', null))
  send('consumer describe simple', 'ConsumerGroupDescribe', 1, { groupIds: ['s'], includeAuthorizedOperations: false })
  send('delete simple', 'DeleteGroups', 2, { groupsNames: ['s'] })
  send('describe deleted', 'DescribeGroups', 6, describe('s'))

  // Two dynamic members.
  send('id required', 'JoinGroup', 9, join('g'))
  send('describe with a pending member', 'DescribeGroups', 6, describe('g'))
  send('join 1', 'JoinGroup', 9, (a) => join('g', { memberId: memberOf(a, 'id required') }))
  const one = (a: Answers) => memberOf(a, 'join 1')
  send('heartbeat completing', 'Heartbeat', 4, (a) => beat('g', 1, one(a)))
  send('commit completing', 'OffsetCommit', 8, (a) => commit('g', 1, one(a), [offsetOf('t', 0, 1)]))
  send('simple commit completing', 'OffsetCommit', 8, commit('g', -1, '', [offsetOf('t', 0, 1)]))
  send('describe completing', 'DescribeGroups', 5, describe('g'))
  send('join again completing', 'JoinGroup', 9, (a) => join('g', { memberId: one(a) }))
  send('sync 1', 'SyncGroup', 5, (a) => sync('g', 1, one(a), { assignments: [{ memberId: one(a), assignment: Buffer.from('A') }] }))
  send('sync 1 again', 'SyncGroup', 5, (a) => sync('g', 1, one(a)))
  send('sync old generation', 'SyncGroup', 5, (a) => sync('g', 0, one(a)))
  send('sync wrong protocol', 'SyncGroup', 5, (a) => sync('g', 1, one(a), { protocolName: 'sticky' }))
  send('sync stranger', 'SyncGroup', 5, sync('g', 1, 'x'))
  send('describe stable', 'DescribeGroups', 6, describe('g'))
  send('list stable', 'ListGroups', 5, { statesFilter: ['Stable'], typesFilter: [] })
  send('heartbeat', 'Heartbeat', 4, (a) => beat('g', 1, one(a)))
  send('heartbeat old generation', 'Heartbeat', 4, (a) => beat('g', 0, one(a)))
  send('heartbeat stranger', 'Heartbeat', 4, beat('g', 1, 'x'))
  send('heartbeat with an instance id', 'Heartbeat', 4, (a) => beat('g', 1, one(a), 'i'))
  send('commit', 'OffsetCommit', 8, (a) => commit('g', 1, one(a), [offsetsOf('t', [0, 11, null], [1, 12, null])]))
  send('commit old generation', 'OffsetCommit', 8, (a) => commit('g', 0, one(a), [offsetOf('t', 0, 1)]))
  send('commit stranger', 'OffsetCommit', 8, commit('g', 1, 'x', [offsetOf('t', 0, 1)]))
  send('simple commit stable', 'OffsetCommit', 8, commit('g', -1, '', [offsetOf('t', 0, 1)]))
  send('commit without generation', 'OffsetCommit', 8, (a) => commit('g', -1, one(a), [offsetOf('t', 0, 1)]))
  send('commit with an instance id', 'OffsetCommit', 8, (a) => commit('g', 1, one(a), [offsetOf('t', 0, 1)], { groupInstanceId: 'i' }))
  send('offset delete subscribed', 'OffsetDelete', 0, { groupId: 'g', topics: [{ name: 't', partitions: [{ partitionIndex: 0 }] }] })
  send('delete live', 'DeleteGroups', 3, { groupsNames: ['g'] })
  send('join other protocol', 'JoinGroup', 9, join('g', { protocols: [{ name: 'other', metadata: meta('t') }] }))
  send('join other type', 'JoinGroup', 9, join('g', { protocolType: 'connect' }))
  send('join stranger', 'JoinGroup', 9, join('g', { memberId: 'x' }))
  park('join 2', 'JoinGroup', 3, join('g'))
  send('heartbeat preparing', 'Heartbeat', 4, (a) => beat('g', 1, one(a)))
  send('commit preparing', 'OffsetCommit', 8, (a) => commit('g', 1, one(a), [offsetOf('t', 0, 13)]))
  send('sync preparing', 'SyncGroup', 5, (a) => sync('g', 1, one(a)))
  send('offset delete preparing', 'OffsetDelete', 0, {
    groupId: 'g',
    topics: [
      { name: 't', partitions: [{ partitionIndex: 0 }] },
      { name: 'missing', partitions: [{ partitionIndex: 0 }] },
    ],
  })
  send('rejoin 1', 'JoinGroup', 9, (a) => join('g', { memberId: one(a) }))
  finish('join 2')
  const two = (a: Answers) => memberOf(a, 'join 2')
  park('sync 2 first', 'SyncGroup', 3, (a) => sync('g', 2, two(a)))
  send('sync leader', 'SyncGroup', 3, (a) =>
    sync('g', 2, one(a), {
      assignments: [
        { memberId: one(a), assignment: Buffer.from('A') },
        { memberId: two(a), assignment: Buffer.from('B') },
      ],
    }),
  )
  finish('sync 2 first')
  send('follower joins again', 'JoinGroup', 9, (a) => join('g', { memberId: two(a) }))
  send('leave follower and stranger', 'LeaveGroup', 5, (a) => leave('g', [two(a), null], ['x', null], [one(a), 'i']))
  send('heartbeat after leave', 'Heartbeat', 4, (a) => beat('g', 2, one(a)))
  send('leave v2', 'LeaveGroup', 2, (a) => ({ groupId: 'g', memberId: one(a), members: [] }))
  send('leave v2 again', 'LeaveGroup', 2, (a) => ({ groupId: 'g', memberId: one(a), members: [] }))
  send('describe empty', 'DescribeGroups', 6, describe('g'))
  send('simple commit empty', 'OffsetCommit', 8, commit('g', -1, '', [offsetOf('t', 0, 20)]))
  send('commit gone member', 'OffsetCommit', 8, (a) => commit('g', 2, one(a), [offsetOf('t', 0, 1)]))
  send('join gone member', 'JoinGroup', 9, (a) => join('g', { memberId: one(a) }))
  send('fetch group', 'OffsetFetch', 8, fetchOne('g', null))
  send('delete empty', 'DeleteGroups', 2, { groupsNames: ['g', 'g'] })
  send('fetch deleted', 'OffsetFetch', 8, fetchOne('g', null))

  // Static members.
  const fixed = (index: number, more: object = {}) => join('st', { groupInstanceId: `i${index}`, ...more })
  send('static 0', 'JoinGroup', 9, fixed(0))
  const zero = (a: Answers) => memberOf(a, 'static 0')
  park('static 1', 'JoinGroup', 9, fixed(1))
  send('static 0 beats', 'Heartbeat', 4, (a) => beat('st', 1, zero(a), 'i0'))
  send('static 0 again', 'JoinGroup', 9, (a) => fixed(0, { memberId: zero(a) }))
  finish('static 1')
  const first = (a: Answers) => memberOf(a, 'static 1')
  send('static sync', 'SyncGroup', 5, (a) =>
    sync('st', 2, zero(a), {
      groupInstanceId: 'i0',
      assignments: [
        { memberId: zero(a), assignment: Buffer.from('S0') },
        { memberId: first(a), assignment: Buffer.from('S1') },
      ],
    }),
  )
  send('static 1 sync', 'SyncGroup', 5, (a) => sync('st', 2, first(a), { groupInstanceId: 'i1' }))
  send('static 1 restarts', 'JoinGroup', 9, fixed(1))
  send('static 1 fenced beat', 'Heartbeat', 4, (a) => beat('st', 2, first(a), 'i1'))
  send('static 1 fenced commit', 'OffsetCommit', 8, (a) => commit('st', 2, first(a), [offsetOf('t', 0, 1)], { groupInstanceId: 'i1' }))
  send('static 1 fenced join', 'JoinGroup', 9, (a) => fixed(1, { memberId: first(a) }))
  send('static 1 fenced sync', 'SyncGroup', 5, (a) => sync('st', 2, first(a), { groupInstanceId: 'i1' }))
  send('static 1 without instance id', 'Heartbeat', 4, (a) => beat('st', 2, first(a)))
  send('static 1 new sync', 'SyncGroup', 5, (a) => sync('st', 2, memberOf(a, 'static 1 restarts'), { groupInstanceId: 'i1' }))
  send('static leader restarts v9', 'JoinGroup', 9, fixed(0))
  send('static leader restarts v8', 'JoinGroup', 8, fixed(0))
  send('static describe', 'DescribeGroups', 6, describe('st'))
  send('static unknown instance', 'JoinGroup', 9, (a) => join('st', { memberId: first(a), groupInstanceId: 'i9' }))
  send('static leave fenced', 'LeaveGroup', 5, (a) => leave('st', [first(a), 'i1'], ['', 'i9'], ['', 'i1']))
  send('static leave last', 'LeaveGroup', 3, leave('st', ['', 'i0']))
  send('static describe empty', 'DescribeGroups', 6, describe('st'))

  // Another protocol type: its offsets are not deleted while it lives.
  send(
    'connect',
    'JoinGroup',
    3,
    join('cn', {
      protocolType: 'connect',
      protocols: [
        { name: 'p', metadata: Buffer.from('x') },
        { name: 'q', metadata: Buffer.from('y') },
      ],
    }),
  )
  send('connect sync', 'SyncGroup', 2, (a) => sync('cn', 1, memberOf(a, 'connect'), { assignments: [] }))
  send('connect commit', 'OffsetCommit', 5, (a) => commit('cn', 1, memberOf(a, 'connect'), [offsetOf('t', 0, 1)]))
  send('connect offset delete', 'OffsetDelete', 0, { groupId: 'cn', topics: [{ name: 't', partitions: [{ partitionIndex: 0 }] }] })
  send('connect describe', 'DescribeGroups', 4, describe('cn'))
  send('list all', 'ListGroups', 4, { statesFilter: [], typesFilter: [] })
  send('list unknown state', 'ListGroups', 5, { statesFilter: ['Nonsense'], typesFilter: [] })
  send('list unknown type', 'ListGroups', 5, { statesFilter: [], typesFilter: ['nonsense'] })
  send('connect leave', 'LeaveGroup', 1, (a) => ({ groupId: 'cn', memberId: memberOf(a, 'connect'), members: [] }))
  return all
}

/** Runs the script against a server that has no groups yet. */
export async function runScript(send: Send): Promise<Recorded[]> {
  const answers: Answers = {}
  const parked = new Map<string, Promise<object>>()
  const recorded: Recorded[] = []
  const names = new Map<string, string>()
  for (const step of steps()) {
    if (step.parked) {
      parked.set(step.name, send(step.api, step.version, step.body(answers)))
      // Long enough for it to arrive before the next step; the answer cannot come yet.
      await new Promise((resolve) => setTimeout(resolve, 50))
      continue
    }
    const answer = await (step.api === 'finish' ? parked.get(step.name)! : send(step.api, step.version, step.body(answers)))
    answers[step.name] = answer
    recorded.push({ name: step.name, answer: plain(answer, names) })
  }
  return recorded
}

const MEMBER_ID = /^(.*)-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** JSON without what differs from server to server. */
function plain(value: unknown, names: Map<string, string>): unknown {
  if (value instanceof Uint8Array) return `hex:${Buffer.from(value).toString('hex')}`
  if (Array.isArray(value)) return sorted(value.map((each) => plain(each, names)))
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(
      Object.entries(value)
        .filter(([key]) => key !== 'throttleTimeMs')
        .map(([key, each]) => [key, plain(each, names)]),
    )
  }
  const match = typeof value === 'string' ? MEMBER_ID.exec(value) : null
  if (match === null) return value
  if (!names.has(match[0])) names.set(match[0], `<${match[1]} ${names.size}>`)
  return names.get(match[0])
}

/** The order of topics, groups and members is the server's own affair. */
function sorted(items: unknown[]): unknown[] {
  return items
    .map((item) => ({ item, text: JSON.stringify(item) }))
    .sort((a, b) => (a.text < b.text ? -1 : 1))
    .map(({ item }) => item)
}

/** A server that is a function: what goes in and out passes through the codec. */
export function throughCodec(serve: (api: Api, version: number, request: object) => Promise<object>): Send {
  return async (apiName, version, body) => {
    const api = apiByName(apiName)!
    const request = Buffer.concat(encodeRequest(api, version, 1, 'script', body))
    const { bodyOffset } = decodeRequestHeader(request)
    const answer = await serve(api, version, decodeRequest(api, version, request, bodyOffset))
    return decodeResponse(api, version, Buffer.concat(encodeResponse(api, version, 1, answer)).subarray(4)).body
  }
}

/** A real server, one connection per request so that parked ones hold up nothing. */
export function overTcp(host: string, port: number): Send {
  return (apiName, version, body) =>
    new Promise((resolve, reject) => {
      const api = apiByName(apiName)!
      const request = Buffer.concat(encodeRequest(api, version, 7, 'script', body))
      const size = Buffer.alloc(4)
      size.writeInt32BE(request.length)
      const socket = connect(port, host, () => void socket.write(Buffer.concat([size, request])))
      let received = Buffer.alloc(0)
      socket.on('error', reject)
      socket.on('close', () => reject(new Error(`${apiName} v${version}: the server closed the connection`)))
      socket.on('data', (chunk) => {
        received = Buffer.concat([received, chunk])
        if (received.length < 4 || received.length < 4 + received.readInt32BE(0)) return
        const frame = received.subarray(4)
        if (correlationIdOf(frame) !== 7) reject(new Error('an answer to another request'))
        else resolve(decodeResponse(api, version, frame).body)
        socket.destroy()
      })
    })
}

async function untilCoordinated(send: Send): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt++) {
    await send('FindCoordinator', 4, { key: '', keyType: 0, coordinatorKeys: ['g'] })
    const { groups } = (await send('DescribeGroups', 5, describe('g'))) as { groups: { errorCode: number }[] }
    if (groups[0]!.errorCode === 0) return
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  throw new Error('the server has no group coordinator')
}

async function record(address: string, file: string): Promise<void> {
  const [host, port] = address.split(':')
  const send = overTcp(host!, Number(port))
  await send('CreateTopics', 7, {
    topics: [{ name: 't', numPartitions: 2, replicationFactor: 1, assignments: [], configs: [] }],
    timeoutMs: 10_000,
    validateOnly: false,
  })
  await untilCoordinated(send)
  const recorded = await runScript(send)
  writeFileSync(file, `[\n${recorded.map((each) => JSON.stringify(each)).join(',\n')}\n]\n`)
}

if (process.argv[1]?.endsWith('answer-script.js')) await record(process.argv[2]!, process.argv[3]!)
