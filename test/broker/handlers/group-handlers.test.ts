import assert from 'node:assert/strict'
import { test } from 'node:test'
import { handleConsumerGroupDescribe } from '../../../src/broker/handlers/consumer-group-describe.js'
import { handleDeleteGroups } from '../../../src/broker/handlers/delete-groups.js'
import { handleDescribeGroups } from '../../../src/broker/handlers/describe-groups.js'
import { handleHeartbeat } from '../../../src/broker/handlers/heartbeat.js'
import { handleJoinGroup } from '../../../src/broker/handlers/join-group.js'
import { handleLeaveGroup } from '../../../src/broker/handlers/leave-group.js'
import { handleListGroups } from '../../../src/broker/handlers/list-groups.js'
import { handleOffsetCommit } from '../../../src/broker/handlers/offset-commit.js'
import { handleOffsetDelete } from '../../../src/broker/handlers/offset-delete.js'
import { handleOffsetFetch } from '../../../src/broker/handlers/offset-fetch.js'
import { handleSyncGroup } from '../../../src/broker/handlers/sync-group.js'
import { partitionForGroup } from '../../../src/coordinators/group/partition-for-group.js'
import { errors } from '../../../src/model/errors.js'
import { GROUP_METADATA_TOPIC, ZERO_UUID } from '../../../src/model/topic-partition.js'
import { context, PARTITIONS, setUp, T_ID, topicImage } from '../../coordinators/support/broker-fixture.js'
import type { Fixture } from '../../coordinators/support/broker-fixture.js'
import { subscription } from '../../coordinators/support/group-driver.js'

// Answers are read as loosely as a client would.
type Loose = { readonly [key: string]: never } & object
const loose = async (answer: object | Promise<object>): Promise<Record<string, unknown>> => (await answer) as Loose

const GONE_ID = 'AAAAAAAAAAAAAAAAAAAAZg'

const joinRequest = (overrides: object = {}) => ({
  groupId: 'g',
  sessionTimeoutMs: 10_000,
  rebalanceTimeoutMs: 60_000,
  memberId: '',
  groupInstanceId: null,
  protocolType: 'consumer',
  protocols: [{ name: 'range', metadata: subscription('t') }],
  reason: null,
  ...overrides,
})

const syncRequest = (memberId: string, overrides: object = {}) => ({
  groupId: 'g',
  generationId: 1,
  memberId,
  groupInstanceId: null,
  protocolType: 'consumer',
  protocolName: 'range',
  assignments: [{ memberId, assignment: Buffer.from('mine') }],
  ...overrides,
})

const commitRequest = (overrides: object = {}) => ({
  groupId: 'g',
  generationIdOrMemberEpoch: -1,
  memberId: '',
  groupInstanceId: null,
  retentionTimeMs: -1,
  topics: [
    {
      name: 't',
      topicId: ZERO_UUID,
      partitions: [{ partitionIndex: 0, committedOffset: 5, committedLeaderEpoch: 2, committedMetadata: 'x' }],
    },
  ],
  ...overrides,
})

async function stableMember(fixture: Fixture): Promise<string> {
  const join = loose(handleJoinGroup(joinRequest(), context(3), fixture.broker))
  await fixture.env.advance(1)
  const memberId = (await join)['memberId'] as string
  await handleSyncGroup(syncRequest(memberId), context(5), fixture.broker)
  return memberId
}

test('join, sync, heartbeat and leave go to the shard of the group and back', async () => {
  const fixture = await setUp()
  const told = await loose(handleJoinGroup(joinRequest(), context(9), fixture.broker))
  assert.equal(told['errorCode'], errors.MEMBER_ID_REQUIRED.code)
  assert.equal(told['protocolName'], null)
  const memberId = told['memberId'] as string
  assert.match(memberId, /^cli-/)
  const joining = loose(handleJoinGroup(joinRequest({ memberId }), context(9), fixture.broker))
  await fixture.env.advance(1)
  const joined = await joining
  assert.equal(joined['generationId'], 1)
  assert.equal(joined['protocolName'], 'range')
  const synced = await loose(handleSyncGroup(syncRequest(memberId), context(5), fixture.broker))
  assert.equal(Buffer.from(synced['assignment'] as Uint8Array).toString(), 'mine')
  const heartbeat = { groupId: 'g', generationId: 1, memberId, groupInstanceId: null }
  assert.deepEqual(await handleHeartbeat(heartbeat, context(4), fixture.broker), { throttleTimeMs: 0, errorCode: 0 })
  const left = await loose(
    handleLeaveGroup(
      { groupId: 'g', memberId: '', members: [{ memberId, groupInstanceId: null, reason: null }] },
      context(5),
      fixture.broker,
    ),
  )
  assert.deepEqual(left['members'], [{ memberId, groupInstanceId: null, errorCode: 0 }])
})

