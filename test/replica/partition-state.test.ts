import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { errors } from '../../src/model/errors.js'
import { type LeaderAndIsr, PartitionState } from '../../src/replica/partition/partition-state.js'

const ME = 1

function decision(over: Partial<LeaderAndIsr> = {}): LeaderAndIsr {
  return { leader: ME, leaderEpoch: 0, isr: [ME], replicas: [1, 2, 3], partitionEpoch: 0, ...over }
}

function leader(over: Partial<LeaderAndIsr> = {}): PartitionState {
  const state = new PartitionState(ME, 0, 0)
  state.apply(decision(over))
  return state
}

test('a leader alone in its ISR commits what is written', () => {
  const state = leader()
  assert.equal(state.localWritten(10), true)
  assert.equal(state.highWatermark, 10)
  assert.equal(state.localWritten(10), false)
})

test('the high watermark is the smallest end of the in-sync set', () => {
  const state = leader({ isr: [1, 2, 3] })
  state.localWritten(10)
  assert.equal(state.followerFetched(2, 8), false)
  assert.equal(state.followerFetched(3, 5), true)
  assert.equal(state.highWatermark, 5)
  assert.equal(state.followerFetched(9, 0), false, 'a node that holds no replica counts for nothing')
  state.apply(decision({ leaderEpoch: 0, isr: [1, 2], partitionEpoch: 1 }), 40_000)
  assert.equal(state.highWatermark, 8)
})

test('on the disk promise it waits for fsync', () => {
  const state = leader()
  state.promise = 'disk'
  state.localWritten(10)
  assert.equal(state.highWatermark, 0)
  state.localDurable(6)
  assert.equal(state.highWatermark, 6)
})

test('what a killed process left is not visible on the disk promise before it is synced', () => {
  const state = new PartitionState(ME, 100, 0, 40)
  state.promise = 'disk'
  state.apply(decision())
  assert.equal(state.highWatermark, 40)
  state.localDurable(100)
  assert.equal(state.highWatermark, 100)
})

test('a batch that asked for disk holds the high watermark until it is durable, on a topic that does not', () => {
  const state = leader()
  state.localWritten(10)
  state.holdForDisk(10, 20)
  state.localWritten(30)
  assert.equal(state.highWatermark, 10)
  state.localDurable(30)
  assert.equal(state.highWatermark, 30)
  state.localWritten(40)
  assert.equal(state.highWatermark, 40, 'afterwards nothing is held')
})

test('a second batch that asks for disk while the fsync of the first is running is held as well', () => {
  const state = leader()
  state.holdForDisk(0, 10)
  state.localWritten(10)
  state.holdForDisk(10, 20)
  state.localDurable(10)
  state.localWritten(20)
  assert.equal(state.highWatermark, 10)
  state.localDurable(20)
  assert.equal(state.highWatermark, 20)
})

test('a batch for disk that never reached the file holds nothing', () => {
  const state = leader()
  state.localWritten(10)
  state.holdForDisk(10, 20)
  state.stagedLost(10)
  state.localWritten(30)
  assert.equal(state.highWatermark, 30)
})

test('a request that believes in another epoch is told who is behind, by a follower too', () => {
  const state = leader({ leaderEpoch: 5 })
  assert.equal(state.checkLeader(-1), 0)
  assert.equal(state.checkLeader(5), 0)
  assert.equal(state.checkLeader(4), errors.FENCED_LEADER_EPOCH.code)
  assert.equal(state.checkLeader(6), errors.UNKNOWN_LEADER_EPOCH.code)
  state.apply(decision({ leader: 2, leaderEpoch: 6, partitionEpoch: 1 }))
  for (const [epoch, code] of [
    [5, errors.FENCED_LEADER_EPOCH.code],
    [6, errors.NOT_LEADER_OR_FOLLOWER.code],
    [-1, errors.NOT_LEADER_OR_FOLLOWER.code],
    [7, errors.UNKNOWN_LEADER_EPOCH.code],
  ] as const)
    assert.equal(state.checkLeader(epoch), code)
  assert.deepEqual(
    [5, 6, 7].map((epoch) => state.checkReplica(epoch)),
    [errors.FENCED_LEADER_EPOCH.code, 0, errors.UNKNOWN_LEADER_EPOCH.code],
  )
})

test('an older decision changes nothing', () => {
  const state = leader({ leaderEpoch: 5 })
  assert.equal(state.apply(decision({ leader: 2, leaderEpoch: 4 })), false)
  assert.deepEqual([state.role, state.leaderEpoch], ['leader', 5])
})

test('an ISR below the minimum refuses acks=all', () => {
  const state = leader({ isr: [1, 2] })
  state.minInSyncReplicas = 2
  assert.equal(state.checkMinInSync(), 0)
  state.minInSyncReplicas = 3
  assert.equal(state.checkMinInSync(), errors.NOT_ENOUGH_REPLICAS.code)
})

