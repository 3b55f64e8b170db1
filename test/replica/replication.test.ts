// Replication end to end: real logs, links in memory, virtual time.

import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { errors } from '../../src/model/errors.js'
import { decodeFetchAnswer } from '../../src/replica/fetcher/messages.js'
import { deleteRecords, listOffsets } from '../../src/replica/partition-operations.js'
import type { DeleteRecordsAnswer } from '../../src/replica/purgatory/delete-queue.js'
import { Cluster } from './support/cluster.js'

test('what is committed is on every in-sync replica, byte for byte, and followers learn the high watermark', async (t) => {
  const cluster = await Cluster.start(t)
  const outcome = cluster.produce(1, 5)
  assert.equal(outcome.code, 'waiting', 'acks=all waits for the followers')
  assert.equal(cluster.at(1).state.highWatermark, 0)
  await cluster.until(() => outcome.code !== 'waiting')
  assert.equal(outcome.code, 0)
  for (const id of [1, 2, 3]) assert.deepEqual(cluster.bytes(id), cluster.bytes(1))
  assert.equal(cluster.at(1).state.highWatermark, 5)
  await cluster.until(() => cluster.at(2).state.highWatermark === 5 && cluster.at(3).state.highWatermark === 5)
})

test('a partition whose records do not arrive holds up the others of its node for a moment only', async (t) => {
  const cluster = await Cluster.start(t, { nodes: 2, log: { maxMessageBytes: 3_000_000 } })
  for (const id of [1, 2]) await cluster.open(id, 1)
  await cluster.run(50)
  cluster.lost = { to: 2, partition: 0 }
  const lost = cluster.produce(1, 1, -1, 'v'.repeat(2_000_000))
  await cluster.run(10)
  const also = cluster.produce(1, 1, -1, 'v', 1)
  await cluster.until(() => also.code !== 'waiting', 100)
  assert.deepEqual([also.code, lost.code], [0, 'waiting'])
})

test('a follower that is cut off leaves the ISR after the lag time, and comes back when it has caught up', async (t) => {
  const cluster = await Cluster.start(t)
  cluster.cut.add(3)
  const outcome = cluster.produce(1)
  await cluster.run(25_000)
  assert.equal(outcome.code, 'waiting')
  assert.deepEqual(cluster.state.isr, [1, 2, 3])
  await cluster.until(() => outcome.code !== 'waiting', 30_000)
  assert.equal(outcome.code, 0)
  assert.deepEqual(cluster.state.isr, [1, 2])
  cluster.cut.delete(3)
  await cluster.until(() => cluster.state.isr.length === 3)
  await cluster.until(() => cluster.at(3).state.isInSync)
  assert.deepEqual(cluster.bytes(3), cluster.bytes(1))
})

test('what waits for a replica is committed when the controller takes that out, though nothing else happens', async (t) => {
  const cluster = await Cluster.start(t)
  cluster.cut.add(3)
  const outcome = cluster.produce(1)
  await cluster.run(100)
  assert.equal(outcome.code, 'waiting')
  cluster.epochs.delete(3)
  await cluster.decide({ isr: [1, 2] }, [1])
  assert.equal(outcome.code, 0)
})

test('a follower that is not in sync and dies is not waited for', async (t) => {
  const cluster = await Cluster.start(t, { holdProposals: true })
  await cluster.decide({ isr: [1, 2] })
  await cluster.until(() => cluster.heldProposals === 1)
  cluster.answerProposal(errors.INELIGIBLE_REPLICA.code)
  cluster.cut.add(3)
  const outcome = cluster.produce(1)
  await cluster.run(100)
  assert.equal(outcome.code, 'waiting', 'it has just caught up, and may join')
  cluster.epochs.delete(3)
  cluster.node(1).replication.brokersChanged()
  assert.equal(outcome.code, 0)
})