test('JoinGroup before version 7 never sends a null protocol name, and version 0 uses the session timeout twice', async () => {
  const fixture = await setUp()
  const refused = await loose(handleJoinGroup(joinRequest({ protocols: [] }), context(6), fixture.broker))
  assert.equal(refused['errorCode'], errors.INCONSISTENT_GROUP_PROTOCOL.code)
  assert.equal(refused['protocolName'], '')
  const join = loose(handleJoinGroup(joinRequest({ rebalanceTimeoutMs: -1 }), context(0), fixture.broker))
  await fixture.env.advance(1)
  assert.equal((await join)['errorCode'], 0)
})

test('SyncGroup version 5 must name type and protocol', async () => {
  const fixture = await setUp()
  const memberId = await stableMember(fixture)
  const answer = await loose(handleSyncGroup(syncRequest(memberId, { protocolName: null }), context(5), fixture.broker))
  assert.equal(answer['errorCode'], errors.INCONSISTENT_GROUP_PROTOCOL.code)
  const older = await loose(handleSyncGroup(syncRequest(memberId, { protocolName: null, protocolType: null }), context(4), fixture.broker))
  assert.equal(older['errorCode'], 0)
})

test("LeaveGroup before version 3 answers the member's error at the top", async () => {
  const fixture = await setUp()
  await stableMember(fixture)
  const answer = await loose(handleLeaveGroup({ groupId: 'g', memberId: 'nobody', members: [] }, context(2), fixture.broker))
  assert.equal(answer['errorCode'], errors.UNKNOWN_MEMBER_ID.code)
})

test('OffsetCommit refuses what does not exist and commits the rest, in the order of the request', async () => {
  const fixture = await setUp()
  const partition = (partitionIndex: number) => ({ partitionIndex, committedOffset: 7, committedLeaderEpoch: -1, committedMetadata: null })
  const topics = [
    { name: 'missing', topicId: ZERO_UUID, partitions: [partition(0)] },
    { name: 't', topicId: ZERO_UUID, partitions: [partition(9), partition(1), partition(0)] },
  ]
  const answer = await loose(handleOffsetCommit(commitRequest({ topics }), context(8), fixture.broker))
  assert.deepEqual(answer['topics'], [
    { name: 'missing', topicId: ZERO_UUID, partitions: [{ partitionIndex: 0, errorCode: errors.UNKNOWN_TOPIC_OR_PARTITION.code }] },
    {
      name: 't',
      topicId: ZERO_UUID,
      partitions: [
        { partitionIndex: 9, errorCode: errors.UNKNOWN_TOPIC_OR_PARTITION.code },
        { partitionIndex: 1, errorCode: 0 },
        { partitionIndex: 0, errorCode: 0 },
      ],
    },
  ])
})

test('OffsetCommit answers a refusal by the group on every partition', async () => {
  const fixture = await setUp()
  const request = commitRequest({ memberId: 'm', generationIdOrMemberEpoch: 3 })
  const code = async (version: number) => {
    const answer = await loose(handleOffsetCommit(request, context(version), fixture.broker))
    return (answer['topics'] as { partitions: { errorCode: number }[] }[])[0]!.partitions[0]!.errorCode
  }
  assert.equal(await code(8), errors.ILLEGAL_GENERATION.code)
  assert.equal(await code(9), errors.GROUP_ID_NOT_FOUND.code)
})

