// Scripts of one state machine: what goes in, and everything that comes out, in order.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { EnsembleConfig } from '../../../src/ensemble/quorum/config.js'
import type { Effect } from '../../../src/ensemble/quorum/core.js'
import { LogWindow, type Entry } from '../../../src/ensemble/quorum/log-window.js'
import { QuorumMachine, type Input } from '../../../src/ensemble/quorum/machine.js'
import type { Message, Notification } from '../../../src/ensemble/quorum/messages.js'

const config: EnsembleConfig = {
  servers: [1, 2, 3].map((id) => ({ id, host: 'h', port: 1, voter: true, clientAddress: null })),
}
const timing = { tickMs: 100, initLimit: 10, syncLimit: 5 }
const zxid = (epoch: number, counter: number): bigint => (BigInt(epoch) << 32n) | BigInt(counter)
const entry = (epoch: number, counter: number): Entry => ({
  zxid: zxid(epoch, counter),
  payload: new Uint8Array(8),
  config: null,
  origin: null,
})

/** Member `id` with `entries` behind an empty tree, told in short words what it does. */
function machine(id: number, entries: readonly Entry[], currentEpoch: number) {
  const hard = { acceptedEpoch: currentEpoch, acceptedFrom: 3, currentEpoch }
  const made = new QuorumMachine({ id, config, hard, log: new LogWindow(0n, entries), timing })
  let now = 0
  const step = (input: Input): string[] => made.step(input, now).map(word)
  const hear = (from: number, message: Message): string[] => step({ kind: 'message', from, message })
  const later = (ms: number): string[] => {
    now += ms
    return step({ kind: 'tick' })
  }
  return { made, step, hear, later }
}

function word(effect: Effect): string {
  switch (effect.kind) {
    case 'persist':
      return `save ${effect.seq} ${effect.op.kind}`
    case 'send': {
      const { message } = effect
      const more = 'zxid' in message ? ` ${message.zxid.toString(16)}` : 'after' in message ? ` ${message.after.toString(16)}` : ''
      return `${message.kind}${more} to ${effect.to}`
    }
    case 'commit':
      return `commit ${effect.entries.map((each) => each.zxid.toString(16)).join(' ')}`
    case 'role':
      return `role ${effect.role}`
    default:
      return effect.kind
  }
}

function vote(leader: number, epoch: number, last: bigint, state: Notification['state'] = 'looking'): Notification {
  return { kind: 'notification', leader, epoch, zxid: last, round: 1, state, established: false, virgin: false }
}

test('a follower saves a promised epoch before it says so, history before its ack, and applies what is committed', () => {
  const { step, hear } = machine(1, [entry(1, 1)], 1)
  assert.deepEqual(step({ kind: 'start' }), [])
  assert.deepEqual(step({ kind: 'peer', id: 3, up: true }), ['notification 100000001 to 3'])
  assert.deepEqual(hear(3, vote(3, 1, zxid(1, 2))), ['notification 100000002 to 3', 'followerInfo to 3'])
  assert.deepEqual(hear(3, { kind: 'leaderInfo', epoch: 2 }), ['save 1 epochs'])
  assert.deepEqual(step({ kind: 'persisted', seq: 1 }), ['ackEpoch to 3'])
  assert.deepEqual(hear(3, { kind: 'append', epoch: 2, previous: zxid(1, 1), entries: [entry(1, 2)] }), ['save 2 append'])
  assert.deepEqual(hear(3, { kind: 'newLeader', epoch: 2, last: zxid(1, 2) }), ['save 3 epochs'])
  assert.deepEqual(step({ kind: 'persisted', seq: 2 }), [])
  assert.deepEqual(step({ kind: 'persisted', seq: 3 }), ['ack 100000002 to 3'])
  assert.deepEqual(hear(3, { kind: 'commit', epoch: 2, zxid: zxid(1, 2), upToDate: true }), ['commit 100000001 100000002', 'role follower'])
  assert.deepEqual(hear(3, { kind: 'append', epoch: 2, previous: zxid(1, 2), entries: [entry(2, 1)] }), ['save 4 append'])
  assert.deepEqual(step({ kind: 'persisted', seq: 4 }), ['ack 200000001 to 3'])
  assert.deepEqual(hear(3, { kind: 'append', epoch: 1, previous: zxid(2, 1), entries: [entry(2, 2)] }), [], 'of an older epoch')
  assert.deepEqual(step({ kind: 'peer', id: 3, up: false }), ['role looking', 'lost'])
})

