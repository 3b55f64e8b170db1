// One partition's changes: a row is a state, what happens, and what it is afterwards. And random histories under a seed.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PartitionImage } from '../../src/controller/image.js'
import { changePartition, type ChangeRequest, type PartitionContext } from '../../src/controller/partition-change.js'
import { livenessRequest } from '../../src/controller/partition-plans.js'
import { seededRandom } from '../support/sim-env.js'
import { partition } from './partition.js'

function context(
  alive: readonly number[],
  more: { minIsr?: number; unclean?: boolean; stopping?: readonly number[]; synced?: boolean } = {},
): PartitionContext {
  return {
    isActive: (broker) => alive.includes(broker) && more.stopping?.includes(broker) !== true,
    isServing: (broker) => alive.includes(broker),
    minIsr: more.minIsr ?? 1,
    uncleanElection: more.unclean ?? false,
    alwaysSynced: more.synced ?? false,
  }
}

type Expected = Partial<PartitionImage> | 'unchanged'
type Row = [what: string, state: Partial<PartitionImage>, request: ChangeRequest | 'liveness', context: PartitionContext, after: Expected]

const rows: Row[] = [
  ['nothing to do changes nothing', {}, 'liveness', context([1, 2, 3]), 'unchanged'],
  [
    'a dead follower leaves the ISR, the leader epoch stays',
    {},
    'liveness',
    context([1, 2]),
    { isr: [1, 2], leader: 1, leaderEpoch: 5, partitionEpoch: 11 },
  ],
  [
    'a dead leader is followed by the first of the assignment in the ISR',
    { isr: [3, 2, 1] },
    'liveness',
    context([2, 3]),
    { isr: [3, 2], leader: 2, leaderEpoch: 6 },
  ],
  ['a live replica out of the ISR does not lead', { isr: [1] }, 'liveness', context([2, 3]), { isr: [1], leader: -1, leaderEpoch: 6 }],
  [
    'it does where unclean elections are allowed, and is the whole ISR',
    { isr: [1] },
    'liveness',
    context([2, 3], { unclean: true }),
    { isr: [2], leader: 2, recovering: true, leaderEpoch: 6 },
  ],
  [
    'the last of the ISR stays in it when it dies',
    { isr: [1], leader: 1 },
    'liveness',
    context([]),
    { isr: [1], leader: -1, leaderEpoch: 6 },
  ],
  ['a leaderless partition is left as it is while its ISR is away', { isr: [1], leader: -1 }, 'liveness', context([2, 3]), 'unchanged'],
  ['all die at once: each of the ISR may lead when it returns', {}, 'liveness', context([]), { isr: [1, 2, 3], leader: -1 }],
  [
    'the last one back leads again under a new epoch',
    { isr: [1], leader: -1, leaderEpoch: 6 },
    'liveness',
    context([1]),
    { isr: [1], leader: 1, leaderEpoch: 7 },
  ],
  ['below min ISR who left is eligible', {}, 'liveness', context([1], { minIsr: 2 }), { isr: [1], elr: [2, 3] }],
  ['at min ISR nobody is', {}, 'liveness', context([1, 2], { minIsr: 2 }), { isr: [1, 2], elr: [] }],
  [
    'an eligible replica leads when the ISR is away, and the ISR is eligible then',
    { isr: [1], elr: [2], leader: 1 },
    'liveness',
    context([2, 3], { minIsr: 2 }),
    { isr: [2], elr: [1], leader: 2, leaderEpoch: 6, recovering: false },
  ],
  [
    'the ISR has min ISR again: the ELR ends',
    { isr: [1], elr: [2, 3], lastKnownElr: [] },
    { isr: [1, 2] },
    context([1, 2, 3], { minIsr: 2 }),
    { isr: [1, 2], elr: [], leaderEpoch: 5 },
  ],
  [
    'a broker that lost writes leaves ISR and ELR',
    { isr: [1], elr: [2], leader: -1 },
    { isr: [], lost: new Set([2]) },
    context([2], { minIsr: 2 }),
    { isr: [1], elr: [], lastKnownElr: [], leader: -1 },
  ],
  [
    'the last in sync lost writes: an eligible one that did not takes its place',
    { isr: [1], elr: [2], leader: -1 },
    { isr: [], lost: new Set([1]) },
    context([1], { minIsr: 2 }),
    { isr: [2], leader: -1, lastKnownElr: [], elr: [] },
  ],
  [
    'the last in sync lost writes and nobody else is eligible: it stays the best there is',
    { isr: [1], leader: -1 },
    { isr: [], lost: new Set([1]) },
    context([1]),
    { isr: [1], leader: 1, leaderEpoch: 6 },
  ],
  ['a stopping leader hands over', {}, 'liveness', context([1, 2, 3], { stopping: [1] }), { isr: [2, 3], leader: 2, leaderEpoch: 6 }],
  ['a stopping follower leaves the ISR', {}, 'liveness', context([1, 2, 3], { stopping: [3] }), { isr: [1, 2], leader: 1, leaderEpoch: 5 }],
  ['a stopping leader stays where nobody else can lead', { isr: [1] }, 'liveness', context([1, 2, 3], { stopping: [1] }), 'unchanged'],
  [
    'a stopping leader alone drops the dead from the ISR',
    { isr: [1, 2] },
    'liveness',
    context([1], { stopping: [1] }),
    { isr: [1], leader: 1 },
  ],
  ['the preferred leader is given back', { leader: 2 }, { election: 'preferred' }, context([1, 2, 3]), { leader: 1, leaderEpoch: 6 }],
  ['not while it is out of sync', { leader: 2, isr: [2, 3] }, { election: 'preferred' }, context([1, 2, 3]), 'unchanged'],
  [
    'an unclean election elects from the rest',
    { isr: [1], leader: -1 },
    { election: 'unclean' },
    context([3]),
    { isr: [3], leader: 3, recovering: true },
  ],
  [
    'added replicas not yet in sync: the reassignment goes on',
    { replicas: [4, 5, 1, 2], isr: [1, 2], addingReplicas: [4, 5], removingReplicas: [1, 2] },
    { isr: [1, 2, 4] },
    context([1, 2, 4, 5]),
    { replicas: [4, 5, 1, 2], isr: [1, 2, 4], addingReplicas: [4, 5], leaderEpoch: 5 },
  ],
  [
    'all added are in sync: who was to leave leaves, another leads',
    { replicas: [4, 5, 1, 2], isr: [1, 2, 4], addingReplicas: [4, 5], removingReplicas: [1, 2] },
    { isr: [1, 2, 4, 5] },
    context([1, 2, 4, 5]),
    { replicas: [4, 5], isr: [4, 5], leader: 4, addingReplicas: [], removingReplicas: [], leaderEpoch: 6 },
  ],
  [
    'a replica that leaves raises the leader epoch though the leader stays',
    { replicas: [1, 2, 3], isr: [1, 2], removingReplicas: [3] },
    { isr: [1, 2] },
    context([1, 2, 3]),
    { replicas: [1, 2], leader: 1, leaderEpoch: 6 },
  ],
  [
    'a replica that is to leave stays while fewer than min ISR would be in sync without it',
    { isr: [1, 3] },
    { removing: [3] },
    context([1, 3], { minIsr: 2 }),
    { replicas: [1, 2, 3], isr: [1, 3], removingReplicas: [3], leaderEpoch: 5 },
  ],
  [
    'and leaves with the one that makes them enough',
    { isr: [1, 3], removingReplicas: [3] },
    { isr: [1, 2, 3] },
    context([1, 2, 3], { minIsr: 2 }),
    { replicas: [1, 2], isr: [1, 2], removingReplicas: [], leaderEpoch: 6 },
  ],
  [
    'a single replica is enough where only one is wanted',
    {},
    { replicas: [1, 2, 3], removing: [2, 3] },
    context([1, 2, 3], { minIsr: 2 }),
    { replicas: [1], isr: [1], removingReplicas: [], leaderEpoch: 6 },
  ],
  [
    'a replica whose directory failed gives up the lead',
    {},
    { offline: [1], isr: [2, 3] },
    context([1, 2, 3]),
    { offline: [1], isr: [2, 3], leader: 2 },
  ],
  ['and is not elected while it is so', { isr: [1], offline: [1], leader: -1 }, 'liveness', context([1, 2]), 'unchanged'],
  [
    'nor is it eligible, though it may have everything',
    {},
    { offline: [1], isr: [2] },
    context([1, 2], { minIsr: 2 }),
    { elr: [3], lastKnownElr: [1], isr: [2], leader: 2 },
  ],
  [
    'an eligible one whose log fails is eligible no more',
    { isr: [2], elr: [1, 3], leader: 2 },
    { offline: [1], isr: [2] },
    context([1, 2, 3], { minIsr: 2 }),
    { elr: [3], lastKnownElr: [1], isr: [2], leader: 2 },
  ],
  [
    'unless nothing counted before it was on the disk: then it stays eligible',
    { isr: [2], elr: [1, 3], leader: 2 },
    { offline: [1], isr: [2] },
    context([1, 2, 3], { minIsr: 2, synced: true }),
    { elr: [1, 3], lastKnownElr: [], isr: [2], leader: 2 },
  ],
  [
    'and leads, its log opened again, when the last in sync is damaged',
    { isr: [2], elr: [1], leader: 2 },
    { offline: [2], isr: [], damaged: new Set([2]) },
    context([1, 2, 3], { minIsr: 2, synced: true }),
    { elr: [], lastKnownElr: [], isr: [1], leader: 1 },
  ],
  [
    'or waits until its log is opened again, and the last in sync, whose own has failed, is eligible',
    { isr: [2], elr: [1], offline: [2, 1], leader: -1 },
    { offline: [2], isr: [] },
    context([1, 2, 3], { minIsr: 2, synced: true }),
    { elr: [2], lastKnownElr: [], isr: [1], leader: 1 },
  ],
  [
    'back with its log opened again it does not lead while the last in sync is merely away',
    { isr: [2], lastKnownElr: [1], offline: [1], leader: 2 },
    { offline: [], isr: [] },
    context([1], { minIsr: 2 }),
    { isr: [2], lastKnownElr: [1], offline: [], leader: -1 },
  ],
  [
    'the last in sync lost writes: one whose log failed before takes its place, and is waited for',
    { isr: [2], lastKnownElr: [1], offline: [1], leader: 2 },
    { isr: [], lost: new Set([2]) },
    context([2, 3], { minIsr: 2 }),
    { isr: [1], lastKnownElr: [], elr: [], offline: [1], leader: -1 },
  ],
  [
    'it leads when its log is sound again',
    { isr: [1], offline: [1], leader: -1 },
    { offline: [] },
    context([1, 2]),
    { isr: [1], leader: 1 },
  ],
  [
    'the same where it was back before: it leads at once',
    { isr: [2], lastKnownElr: [1], leader: 2 },
    { isr: [], lost: new Set([2]) },
    context([1, 2, 3], { minIsr: 2 }),
    { isr: [1], lastKnownElr: [], elr: [], leader: 1 },
  ],
  [
    'it lost writes as well: the last in sync is the best there is',
    { isr: [2], lastKnownElr: [1], leader: -1 },
    { isr: [], lost: new Set([1, 2]) },
    context([1, 2, 3], { minIsr: 2 }),
    { isr: [2], lastKnownElr: [], leader: 2 },
  ],
  [
    'an eligible one leads where the log of the last in sync failed, which counts after it',
    { isr: [1], elr: [2], leader: 1 },
    { offline: [1], isr: [] },
    context([1, 2], { minIsr: 2 }),
    { isr: [2], elr: [], lastKnownElr: [1], leader: 2 },
  ],
  [
    'a damaged log counts for nothing, for it will be cut',
    {},
    { offline: [1], isr: [2], damaged: new Set([1]) },
    context([1, 2], { minIsr: 2 }),
    { elr: [3], lastKnownElr: [], isr: [2], leader: 2 },
  ],
  [
    'the ISR has min ISR again: who failed counts no more',
    { isr: [2], lastKnownElr: [1], leader: 2 },
    { isr: [2, 3] },
    context([1, 2, 3], { minIsr: 2 }),
    { isr: [2, 3], lastKnownElr: [] },
  ],
]

