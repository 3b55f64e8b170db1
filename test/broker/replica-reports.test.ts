import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ReplicaReports } from '../../src/broker/replica-reports.js'
import type { Outcome, ReplicaReport } from '../../src/controller/controller-api.js'
import { applyDelta, emptyImage, type MetadataImage, type PartitionImage, type TopicImage } from '../../src/controller/image.js'
import { errors } from '../../src/model/errors.js'
import { SimEnv } from '../support/sim-env.js'

const ME = 1
const ID = 'AAAAAAAAAAAAAAAAAAAAAQ'

interface Lists {
  readonly isr?: readonly number[]
  readonly elr?: readonly number[]
  readonly lastKnownElr?: readonly number[]
}

function imageWith(offline: readonly number[], { isr = [ME, 2], elr = [], lastKnownElr = [] }: Lists = {}): MetadataImage {
  const partition = { partition: 0, replicas: [ME, 2], isr, offline, elr, lastKnownElr } as unknown as PartitionImage
  const topic = { name: 't', id: ID, partitions: [partition] } as unknown as TopicImage
  return applyDelta(emptyImage('c'), { zxid: 1n, changes: [{ kind: 'topic', topic }] })
}

/** A controller that takes what it is told into the metadata, unless it is away. */
function fixture(offline: readonly number[]) {
  const env = new SimEnv(1)
  const told: ReplicaReport[] = []
  const node = { image: imageWith(offline), epoch: 5n as bigint | null, away: false }
  const send = (report: ReplicaReport): Promise<Outcome> => {
    told.push(report)
    if (node.away) return Promise.reject(new Error('this node is not the controller'))
    if (report.brokerEpoch !== node.epoch) return Promise.resolve({ errorCode: errors.STALE_BROKER_EPOCH.code, errorMessage: null })
    node.image = imageWith(report.offline.length > 0 ? [ME] : [])
    return Promise.resolve({ errorCode: 0, errorMessage: null })
  }
  const reports = new ReplicaReports({ env, nodeId: ME, image: () => node.image, brokerEpoch: () => node.epoch, send })
  return { env, told, node, reports, offline: () => node.image.topics.get('t')!.partitions[0]!.offline }
}

test('a replica that failed is reported once, and once more when it is sound again', async () => {
  const { env, told, reports, offline } = fixture([])
  reports.say('t', 0, 'failed')
  await env.advance(10)
  assert.deepEqual(offline(), [ME])
  reports.say('t', 0, 'failed')
  await env.advance(60_000)
  assert.equal(told.length, 1)
  reports.say('t', 0, 'sound')
  await env.advance(10)
  assert.deepEqual(offline(), [])
  assert.deepEqual([told.length, told[1]!.online], [2, [{ topicId: ID, partitions: [0] }]])
})

test('what failed before there was a registration, or a controller, is told when there is one', async () => {
  const { env, told, node, reports, offline } = fixture([])
  node.epoch = null
  reports.say('t', 0, 'failed')
  await env.advance(20_000)
  assert.equal(told.length, 0)
  node.epoch = 6n
  node.away = true
  await env.advance(20_000)
  assert.ok(told.length > 1 && told.length < 20, `told ${told.length} times`)
  assert.deepEqual(offline(), [])
  node.away = false
  await env.advance(6000)
  assert.deepEqual(offline(), [ME])
})

test('the last word counts: what is sound again before anybody heard that it failed is not reported', async () => {
  const { env, told, node, reports } = fixture([])
  node.epoch = null
  reports.say('t', 0, 'failed')
  reports.say('t', 0, 'sound')
  node.epoch = 6n
  await env.advance(10_000)
  assert.equal(told.length, 0)
})

test('a full disk is told once each time it is found, and only where others are in sync', async () => {
  const { env, told, node, reports } = fixture([])
  const full = [{ topicId: ID, partitions: [0] }]
  node.away = true
  reports.full('t', 0)
  await env.advance(60_000)
  assert.equal(told.length, 1)
  node.away = false
  reports.full('t', 0)
  await env.advance(60_000)
  assert.deepEqual(told.slice(1), [{ brokerId: ME, brokerEpoch: 5n, offline: [], online: [], damaged: [], full }])
  for (const isr of [[ME], [2]]) {
    node.image = imageWith([], { isr })
    reports.full('t', 0)
  }
  reports.full('unknown', 0)
  await env.advance(60_000)
  assert.equal(told.length, 2)
})

test('a damaged replica is reported again each time that the controller counts on it, until it is sound', async () => {
  const { env, told, node, reports } = fixture([])
  reports.say('t', 0, 'damaged')
  await env.advance(10)
  const place = [{ topicId: ID, partitions: [0] }]
  assert.deepEqual(
    told.map(({ offline, damaged }) => [offline, damaged]),
    [[place, place]],
  )
  await env.advance(60_000)
  assert.equal(told.length, 1)
  // It was the last in sync, and left when another was elected: the controller takes it for one whose log failed.
  for (const [times, image] of [imageWith([ME], { lastKnownElr: [ME] }), imageWith([ME], { elr: [ME] })].entries()) {
    node.image = image
    reports.look()
    await env.advance(10)
    assert.equal(told.length, 2 + times)
    assert.deepEqual(told.at(-1)!.damaged, place)
  }
  reports.say('t', 0, 'sound')
  await env.advance(10)
  node.image = imageWith([], { elr: [ME] })
  reports.look()
  await env.advance(60_000)
  assert.deepEqual([told.length, told.at(-1)!.online, told.at(-1)!.damaged], [4, place, []])
})

test('a log that failed is reported once, also where the controller counts on it', async () => {
  const { env, told, node, reports } = fixture([])
  reports.say('t', 0, 'failed')
  await env.advance(10)
  node.image = imageWith([ME], { lastKnownElr: [ME] })
  reports.look()
  await env.advance(60_000)
  assert.deepEqual(
    told.map(({ damaged }) => damaged),
    [[]],
  )
})