test('a follower cuts what the leader does not have, and refuses to cut what is committed', () => {
  const { step, hear } = machine(1, [entry(1, 1), entry(1, 2), entry(1, 3)], 1)
  step({ kind: 'start' })
  step({ kind: 'peer', id: 3, up: true })
  hear(3, vote(3, 2, zxid(2, 0)))
  hear(3, { kind: 'leaderInfo', epoch: 3 })
  step({ kind: 'persisted', seq: 1 })
  assert.deepEqual(hear(3, { kind: 'truncate', epoch: 3, after: zxid(1, 2) }), ['save 2 truncate'])
  assert.deepEqual(hear(3, { kind: 'newLeader', epoch: 3, last: zxid(1, 2) }), ['save 3 epochs'])
  step({ kind: 'persisted', seq: 3 })
  assert.deepEqual(hear(3, { kind: 'commit', epoch: 3, zxid: zxid(1, 2), upToDate: true }), ['commit 100000001 100000002', 'role follower'])
  step({ kind: 'peer', id: 3, up: false })
  step({ kind: 'peer', id: 3, up: true })
  hear(3, { ...vote(3, 3, zxid(1, 2)), round: 2 })
  hear(3, { kind: 'leaderInfo', epoch: 4 })
  step({ kind: 'persisted', seq: 4 })
  assert.deepEqual(hear(3, { kind: 'truncate', epoch: 4, after: zxid(1, 1) }), ['fatal'])
})

test('a leader saves its epoch before it names it, and commits what a quorum has durably, its own disk included', () => {
  const { made, step, hear } = machine(3, [entry(1, 1)], 1)
  step({ kind: 'start' })
  step({ kind: 'peer', id: 1, up: true })
  assert.deepEqual(hear(1, vote(3, 1, zxid(1, 1))), [])
  assert.deepEqual(hear(1, { kind: 'followerInfo', acceptedEpoch: 4, virgin: false }), ['save 1 epochs'])
  assert.deepEqual(step({ kind: 'persisted', seq: 1 }), ['leaderInfo to 1'])
  const promise = { kind: 'ackEpoch', epoch: 5, currentEpoch: 1, base: 0n, heardAgoMs: 0, ends: [{ epoch: 1, last: zxid(1, 1) }] } as const
  assert.deepEqual(hear(1, promise), ['save 2 epochs', 'newLeader to 1'])
  assert.deepEqual(hear(1, { kind: 'ack', epoch: 5, zxid: zxid(1, 1), newLeader: true }), [])
  const established = step({ kind: 'persisted', seq: 2 })
  assert.deepEqual(established, ['commit 100000001', 'role leader', 'commit 100000001 to 1', 'ping to 1'])
  assert.equal(made.nextZxid(), zxid(5, 1))
  assert.deepEqual(step({ kind: 'propose', entries: [entry(5, 1)] }), ['append to 1', 'save 3 append'])
  assert.deepEqual(step({ kind: 'persisted', seq: 3 }), [], 'one of three is no quorum')
  assert.deepEqual(hear(1, { kind: 'ack', epoch: 5, zxid: zxid(5, 1), newLeader: false }), ['commit 500000001 to 1', 'commit 500000001'])
  assert.deepEqual(step({ kind: 'peer', id: 1, up: false }), ['role looking', 'lost'])
})

