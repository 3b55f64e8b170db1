// A replica whose disk is full: others go on without it, and it comes back.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { errors } from '../../src/model/errors.js'
import { smallDisk } from '../support/small-disk.js'
import { Cluster } from './support/cluster.js'

const VALUE = 'x'.repeat(5000)

test('a follower whose disk is full leaves the in-sync set at once, and is back when there is space', async (t) => {
  const disk = smallDisk(t, 512)
  if (disk === undefined) return t.skip('mounting a small file system is not allowed here')
  const cluster = await Cluster.start(t, { dirs: { 3: disk.dir }, minInsyncReplicas: 2 })
  const before = cluster.produce(1, 1, -1, VALUE)
  await cluster.until(() => before.code === 0 && cluster.at(3).log.logEndOffset === 1)
  disk.fill()
  const from = cluster.env.clock.monotonic()
  const refused = cluster.produce(1, 1, -1, VALUE)
  await cluster.until(() => refused.code === 0)
  assert.deepEqual(cluster.state.isr, [1, 2])
  assert.ok(cluster.env.clock.monotonic() - from < 1000, 'it was not waited for')
  assert.ok(cluster.full.length > 0 && cluster.full.every((id) => id === 3))
  await cluster.run(5000)
  assert.deepEqual(cluster.state.isr, [1, 2], 'it does not come back while it is full')
  disk.free()
  await cluster.until(() => cluster.state.isr.length === 3)
  assert.deepEqual(cluster.bytes(3), cluster.bytes(1))
})

test('a leader whose disk is full says so, and follows when another leads', async (t) => {
  const disk = smallDisk(t, 512)
  if (disk === undefined) return t.skip('mounting a small file system is not allowed here')
  const cluster = await Cluster.start(t, { dirs: { 1: disk.dir }, minInsyncReplicas: 2 })
  disk.fill()
  const refused = cluster.produce(1, 1, -1, VALUE)
  await cluster.until(() => refused.code === errors.KAFKA_STORAGE_ERROR.code)
  assert.deepEqual(cluster.full, [1])
  await cluster.decide({ leader: 2, isr: [2, 3] })
  const taken = cluster.produce(2, 1, -1, VALUE)
  await cluster.until(() => taken.code === 0)
  assert.deepEqual(cluster.state.isr, [2, 3])
  disk.free()
  await cluster.until(() => cluster.state.isr.length === 3)
  assert.deepEqual(cluster.bytes(1), cluster.bytes(2))
})
