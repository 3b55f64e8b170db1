import assert from 'node:assert/strict'
import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Log } from '../../src/log/log.js'
import { native } from '../../src/log/native.js'
import type { NativeAddon } from '../../src/log/native.js'
import { smallDisk } from '../support/small-disk.js'
import { append, batch, batchOfSize, closeLogs, marker, offsetsIn, openLog, tempDir, TestEnv } from './support.js'
import { turnsUntil } from '../support/patience.js'
import type { TestContext } from 'node:test'

function failing(code: string): Error {
  return Object.assign(new Error(`${code}: injected`), { code })
}

/** Replaces one function of the addon for the test. Logs look it up at each call. */
function inject<K extends keyof NativeAddon>(t: TestContext, name: K, replacement: NativeAddon[K]): () => void {
  const addon = native()
  const original = addon[name]
  addon[name] = replacement
  const restore = (): void => {
    addon[name] = original
  }
  t.after(restore)
  return restore
}

test('sync resolves with everything written when it was called, and callers share fsyncs', async (t) => {
  const log = await openLog(t, { dir: tempDir(t) })
  assert.equal(log.durableOffset, 0)
  append(log, batch(1))
  const first = log.sync()
  append(log, batch(1))
  const rest = Array.from({ length: 50 }, () => log.sync())
  assert.ok((await first) >= 1)
  for (const offset of await Promise.all(rest)) assert.ok(offset >= 2)
  assert.equal(log.durableOffset, 2)
  assert.equal(log.syncCount, 2)
  await log.sync()
  assert.equal(log.syncCount, 2, 'nothing new, no fsync')
})

test('the durable offset never passes what was written when the fsync began', async (t) => {
  const log = await openLog(t, { dir: tempDir(t) })
  append(log, batch(1))
  const syncing = log.sync()
  await Promise.resolve()
  append(log, batch(5))
  await syncing
  assert.ok(log.durableOffset < log.writtenOffset || log.durableOffset === 1, `${log.durableOffset}`)
})

test('sync across a roll makes the rolled segment durable first', async (t) => {
  const log = await openLog(t, { dir: tempDir(t), config: { segmentBytes: 1000 } })
  for (let i = 0; i < 5; i++) append(log, batchOfSize(500))
  assert.equal(await log.sync(), 5)
  assert.equal(log.recoveryPoint, 4)
})

test('a full disk refuses writes, loses nothing acknowledged, stays readable, and writing resumes by itself', async (t) => {
  const disk = smallDisk(t, 256, () => closeLogs(t))
  if (disk === undefined) return t.skip('mounting a small file system is not allowed here')
  const { dir } = disk
  let told = 0
  const log = await openLog(t, { dir, overrides: { onFull: () => told++ } })
  const numbered = (sequence: number, size: number): Uint8Array =>
    batchOfSize(size, { producerId: 4, producerEpoch: 0, baseSequence: sequence })
  append(log, numbered(0, 1000))
  disk.fill()
  for (const size of [8000, 80_000]) {
    // the small one is staged and fails at the flush, the large one at once
    const result = log.appendAsLeader(numbered(1, size), 0, 'client', 12)
    const flushed = log.flushStaged()
    assert.deepEqual([result.errorCode, flushed], size === 8000 ? [0, 56] : [56, 0], 'told once, where it failed')
    assert.deepEqual([log.logEndOffset, log.writtenOffset, log.failure], [1, 1, undefined])
    assert.deepEqual(offsetsIn(log), [[0, 0]], 'readers keep reading')
    assert.ok(told > 0 && log.isFull)
  }
  disk.free()
  const again = append(log, numbered(1, 8000))
  assert.deepEqual([again.baseOffset, again.duplicate], [1, false], 'the retry is no duplicate: its first tries are gone')
  assert.equal(log.isFull, false)
  assert.equal(append(log, numbered(1, 8000)).duplicate, true)
  await log.close(true)
  const reopened = await openLog(t, { dir, clean: true })
  assert.equal(reopened.logEndOffset, 2)
})

test('a full disk at a change of epoch, a roll or an abort leaves the log in order', async (t) => {
  const disk = smallDisk(t, 256, () => closeLogs(t))
  if (disk === undefined) return t.skip('mounting a small file system is not allowed here')
  const { dir } = disk
  const log = await openLog(t, { dir, config: { segmentBytes: 4000 } })
  append(log, batch(1, { producerId: 5, producerEpoch: 0, baseSequence: 0, attributes: 0x10 }))
  disk.fill()
  assert.equal(log.appendAsLeader(batch(1), 0, 'client', 12).errorCode, 0)
  // what is left of the last page takes this small batch: the epoch's own file is what finds no space
  assert.equal(log.appendAsLeader(batch(1), 1, 'client', 12).errorCode, 56)
  assert.equal(log.flushStaged(), 0)
  assert.equal(log.failure, undefined)
  assert.equal(log.logEndOffset, log.writtenOffset)
  assert.equal(log.latestEpoch, 0)
  const end = log.logEndOffset
  assert.equal(log.appendAsLeader(marker(5, 0, false), 0, 'coordinator', 12).errorCode, 0, 'fits into the page')
  log.updateHighWatermark(end + 1)
  assert.deepEqual(log.abortedTransactions(0, end + 1), [{ producerId: 5, firstOffset: 0 }], 'served though its file could not be written')
  assert.equal(log.appendAsLeader(batchOfSize(3900), 0, 'client', 12).errorCode, 56, 'the roll found no space')
  assert.equal(log.flushStaged(), 0)
  disk.free()
  assert.equal(append(log, batchOfSize(3900), 1).baseOffset, end + 1)
  assert.equal(log.segmentCount, 2)
  await log.close(true)
  const again = await openLog(t, { dir, clean: true, config: { segmentBytes: 4000 } })
  assert.deepEqual(again.abortedTransactions(0, end + 2), [{ producerId: 5, firstOffset: 0 }])
  assert.equal(again.latestEpoch, 1)
})

