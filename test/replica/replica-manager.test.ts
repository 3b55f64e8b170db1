import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { realEnv } from '../../src/env/real.js'
import { defaultLogConfig, type LogConfig } from '../../src/log/config.js'
import { runPoolTask } from '../../src/log/pool-tasks.js'
import { errors } from '../../src/model/errors.js'
import type { AppendTerms } from '../../src/replica/hosted-partition.js'
import { anyBroker, type BrokerDirectory } from '../../src/replica/partition/leader-and-isr.js'
import { deleteRecords, epochEnd, listOffsets } from '../../src/replica/partition-operations.js'
import { type OpenPartition, ReplicaManager } from '../../src/replica/replica-manager.js'
import { batch, tempDir, TOPIC_ID } from '../log/support.js'

const TERMS: AppendTerms = { acks: -1, disk: false, apiVersion: 12, origin: 'client' }

function manager(config: Partial<LogConfig> = {}, brokers: BrokerDirectory = anyBroker): { manager: ReplicaManager; failures: string[] } {
  const failures: string[] = []
  return {
    failures,
    manager: new ReplicaManager({
      env: realEnv(),
      nodeId: 1,
      brokers,
      runInPool: runPoolTask,
      settingsOf: () => ({ log: { ...defaultLogConfig, ...config }, minInsyncReplicas: 1 }),
      onCheckpointDue: () => {},
      onLogFailed: (topic, partition) => failures.push(`${topic}-${partition}`),
      onLogFull: () => {},
      moveBytesPerSecond: () => Infinity,
      onMovePrepared: () => Promise.resolve(),
      onMoveEnded: () => {},
      onRecoveryProgress: () => {},
    }),
  }
}

function request(t: TestContext, over: Partial<OpenPartition> = {}): OpenPartition {
  const decision = { leader: 1, leaderEpoch: 0, isr: [1], replicas: [1], partitionEpoch: 0 }
  return {
    topic: 't',
    topicId: TOPIC_ID,
    partition: 0,
    dir: join(tempDir(t), 't-0'),
    cleanShutdown: false,
    recoveryPoint: 0,
    logStartOffset: 0,
    cleanerOffset: 0,
    decision,
    ...over,
  }
}

function append(replicas: ReplicaManager): Promise<number> {
  return new Promise((resolve) => {
    replicas.append('t', 0, batch(3), TERMS, { complete: (_slot, { errorCode }) => resolve(errorCode) }, 0)
    replicas.flush()
  })
}

test('a partition that is asked to open twice at once is opened once', async (t) => {
  const { manager: replicas } = manager()
  const open = request(t)
  const later = { ...open, decision: { ...open.decision, leaderEpoch: 4, partitionEpoch: 1 } }
  const hosted = await Promise.all([open, open, later].map((one) => replicas.open(one).then(() => replicas.find('t', 0))))
  assert.equal(new Set(hosted).size, 1)
  assert.equal(hosted[0]!.state.leaderEpoch, 4)
  await replicas.close(true)
})

test('a topic deleted while it opens is gone afterwards', async (t) => {
  const { manager: replicas } = manager()
  const opening = replicas.open(request(t))
  await replicas.deleteTopic('t')
  await opening
  assert.equal(replicas.find('t', 0), undefined)
  assert.equal(await append(replicas), errors.NOT_LEADER_OR_FOLLOWER.code)
})

for (const ack of ['process', 'disk'] as const) {
  test(`what an unclean stop left is readable at once, and durable first where that is promised (${ack})`, async (t) => {
    const open = request(t)
    const first = manager({ ack }).manager
    await first.open(open)
    assert.equal(await append(first), 0)
    await first.close(false)
    const again = manager({ ack }).manager
    await again.open(open)
    const hosted = again.find('t', 0)!
    assert.equal(hosted.state.highWatermark, 3)
    if (ack === 'disk') assert.equal(hosted.log.durableOffset, 3)
    await again.close(true)
  })
}

test('a partition whose directory cannot be used answers so, and others are served; made good it opens', async (t) => {
  const { manager: replicas, failures } = manager()
  const bad = request(t)
  writeFileSync(bad.dir, 'a file where a directory should be')
  await replicas.open(bad)
  await replicas.open(request(t, { topic: 'good' }))
  assert.deepEqual(failures, ['t-0'])
  assert.equal(await append(replicas), errors.KAFKA_STORAGE_ERROR.code)
  assert.equal(replicas.find('good', 0)!.state.role, 'leader')
  await replicas.open(request(t))
  assert.equal(await append(replicas), 0)
  await replicas.close(true)
})

test('without a lease nothing is answered as the leader, waits end, and with it again all goes on', async (t) => {
  let held = true
  const { manager: replicas } = manager({}, { ...anyBroker, holdsLease: () => held })
  await replicas.open(request(t, { decision: { leader: 1, leaderEpoch: 0, isr: [1, 2], replicas: [1, 2], partitionEpoch: 0 } }))
  const hosted = replicas.find('t', 0)!
  const waiting = append(replicas)
  let woken = 0
  const stop = hosted.watch(() => woken++)
  held = false
  replicas.leaseLost()
  assert.deepEqual([await waiting, woken], [errors.NOT_LEADER_OR_FOLLOWER.code, 1])
  stop()
  const of = { topic: 't', partition: 0 }
  const item = { ...of, fetchOffset: 0, maxBytes: 1e6, currentLeaderEpoch: -1, lastFetchedEpoch: -1 }
  const codes = async (): Promise<number[]> => [
    hosted.planFetch(item, { readCommitted: false, rackId: null, rackAware: false }, 1e6, true).errorCode,
    hosted.planFetch(item, { readCommitted: false, rackId: '', rackAware: false }, 1e6, true).errorCode,
    listOffsets(replicas, { ...of, timestamp: -1, currentLeaderEpoch: -1, readCommitted: false }).errorCode,
    epochEnd(replicas, { ...of, currentLeaderEpoch: -1, leaderEpoch: 0 }).errorCode,
    (await deleteRecords(replicas, { ...of, offset: -1, timeoutMs: 0 })).errorCode,
  ]
  const refused = errors.NOT_LEADER_OR_FOLLOWER.code
  assert.equal(await append(replicas), refused)
  assert.equal(hosted.log.logEndOffset, 3, 'nothing was appended')
  assert.deepEqual(await codes(), [refused, refused, refused, refused, refused])
  held = true
  // Of the follower nothing was heard: its log start cannot have moved.
  assert.deepEqual(await codes(), [0, 0, 0, 0, errors.REQUEST_TIMED_OUT.code])
  await replicas.close(true)
})
