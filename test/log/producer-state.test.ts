import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { decodeSnapshot } from '../../src/log/producer-state/snapshot.js'
import { native } from '../../src/log/native.js'
import { append, batch, marker, offsetsIn, openLog, START, tempDir, TestEnv } from './support.js'
import type { Log } from '../../src/log/log.js'

const code = { outOfOrder: 45, epoch: 47, txnState: 48, fenced: 52 }

function produce(log: Log, sequence: number, count = 1, epoch = 0, attributes = 0, producerId = 9): ReturnType<Log['appendAsLeader']> {
  const result = log.appendAsLeader(batch(count, { producerId, producerEpoch: epoch, baseSequence: sequence, attributes }), 0, 'client', 12)
  log.flushStaged()
  return result
}

test('a batch sent again gets its first offsets back and is not written twice', async (t) => {
  const log = await openLog(t, { dir: tempDir(t) })
  for (let i = 0; i < 6; i++) assert.equal(produce(log, i * 2, 2).errorCode, 0)
  for (let i = 1; i < 6; i++) {
    const again = produce(log, i * 2, 2)
    assert.deepEqual([again.errorCode, again.duplicate, again.baseOffset, again.lastOffset], [0, true, i * 2, i * 2 + 1])
  }
  assert.equal(log.logEndOffset, 12)
  assert.equal(produce(log, 0, 2).errorCode, code.outOfOrder, 'only the newest five are remembered')
})

test('a gap in sequences is OUT_OF_ORDER_SEQUENCE_NUMBER', async (t) => {
  const log = await openLog(t, { dir: tempDir(t) })
  produce(log, 0)
  assert.equal(produce(log, 2).errorCode, code.outOfOrder)
  assert.equal(produce(log, 1).errorCode, 0)
})

test('a producer nothing is known of may begin at any sequence', async (t) => {
  const log = await openLog(t, { dir: tempDir(t) })
  assert.equal(produce(log, 41).errorCode, 0)
  assert.equal(produce(log, 42).errorCode, 0)
})

test('sequences wrap around after 2^31-1', async (t) => {
  const log = await openLog(t, { dir: tempDir(t) })
  assert.equal(produce(log, 2147483646, 2).errorCode, 0)
  assert.equal(produce(log, 0, 3).errorCode, 0)
  assert.equal(produce(log, 2147483646, 2).duplicate, true)
  assert.equal(produce(log, 3).errorCode, 0)
  const other = await openLog(t, { dir: tempDir(t) })
  assert.equal(produce(other, 2147483645, 5).errorCode, 0)
  assert.equal(produce(other, 2147483645, 5).duplicate, true)
  assert.equal(produce(other, 2).errorCode, 0)
})

test('an older epoch is fenced, a newer one begins at sequence 0', async (t) => {
  const log = await openLog(t, { dir: tempDir(t) })
  produce(log, 0, 1, 3)
  assert.equal(produce(log, 1, 1, 2).errorCode, code.epoch)
  assert.equal(produce(log, 1, 1, 4).errorCode, code.outOfOrder)
  assert.equal(produce(log, 0, 1, 4).errorCode, 0)
})

test('producers silent for longer than the expiration are forgotten, not those in a transaction', async (t) => {
  const env = new TestEnv()
  const log = await openLog(t, { dir: tempDir(t), env, config: { producerIdExpirationMs: 1000, retentionMs: -1 } })
  produce(log, 0)
  produce(log, 0, 1, 0, 0x10, 10)
  log.applyRetention(START + 1000)
  assert.deepEqual(
    log.producerStates().map((p) => p.producerId),
    [10],
  )
  assert.equal(produce(log, 77).errorCode, 0)
})

test('the last stable offset stops at the first open transaction until its marker is replicated', async (t) => {
  const log = await openLog(t, { dir: tempDir(t) })
  append(log, batch(3))
  produce(log, 0, 2, 0, 0x10)
  append(log, batch(1))
  log.updateHighWatermark(6)
  assert.equal(log.lastStableOffset, 3)
  assert.equal(log.appendAsLeader(marker(9, 0, false), 0, 'coordinator', 12).errorCode, 0)
  assert.equal(log.lastStableOffset, 3, 'the marker is not below the high watermark yet')
  log.updateHighWatermark(7)
  assert.equal(log.lastStableOffset, 7)
  assert.deepEqual(log.abortedTransactions(0, 7), [{ producerId: 9, firstOffset: 3 }])
  assert.deepEqual(log.abortedTransactions(0, 3), [], 'below its first offset')
})