for (const [what, before, request, brokers, after] of rows) {
  test(what, () => {
    const state = partition(before)
    const asked = request === 'liveness' ? livenessRequest(state, brokers) : request
    const next = asked ? changePartition(state, asked, brokers) : state
    if (after === 'unchanged') {
      assert.equal(next, state)
      return
    }
    assert.equal(next.partitionEpoch, state.partitionEpoch + 1)
    for (const [field, value] of Object.entries(after)) {
      const got = next[field as keyof PartitionImage]
      assert.deepEqual(comparable(field, got), comparable(field, value), field)
    }
  })
}

/** Only the assignment has an order. */
function comparable(field: string, value: unknown): unknown {
  return Array.isArray(value) && field !== 'replicas' ? new Set(value as number[]) : value
}

/** What must hold of any state a controller writes. */
function check(
  before: PartitionImage,
  after: PartitionImage,
  asked: ChangeRequest,
  unclean: boolean,
  brokers: PartitionContext,
  trace: string,
): void {
  const say = (what: string): string => `${what}: ${trace} ${JSON.stringify(before)} -> ${JSON.stringify(after)}`
  assert.ok(after.isr.length > 0, say('the ISR is empty'))
  assert.ok(
    after.isr.every((id) => after.replicas.includes(id)),
    say('the ISR is not of the assignment'),
  )
  assert.ok(after.leader === -1 || after.isr.includes(after.leader), say('the leader is out of sync'))
  assert.ok(
    after.elr.every((id) => after.replicas.includes(id) && !after.isr.includes(id)),
    say('the ELR overlaps the ISR'),
  )
  assert.ok(
    after.lastKnownElr.every((id) => after.replicas.includes(id) && !after.isr.includes(id) && !after.elr.includes(id)),
    say('who was eligible overlaps who is'),
  )
  assert.ok(after.elr.length === 0 || after.isr.length < Math.min(brokers.minIsr, after.replicas.length), say('an ELR at min ISR'))
  if (after === before) return
  assert.equal(after.partitionEpoch, before.partitionEpoch + 1, say('partition epoch'))
  assert.ok(after.leaderEpoch >= before.leaderEpoch, say('leader epoch went back'))
  assert.ok(after.leader === before.leader || after.leaderEpoch === before.leaderEpoch + 1, say('a new leader without a new epoch'))
  const elected = after.leader !== before.leader && after.leader !== -1
  const left = asked.lost ? before.lastKnownElr : []
  const could = [...before.isr, ...before.elr, ...left, ...(asked.isr ?? [])].includes(after.leader)
  assert.ok(!elected || !after.offline.includes(after.leader), say('a replica that cannot be used leads'))
  assert.ok(!elected || unclean || could, say('elected though neither in sync nor eligible'))
}

