import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { errors } from '../../src/model/errors.js'
import type { IsrAnswer, IsrProposal } from '../../src/replica/partition/leader-and-isr.js'
import { PartitionState } from '../../src/replica/partition/partition-state.js'

const ME = 1
const LAG = 30_000

type Event =
  | { kind: 'write'; count: number }
  | { kind: 'fetch'; replica: number; share: number }
  | { kind: 'time'; ms: number }
  | { kind: 'answer'; how: 'accept' | 'refuse' | 'lose' | 'lose after it was taken' }
  | { kind: 'metadata' }

const events: fc.Arbitrary<Event> = fc.oneof(
  fc.record({ kind: fc.constant('write' as const), count: fc.integer({ min: 1, max: 9 }) }),
  fc.record({
    kind: fc.constant('fetch' as const),
    replica: fc.constantFrom(2, 3),
    share: fc.oneof({ weight: 4, arbitrary: fc.constant(1) }, { weight: 1, arbitrary: fc.double({ min: 0, max: 1, noNaN: true }) }),
  }),
  fc.record({ kind: fc.constant('time' as const), ms: fc.constantFrom(100, 40_000) }),
  fc.record({
    kind: fc.constant('answer' as const),
    how: fc.constantFrom('accept' as const, 'refuse' as const, 'lose' as const, 'lose after it was taken' as const),
  }),
  fc.record({ kind: fc.constant('metadata' as const) }),
)

test('whatever becomes of proposals, what is committed is on the in-sync set of the controller, and never moves below min ISR', () => {
  let proposals = 0
  let commits = 0
  fc.assert(
    fc.property(fc.array(events, { minLength: 60, maxLength: 150, size: 'max' }), (script) => {
      const state = new PartitionState(ME, 0, 0)
      state.minInSyncReplicas = 2
      state.lagTimeMaxMs = LAG
      let controller = { leader: ME, leaderEpoch: 0, isr: [1, 2, 3] as readonly number[], replicas: [1, 2, 3], partitionEpoch: 0 }
      state.apply(controller, 0)
      let now = 0
      let end = 0
      const has = new Map([
        [2, 0],
        [3, 0],
      ])
      let waiting: IsrProposal | undefined
      const propose = (proposal: IsrProposal | undefined): void => {
        if (!proposal) return
        assert.equal(waiting === undefined || !state.isProposed(waiting), true, 'one in flight')
        waiting = proposal
        proposals++
      }
      const take = ({ partitionEpoch, newIsr }: IsrProposal): IsrAnswer => {
        if (partitionEpoch !== controller.partitionEpoch)
          return { errorCode: errors.INVALID_UPDATE_VERSION.code, leaderEpoch: 0, partitionEpoch: -1, isr: [] }
        controller = { ...controller, isr: newIsr.map(({ id }) => id), partitionEpoch: partitionEpoch + 1 }
        return { errorCode: 0, leaderEpoch: 0, partitionEpoch: controller.partitionEpoch, isr: controller.isr }
      }
      for (const event of script) {
        const before = state.highWatermark
        const wasBelow = state.isr.length < 2
        if (event.kind === 'write') state.localWritten((end += event.count))
        else if (event.kind === 'time') propose(state.proposeShrink((now += event.ms)))
        else if (event.kind === 'metadata') state.apply(controller, now)
        else if (event.kind === 'fetch') {
          // A follower's log only grows.
          has.set(event.replica, Math.max(has.get(event.replica)!, Math.floor(end * event.share)))
          state.followerFetched(event.replica, has.get(event.replica)!, ++now)
          propose(state.proposeAfterFetch(event.replica))
        } else if (waiting) {
          if (event.how === 'lose after it was taken') take(waiting)
          else if (event.how !== 'lose') {
            // The controller looks at the version before it looks at the members: what it took before is stale now, not ineligible.
            const errorCode =
              waiting.partitionEpoch === controller.partitionEpoch ? errors.INELIGIBLE_REPLICA.code : errors.INVALID_UPDATE_VERSION.code
            const refused = { errorCode, leaderEpoch: 0, partitionEpoch: -1, isr: [] }
            state.proposalAnswered(waiting, event.how === 'accept' ? take(waiting) : refused)
            waiting = undefined
          }
        }
        assert.ok(state.highWatermark >= before)
        if (state.highWatermark === before) continue
        commits++
        assert.ok(!wasBelow || state.isr.length >= 2, 'nothing is committed below min ISR')
        for (const id of controller.isr)
          if (id !== ME)
            assert.ok(has.get(id)! >= state.highWatermark, `${state.highWatermark} is not on ${id}, which the controller may elect`)
      }
    }),
    { numRuns: 500 },
  )
  assert.ok(proposals > 100 && commits > 1000, `${proposals} proposals, ${commits} commits`)
})

