import assert from 'node:assert/strict'
import { test } from 'node:test'
import { errors } from '../../src/model/errors.js'
import { ByteBudget, throttleMemory, throttlesIn } from '../../src/replica/fetcher/byte-budget.js'
import { FetcherState } from '../../src/replica/fetcher/fetcher-state.js'
import { decodeFetchAnswer, encodeFetchAnswer, type ReplicaFetchAnswer } from '../../src/replica/fetcher/messages.js'
import { Outflow } from '../../src/replica/fetcher/outflow.js'
import { divergingPoint, type LocalLog, outOfRangePoint } from '../../src/replica/fetcher/truncation-point.js'
import { defaultReplicationSettings as settings } from '../../src/replica/settings.js'

const ANSWER: ReplicaFetchAnswer = {
  errorCode: 0,
  leaderEpoch: 3,
  highWatermark: 10,
  logStartOffset: 0,
  logEndOffset: 20,
  divergingEpoch: -1,
  divergingEndOffset: -1,
  recordsSize: 0,
  recordsChecksum: -1,
}

/** A log by its epochs: [epoch, start]. */
function log(epochs: readonly (readonly [number, number])[], logEndOffset: number, logStartOffset = 0): LocalLog {
  return {
    logStartOffset,
    logEndOffset,
    epochEndOffset: (epoch) => {
      if (epochs.at(-1)?.[0] === epoch) return { leaderEpoch: epoch, endOffset: logEndOffset }
      const higher = epochs.findIndex(([one]) => one > epoch)
      if (higher === -1) return { leaderEpoch: -1, endOffset: -1 }
      return { leaderEpoch: higher === 0 ? epoch : epochs[higher - 1]![0], endOffset: epochs[higher]![1] }
    },
  }
}

const EMPTY = log([], 0)

function following(inSync = true): FetcherState {
  const state = new FetcherState(new ByteBudget())
  state.follow('T', 0, 3, inSync, false, 0)
  return state
}

test('a partition is asked for once, and again as soon as its answer is in the log', () => {
  const state = following()
  const [first] = state.take(0, settings)
  assert.deepEqual([first!.leaderEpoch, first!.maxWaitMs], [3, 500])
  assert.deepEqual(state.take(0, settings), [])
  assert.deepEqual(state.answered(first!.key, first!.id, ANSWER, EMPTY, 1, settings), { kind: 'append' })
  state.appended(first!.key, 100, 1)
  assert.equal(state.take(1, settings).length, 1)
})

test('an answer to an ask of an older epoch, or to none, is stale', () => {
  const state = following()
  const [ask] = state.take(0, settings)
  state.follow('T', 0, 4, true, false, 1)
  assert.equal(state.answered(ask!.key, ask!.id, ANSWER, EMPTY, 1, settings).kind, 'stale')
  const [next] = state.take(1, settings)
  assert.equal(next!.leaderEpoch, 4)
  state.lost(next!.key, next!.id, 2, settings)
  assert.equal(state.answered(next!.key, next!.id, { ...ANSWER, leaderEpoch: 4 }, EMPTY, 3, settings).kind, 'stale')
  state.follow('T', 0, 2, true, false, 3)
  assert.equal(state.take(100, settings)[0]!.leaderEpoch, 4, 'an older decision changes nothing')
})

test('errors are waited out, longer each time up to replica.fetch.backoff.ms, and a link that comes up ends the wait', () => {
  const state = following()
  let now = 0
  const pauses: number[] = []
  for (let i = 0; i < 8; i++) {
    const [ask] = state.take(now, settings)
    const wrong = { ...ANSWER, errorCode: errors.NOT_LEADER_OR_FOLLOWER.code }
    assert.equal(state.answered(ask!.key, ask!.id, wrong, EMPTY, now, settings).kind, 'wait')
    pauses.push(state.nextDue(now) - now)
    now = state.nextDue(now)
  }
  assert.deepEqual(pauses, [20, 40, 80, 160, 320, 640, 1000, 1000])
  const [ask] = state.take(now, settings)
  state.lost(ask!.key, ask!.id, now, settings)
  assert.deepEqual(state.take(now, settings), [])
  state.retryNow(now)
  assert.equal(state.take(now, settings).length, 1)
})