test('OffsetCommit and OffsetFetch version 10 speak of topics by id', async () => {
  const fixture = await setUp()
  const partitions = [{ partitionIndex: 0, committedOffset: 5, committedLeaderEpoch: 2, committedMetadata: 'x' }]
  const request = commitRequest({
    topics: [
      { name: '', topicId: T_ID, partitions },
      { name: '', topicId: GONE_ID, partitions },
    ],
  })
  const answer = await loose(handleOffsetCommit(request, context(10), fixture.broker))
  assert.deepEqual(
    (answer['topics'] as { topicId: string; partitions: unknown[] }[]).map((topic) => [topic.topicId, topic.partitions]),
    [
      [T_ID, [{ partitionIndex: 0, errorCode: 0 }]],
      [GONE_ID, [{ partitionIndex: 0, errorCode: errors.UNKNOWN_TOPIC_ID.code }]],
    ],
  )
  const group = (topics: object[] | null) => ({ groupId: 'g', memberId: null, memberEpoch: -1, topics })
  const wanted = [T_ID, GONE_ID].map((topicId) => ({ name: '', topicId, partitionIndexes: [0] }))
  const fetchRequest = { groupId: '', topics: [], groups: [group(wanted), group(null)], requireStable: true } as never
  const fetched = (await loose(handleOffsetFetch(fetchRequest, context(10), fixture.broker)))['groups'] as {
    topics: { topicId: string; partitions: object[] }[]
  }[]
  const stored = { partitionIndex: 0, committedOffset: 5, committedLeaderEpoch: 2, metadata: 'x', errorCode: 0 }
  const none = { partitionIndex: 0, committedOffset: -1, committedLeaderEpoch: -1, metadata: '', errorCode: errors.UNKNOWN_TOPIC_ID.code }
  assert.deepEqual(
    fetched[0]!.topics.map((topic) => [topic.topicId, topic.partitions]),
    [
      [T_ID, [stored]],
      [GONE_ID, [none]],
    ],
  )
  assert.deepEqual(
    fetched[1]!.topics.map((topic) => [topic.topicId, topic.partitions]),
    [[T_ID, [stored]]],
  )
})

test('OffsetFetch: single group, several groups, all topics, and an error where the version has a place for it', async () => {
  const fixture = await setUp()
  await handleOffsetCommit(commitRequest(), context(8), fixture.broker)
  const stored = { partitionIndex: 0, committedOffset: 5, committedLeaderEpoch: 2, metadata: 'x', errorCode: 0 }
  const single = { groupId: 'g', topics: null, groups: [], requireStable: false }
  assert.deepEqual((await loose(handleOffsetFetch(single, context(7), fixture.broker)))['topics'], [
    { name: 't', topicId: ZERO_UUID, partitions: [stored] },
  ])
  const group = (groupId: string) => ({ groupId, memberId: null, memberEpoch: -1, topics: null })
  const batch = { groupId: '', topics: [], groups: [group('g'), group('h')], requireStable: false }
  const answer = (await loose(handleOffsetFetch(batch, context(8), fixture.broker)))['groups'] as { groupId: string; topics: unknown[] }[]
  assert.deepEqual(
    answer.map((each) => [each.groupId, each.topics.length]),
    [
      ['g', 1],
      ['h', 0],
    ],
  )
  fixture.dead = true
  const named = { ...single, topics: [{ name: 't', partitionIndexes: [0] }] }
  const failed = await loose(handleOffsetFetch(named, context(1), fixture.broker))
  assert.equal((failed['topics'] as { partitions: { errorCode: number }[] }[])[0]!.partitions[0]!.errorCode, errors.NOT_COORDINATOR.code)
  assert.equal((await loose(handleOffsetFetch(named, context(2), fixture.broker)))['errorCode'], errors.NOT_COORDINATOR.code)
})

test('OffsetDelete refuses unknown topics and deletes the rest', async () => {
  const fixture = await setUp()
  await handleOffsetCommit(commitRequest(), context(8), fixture.broker)
  const topics = ['t', 'missing'].map((name) => ({ name, partitions: [{ partitionIndex: 0 }] }))
  const answer = await loose(handleOffsetDelete({ groupId: 'g', topics }, context(0), fixture.broker))
  assert.deepEqual(answer['topics'], [
    { name: 't', partitions: [{ partitionIndex: 0, errorCode: 0 }] },
    { name: 'missing', partitions: [{ partitionIndex: 0, errorCode: errors.UNKNOWN_TOPIC_OR_PARTITION.code }] },
  ])
  const unknown = await loose(handleOffsetDelete({ groupId: 'nobody', topics }, context(0), fixture.broker))
  assert.equal(unknown['errorCode'], errors.GROUP_ID_NOT_FOUND.code)
})