test('a follower one answer behind a busy leader counts as caught up', () => {
  const state = new PartitionState(ME, 0, 0)
  state.lagTimeMaxMs = LAG
  state.apply({ leader: ME, leaderEpoch: 0, isr: [1, 2], replicas: [1, 2], partitionEpoch: 0 }, 0)
  for (let i = 1; i <= 100; i++) {
    state.localWritten(i * 10)
    state.followerFetched(2, (i - 1) * 10, i * 1000)
    assert.equal(state.proposeShrink(i * 1000), undefined)
  }
})

test('a follower joins when it has the high watermark and the start of the epoch, and only in the life that is registered', () => {
  let live: bigint | undefined = 7n
  const state = new PartitionState(ME, 10, 5, 10, { liveEpochOf: () => live, rackOf: () => null })
  state.apply({ leader: ME, leaderEpoch: 1, isr: [1], replicas: [1, 2], partitionEpoch: 1 }, 0)
  assert.equal(state.highWatermark, 10)
  const fetch = (offset: number, epoch: bigint): IsrProposal | undefined => {
    state.followerFetched(2, offset, 1, offset, epoch)
    return state.proposeAfterFetch(2)
  }
  assert.equal(fetch(9, 7n), undefined)
  assert.equal(fetch(10, 6n), undefined, 'an earlier life')
  live = undefined
  assert.equal(fetch(10, 7n), undefined, 'fenced')
  live = 7n
  assert.deepEqual(fetch(10, 7n)!.newIsr, [
    { id: 1, brokerEpoch: 7n },
    { id: 2, brokerEpoch: 7n },
  ])
})

test('a join that may have been taken holds the high watermark, however long the answer is out and the follower silent', () => {
  const state = new PartitionState(ME, 0, 0)
  state.lagTimeMaxMs = LAG
  state.apply({ leader: ME, leaderEpoch: 0, isr: [1, 2], replicas: [1, 2, 3], partitionEpoch: 0 }, 0)
  state.localWritten(10)
  for (const id of [2, 3]) state.followerFetched(id, 10, 1)
  const proposal = state.proposeAfterFetch(3)!
  assert.equal(state.highWatermark, 10)
  state.localWritten(20)
  assert.equal(state.proposeShrink(100_000), undefined, 'one change at a time')
  state.followerFetched(2, 20, 100_001)
  assert.equal(state.highWatermark, 10)
  const refused = { errorCode: errors.INELIGIBLE_REPLICA.code, leaderEpoch: 0, partitionEpoch: -1, isr: [] }
  assert.equal(state.proposalAnswered(proposal, refused).moved, true)
  assert.equal(state.highWatermark, 20)
})

test('a refused proposal is not made again at every fetch: after a pause, doubled each time, or once the metadata changed', () => {
  const state = new PartitionState(ME, 0, 0)
  state.apply({ leader: ME, leaderEpoch: 0, isr: [1], replicas: [1, 2, 3], partitionEpoch: 0 }, 0)
  const refused = { errorCode: errors.INELIGIBLE_REPLICA.code, leaderEpoch: 0, partitionEpoch: -1, isr: [] }
  const proposes = (id: number, now: number): boolean => {
    state.followerFetched(id, 0, now)
    const proposal = state.proposeAfterFetch(id)
    if (proposal) state.proposalAnswered(proposal, refused)
    return proposal !== undefined
  }
  const proposed = Array.from({ length: 1000 }, (_, now) => now).filter((now) => proposes(2, now))
  assert.deepEqual(proposed, [0, 50, 150, 350, 750], 'a thousand fetches')
  assert.equal(proposes(3, 1000), true, 'another one is not held up')
  assert.equal(proposes(2, 1001), false)
  state.brokersChanged(1002)
  assert.equal(proposes(2, 1002), true)
  assert.equal(proposes(2, 1003), false)
  state.apply({ leader: ME, leaderEpoch: 0, isr: [1], replicas: [1, 2, 3], partitionEpoch: 1 }, 1004)
  assert.equal(proposes(2, 1004), true)
})
