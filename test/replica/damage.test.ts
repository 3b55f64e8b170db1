// Bytes that rot: never replicated, found, and made good from a peer.

import assert from 'node:assert/strict'
import { closeSync, openSync, readdirSync, readFileSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { errors } from '../../src/model/errors.js'
import { Cluster } from './support/cluster.js'

/** Flips one bit of the byte at `position` of a segment file. */
function rot(dir: string, segment: string, position: number): void {
  const fd = openSync(join(dir, segment), 'r+')
  const byte = Buffer.alloc(1)
  readSync(fd, byte, 0, 1, position)
  byte[0]! ^= 8
  writeSync(fd, byte, 0, 1, position)
  closeSync(fd)
}

/** Where batch `index` of the first segment begins. */
function batchAt(dir: string, index: number): number {
  const bytes = readFileSync(join(dir, SEGMENT))
  let at = 0
  for (let i = 0; i < index; i++) at += 12 + bytes.readInt32BE(at + 8)
  return at
}

const SEGMENT = '00000000000000000000.log'

test('a leader whose bytes rotted gives them to nobody for good, is reported, and is made whole once another leads', async (t) => {
  const cluster = await Cluster.start(t)
  const outcomes = [1, 2, 3, 4].map((i) => cluster.produce(1, i, -1, 'some value'))
  await cluster.until(() => outcomes.every(({ code }) => code === 0))
  const whole = cluster.bytes(2)
  // A replica that begins anew asks the leader for everything.
  await cluster.stop(3)
  await cluster.decide({ isr: [1, 2] })
  rot(cluster.at(1).log.dir, SEGMENT, 250)
  await cluster.bootEmpty(3)
  await cluster.until(() => cluster.node(1).damages.length === 1)
  const [damage] = cluster.node(1).damages
  assert.equal(damage!.isLeader, true)
  assert.equal(cluster.at(3).log.logEndOffset, damage!.offset, 'what came before the damage was taken, the rest was not')
  // The controller elects the other one.
  await cluster.decide({ leader: 2, isr: [2] })
  await cluster.until(() => cluster.state.isr.length === 3)
  for (const id of [1, 3]) assert.deepEqual(cluster.bytes(id), whole)
  assert.equal(cluster.at(1).damage, null)
  assert.deepEqual(cluster.at(1).log.quarantined, [])
  assert.ok(
    readdirSync(cluster.at(1).log.dir).some((name) => name.startsWith(`${SEGMENT}.damaged-`)),
    'the damaged file is kept',
  )
})

for (const [what, byte] of [
  ['a record', 80],
  ['an offset', 6],
  ['a leader epoch', 15],
] as const) {
  test(`the scrubber finds what rotted in ${what} of a closed segment of a follower, which leaves the ISR before it repairs itself`, async (t) => {
    const cluster = await Cluster.start(t, { log: { segmentBytes: 2000 } })
    for (let i = 0; i < 40; i++) cluster.produce(1, 5, -1, `record ${i}`)
    await cluster.until(() => cluster.at(1).state.highWatermark === 200 && cluster.at(3).log.logEndOffset === 200)
    assert.ok(cluster.at(3).log.segmentCount > 2)
    rot(cluster.at(3).log.dir, SEGMENT, batchAt(cluster.at(3).log.dir, 4) + byte)
    cluster.node(3).manager.scrub()
    await cluster.until(() => cluster.node(3).damages.length === 1, 300_000, 1000)
    assert.equal(cluster.node(3).damages[0]!.isLeader, false)
    // The bytes are kept aside on the real disk, however slow it is.
    await cluster.until(() => cluster.at(3).damage === null && cluster.state.isr.length === 3, 60_000)
    assert.ok(
      cluster.env.lines.some(({ text }) => text.startsWith('a damaged replica was cut back')),
      'it was cut',
    )
    assert.deepEqual(
      cluster.proposals.map(({ proposal }) => proposal.newIsr.map(({ id }) => id)),
      [
        [1, 2],
        [1, 2, 3],
      ],
    )
    assert.deepEqual(cluster.bytes(3), cluster.bytes(1))
  })
}

test('a damaged replica out of the in-sync set that may still be elected keeps what it has until it may not', async (t) => {
  const cluster = await Cluster.start(t, { log: { segmentBytes: 2000 } })
  for (let i = 0; i < 40; i++) cluster.produce(1, 5, -1, `record ${i}`)
  await cluster.until(() => cluster.at(1).state.highWatermark === 200 && cluster.at(3).log.logEndOffset === 200)
  await cluster.decide({ isr: [1], eligible: [2, 3] })
  rot(cluster.at(3).log.dir, SEGMENT, batchAt(cluster.at(3).log.dir, 4) + 80)
  const { log } = cluster.at(3)
  const keepAside = log.keepAside.bind(log)
  let repairs = 0
  log.keepAside = (offset) => {
    repairs++
    return keepAside(offset)
  }
  cluster.node(3).manager.scrub()
  await cluster.until(() => cluster.node(3).damages.length === 1, 300_000, 1000)
  await cluster.decide({ isr: [1], eligible: [2, 3] })
  assert.deepEqual([cluster.at(3).damage?.offset, log.logEndOffset, repairs], [20, 200, 0])
  await cluster.decide({ isr: [1], eligible: [2] })
  assert.equal(repairs, 1)
  await cluster.until(() => cluster.at(3).damage === null && cluster.state.isr.includes(3), 60_000)
  assert.deepEqual(cluster.bytes(3), cluster.bytes(1))
})

test('a leader with a wrong offset gives it to no follower, is reported, and is made whole once another leads', async (t) => {
  const cluster = await Cluster.start(t, { log: { segmentBytes: 2000 } })
  const outcomes = Array.from({ length: 40 }, (_, i) => cluster.produce(1, 5, -1, `record ${i}`))
  await cluster.until(() => outcomes.every(({ code }) => code === 0))
  const whole = cluster.bytes(2)
  await cluster.stop(3)
  await cluster.decide({ isr: [1, 2] })
  const { dir } = cluster.at(1).log
  // From 20 to 2068, below what a log may reach.
  rot(dir, SEGMENT, batchAt(dir, 4) + 6)
  await cluster.bootEmpty(3)
  await cluster.until(() => cluster.node(1).damages.length === 1)
  assert.equal(cluster.node(1).damages[0]!.offset, 20)
  assert.equal(cluster.at(3).log.logEndOffset, 20, 'what came before the damage was taken, the rest was not')
  await cluster.decide({ leader: 2, isr: [2] })
  await cluster.until(() => cluster.state.isr.length === 3)
  for (const id of [1, 3]) assert.deepEqual(cluster.bytes(id), whole)
  assert.deepEqual(cluster.at(1).log.quarantined, [])
})

test('a scrub of sound segments finds nothing and comes round again', async (t) => {
  const cluster = await Cluster.start(t, { nodes: 2, log: { segmentBytes: 2000 } })
  for (let i = 0; i < 40; i++) cluster.produce(1, 5)
  await cluster.until(() => cluster.at(1).state.highWatermark === 200)
  const scrubber = cluster.node(1).manager.scrub()
  await cluster.until(() => scrubber.counters.passes === 2, 400_000, 1000)
  assert.equal(scrubber.counters.damages, 0)
  assert.equal(scrubber.counters.segments, 2 * (cluster.at(1).log.segmentCount - 1))
})

test('an ISR member that lost what is committed is put out of the ISR at once', async (t) => {
  const cluster = await Cluster.start(t)
  const outcome = cluster.produce(1, 5)
  await cluster.until(() => outcome.code === 0)
  cluster.at(3).truncate(0)
  await cluster.until(() => cluster.proposals.length >= 2, 10_000)
  assert.deepEqual(
    cluster.proposals[0]!.proposal.newIsr.map(({ id }) => id),
    [1, 2],
  )
  await cluster.until(() => cluster.state.isr.length === 3)
})

test('a replica that is reassigned away is deleted, and its leader told so', async (t) => {
  const cluster = await Cluster.start(t)
  await cluster.decide({ replicas: [1, 2], isr: [1, 2] })
  await cluster.node(3).manager.deleteReplica('t', 0)
  assert.equal(cluster.node(3).manager.find('t', 0), undefined)
  const outcome = cluster.produce(1)
  await cluster.until(() => outcome.code === 0)
  assert.equal(cluster.node(3).manager.missingCode('t', 0), errors.NOT_LEADER_OR_FOLLOWER.code)
})
