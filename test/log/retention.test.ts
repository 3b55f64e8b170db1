import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { silentLogger } from '../../src/env/real.js'
import { removeInTurn } from '../../src/log/removal.js'
import { append, batch, batchOfSize, offsetsIn, openLog, START, tempDir, TestEnv } from './support.js'
import { turnsUntil } from '../support/patience.js'

const DAY = 24 * 3600 * 1000

test('retention.bytes deletes the oldest segments while the rest is at least the limit', async (t) => {
  const dir = tempDir(t)
  const env = new TestEnv()
  const log = await openLog(t, { dir, env, config: { segmentBytes: 1000, retentionBytes: 2500, retentionMs: -1 } })
  for (let i = 0; i < 10; i++) append(log, batchOfSize(500))
  log.updateHighWatermark(10)
  assert.equal(log.applyRetention(env.nowMs), 2)
  assert.deepEqual([log.logStartOffset, log.size, log.segmentCount], [4, 3000, 3])
  assert.equal(offsetsIn(log)[0]![0], 4)
  const plan = log.planRead(3, 100, 10, true)
  assert.ok(plan.kind === 'error' && plan.errorCode === 1)
})

test('deleted files are renamed at once and removed after the delay', async (t) => {
  const dir = tempDir(t)
  const env = new TestEnv()
  const log = await openLog(t, { dir, env, config: { segmentBytes: 1000, retentionBytes: 1000, retentionMs: -1, fileDeleteDelayMs: 5000 } })
  for (let i = 0; i < 4; i++) append(log, batchOfSize(500))
  log.updateHighWatermark(4)
  log.applyRetention(env.nowMs)
  const deleted = (): string[] => readdirSync(join(dir, 'events-0')).filter((name) => name.endsWith('.deleted'))
  assert.ok(deleted().includes('00000000000000000000.log.deleted'), deleted().join(' '))
  env.advance(4999)
  assert.ok(deleted().length > 0)
  env.advance(1)
  await turnsUntil(() => deleted().length === 0)
  assert.deepEqual(deleted(), [])
})

test('what is to be removed goes one after the other, so that it never has all threads that fsyncs wait for', async (t) => {
  const [large, small] = [join(tempDir(t), 'large'), join(tempDir(t), 'small')]
  for (const dir of [large, small]) mkdirSync(dir)
  for (let file = 0; file < 2000; file++) writeFileSync(join(large, `${file}`), '')
  void removeInTurn(large, silentLogger)
  await removeInTurn(small, silentLogger)
  assert.deepEqual([existsSync(large), existsSync(small)], [false, false])
})

test('retention.ms goes by record time, and when all has expired the log keeps its end', async (t) => {
  const env = new TestEnv()
  const log = await openLog(t, { dir: tempDir(t), env, config: { segmentBytes: 1000, retentionMs: DAY } })
  for (let i = 0; i < 4; i++) append(log, batchOfSize(500))
  log.updateHighWatermark(4)
  assert.equal(log.applyRetention(START + DAY), 0)
  assert.equal(log.applyRetention(START + DAY + 1), 2)
  assert.deepEqual([log.logStartOffset, log.logEndOffset, log.size], [4, 4, 0])
  assert.equal(append(log, batch(1)).baseOffset, 4)
})

test('nothing at or above the high watermark is deleted', async (t) => {
  const log = await openLog(t, { dir: tempDir(t), config: { segmentBytes: 1000, retentionMs: DAY } })
  for (let i = 0; i < 6; i++) append(log, batchOfSize(500))
  log.updateHighWatermark(3)
  assert.equal(log.applyRetention(START + 2 * DAY), 1)
  assert.equal(log.logStartOffset, 2)
})

test('-1 keeps everything for ever', async (t) => {
  const log = await openLog(t, { dir: tempDir(t), config: { segmentBytes: 1000, retentionMs: -1, retentionBytes: -1 } })
  for (let i = 0; i < 6; i++) append(log, batchOfSize(500))
  log.updateHighWatermark(6)
  assert.equal(log.applyRetention(START + 10_000 * DAY), 0)
})

test('a compacted topic without delete loses only what DeleteRecords gave up', async (t) => {
  const log = await openLog(t, {
    dir: tempDir(t),
    config: { segmentBytes: 1000, retentionMs: 1, cleanupPolicy: { delete: false, compact: false } },
  })
  for (let i = 0; i < 6; i++) append(log, batchOfSize(500))
  log.updateHighWatermark(6)
  assert.equal(log.applyRetention(START + DAY), 0)
  assert.deepEqual(log.deleteRecordsBefore(3), { errorCode: 0, lowWatermark: 3 })
  assert.equal(log.applyRetention(START + DAY), 1)
  assert.deepEqual([log.logStartOffset, offsetsIn(log)[0]![0]], [3, 3])
})

test('DeleteRecords moves the log start, to the high watermark at most', async (t) => {
  const dir = tempDir(t)
  const log = await openLog(t, { dir })
  append(log, batch(10))
  log.updateHighWatermark(8)
  assert.deepEqual(log.deleteRecordsBefore(9), { errorCode: 1, lowWatermark: -1 })
  assert.deepEqual(log.deleteRecordsBefore(5), { errorCode: 0, lowWatermark: 5 })
  assert.deepEqual(log.deleteRecordsBefore(2), { errorCode: 0, lowWatermark: 5 })
  assert.deepEqual(log.deleteRecordsBefore(-1), { errorCode: 0, lowWatermark: 8 })
  await log.close(true)
  const again = await openLog(t, { dir, clean: true, logStartOffset: 8 })
  assert.equal(again.logStartOffset, 8)
})

test('truncation drops whole segments and the rest of one', async (t) => {
  const dir = tempDir(t)
  const log = await openLog(t, { dir, config: { segmentBytes: 1000 } })
  for (let i = 0; i < 9; i++) append(log, batchOfSize(500), i < 5 ? 1 : 2)
  log.truncateTo(3)
  assert.deepEqual([log.logEndOffset, log.writtenOffset, log.segmentCount, log.latestEpoch], [3, 3, 2, 1])
  append(log, batch(2), 4)
  assert.deepEqual(
    offsetsIn(log).map(([base]) => base),
    [0, 1, 2, 3],
  )
  await log.close(false)
  const again = await openLog(t, { dir })
  assert.equal(again.logEndOffset, 5)
})

test('a full truncation starts the log anew at the given offset', async (t) => {
  const dir = tempDir(t)
  const log = await openLog(t, { dir })
  append(log, batch(3))
  log.truncateFullyAndStartAt(100)
  assert.deepEqual([log.logStartOffset, log.logEndOffset, log.size], [100, 100, 0])
  assert.equal(append(log, batch(1)).baseOffset, 100)
  await log.close(true)
  const again = await openLog(t, { dir, clean: true })
  assert.deepEqual([again.logStartOffset, again.logEndOffset], [100, 101])
})

test('a deleted log is renamed as Kafka does and then removed', async (t) => {
  const dir = tempDir(t)
  const env = new TestEnv()
  const log = await openLog(t, { dir, env, config: { fileDeleteDelayMs: 10 } })
  append(log, batch(1))
  await log.delete()
  assert.match(readdirSync(dir)[0]!, /^events-0\.[0-9a-f]{32}-delete$/)
  env.advance(10)
  await turnsUntil(() => !existsSync(log.dir))
  assert.deepEqual(readdirSync(dir), [])
})