test('ListGroups gathers the groups of every partition this node leads', async () => {
  const fixture = await setUp()
  for (let index = 0; index < 12; index++) await handleOffsetCommit(commitRequest({ groupId: `g${index}` }), context(8), fixture.broker)
  const request = { statesFilter: [], typesFilter: [] }
  const all = (await loose(handleListGroups(request, context(5), fixture.broker)))['groups'] as unknown[]
  assert.equal(all.length, 12)
  fixture.image = { ...fixture.image, topics: new Map([['t', fixture.image.topics.get('t')!]]) }
  assert.deepEqual((await loose(handleListGroups(request, context(5), fixture.broker)))['groups'], [])
})

test('an unknown group is described as dead before version 6 and GROUP_ID_NOT_FOUND from it', async () => {
  const fixture = await setUp()
  const first = async (version: number) => {
    const answer = await loose(
      handleDescribeGroups({ groups: ['nobody'], includeAuthorizedOperations: true }, context(version), fixture.broker),
    )
    return (answer['groups'] as { errorCode: number; groupState: string; authorizedOperations: number }[])[0]!
  }
  const old = await first(5)
  assert.deepEqual([old.errorCode, old.groupState, old.authorizedOperations], [0, 'Dead', 3400])
  assert.equal((await first(6)).errorCode, errors.GROUP_ID_NOT_FOUND.code)
})

test('a described member shows its client, host, subscription and assignment', async () => {
  const fixture = await setUp()
  const memberId = await stableMember(fixture)
  const answer = await loose(handleDescribeGroups({ groups: ['g'], includeAuthorizedOperations: false }, context(6), fixture.broker))
  const [group] = answer['groups'] as { groupState: string; protocolData: string; members: Record<string, unknown>[] }[]
  assert.deepEqual([group!.groupState, group!.protocolData], ['Stable', 'range'])
  const [member] = group!.members
  assert.deepEqual([member!['memberId'], member!['clientId'], member!['clientHost']], [memberId, 'cli', '/127.0.0.1'])
  assert.deepEqual(Buffer.from(member!['memberMetadata'] as Uint8Array), Buffer.from(subscription('t')))
  assert.equal(Buffer.from(member!['memberAssignment'] as Uint8Array).toString(), 'mine')
})

test('DeleteGroups answers each group, once', async () => {
  const fixture = await setUp()
  await stableMember(fixture)
  await handleOffsetCommit(commitRequest({ groupId: 'simple' }), context(8), fixture.broker)
  const answer = await loose(handleDeleteGroups({ groupsNames: ['g', 'simple', 'nobody', 'simple'] }, context(3), fixture.broker))
  assert.deepEqual(
    (answer['results'] as { groupId: string; errorCode: number }[]).map((each) => [each.groupId, each.errorCode]),
    [
      ['g', errors.NON_EMPTY_GROUP.code],
      ['simple', 0],
      ['nobody', errors.GROUP_ID_NOT_FOUND.code],
    ],
  )
})

test('ConsumerGroupDescribe sends admin clients on to DescribeGroups', async () => {
  const fixture = await setUp()
  const answer = await handleConsumerGroupDescribe({ groupIds: ['g'], includeAuthorizedOperations: false }, context(1), fixture.broker)
  assert.equal((answer as { groups: { errorCode: number }[] }).groups[0]!.errorCode, errors.GROUP_ID_NOT_FOUND.code)
})

test('a partition led by another node, or by nobody, is NOT_COORDINATOR; a missing topic COORDINATOR_NOT_AVAILABLE', async () => {
  const fixture = await setUp()
  const heartbeat = { groupId: 'g', generationId: 1, memberId: 'm', groupInstanceId: null }
  const code = async () => (await loose(handleHeartbeat(heartbeat, context(4), fixture.broker)))['errorCode']
  const elsewhere = topicImage(GROUP_METADATA_TOPIC, 'AAAAAAAAAAAAAAAAAAAAAg', PARTITIONS, 2)
  fixture.image = { ...fixture.image, topics: new Map([[elsewhere.name, elsewhere]]) }
  assert.equal(await code(), errors.NOT_COORDINATOR.code)
  ;(fixture.broker.services as { groupPartitionFor: (id: string) => Promise<number> }).groupPartitionFor = async () => -1
  assert.equal(await code(), errors.COORDINATOR_NOT_AVAILABLE.code)
})

test("groups map to partitions by Java's String.hashCode", () => {
  // The hash of this text is -2^31, which has no absolute value in 32 bits.
  assert.equal(partitionForGroup('polygenelubricants', 50), 0)
  assert.equal(partitionForGroup('', 50), 0)
  assert.equal(partitionForGroup('test-group', 50), 12)
})
