// What a report of a broker about its replicas does to partitions.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  applyDelta,
  emptyImage,
  type BrokerImage,
  type MetadataImage,
  type PartitionImage,
  type TopicImage,
} from '../../src/controller/image.js'
import { planReplicaReport } from '../../src/controller/partition-plans.js'
import type { ControllerRules } from '../../src/controller/rules.js'
import { partition } from './partition.js'

const ID = 'AAAAAAAAAAAAAAAAAAAAAQ'
const RULES = { partitionRules: () => ({ minIsr: 2, uncleanElection: false }) } as unknown as ControllerRules
const HERE = new Map([[ID, new Set([0])]])
const NOWHERE = new Map<string, Set<number>>()

function imageWith(state: Partial<PartitionImage>): MetadataImage {
  const partitions = [partition({ isr: [2], leader: 2, ...state })]
  const topic = { name: 't', id: ID, partitions } as unknown as TopicImage
  const brokers = [1, 2].map((id) => ({ id, epoch: 1n, alive: true, accepted: true, ready: true, fenced: false }) as unknown as BrokerImage)
  return applyDelta(emptyImage('c'), {
    zxid: 1n,
    changes: [{ kind: 'topic', topic }, ...brokers.map((broker) => ({ kind: 'broker', broker }) as const)],
  })
}

function reported(state: Partial<PartitionImage>, damaged: boolean): PartitionImage | undefined {
  const report = { offline: HERE, online: NOWHERE, damaged: damaged ? HERE : NOWHERE, full: NOWHERE }
  return planReplicaReport(imageWith(state), RULES, 1, report)[0]?.states[0]
}

for (const counted of ['elr', 'lastKnownElr'] as const) {
  test(`a replica in ${counted} that is marked already and turns out damaged counts no more`, () => {
    const after = reported({ offline: [1], [counted]: [1] }, true)
    assert.deepEqual([after?.elr, after?.lastKnownElr, after?.offline, after?.leader], [[], [], [1], 2])
  })
}

test('an eligible replica whose log is damaged counts no more, and one whose log failed before anybody that has lost records', () => {
  const [damaged, failed] = [reported({ elr: [1] }, true), reported({ elr: [1] }, false)]
  assert.deepEqual([damaged?.elr, damaged?.lastKnownElr, damaged?.offline], [[], [], [1]])
  assert.deepEqual([failed?.elr, failed?.lastKnownElr, failed?.offline], [[], [1], [1]])
})

test('a report of what is known changes nothing', () => {
  assert.equal(reported({ offline: [1], lastKnownElr: [1] }, false), undefined)
  assert.equal(reported({ offline: [1] }, true), undefined)
})