test('random histories of brokers, ISRs, reassignments and shutdowns keep every rule', (t) => {
  const seed = Number(process.env['MILLRACE_SEED'] ?? Date.now() % 1_000_000)
  t.diagnostic(`seed ${seed}`)
  const random = seededRandom(seed)
  const pick = (count: number): number => Math.floor(random.next() * count)
  let elections = 0
  let fromElr = 0
  for (let run = 0; run < 300; run++) {
    const alive = new Set([1, 2, 3, 4, 5])
    const stopping = new Set<number>()
    const minIsr = 1 + pick(3)
    let state = partition()
    const brokers: PartitionContext = {
      isActive: (id) => alive.has(id) && !stopping.has(id),
      isServing: (id) => alive.has(id),
      minIsr,
      uncleanElection: false,
      alwaysSynced: false,
    }
    for (let step = 0; step < 60; step++) {
      const broker = 1 + pick(5)
      const action = pick(8)
      let request: ChangeRequest | null = null
      let unclean = false
      if (action === 0) alive.delete(broker)
      else if (action === 1) alive.add(broker)
      else if (action === 2) {
        if (!stopping.delete(broker)) stopping.add(broker)
      } else if (action === 3 && state.leader !== -1) {
        const isr = state.replicas.filter((id) => id === state.leader || (brokers.isActive(id) && random.next() < 0.6))
        request = { isr }
      } else if (action === 4) {
        const wanted = [1, 2, 3, 4, 5].sort(() => random.next() - 0.5).slice(0, 1 + pick(4))
        const removing = state.replicas.filter((id) => !wanted.includes(id))
        request = { replicas: [...wanted, ...removing], adding: wanted.filter((id) => !state.isr.includes(id)), removing }
      } else if (action === 5 && !alive.has(broker)) {
        alive.add(broker)
        request = { isr: state.isr.filter((id) => id !== broker && brokers.isActive(id)), lost: new Set([broker]) }
        // Alone it is elected as the last known.
        unclean = state.isr.length === 1
      } else if (action === 6) request = { election: 'preferred' }
      else if (action === 7 && state.replicas.includes(broker)) {
        const others = state.offline.filter((id) => id !== broker)
        const offline = others.length < state.offline.length ? others : [...others, broker]
        const isr = state.isr.filter((id) => brokers.isActive(id) && !offline.includes(id))
        request = { offline, isr, ...(random.next() < 0.3 ? { damaged: new Set([broker]) } : {}) }
      }
      for (const each of [request, 'liveness' as const]) {
        const asked = each === 'liveness' ? livenessRequest(state, brokers) : each
        if (!asked) continue
        const next = changePartition(state, asked, brokers)
        check(state, next, asked, unclean, brokers, `seed ${seed} run ${run} step ${step} min ${minIsr}`)
        if (next.leader !== state.leader && next.leader !== -1) {
          elections++
          if (state.elr.includes(next.leader)) fromElr++
        }
        state = next
      }
      assert.equal(
        livenessRequest(state, brokers) ? changePartition(state, livenessRequest(state, brokers)!, brokers) : state,
        state,
        'evaluating twice changes nothing',
      )
    }
  }
  t.diagnostic(`${elections} elections, ${fromElr} from the ELR`)
  assert.ok(elections > 100 && fromElr > 0)
})