test('an idle partition waits longer at the leader, until there is data again', () => {
  const state = following()
  const waits: number[] = []
  const round = (bytes: number): void => {
    const [ask] = state.take(0, settings)
    waits.push(ask!.maxWaitMs)
    state.answered(ask!.key, ask!.id, ANSWER, EMPTY, 0, settings)
    state.appended(ask!.key, bytes, 0)
  }
  for (const bytes of [0, 0, 0, 0, 0, 0, 0, 0, 5, 0]) round(bytes)
  assert.deepEqual(waits, [500, 500, 1000, 2000, 4000, 8000, 16_000, 16_000, 16_000, 500])
  state.follow('T', 0, 3, false, false, 0)
  waits.length = 0
  for (const bytes of [0, 0, 0, 0, 0]) round(bytes)
  assert.deepEqual(waits, [500, 1000, 2000, 2000, 2000], 'one that is not in sync may be let in any moment')
})

test('replicas in sync are asked for first; throttled ones that catch up only within the rate, which those in sync use too', () => {
  const state = new FetcherState(new ByteBudget())
  const rate = { ...settings, followerThrottledRate: 1000 }
  state.follow('T', 0, 3, false, true, 0)
  state.follow('T', 1, 3, true, true, 0)
  state.follow('T', 2, 3, false, false, 0)
  const taken = (now: number): number[] => {
    const asks = state.take(now, rate)
    for (const { key, id, partition } of asks) {
      state.answered(key, id, ANSWER, EMPTY, now, rate)
      state.appended(key, partition === 1 ? 1000 : 2000, now)
    }
    return asks.map(({ partition }) => partition)
  }
  assert.deepEqual(taken(0), [1, 0, 2])
  assert.equal(state.nextDue(0), 0)
  assert.deepEqual(taken(0), [1, 2])
  assert.deepEqual(
    state.takeHeldBack().map(({ partition }) => partition),
    [0],
    'its leader must hear that what it sent has arrived',
  )
  assert.deepEqual(taken(0), [1, 2])
  assert.deepEqual(state.takeHeldBack(), [])
  state.unfollow('T', 1)
  state.unfollow('T', 2)
  assert.equal(state.nextDue(0), 4001, 'two thousand bytes of one and three of the other, of which a second was free')
  assert.deepEqual(taken(4000), [])
  assert.deepEqual(taken(4001), [0])
  assert.deepEqual(taken(4002), [])
  state.follow('T', 0, 3, false, false, 4002)
  assert.deepEqual(taken(4002), [0], 'the throttle is lifted')
})

test('wrong checksums: again at once, then with pauses, and reported when they keep coming', () => {
  const state = following()
  const reports: boolean[] = []
  let now = 0
  for (let i = 0; i < 4; i++) {
    const [ask] = state.take(now, settings)
    assert.equal(ask!.corruptOffset, i === 0 ? -1 : 7)
    state.answered(ask!.key, ask!.id, ANSWER, EMPTY, now, settings)
    reports.push(state.corrupted(ask!.key, 7, now, settings))
    now = state.nextDue(now)
  }
  assert.deepEqual(reports, [false, false, true, false])
  assert.ok(now > 0)
})

test('a diverging log is cut where both agree on the epoch, else at the end of the epoch before (KIP-101, KIP-279)', () => {
  const mine = log(
    [
      [1, 0],
      [2, 10],
      [5, 20],
    ],
    30,
  )
  assert.equal(divergingPoint(2, 15, mine), 15, "the leader's epoch 2 ended earlier")
  assert.equal(divergingPoint(2, 25, mine), 20, 'mine ended earlier')
  assert.equal(divergingPoint(4, 28, mine), 20, 'I do not know 4: to the end of 2')
  assert.equal(divergingPoint(5, 40, mine), 30, 'never past the end')
  assert.equal(divergingPoint(7, 12, mine), 12, 'no epoch of mine is as late')
})

test("out of range: cut to the leader's end, begin anew at its start, or just ask again", () => {
  const leader = (logStartOffset: number, logEndOffset: number) => ({ leaderEpoch: 3, logStartOffset, logEndOffset })
  assert.deepEqual(outOfRangePoint(leader(0, 5), log([[0, 0]], 9)), { kind: 'truncate', offset: 5 })
  assert.deepEqual(outOfRangePoint(leader(20, 40), log([[0, 0]], 9)), { kind: 'restart', offset: 20 })
  assert.deepEqual(outOfRangePoint(leader(0, 3), log([[0, 5]], 9, 5)), { kind: 'restart', offset: 0 })
  assert.deepEqual(outOfRangePoint(leader(0, 9), log([[0, 0]], 9)), { kind: 'continue' })
  const state = following()
  const [ask] = state.take(0, settings)
  const answer = { ...ANSWER, errorCode: errors.OFFSET_OUT_OF_RANGE.code, logEndOffset: 5 }
  assert.deepEqual(state.answered(ask!.key, ask!.id, answer, log([[0, 0]], 9), 0, settings), { kind: 'truncate', offset: 5 })
})