test('below min ISR acks=all is refused before the append, and nothing more is committed', async (t) => {
  const cluster = await Cluster.start(t, { minInsyncReplicas: 2 })
  cluster.cut.add(2).add(3)
  const early = cluster.produce(1)
  await cluster.until(() => cluster.state.isr.length === 1, 60_000)
  await cluster.run(10)
  assert.equal(cluster.produce(1).code, errors.NOT_ENOUGH_REPLICAS.code)
  assert.equal(cluster.produce(1, 1, 1).code, 0, 'acks=1 asks for the leader alone')
  await cluster.run(1000)
  assert.equal(cluster.at(1).state.highWatermark, 0)
  assert.equal(early.code, 'waiting', 'its request timeout will tell its producer')
  cluster.cut.clear()
  await cluster.until(() => early.code === 0)
})

test('while a join is in flight the high watermark already waits for the joining follower', async (t) => {
  const cluster = await Cluster.start(t, { holdProposals: true })
  await cluster.decide({ isr: [1, 2] })
  await cluster.until(() => cluster.heldProposals === 1)
  assert.deepEqual(
    cluster.at(1).state.maximalIsr.toSorted((a, b) => a - b),
    [1, 2, 3],
  )
  cluster.cut.add(3)
  const outcome = cluster.produce(1)
  await cluster.run(1000)
  assert.equal(outcome.code, 'waiting')
  cluster.answerProposal(errors.INELIGIBLE_REPLICA.code)
  // The lag is looked at every 15 s; nobody fetches in between.
  await cluster.run(50_000)
  assert.equal(outcome.code, 0)
})

test('a proposal of unknown fate is sent again as it was, and a stale one waits for the metadata', async (t) => {
  const cluster = await Cluster.start(t, { holdProposals: true })
  await cluster.decide({ isr: [1, 2] })
  await cluster.until(() => cluster.heldProposals === 1)
  cluster.loseProposal()
  await cluster.until(() => cluster.heldProposals === 1)
  assert.equal(cluster.proposals[0]!.proposal, cluster.proposals[1]!.proposal)
  cluster.state = { ...cluster.state, partitionEpoch: cluster.state.partitionEpoch + 1 }
  cluster.answerProposal()
  await cluster.run(2000)
  assert.equal(cluster.heldProposals, 0, 'nothing is proposed on top of a state that is known to be old')
  await cluster.tell()
  await cluster.until(() => cluster.heldProposals === 1)
  cluster.answerProposal()
  await cluster.until(() => cluster.at(1).state.isr.length === 3)
})

test('a follower truncates to the end of the leader epoch, not to its high watermark (KIP-101)', async (t) => {
  const cluster = await Cluster.start(t, { nodes: 2 })
  const first = cluster.produce(1, 2)
  await cluster.until(() => first.code === 0)
  // The follower has the second batch but has not heard that it is committed when it restarts and the leader dies.
  const second = cluster.produce(1, 1)
  await cluster.until(() => second.code === 0)
  await cluster.stop(2)
  await cluster.boot(2, 2)
  assert.equal(cluster.at(2).log.logEndOffset, 3, 'nothing is cut before the leader was asked')
  await cluster.stop(1)
  await cluster.decide({ leader: 2, isr: [2] })
  await cluster.boot(1, 2)
  await cluster.until(() => cluster.state.isr.length === 2)
  assert.equal(cluster.at(2).log.logEndOffset, 3)
  assert.deepEqual(cluster.bytes(1), cluster.bytes(2))
})

