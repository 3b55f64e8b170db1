import assert from 'node:assert/strict'
import { test } from 'node:test'
import { emptyImage, type PartitionImage, type TopicImage } from '../../src/controller/image.js'
import type { PartitionContext } from '../../src/controller/partition-change.js'
import { decideReassignment } from '../../src/controller/reassignment.js'
import { partition } from './partition.js'

const CONTEXT: PartitionContext = { isActive: () => true, isServing: () => true, minIsr: 2, uncleanElection: false, alwaysSynced: false }

function cancelled(state: PartitionImage): PartitionImage {
  const topic: TopicImage = { name: 't', id: 'AAAAAAAAAAAAAAAAAAAAAQ', partitions: [state], alwaysSynced: false }
  const decision = decideReassignment(emptyImage('c'), topic, { topic: 't', partition: 0, replicas: null }, true, CONTEXT)
  assert.equal(decision.kind, 'planned')
  return (decision as { readonly plan: PartitionImage }).plan
}

test('a reassignment that is given up takes out what it was adding', () => {
  const state = partition({ replicas: [1, 2, 4, 3], isr: [1, 2, 4], addingReplicas: [4], removingReplicas: [3] })
  const { replicas, isr, addingReplicas, removingReplicas } = cancelled(state)
  assert.deepEqual([replicas, isr, addingReplicas, removingReplicas], [[1, 2, 3], [1, 2], [], []])
})

test('where too few of the former replicas are in sync, what was added goes once enough are', () => {
  const state = partition({ replicas: [1, 2, 4, 3], isr: [1, 4], addingReplicas: [4], removingReplicas: [3] })
  const { replicas, isr, addingReplicas, removingReplicas } = cancelled(state)
  assert.deepEqual([replicas, isr, addingReplicas, removingReplicas], [[1, 2, 3, 4], [1, 4], [], [4]])
})