test("batches of an epoch later than the leader's, which a turned bit can make, are cut", () => {
  const leader = { leaderEpoch: 3, logStartOffset: 0, logEndOffset: 20 }
  const stray = log(
    [
      [0, 0],
      [3, 4],
      [134_217_731, 7],
    ],
    9,
  )
  assert.deepEqual(outOfRangePoint(leader, stray), { kind: 'truncate', offset: 7 })
  // All there is: the log is cut to its start, and no further.
  assert.deepEqual(outOfRangePoint(leader, log([[4, 2]], 9, 5)), { kind: 'truncate', offset: 5 })
})

test("a byte budget gives a second's worth, goes into debt and pays it back", () => {
  const budget = new ByteBudget()
  assert.equal(budget.isOpen(0), true)
  budget.setRate(100, 0)
  budget.spend(250, 0)
  assert.equal(budget.isOpen(0), false)
  assert.equal(budget.opensAt(0), 1501)
  assert.equal(budget.isOpen(1500), false)
  assert.equal(budget.isOpen(1501), true)
})

test('threads share a byte budget, and a debt is paid at the new rate whoever hears of that first', () => {
  const memory = throttleMemory()
  const [one, other] = [throttlesIn(memory), throttlesIn(memory)]
  for (const { leader } of [one, other]) leader.setRate(100, 0)
  one.leader.spend(1100, 0)
  assert.equal(other.leader.opensAt(0), 10_001)
  assert.equal(other.follower.isOpen(0), true)
  other.leader.setRate(1000, 0)
  assert.equal(other.leader.opensAt(0), 1001)
  one.leader.setRate(1000, 0)
  assert.equal(one.leader.opensAt(0), 1001)
  one.leader.setRate(0, 0)
  assert.deepEqual([one.leader.isOpen(1e9), one.leader.opensAt(1e9)], [false, Infinity])
  one.leader.setRate(Infinity, 0)
  assert.equal(one.leader.isOpen(0), true)
})

test('what catches up takes at most a tenth of what may be under way', () => {
  const outflow = new Outflow()
  outflow.sent('a', 5, 9, true)
  assert.equal(outflow.hasRoom(true, 100), true)
  outflow.sent('c', 0, 1, true)
  assert.equal(outflow.hasRoom(true, 100), false)
  assert.equal(outflow.hasRoom(false, 100), true)
  outflow.sent('b', 0, 90, false)
  assert.equal(outflow.hasRoom(false, 100), false)
  outflow.arrived('a')
  outflow.arrived('a')
  assert.equal(outflow.bytes, 91)
  outflow.reached('b', 0)
  assert.equal(outflow.bytes, 91, 'a report from before it arrived')
  outflow.reached('b', 1)
  assert.equal(outflow.bytes, 1)
})

test('replicas in sync are answered in bursts, which those that catch up neither lengthen nor wait for', () => {
  const limit = 10 << 20
  const outflow = new Outflow()
  outflow.sent('far behind', 0, 1 << 20, true)
  outflow.sent('a', 0, 1 << 20, false)
  assert.equal(outflow.hasRoom(false, limit), true)
  outflow.sent('b', 0, 700 << 10, false)
  assert.deepEqual([outflow.hasRoom(false, limit), outflow.hasRoom(true, 20 << 20)], [false, true])
  assert.equal(outflow.arrived('far behind'), true, 'there is room for others that catch up')
  outflow.sent('c', 0, 200 << 10, false)
  assert.equal(outflow.arrived('b'), false, 'much of the burst is still under way')
  assert.equal(outflow.hasRoom(false, limit), false)
  assert.equal(outflow.reached('a', 1), true)
  assert.equal(outflow.hasRoom(false, limit), true)
  outflow.sent('a', 1, 2 << 20, false)
  outflow.endBurst()
  assert.equal(outflow.hasRoom(false, limit), true)
  outflow.sent('b', 1, 1, false)
  assert.equal(outflow.hasRoom(false, limit), false, 'what is under way is still much')
})

test('an answer carries its records behind its fields, written where it is told', () => {
  const body = encodeFetchAnswer({ ...ANSWER, recordsSize: 4 }, (target, at) => {
    target.set([1, 2, 3, 4], at)
    return 4
  })
  assert.ok(!(body instanceof Uint8Array))
  const target = new Uint8Array(body.length + 5)
  body.write(target, 5)
  const { answer, records } = decodeFetchAnswer(target.subarray(5))
  assert.ok(answer.recordsChecksum >= 0)
  assert.deepEqual({ ...answer }, { ...ANSWER, recordsSize: 4, recordsChecksum: answer.recordsChecksum })
  assert.deepEqual([...records], [1, 2, 3, 4])
})