test("a deposed leader drops what only it had, and takes over the new leader's history", async (t) => {
  const cluster = await Cluster.start(t)
  const committed = cluster.produce(1, 3)
  await cluster.until(() => committed.code === 0)
  cluster.cut.add(1)
  const lost = cluster.produce(1, 4, -1, 'only here')
  assert.equal(cluster.produce(1, 1, 1, 'only here').code, 0)
  await cluster.decide({ leader: 2, isr: [2, 3] }, [2, 3])
  const next = cluster.produce(2, 2, -1, 'new history')
  await cluster.until(() => next.code === 0)
  cluster.cut.delete(1)
  await cluster.tell([1])
  assert.equal(lost.code, errors.NOT_LEADER_OR_FOLLOWER.code)
  await cluster.until(() => cluster.state.isr.length === 3)
  assert.deepEqual(cluster.bytes(1), cluster.bytes(2))
  assert.equal(cluster.at(1).log.logEndOffset, 5)
  assert.ok(cluster.node(1).replication.fetcher.counters.truncations >= 1)
})

test('two fast leader changes leave two epochs to step over, and the logs still agree in the end (KIP-279)', async (t) => {
  const cluster = await Cluster.start(t)
  const committed = cluster.produce(1, 1)
  await cluster.until(() => committed.code === 0)
  // Each in turn leads alone, unseen by the others, and writes what only it has.
  for (const id of [1, 2, 3]) cluster.cut.add(id)
  cluster.produce(1, 3, 1, 'of 1 in epoch 0')
  await cluster.decide({ leader: 2, isr: [2] }, [2])
  cluster.produce(2, 2, 1, 'of 2 in epoch 1')
  await cluster.decide({ leader: 1, isr: [1] }, [1])
  cluster.produce(1, 2, 1, 'of 1 in epoch 2')
  await cluster.decide({ leader: 3, isr: [3] }, [3])
  cluster.produce(3, 4, 1, 'of 3 in epoch 3')
  cluster.cut.clear()
  await cluster.tell()
  await cluster.until(() => cluster.state.isr.length === 3)
  for (const id of [1, 2]) assert.deepEqual(cluster.bytes(id), cluster.bytes(3))
})

test('a leader that wrote nothing in its epoch does not go round in circles as a follower', async (t) => {
  const cluster = await Cluster.start(t, { nodes: 2 })
  const committed = cluster.produce(1, 2)
  await cluster.until(() => committed.code === 0)
  cluster.cut.add(1).add(2)
  await cluster.decide({ leader: 2, isr: [2] }, [2])
  await cluster.decide({ leader: 1, isr: [1] }, [1])
  cluster.cut.clear()
  await cluster.tell()
  await cluster.until(() => cluster.state.isr.length === 2)
  assert.ok(cluster.node(2).replication.fetcher.counters.truncations <= 1)
})

test('a batch that is spoilt on the way is never appended; it is asked for again', async (t) => {
  const cluster = await Cluster.start(t)
  let spoilt = 0
  cluster.spoil = (_from, to, body) => {
    if (to !== 2 || body.length < 120 || spoilt++ > 1) return body
    const copy = Uint8Array.from(body)
    copy[copy.length - 3]! ^= 4
    return copy
  }
  const outcome = cluster.produce(1, 3)
  await cluster.until(() => outcome.code === 0)
  assert.equal(spoilt > 1, true)
  assert.equal(cluster.node(2).replication.fetcher.counters.corruptBatches, 2)
  assert.deepEqual(cluster.bytes(2), cluster.bytes(1))
  assert.deepEqual(cluster.node(1).damages, [], 'the leader looked: its own bytes are sound')
})

test('an answer whose batch headers are spoilt on the way is not used; it is asked for again, and no batch is under suspicion', async (t) => {
  const cluster = await Cluster.start(t)
  let spoilt = 0
  cluster.spoil = (_from, to, body) => {
    if (to !== 2 || body.length < 120 || spoilt++ > 1) return body
    const copy = Uint8Array.from(body)
    // The epoch of its one batch.
    copy[copy.length - decodeFetchAnswer(body).records.length + 15]! ^= 4
    return copy
  }
  const outcome = cluster.produce(1, 3)
  await cluster.until(() => outcome.code === 0)
  assert.equal(spoilt > 1, true)
  const { counters } = cluster.node(2).replication.fetcher
  assert.deepEqual([counters.corruptBatches, counters.errors], [0, 2])
  assert.deepEqual(cluster.bytes(2), cluster.bytes(1))
})

