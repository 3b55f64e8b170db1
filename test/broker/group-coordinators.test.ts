// A group coordinator goes where its partition's leadership goes.

import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { ConfigStore } from '../../src/broker/config/config-store.js'
import { GroupCoordinators } from '../../src/broker/group-coordinators.js'
import { emptyImage } from '../../src/controller/image.js'
import type { CommitOffsetsResult, FetchOffsetsResult } from '../../src/coordinators/group/messages.js'
import { defaultLogConfig } from '../../src/log/config.js'
import { runPoolTask } from '../../src/log/pool-tasks.js'
import { errors } from '../../src/model/errors.js'
import { GROUP_METADATA_TOPIC } from '../../src/model/topic-partition.js'
import { ReplicaManager } from '../../src/replica/replica-manager.js'
import type { LogDamage } from '../../src/replica/replication.js'
import { tempDir, TOPIC_ID } from '../log/support.js'
import { SimEnv } from '../support/sim-env.js'

const COMMIT = {
  groupId: 'g',
  generationId: -1,
  memberId: '',
  groupInstanceId: null,
  retentionTimeMs: -1,
  groupIdNotFoundKnown: true,
  topics: [{ topic: 't', topicId: TOPIC_ID, partitions: [{ partition: 0, offset: 42, leaderEpoch: 0, metadata: null }] }],
}

async function setup(t: TestContext) {
  const env = new SimEnv()
  const manager = new ReplicaManager({
    env,
    nodeId: 1,
    runInPool: runPoolTask,
    settingsOf: () => ({ log: defaultLogConfig, minInsyncReplicas: 1 }),
    onCheckpointDue: () => {},
    onLogFailed: () => {},
    onLogFull: () => {},
    onRecoveryProgress: () => {},
    moveBytesPerSecond: () => Infinity,
    onMovePrepared: () => Promise.resolve(),
    onMoveEnded: () => {},
  })
  t.after(() => manager.close(false))
  const damages: LogDamage[] = []
  manager.replicate({
    link: { fetch: () => new Promise(() => {}) },
    brokerEpoch: () => 0n,
    alterIsr: () => new Promise(() => {}),
    onLogDamaged: (damage) => damages.push(damage),
    onLogRepaired: () => {},
  })
  const image = emptyImage('c')
  const configs = new ConfigStore({ nodeId: 1, properties: new Map() }, () => image)
  const groups = new GroupCoordinators({ env, replicas: manager, configs, image: () => image })
  const dir = join(tempDir(t), '__consumer_offsets-0')
  let version = 0
  const decide = async (leader: number, leaderEpoch: number): Promise<void> => {
    const decision = { leader, leaderEpoch, isr: [1, 2], replicas: [1, 2], partitionEpoch: version++ }
    const place = { dir, cleanShutdown: false, recoveryPoint: 0, logStartOffset: 0, cleanerOffset: 0 }
    await manager.open({ topic: GROUP_METADATA_TOPIC, topicId: TOPIC_ID, partition: 0, ...place, decision })
    groups.opened(0)
    await settle()
  }
  const settle = async (): Promise<void> => {
    for (let i = 0; i < 5; i++) await env.settle()
  }
  const hosted = () => manager.find(GROUP_METADATA_TOPIC, 0)!
  /** The other replica has all there is. */
  const replicate = async (): Promise<void> => {
    hosted().replicationMoved(hosted().state.followerFetched(2, hosted().log.writtenOffset))
    await settle()
  }
  const commit = () => groups.call(0, 'commitOffsets', COMMIT) as Promise<CommitOffsetsResult>
  const fetch = () => groups.call(0, 'fetchOffsets', { groupId: 'g', topics: null, requireStable: false }) as Promise<FetchOffsetsResult>
  return { env, groups, decide, settle, replicate, commit, fetch, hosted, damages }
}

function codeOf(result: CommitOffsetsResult): number {
  return result.errorCode || (result.topics[0]?.partitions[0]?.errorCode ?? 0)
}

test('a commit is answered once the in-sync set has it, and is there after leadership went and came back', async (t) => {
  const { decide, settle, replicate, commit, fetch } = await setup(t)
  await decide(1, 0)
  let answer: number | 'waiting' = 'waiting'
  const committed = commit().then((result) => (answer = codeOf(result)))
  await settle()
  assert.equal(answer, 'waiting')
  await replicate()
  await committed
  assert.equal(answer, 0)
  await decide(2, 1)
  await assert.rejects(async () => commit(), /not on this worker/)
  await decide(1, 2)
  await replicate()
  const { errorCode, topics } = await fetch()
  assert.deepEqual([errorCode, topics[0]!.partitions[0]!.offset], [0, 42])
})

test('a commit in flight when leadership is lost is refused, and what became of it is read from the log afterwards', async (t) => {
  const { decide, settle, replicate, commit, fetch } = await setup(t)
  await decide(1, 0)
  const inFlight = commit()
  await settle()
  await decide(2, 1)
  assert.notEqual(codeOf(await inFlight), 0)
  // The record was in the log and nobody cut it: the next leadership finds it.
  await decide(1, 2)
  assert.equal((await fetch()).errorCode, errors.COORDINATOR_LOAD_IN_PROGRESS.code, 'what the log holds is not known to be committed yet')
  await replicate()
  assert.equal((await fetch()).topics[0]!.partitions[0]!.offset, 42)
})

test('a new epoch of the same leader loads anew while an append is in flight', async (t) => {
  const { decide, settle, replicate, commit, fetch } = await setup(t)
  await decide(1, 0)
  const inFlight = commit()
  await settle()
  await decide(1, 1)
  assert.notEqual(codeOf(await inFlight), 0)
  await replicate()
  assert.equal((await fetch()).topics[0]!.partitions[0]!.offset, 42)
})

test('a commit that the in-sync set does not take in offsets.commit.timeout.ms is refused', async (t) => {
  const { env, decide, settle, commit } = await setup(t)
  await decide(1, 0)
  let answer: number | 'waiting' = 'waiting'
  const committed = commit().then((result) => (answer = codeOf(result)))
  await settle()
  await env.advance(4000)
  assert.equal(answer, 'waiting')
  await env.advance(1100)
  await committed
  assert.notEqual(answer, 0)
})

for (const [what, at] of [
  ['a record', 80],
  ['the base offset, which no checksum covers,', 7],
  ['the length', 11],
] as const) {
  test(`a coordinator that finds a wrong bit in ${what} of its log does not serve, and the damage is reported`, async (t) => {
    const { env, decide, replicate, settle, commit, fetch, hosted, damages } = await setup(t)
    await decide(1, 0)
    for (let i = 0; i < 3; i++) {
      const committed = commit()
      await settle()
      await replicate()
      assert.equal(codeOf(await committed), 0)
    }
    const file = join(hosted().log.dir, `${'0'.repeat(20)}.log`)
    const bytes = readFileSync(file)
    const second = 12 + bytes.readInt32BE(8)
    bytes[second + at]! ^= 2
    writeFileSync(file, bytes)
    await decide(1, 1)
    await settle()
    await env.advance(2000)
    assert.equal((await fetch()).errorCode, errors.COORDINATOR_LOAD_IN_PROGRESS.code)
    assert.deepEqual(
      damages.map(({ offset, isLeader }) => [offset, isLeader]),
      [[1, true]],
    )
  })
}