test('rules of transactions: mixed writes, stale markers', async (t) => {
  const log = await openLog(t, { dir: tempDir(t) })
  produce(log, 0, 1, 1, 0x10)
  assert.equal(produce(log, 1, 1, 1).errorCode, code.txnState)
  assert.equal(log.appendAsLeader(marker(9, 0, true, 5), 0, 'coordinator', 12).errorCode, code.epoch)
  assert.equal(log.appendAsLeader(marker(9, 1, true, 5), 0, 'coordinator', 12).errorCode, 0)
  assert.equal(log.appendAsLeader(marker(9, 1, true, 4), 0, 'coordinator', 12).errorCode, code.fenced)
})

test('state survives a clean stop through the snapshot, an unclean one through the log', async (t) => {
  for (const clean of [true, false]) {
    const dir = tempDir(t)
    const log = await openLog(t, { dir })
    produce(log, 0, 2)
    produce(log, 2, 2)
    produce(log, 0, 1, 0, 0x10, 10)
    await log.close(clean)
    const again = await openLog(t, { dir, clean })
    assert.equal(again.logEndOffset, 5)
    assert.equal(produce(again, 2, 2).duplicate, true)
    assert.equal(produce(again, 5).errorCode, code.outOfOrder)
    assert.equal(produce(again, 4).errorCode, 0)
    again.updateHighWatermark(5)
    assert.equal(again.lastStableOffset, 4, 'the open transaction is still open')
  }
})

test('a producer with records of long ago: forgotten with a snapshot, kept where the log is replayed (as Kafka), forgotten by the next check', async (t) => {
  for (const clean of [true, false]) {
    const dir = tempDir(t)
    const env = new TestEnv()
    const config = { producerIdExpirationMs: 1000, retentionMs: -1, messageTimestampAfterMaxMs: 1e12 }
    const log = await openLog(t, { dir, env, config })
    const old = batch([{ timestamp: START - 5000 }], { producerId: 9, producerEpoch: 0, baseSequence: 0 })
    append(log, Uint8Array.from(old))
    await log.close(clean)
    const again = await openLog(t, { dir, env, clean, config })
    assert.equal(again.producerStates().length, clean ? 0 : 1, clean ? 'by the snapshot' : 'by the log')
    assert.equal(again.appendAsLeader(Uint8Array.from(old), 0, 'client', 12).duplicate, !clean)
    again.flushStaged()
    again.applyRetention(START)
    assert.equal(again.producerStates().length, 0)
  }
})

const SMALL = { config: { segmentBytes: 200 } }

function resent(log: Log, sequences: readonly number[]): (number | undefined)[] {
  return sequences.map((sequence) => {
    const { errorCode, duplicate, baseOffset } = produce(log, sequence)
    return errorCode === 0 && duplicate ? baseOffset : undefined
  })
}

test('every batch of the window that is sent again after a reload from a snapshot gets its first offset back', async (t) => {
  for (const clean of [true, false]) {
    const dir = tempDir(t)
    const log = await openLog(t, { dir, ...SMALL })
    for (let i = 0; i < 8; i++) produce(log, i)
    const { recoveryPoint } = log
    await log.close(clean)
    const again = await openLog(t, { dir, clean, recoveryPoint: clean ? 0 : Math.max(recoveryPoint, 6), ...SMALL })
    assert.deepEqual(resent(again, [3, 4, 5, 6, 7]), [3, 4, 5, 6, 7], clean ? 'a clean stop' : 'a kill')
    assert.equal(produce(again, 2).errorCode, code.outOfOrder, 'only the newest five are remembered')
    assert.equal(produce(again, 8).errorCode, 0)
  }
})

test('the window is taken back with a truncation, to before the newest snapshot too', async (t) => {
  const log = await openLog(t, { dir: tempDir(t), ...SMALL })
  for (let i = 0; i < 9; i++) produce(log, i)
  log.truncateTo(7)
  assert.deepEqual(resent(log, [2, 3, 4, 5, 6]), [2, 3, 4, 5, 6])
  assert.equal(produce(log, 7).duplicate, false)
})