/** A cluster whose followers have ten records and wait idle at their leader, and DeleteRecords there; the answer is undefined until it is given. */
async function tenRecords(t: TestContext) {
  const cluster = await Cluster.start(t)
  for (let i = 0; i < 5; i++) cluster.produce(1, 2)
  await cluster.until(() => [1, 2, 3].every((id) => cluster.at(id).state.highWatermark === 10))
  await cluster.run(20_000)
  const remove = (offset: number, timeoutMs = 30_000): { answer: DeleteRecordsAnswer | undefined } => {
    const outcome: { answer: DeleteRecordsAnswer | undefined } = { answer: undefined }
    const { manager } = cluster.node(1)
    void Promise.resolve(deleteRecords(manager, { topic: 't', partition: 0, offset, timeoutMs })).then((got) => (outcome.answer = got))
    return outcome
  }
  return { cluster, remove }
}

test('DeleteRecords is answered once the logs of all live replicas start there, without waiting for other news', async (t) => {
  const { cluster, remove } = await tenRecords(t)
  const outcome = remove(5)
  await cluster.run(0)
  assert.deepEqual([outcome.answer, cluster.at(1).log.logStartOffset], [undefined, 5])
  await cluster.until(() => outcome.answer !== undefined, 100)
  assert.deepEqual(outcome.answer, { errorCode: 0, lowWatermark: 5 })
  assert.deepEqual(
    [2, 3].map((id) => cluster.at(id).log.logStartOffset),
    [5, 5],
  )
  const again = remove(3)
  await cluster.run(0)
  assert.deepEqual(again.answer, { errorCode: 0, lowWatermark: 5 }, 'nothing to wait for')
})

test('DeleteRecords that a live replica does not follow times out, and a fenced replica is not waited for', async (t) => {
  const { cluster, remove } = await tenRecords(t)
  cluster.cut.add(3)
  const late = remove(5, 2000)
  await cluster.run(1990)
  assert.equal(late.answer, undefined)
  await cluster.run(20)
  assert.deepEqual(late.answer, { errorCode: errors.REQUEST_TIMED_OUT.code, lowWatermark: 0 })
  assert.equal(cluster.at(2).log.logStartOffset, 5)
  const fenced = remove(7)
  await cluster.run(1000)
  assert.equal(fenced.answer, undefined)
  cluster.epochs.delete(3)
  cluster.node(1).replication.brokersChanged()
  await cluster.run(0)
  assert.deepEqual(fenced.answer, { errorCode: 0, lowWatermark: 7 })
})

test('DeleteRecords that waits when its leader is deposed, or its partition leaves, is answered so', async (t) => {
  const { cluster, remove } = await tenRecords(t)
  cluster.cut.add(3)
  const deposed = remove(5)
  await cluster.decide({ leader: 2 })
  await cluster.run(0)
  assert.deepEqual(deposed.answer, { errorCode: errors.NOT_LEADER_OR_FOLLOWER.code, lowWatermark: -1 })
  await cluster.decide({ leader: 1 })
  const gone = remove(7)
  await cluster.run(0)
  assert.equal(gone.answer, undefined)
  cluster.at(1).resign(errors.UNKNOWN_TOPIC_OR_PARTITION.code)
  await cluster.run(0)
  assert.deepEqual(gone.answer, { errorCode: errors.UNKNOWN_TOPIC_OR_PARTITION.code, lowWatermark: -1 })
})

test("a new replica begins at the leader's log start, within a batch too", async (t) => {
  const cluster = await Cluster.start(t, { nodes: 2 })
  await cluster.stop(2)
  await cluster.decide({ isr: [1] })
  cluster.produce(1, 10)
  cluster.produce(1, 10)
  cluster.at(1).log.deleteRecordsBefore(13)
  await cluster.boot(2)
  await cluster.until(() => cluster.state.isr.length === 2)
  assert.equal(cluster.at(2).log.logStartOffset, 13)
  assert.equal(cluster.at(2).log.logEndOffset, 20)
})