test('retention frees a full disk', async (t) => {
  const disk = smallDisk(t, 128, () => closeLogs(t))
  if (disk === undefined) return t.skip('mounting a small file system is not allowed here')
  const { dir } = disk
  const env = new TestEnv()
  const log = await openLog(t, {
    dir,
    env,
    config: { segmentBytes: 10_000, retentionBytes: 30_000, retentionMs: -1, fileDeleteDelayMs: 0 },
  })
  let refused = 0
  for (let i = 0; i < 200 && refused === 0; i++)
    refused = log.appendAsLeader(batchOfSize(900), i >> 4, 'client', 12).errorCode || log.flushStaged()
  assert.equal(refused, 56)
  log.updateHighWatermark(log.logEndOffset)
  const before = log.logEndOffset
  assert.ok(log.applyRetention(env.nowMs) > 0)
  env.advance(1)
  await turnsUntil(() => !readdirSync(log.dir).some((name) => name.endsWith('.deleted')))
  assert.equal(append(log, batchOfSize(900), 90).baseOffset, before)
  assert.equal(log.failure, undefined)
})

test('after a failed write every append is refused until the caller has been told', async (t) => {
  const disk = smallDisk(t, 128, () => closeLogs(t))
  if (disk === undefined) return t.skip('mounting a small file system is not allowed here')
  const { dir } = disk
  const log = await openLog(t, { dir })
  append(log, batch(1))
  const balloon = join(dir, 'balloon')
  writeFileSync(balloon, Buffer.alloc(60_000))
  assert.equal(log.appendAsLeader(batchOfSize(8000), 0, 'client', 12).baseOffset, 1)
  assert.equal(log.appendAsLeader(batchOfSize(80_000), 0, 'client', 12).errorCode, 56)
  rmSync(balloon)
  assert.equal(
    log.appendAsLeader(batch(1), 0, 'client', 12).errorCode,
    56,
    'offset 1 must not be given again before the first try was answered',
  )
  assert.equal(log.writtenOffset, 1)
  assert.equal(log.flushStaged(), 56)
  assert.equal(append(log, batch(1)).baseOffset, 1)
  assert.equal(log.failure, undefined)
})

test('a failed fsync takes the log out of service and is not tried again', async (t) => {
  const failures: Error[] = []
  const log = await openLog(t, { dir: tempDir(t), overrides: { onFailed: (error) => failures.push(error) } })
  append(log, batch(1))
  let calls = 0
  inject(t, 'segmentSync', () => {
    calls++
    return Promise.reject(failing('EIO'))
  })
  await assert.rejects(log.sync(), { code: 'EIO' })
  await assert.rejects(log.sync(), { code: 'EIO' })
  assert.equal(calls, 1)
  assert.equal(failures.length, 1)
  assert.equal(log.appendAsLeader(batch(1), 0, 'client', 12).errorCode, 56)
  assert.equal(log.flushStaged(), 56)
  const plan = log.planRead(0, 100, 1, true)
  assert.ok(plan.kind === 'error' && plan.errorCode === 56)
})

test('an EIO on write or read takes the log out of service', async (t) => {
  const writing = await openLog(t, { dir: tempDir(t) })
  const restoreAppend = inject(t, 'segmentAppend', () => {
    throw failing('EIO')
  })
  assert.equal(writing.appendAsLeader(batch(1), 0, 'client', 12).errorCode, 56)
  restoreAppend()
  assert.equal((writing.failure as { code?: string } | undefined)?.code, 'EIO')

  const reading = await openLog(t, { dir: tempDir(t) })
  append(reading, batch(1))
  inject(t, 'segmentReadPlan', () => {
    throw failing('EIO')
  })
  const plan = reading.planRead(0, 100, 1, true)
  assert.ok(plan.kind === 'error' && plan.errorCode === 56)
  assert.ok(reading.failure)
})

test('flush.messages starts an fsync after that many records, flush.ms after that time', async (t) => {
  const log = await openLog(t, { dir: tempDir(t), config: { flushMessages: 3 } })
  append(log, batch(2))
  assert.equal(log.syncCount, 0)
  append(log, batch(2))
  await log.sync()
  assert.equal(log.syncCount, 1)
  assert.equal(log.acksWaitForDisk, false)
  log.updateConfig({ ...log.config, flushMessages: 1 })
  assert.equal(log.acksWaitForDisk, true)
  assert.ok(log instanceof Log)
})
