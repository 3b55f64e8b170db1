// What clients see of a cluster of three whole nodes: each request goes to the very node that is named.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { errors } from '../../src/model/errors.js'
import { GROUP_METADATA_TOPIC } from '../../src/model/topic-partition.js'
import { apis } from '../../src/protocol/schema/index.js'
import { ask } from '../cluster/support/ask.js'
import { allInSync, eventually, makeTopic, withAdmin } from '../cluster/support/state.js'
import { batch, batchOfSize } from '../log/support.js'
import { startThreeNodes, type ThreeNodes } from '../support/three-nodes.js'
import { FETCH, fetchBody, PRODUCE, produceBody, WireClient } from './wire-client.js'

const LIMIT_MS = 60_000

describe('three nodes', { timeout: 5 * LIMIT_MS }, () => {
  let cluster: ThreeNodes

  before(async () => {
    cluster = await startThreeNodes(['offsets.topic.num.partitions=1', 'group.initial.rebalance.delay.ms=60000'])
  })
  after(() => cluster.close())

  const at = (id: number): string => cluster.addresses[id - 1]!

  async function listed(id: number, name: string, currentLeaderEpoch: number): Promise<number> {
    const topics = [{ name, partitions: [{ partitionIndex: 0, currentLeaderEpoch, timestamp: -1 }] }]
    return (await ask(at(id), apis.listOffsets, 7, { replicaId: -1, isolationLevel: 0, topics })).topics[0]!.partitions[0]!.errorCode
  }

  /** All are in sync, and each replica acts in this epoch of the leader: metadata is shown a moment before it is in force. */
  async function settled(name: string, replicas: readonly number[], leaderEpoch: number): Promise<void> {
    await allInSync(cluster.addresses, name, LIMIT_MS)
    const UNKNOWN = errors.UNKNOWN_LEADER_EPOCH.code
    for (const id of replicas)
      await eventually(`${name} on node ${id} is in epoch ${leaderEpoch}`, LIMIT_MS, async () =>
        (await listed(id, name, leaderEpoch)) !== UNKNOWN && (await listed(id, name, leaderEpoch + 1)) === UNKNOWN ? true : null,
      )
  }

  /** A topic of one partition with these replicas, the first of which leads it. */
  async function create(name: string, replicas: readonly number[], configs: Readonly<Record<string, string>> = {}): Promise<void> {
    await makeTopic(cluster.bootstrap, { name, assignments: [replicas], configs }, 60_000)
    await settled(name, replicas, 0)
  }

  async function produce(id: number, topic: string, count: number): Promise<number> {
    const { responses } = await ask(at(id), apis.produce, PRODUCE, produceBody(topic, [[0, batch(count)]]))
    return responses[0]!.partitionResponses[0]!.errorCode
  }

  for (const [side, throttled] of [
    ['leader', 1],
    ['follower', 3],
  ] as const) {
    test(`a reassignment is held to ${side}.replication.throttled.rate where the topic's list says so, until that is lifted`, async () => {
      const [held, free] = [`held-${side}`, `free-${side}`]
      const rate = { name: `${side}.replication.throttled.rate` }
      const list = { name: `${side}.replication.throttled.replicas` }
      for (const topic of [held, free]) {
        await create(topic, [1, 2])
        for (let i = 0; i < 5; i++) {
          const { responses } = await ask(at(1), apis.produce, PRODUCE, produceBody(topic, [[0, batchOfSize(900_000)]]))
          assert.equal(responses[0]!.partitionResponses[0]!.errorCode, 0)
        }
      }
      await withAdmin(cluster.bootstrap, async (admin) => {
        await admin.incrementalAlterConfigs([
          { type: 'broker', name: String(throttled), changes: [{ ...rate, value: 1 }] },
          { type: 'topic', name: held, changes: [{ ...list, value: `0:${throttled}` }] },
        ])
        await admin.alterPartitionReassignments([held, free].map((topic) => ({ topic, partition: 0, replicas: [1, 3] })))
        const underWay = async (): Promise<string[]> => (await admin.listPartitionReassignments()).map(({ topic }) => topic)
        const sizeOn3 = async (topic: string): Promise<number> => {
          const { results } = await ask(at(3), apis.describeLogDirs, 1, { topics: [{ topic, partitions: [0] }] })
          return results.flatMap(({ topics }) => topics).flatMap(({ partitions }) => partitions)[0]?.partitionSize ?? 0
        }
        // The first answer is given before there is a debt; it would take days to pay.
        await eventually('the free one is there, and the held one begun', LIMIT_MS, async () =>
          (await underWay()).join() === held && (await sizeOn3(held)) > 0 ? true : null,
        )
        assert.ok((await sizeOn3(held)) < 4 * 900_000)
        await admin.incrementalAlterConfigs([{ type: 'topic', name: held, changes: [{ ...list, operation: 'delete' }] }])
        await eventually('the held one is there', LIMIT_MS, async () => ((await underWay()).length === 0 ? true : null))
        assert.equal(await sizeOn3(held), 5 * 900_000)
        await admin.incrementalAlterConfigs([{ type: 'broker', name: String(throttled), changes: [{ ...rate, operation: 'delete' }] }])
      })
    })
  }

  test('leader and followers answer requests that name a leader epoch as Kafka does', async () => {
    await create('fenced', [1, 2, 3])
    await withAdmin(cluster.bootstrap, async (admin) => {
      await admin.alterPartitionReassignments([{ topic: 'fenced', partition: 0, replicas: [2, 1, 3] }])
      await admin.electLeaders('preferred', [{ topic: 'fenced', partition: 0 }])
    })
    await settled('fenced', [1, 2, 3], 1)
    assert.equal(await produce(2, 'fenced', 3), 0)
    const epochEnd = async (id: number, currentLeaderEpoch: number, leaderEpoch: number) => {
      const topics = [{ topic: 'fenced', partitions: [{ partition: 0, currentLeaderEpoch, leaderEpoch }] }]
      const answer = await ask(at(id), apis.offsetForLeaderEpoch, 4, { replicaId: -1, topics })
      const { errorCode, leaderEpoch: found, endOffset } = answer.topics[0]!.partitions[0]!
      return [errorCode, found, endOffset]
    }
    const NOT_LEADER = errors.NOT_LEADER_OR_FOLLOWER.code
    for (const [currentEpoch, atLeader, atFollower] of [
      [0, errors.FENCED_LEADER_EPOCH.code, errors.FENCED_LEADER_EPOCH.code],
      [1, errors.NONE.code, NOT_LEADER],
      [-1, errors.NONE.code, NOT_LEADER],
      [9, errors.UNKNOWN_LEADER_EPOCH.code, errors.UNKNOWN_LEADER_EPOCH.code],
    ] as const) {
      for (const [id, expected] of [
        [2, atLeader],
        [1, atFollower],
        [3, atFollower],
      ] as const) {
        assert.deepEqual(
          [id, currentEpoch, await epochEnd(id, currentEpoch, 1)],
          [id, currentEpoch, expected === 0 ? [0, 1, 3] : [expected, -1, -1]],
        )
        assert.deepEqual([id, currentEpoch, await listed(id, 'fenced', currentEpoch)], [id, currentEpoch, expected])
      }
    }
    // Nothing was written in epoch 0; 5 has never been.
    assert.deepEqual(await epochEnd(2, 1, 0), [0, 0, 0])
    assert.deepEqual(await epochEnd(2, 1, 5), [0, -1, -1])
    assert.deepEqual(await epochEnd(2, 1, -1), [0, -1, -1])
  })

  test('who waits at a group coordinator whose partition is reassigned away is told to look elsewhere', async (t) => {
    const find = async (): Promise<number | null> => {
      const answer = await ask(at(1), apis.findCoordinator, 4, { keyType: 0, coordinatorKeys: ['waits'] })
      const { errorCode, nodeId } = answer.coordinators[0]!
      return errorCode === errors.NONE.code ? nodeId : null
    }
    const coordinator = await eventually('a group coordinator', LIMIT_MS, find)
    await allInSync(cluster.addresses, GROUP_METADATA_TOPIC, LIMIT_MS)
    const client = await WireClient.open(t, at(coordinator))
    const member = {
      groupId: 'waits',
      sessionTimeoutMs: 30_000,
      rebalanceTimeoutMs: 60_000,
      memberId: '',
      groupInstanceId: 'waiting',
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: new Uint8Array(0) }],
      reason: null,
    }
    // The first generation of the group begins in a minute.
    const joined = client.call(apis.joinGroup, 9, member)
    await eventually('the group is there', LIMIT_MS, async () => {
      const { groups } = await ask(at(coordinator), apis.listGroups, 4, { statesFilter: [] })
      return groups.some(({ groupId }) => groupId === 'waits') ? true : null
    })
    const others = [1, 2, 3].filter((id) => id !== coordinator)
    await withAdmin(cluster.bootstrap, (admin) =>
      admin.alterPartitionReassignments([{ topic: GROUP_METADATA_TOPIC, partition: 0, replicas: others }]),
    )
    assert.equal((await joined).errorCode, errors.NOT_COORDINATOR.code)
    const next = await eventually('another coordinator', LIMIT_MS, async () => ((await find()) === coordinator ? null : find()))
    assert.ok(others.includes(next))
  })

  test('when DeleteRecords is answered, the log starts there on every replica', async () => {
    await create('shortened', [1, 2, 3])
    assert.equal(await produce(1, 'shortened', 10), 0)
    for (const offset of [4, 7, 10]) {
      const topics = [{ name: 'shortened', partitions: [{ partitionIndex: 0, offset }] }]
      const answer = await ask(at(1), apis.deleteRecords, 2, { topics, timeoutMs: LIMIT_MS })
      assert.deepEqual(answer.topics[0]!.partitions, [{ partitionIndex: 0, lowWatermark: offset, errorCode: 0 }])
      for (const id of [1, 2, 3]) {
        const { responses } = await ask(at(id), apis.fetch, FETCH, fetchBody('shortened', [[0, 10]]))
        assert.deepEqual([id, responses[0]!.partitions[0]!.logStartOffset], [id, offset])
      }
    }
  })

  /** The last one: a node is gone after it. */
  test('whichever node is asked, the leader of the ensemble says how far each member is', async () => {
    const quorumAt = async (id: number) => {
      const topics = [{ topicName: '__cluster_metadata', partitions: [{ partitionIndex: 0 }] }]
      const { topics: answered, nodes } = await ask(at(id), apis.describeQuorum, 2, { topics })
      return { ...answered[0]!.partitions[0]!, nodes }
    }
    const began = Date.now()
    const said = await Promise.all([1, 2, 3].map(quorumAt))
    const { leaderId, leaderEpoch } = said[0]!
    for (const { errorCode, nodes, observers, currentVoters, highWatermark, ...rest } of said) {
      assert.deepEqual([errorCode, rest.leaderId, rest.leaderEpoch, observers], [0, leaderId, leaderEpoch, []])
      assert.equal(Math.floor(highWatermark / 2 ** 32), leaderEpoch)
      assert.deepEqual(
        nodes.map(({ nodeId }) => nodeId),
        [1, 2, 3],
      )
      for (const { replicaId, logEndOffset, lastFetchTimestamp, lastCaughtUpTimestamp } of currentVoters) {
        const times = [lastFetchTimestamp, lastCaughtUpTimestamp].map((time) => Math.abs(time - began) < LIMIT_MS)
        assert.deepEqual([replicaId, logEndOffset > 0, ...times], [replicaId, true, true, true])
      }
    }
    const gone = leaderId === 1 ? 2 : 1
    const left = leaderId === 3 ? 2 : 3
    await cluster.broker(gone).close()
    await makeTopic(at(left), { name: 'without-it', assignments: [[left]] }, 60_000)
    const { currentVoters, highWatermark } = await quorumAt(left)
    const away = currentVoters.find(({ replicaId }) => replicaId === gone)!
    assert.ok(away.logEndOffset < highWatermark)
    assert.ok(away.logEndOffset > 0 && away.lastFetchTimestamp >= away.lastCaughtUpTimestamp && away.lastCaughtUpTimestamp > 0)
  })
})