test('fetches of an earlier life of a broker are fenced and count for nothing', async (t) => {
  const cluster = await Cluster.start(t)
  cluster.epochs.set(3, 999n)
  const stale = cluster.node(1).replication.server.counters.fenced
  const node = cluster.node(3)
  // The old process still runs and does not know yet.
  ;(node.replication as unknown as { options: { doors: { brokerEpoch(): bigint } } }).options.doors.brokerEpoch = () => 103n
  const outcome = cluster.produce(1)
  await cluster.run(5000)
  assert.equal(outcome.code, 'waiting')
  assert.ok(cluster.node(1).replication.server.counters.fenced > stale)
})

test('on the disk promise a record is committed when the in-sync disks have it', async (t) => {
  const cluster = await Cluster.start(t, { log: { ack: 'disk' } })
  const outcome = cluster.produce(1, 3)
  await cluster.until(() => outcome.code === 0)
  for (const id of [1, 2, 3]) assert.equal(cluster.at(id).log.durableOffset, 3)
})

for (const side of ['leader', 'follower'] as const) {
  test(`what catches up is held to ${side}.replication.throttled.rate where its list names it, what is in sync is not`, async (t) => {
    const rates = side === 'leader' ? { leaderThrottledRate: 100_000 } : { followerThrottledRate: 100_000 }
    const cluster = await Cluster.start(t, { settings: { ...rates, fetchMaxBytes: 20_000 } })
    cluster.throttled = { leader: [], follower: [], [side]: [0] }
    await cluster.stop(3)
    await cluster.decide({ isr: [1, 2] })
    const value = 'x'.repeat(10_000)
    for (let i = 0; i < 90; i++) cluster.produce(1, 1, -1, value)
    await cluster.until(() => cluster.at(1).state.highWatermark === 90)
    await cluster.run(10_000)
    cluster.reconfigure()
    await cluster.bootEmpty(3)
    await cluster.run(2000)
    const reached = cluster.at(3).log.logEndOffset
    assert.ok(reached >= 15 && reached <= 40, `${reached} records of 10 KB in two seconds at 100 KB/s with a second's burst`)
    const live = cluster.produce(1)
    await cluster.run(20)
    assert.equal(live.code, 0, 'a producer does not feel it')
    cluster.throttled = { leader: [1], follower: 'all', [side]: [1] }
    cluster.reconfigure()
    await cluster.until(() => cluster.state.isr.length === 3, 500)
  })
}

test('a new leader gives no latest offset before its followers have what it began with: the one before may have given a later one', async (t) => {
  const cluster = await Cluster.start(t)
  const outcome = cluster.produce(1, 10)
  await cluster.until(() => outcome.code === 0)
  // It has all, and has not heard yet that all of it is committed.
  assert.equal(cluster.at(2).state.highWatermark, 0)
  cluster.cut.add(3)
  await cluster.stop(1)
  await cluster.decide({ leader: 2 })
  const ask = (timestamp: number) =>
    listOffsets(cluster.node(2).manager, { topic: 't', partition: 0, timestamp, currentLeaderEpoch: 1, readCommitted: false })
  assert.deepEqual([cluster.at(2).log.logEndOffset, ask(-1).errorCode, ask(-3).errorCode], [10, 78, 78])
  assert.deepEqual([ask(-2).errorCode, ask(-2).offset], [0, 0], 'the first one stands')
  cluster.cut.delete(3)
  await cluster.until(() => ask(-1).errorCode === 0, 100_000)
  assert.equal(ask(-1).offset, 10)
})

