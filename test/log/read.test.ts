import assert from 'node:assert/strict'
import { test } from 'node:test'
import { append, batch, batchOfSize, openLog, readPlan, START, tempDir, wholeBatches } from './support.js'

test('a fetch at an offset inside a batch returns the whole batch', async (t) => {
  const log = await openLog(t, { dir: tempDir(t) })
  append(log, batch(10))
  const plan = log.planRead(7, 1000, log.writtenOffset, true)
  assert.equal(plan.kind, 'plan')
  assert.deepEqual(wholeBatches(readPlan(log, plan as never)).offsets, [[0, 9]])
})

test('the first batch comes whole although it is larger than asked for, unless that is not wanted', async (t) => {
  const log = await openLog(t, { dir: tempDir(t) })
  append(log, batchOfSize(5000))
  const plan = log.planRead(0, 100, log.writtenOffset, true)
  assert.ok(plan.kind === 'plan' && plan.size === 5000 && plan.firstBatchSize === 5000)
  const none = log.planRead(0, 100, log.writtenOffset, false)
  assert.ok(none.kind === 'plan' && none.size === 0)
})

test('nothing at or above the bound is planned', async (t) => {
  const log = await openLog(t, { dir: tempDir(t) })
  for (let i = 0; i < 5; i++) append(log, batchOfSize(300))
  const plan = log.planRead(1, 1 << 20, 3, true)
  assert.ok(plan.kind === 'plan')
  assert.deepEqual(wholeBatches(readPlan(log, plan)).offsets, [
    [1, 1],
    [2, 2],
  ])
  const end = log.planRead(3, 1 << 20, 3, true)
  assert.ok(end.kind === 'plan' && end.size === 0)
})

test('offsets outside the log are OFFSET_OUT_OF_RANGE, its end is empty', async (t) => {
  const log = await openLog(t, { dir: tempDir(t) })
  append(log, batch(3))
  for (const offset of [-1, 4]) {
    const plan = log.planRead(offset, 100, log.writtenOffset, true)
    assert.ok(plan.kind === 'error' && plan.errorCode === 1)
  }
  const end = log.planRead(3, 100, log.writtenOffset, true)
  assert.ok(end.kind === 'plan' && end.size === 0)
})

test('a plan made before the log was cut is refused, not answered with other bytes', async (t) => {
  const log = await openLog(t, { dir: tempDir(t) })
  for (let i = 0; i < 4; i++) append(log, batch(1))
  const plan = log.planRead(2, 1 << 20, log.writtenOffset, true)
  assert.ok(plan.kind === 'plan')
  log.truncateTo(2)
  append(log, batch(1))
  assert.throws(() => readPlan(log, plan), { code: 'ERR_MILLRACE_STALE_PLAN' })
})

test('the first offset at or after a timestamp is found when timestamps are shuffled', async (t) => {
  const log = await openLog(t, { dir: tempDir(t), config: { segmentBytes: 400, messageTimestampAfterMaxMs: 1e12 } })
  const stamps = [50, 10, 90, 20, 30, 95, 5, 60]
  for (const [i, stamp] of stamps.entries())
    append(log, batch([{ timestamp: START + stamp, value: `v${i}` }, { timestamp: START + stamp - 1 }]))
  const all = stamps.flatMap((stamp) => [START + stamp, START + stamp - 1])
  for (const wanted of [0, 5, 10, 49, 50, 51, 60, 90, 91, 95, 96]) {
    const found = log.offsetForTimestamp(START + wanted)
    const expected = all.findIndex((stamp) => stamp >= START + wanted)
    assert.equal(found.offset, expected, `timestamp ${wanted}`)
    if (expected !== -1) assert.equal(found.timestamp, all[expected])
  }
  assert.deepEqual(log.offsetForMaxTimestamp(), { offset: 10, timestamp: START + 95, leaderEpoch: 0 })
})

test('a search by time works after a truncation', async (t) => {
  const log = await openLog(t, { dir: tempDir(t) })
  for (let i = 0; i < 4; i++) append(log, batch([{ timestamp: START + i }]))
  log.truncateTo(2)
  assert.equal(log.offsetForTimestamp(START + 1).offset, 1)
  assert.equal(log.offsetForTimestamp(START + 2).offset, -1)
})

test('a search by time never answers below the log start offset', async (t) => {
  const log = await openLog(t, { dir: tempDir(t) })
  for (let i = 0; i < 5; i++) append(log, batch([{ timestamp: START + i }]))
  log.updateHighWatermark(5)
  assert.deepEqual(log.deleteRecordsBefore(3), { errorCode: 0, lowWatermark: 3 })
  assert.equal(log.offsetForTimestamp(START).offset, 3)
})

test('epoch ends answer as Kafka does for known, unknown, older and newer epochs', async (t) => {
  const log = await openLog(t, { dir: tempDir(t) })
  append(log, batch(2), 3)
  append(log, batch(2), 5)
  log.assignEpochStart(8)
  const at = (epoch: number): [number, number] => {
    const { leaderEpoch, endOffset } = log.epochEndOffset(epoch)
    return [leaderEpoch, endOffset]
  }
  assert.deepEqual(
    [at(2), at(3), at(4), at(5), at(8), at(9), at(-1)],
    [
      [2, 0],
      [3, 2],
      [3, 2],
      [5, 4],
      [8, 4],
      [-1, -1],
      [-1, -1],
    ],
  )
})