type Event =
  | { kind: 'write'; count: number; disk: boolean }
  | { kind: 'stage'; count: number; disk: boolean }
  | { kind: 'flush'; fails: boolean }
  | { kind: 'sync'; share: number }
  | { kind: 'fetch'; replica: number; share: number }
  | { kind: 'decide'; leader: number; epochStep: number; isr: readonly number[] }

const count = fc.integer({ min: 1, max: 20 })
const share = fc.double({ min: 0, max: 1, noNaN: true })
const events: fc.Arbitrary<Event> = fc.oneof(
  fc.record({ kind: fc.constant('write' as const), count, disk: fc.boolean() }),
  fc.record({ kind: fc.constant('stage' as const), count, disk: fc.boolean() }),
  fc.record({ kind: fc.constant('flush' as const), fails: fc.boolean() }),
  fc.record({ kind: fc.constant('sync' as const), share }),
  fc.record({ kind: fc.constant('fetch' as const), replica: fc.integer({ min: 2, max: 3 }), share }),
  fc.record({
    kind: fc.constant('decide' as const),
    leader: fc.constantFrom(1, 1, 1, 2, -1),
    epochStep: fc.integer({ min: -1, max: 1 }),
    isr: fc.constantFrom([1], [1, 2], [1, 2, 3]),
  }),
)

test('the high watermark never goes back and never passes the in-sync minimum, the file, or what was promised durable', () => {
  fc.assert(
    fc.property(fc.constantFrom('process' as const, 'disk' as const), fc.array(events, { maxLength: 60 }), (promise, script) => {
      const state = new PartitionState(ME, 0, 0)
      state.promise = promise
      state.apply(decision())
      let end = 0
      let written = 0
      let durable = 0
      let isr: readonly number[] = [1]
      let followers = new Map<number, number>()
      /** [base, end) of batches whose producer asked for disk. */
      let promised: [number, number][] = []
      for (const event of script) {
        const before = state.highWatermark
        const roleBefore = state.role
        if ((event.kind === 'write' || event.kind === 'stage') && roleBefore === 'leader') {
          if (event.disk) {
            promised.push([end, end + event.count])
            if (promise === 'process') state.holdForDisk(end, end + event.count)
          }
          end += event.count
          if (event.kind === 'write') state.localWritten((written = end))
        } else if (event.kind === 'flush') {
          if (event.fails) {
            end = written
            promised = promised.filter(([from]) => from < end)
            state.stagedLost(end)
          } else state.localWritten((written = end))
        } else if (event.kind === 'sync') {
          durable = Math.max(durable, Math.floor(written * event.share))
          state.localDurable(durable)
        } else if (event.kind === 'fetch' && roleBefore === 'leader') {
          const to = Math.floor(written * event.share)
          followers.set(event.replica, to)
          state.followerFetched(event.replica, to)
        } else if (event.kind === 'decide') {
          const epoch = state.leaderEpoch + event.epochStep
          if (
            state.apply(decision({ leader: event.leader, leaderEpoch: epoch, isr: event.isr, partitionEpoch: state.partitionEpoch + 1 }))
          ) {
            isr = event.isr
            if (event.leader !== ME) followers = new Map()
          }
        }
        const now = state.highWatermark
        assert.ok(now >= before, `went back from ${before} to ${now}`)
        if (now === before) continue
        assert.equal(state.role, 'leader', 'only a leader moves it')
        assert.ok(now <= written, `${now} is above the file's ${written}`)
        if (promise === 'disk') assert.ok(now <= durable, `${now} is above the durable ${durable}`)
        for (const id of isr) if (id !== ME) assert.ok(now <= (followers.get(id) ?? 0), `${now} is above replica ${id}`)
        for (const [base, until] of promised)
          assert.ok(now <= base || durable >= Math.min(now, until), `${now} shows [${base}, ${until}) while ${durable} is durable`)
      }
    }),
    { numRuns: 400 },
  )
})

test('what a follower of an earlier life had fetched commits nothing once its next registration is known, until it asks itself or leaves', () => {
  let registered = 5n
  const brokers = { liveEpochOf: () => undefined, registeredEpochOf: () => registered, rackOf: () => null }
  const state = new PartitionState(ME, 0, 0, 0, brokers)
  state.apply(decision({ isr: [1, 2, 3] }))
  state.localWritten(10)
  state.followerFetched(2, 10, 1, 10, 5n)
  state.followerFetched(3, 4, 1, 4, 5n)
  assert.equal(state.highWatermark, 4)
  // Node 2 is back from a power loss: its 10 may be gone.
  registered = 6n
  state.followerFetched(3, 10, 2, 10, 6n)
  assert.equal(state.highWatermark, 4)
  state.followerFetched(2, 7, 3, 7, 6n)
  assert.equal(state.highWatermark, 7)
})