test('a rate without a list holds nobody back', async (t) => {
  const cluster = await Cluster.start(t, { settings: { leaderThrottledRate: 1, followerThrottledRate: 0 } })
  await cluster.stop(3)
  await cluster.decide({ isr: [1, 2] })
  for (let i = 0; i < 20; i++) cluster.produce(1, 1, -1, 'x'.repeat(10_000))
  await cluster.bootEmpty(3)
  await cluster.until(() => cluster.state.isr.length === 3, 1000)
})

test('consumers that name a rack are sent to the in-sync replica there, which serves up to its high watermark (KIP-392)', async (t) => {
  const cluster = await Cluster.start(t, { racks: { 1: 'a', 2: 'b', 3: 'b' }, settings: { rackAware: true } })
  const outcome = cluster.produce(1, 4)
  await cluster.until(() => outcome.code === 0)
  const item = { topic: 't', partition: 0, fetchOffset: 0, maxBytes: 1 << 20, currentLeaderEpoch: 0, lastFetchedEpoch: -1 }
  const from = (node: number, rackId: string | null, fetchOffset = 0) =>
    cluster.at(node).planFetch({ ...item, fetchOffset }, { readCommitted: false, rackId, rackAware: true }, 1 << 20, true)
  assert.ok([2, 3].includes(from(1, 'b').preferredReadReplica))
  assert.equal(from(1, 'b').plan, null)
  for (const rack of ['a', 'c', '', null]) assert.equal(from(1, rack).preferredReadReplica, -1)
  assert.equal(from(2, 'b').highWatermark, 4, 'with racks in use a follower hears of the high watermark at once')
  assert.ok(from(2, 'b').plan!.size > 0)
  assert.equal(from(2, null).errorCode, errors.NOT_LEADER_OR_FOLLOWER.code, 'a client from before reads from the leader')
  cluster.cut.add(2).add(3)
  cluster.produce(1, 4, 1)
  assert.equal(from(1, 'b', 6).preferredReadReplica, -1, 'nobody there has it yet')
})

test('a leader answers a follower that believes in another epoch with the error that says which is older', async (t) => {
  const cluster = await Cluster.start(t, { nodes: 2 })
  cluster.state = { ...cluster.state, leaderEpoch: 1, partitionEpoch: 1 }
  await cluster.tell([2])
  const outcome = cluster.produce(1)
  await cluster.run(500)
  assert.equal(outcome.code, 'waiting', 'the leader does not know of the epoch yet: the follower asks again, and counts for nothing')
  await cluster.tell([1])
  await cluster.until(() => outcome.code === 0)
})

test('a restarted follower takes its high watermark from the checkpoint, never above its log', async (t) => {
  const cluster = await Cluster.start(t)
  const outcome = cluster.produce(1, 4)
  await cluster.until(() => outcome.code === 0)
  await cluster.stop(3)
  cluster.cut.add(3)
  await cluster.boot(3, 99)
  assert.equal(cluster.at(3).state.highWatermark, 4)
  assert.equal(cluster.at(3).log.highWatermark, 4)
})

test('a batch of the window that is sent again to a new leader, which had been started anew, is answered as a duplicate with its offset', async (t) => {
  const cluster = await Cluster.start(t, { log: { segmentBytes: 200 } })
  for (let sequence = 0; sequence < 8; sequence++) assert.equal((await cluster.produceSequence(1, sequence)).baseOffset, sequence)
  const recoveryPoint = cluster.at(2).log.logEndOffset - 2
  await cluster.stop(2)
  await cluster.boot(2, 8, recoveryPoint)
  await cluster.stop(1)
  await cluster.decide({ leader: 2, isr: [2, 3] })
  for (let sequence = 3; sequence < 8; sequence++) {
    const { errorCode, duplicate, baseOffset } = await cluster.produceSequence(2, sequence)
    assert.deepEqual([errorCode, duplicate, baseOffset], [0, true, sequence])
  }
  assert.equal((await cluster.produceSequence(2, 8)).duplicate, false)
})