test('a new leader knows until when sessions were confirmed: as late as any of its quorum heard of a leader', () => {
  // Member 3 followed member 2 in epoch 1 until its clock showed 300, when member 2 went.
  const { made, step, hear, later } = machine(3, [entry(1, 1)], 1)
  step({ kind: 'start' })
  for (const id of [1, 2]) step({ kind: 'peer', id, up: true })
  hear(1, vote(2, 2, zxid(2, 2)))
  hear(2, { ...vote(2, 2, zxid(2, 2), 'leading'), established: true })
  hear(2, { kind: 'leaderInfo', epoch: 2 })
  step({ kind: 'persisted', seq: 1 })
  hear(2, { kind: 'newLeader', epoch: 2, last: zxid(1, 1) })
  step({ kind: 'persisted', seq: 2 })
  hear(2, { kind: 'commit', epoch: 2, zxid: zxid(1, 1), upToDate: true })
  later(100)
  later(100)
  later(100)
  assert.deepEqual(hear(2, { kind: 'ping', epoch: 2, round: 1, last: zxid(1, 1) }), ['pong to 2'])
  later(400)
  step({ kind: 'peer', id: 2, up: false })
  hear(1, { ...vote(3, 2, zxid(1, 1)), round: 2 })
  hear(1, { kind: 'followerInfo', acceptedEpoch: 2, virgin: false })
  step({ kind: 'persisted', seq: 3 })
  later(300)
  const promise = { kind: 'ackEpoch', epoch: 3, currentEpoch: 2, base: 0n, ends: [{ epoch: 1, last: zxid(1, 1) }] } as const
  hear(1, { ...promise, heardAgoMs: 600 })
  hear(1, { kind: 'ack', epoch: 3, zxid: zxid(1, 1), newLeader: true })
  step({ kind: 'persisted', seq: 4 })
  assert.equal(made.role, 'leader')
  // It is 1000 now: member 1 heard of the leader at 400, this one at 300.
  assert.equal(made.heardBefore, 400)
})

test('the vote of a member that has decided already counts still for the one it decided for', () => {
  // Member 3 is connected as far as anybody knows, and cut off: who is elected waits a moment for a better vote of it.
  const { step, hear, later } = machine(2, [], 1)
  step({ kind: 'start' })
  for (const id of [1, 3]) step({ kind: 'peer', id, up: true })
  assert.deepEqual(hear(1, vote(2, 1, 0n)), [])
  assert.deepEqual(hear(1, vote(2, 1, 0n, 'following')), [])
  hear(1, { kind: 'followerInfo', acceptedEpoch: 1, virgin: false })
  assert.deepEqual(later(20), ['save 1 epochs'])
})

test('a member that lost patience with the elected one goes back to it: it leads, and waits for this member alone', () => {
  const { step, hear, later } = machine(1, [], 1)
  step({ kind: 'start' })
  for (const id of [2, 3]) step({ kind: 'peer', id, up: true })
  hear(2, vote(2, 1, 0n))
  assert.deepEqual(later(20), ['followerInfo to 2'])
  assert.deepEqual(later(201).slice(0, 2), ['role looking', 'lost'], 'its disk is slow: it has named no epoch')
  assert.deepEqual(hear(2, vote(2, 1, 0n, 'leading')), ['followerInfo to 2'])
})

test('a leader gives way to a follower that is ahead of it', () => {
  const { step, hear } = machine(3, [entry(1, 1)], 1)
  step({ kind: 'start' })
  step({ kind: 'peer', id: 1, up: true })
  hear(1, vote(3, 1, zxid(1, 1)))
  hear(1, { kind: 'followerInfo', acceptedEpoch: 1, virgin: false })
  step({ kind: 'persisted', seq: 1 })
  const promise = { kind: 'ackEpoch', epoch: 2, currentEpoch: 1, base: 0n, heardAgoMs: 0, ends: [{ epoch: 1, last: zxid(1, 2) }] } as const
  assert.deepEqual(hear(1, promise).slice(0, 2), ['role looking', 'lost'])
})

test('members without history elect nobody until every voter is there', () => {
  const { step, hear, later } = machine(1, [], 0)
  const virgin = (leader: number): Notification => ({ ...vote(leader, 0, 0n), virgin: true })
  step({ kind: 'start' })
  step({ kind: 'peer', id: 2, up: true })
  hear(2, virgin(2))
  later(60)
  assert.ok(!later(1000).some((did) => did.startsWith('followerInfo')))
  step({ kind: 'peer', id: 3, up: true })
  hear(3, virgin(3))
  assert.ok(hear(2, virgin(3)).includes('followerInfo to 3'))
})