test('a snapshot without windows, as Kafka writes it, is read: the last batch of each producer', async (t) => {
  const { writeFileSync } = await import('node:fs')
  const dir = tempDir(t)
  const log = await openLog(t, { dir })
  for (let i = 0; i < 5; i++) produce(log, i)
  await log.close(true)
  const path = join(dir, 'events-0', '00000000000000000005.snapshot')
  const ours = readFileSync(path)
  const kafkas = ours.subarray(0, 10 + 46)
  kafkas.writeUInt32BE(native().crc32c(kafkas, 6, kafkas.length - 6), 2)
  assert.ok(ours.length > kafkas.length)
  writeFileSync(path, kafkas)
  const again = await openLog(t, { dir, clean: true })
  assert.deepEqual(resent(again, [4]), [4])
  assert.equal(produce(again, 3).errorCode, code.outOfOrder)
})

test('the snapshot is a version 1 file with a CRC over its entries', async (t) => {
  const dir = tempDir(t)
  const log = await openLog(t, { dir })
  produce(log, 5, 3, 2)
  await log.close(true)
  const bytes = readFileSync(join(dir, 'events-0', '00000000000000000003.snapshot'))
  assert.equal(bytes.readInt16BE(0), 1)
  const crc = (data: Uint8Array, at: number, length: number): number => native().crc32c(data, at, length)
  const [entry] = decodeSnapshot(bytes, crc)!
  assert.deepEqual(
    [entry!.producerId, entry!.epoch, entry!.lastSequence, entry!.lastOffset, entry!.lastOffsetDelta, entry!.lastTimestamp],
    [9, 2, 7, 2, 2, START],
  )
  bytes[20]! ^= 1
  assert.equal(decodeSnapshot(bytes, crc), undefined)
})

test('a damaged snapshot is passed over: the log is replayed from an older one', async (t) => {
  const { writeFileSync } = await import('node:fs')
  const dir = tempDir(t)
  const log = await openLog(t, { dir, config: { segmentBytes: 200 } })
  for (let i = 0; i < 6; i++) produce(log, i)
  await log.close(true)
  writeFileSync(join(dir, 'events-0', '00000000000000000006.snapshot'), 'not a snapshot')
  const again = await openLog(t, { dir, clean: true, config: { segmentBytes: 200 } })
  assert.equal(produce(again, 5).duplicate, true)
  assert.equal(produce(again, 6).errorCode, 0)
  assert.equal(offsetsIn(again).length, 7)
})

test('truncation takes producers back to what is left', async (t) => {
  const log = await openLog(t, { dir: tempDir(t) })
  for (let i = 0; i < 4; i++) produce(log, i)
  produce(log, 0, 1, 0, 0x10, 10)
  log.truncateTo(2)
  assert.equal(log.lastStableOffset, log.highWatermark)
  assert.equal(produce(log, 1).duplicate, true)
  assert.equal(produce(log, 3).errorCode, code.outOfOrder)
  assert.equal(produce(log, 2).errorCode, 0)
  assert.deepEqual(
    log.producerStates().map((p) => p.producerId),
    [9],
  )
})

test("the aborted transaction index is rebuilt by recovery, in Kafka's form", async (t) => {
  const dir = tempDir(t)
  const log = await openLog(t, { dir })
  produce(log, 0, 2, 0, 0x10)
  produce(log, 0, 1, 0, 0x10, 10)
  log.appendAsLeader(marker(9, 0, false), 0, 'coordinator', 12)
  log.appendAsLeader(marker(10, 0, false), 0, 'coordinator', 12)
  const path = join(dir, 'events-0', '00000000000000000000.txnindex')
  const before = readFileSync(path)
  assert.equal(before.length, 68)
  assert.deepEqual(
    [
      Number(before.readBigInt64BE(2)),
      Number(before.readBigInt64BE(10)),
      Number(before.readBigInt64BE(18)),
      Number(before.readBigInt64BE(26)),
    ],
    [9, 0, 3, 2],
  )
  await log.close(false)
  const again = await openLog(t, { dir })
  assert.deepEqual(readFileSync(path), before)
  assert.deepEqual(again.abortedTransactions(0, 5), [
    { producerId: 9, firstOffset: 0 },
    { producerId: 10, firstOffset: 2 },
  ])
})
