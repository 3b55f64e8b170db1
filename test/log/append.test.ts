import assert from 'node:assert/strict'
import { test } from 'node:test'
import { native, VerifyOut } from '../../src/log/native.js'
import { append, batch, batchOfSize, marker, offsetsIn, openLog, readAll, sealCrc, START, tempDir, TestEnv } from './support.js'

const code = { corrupt: 2, tooLarge: 10, listTooLarge: 18, timestamp: 32, codec: 76, invalid: 87 }

test('offsets are given in order and the batches come back with them', async (t) => {
  const log = await openLog(t, { dir: tempDir(t) })
  for (const count of [1, 3, 2]) append(log, batch(count), 5)
  assert.deepEqual(offsetsIn(log), [
    [0, 0],
    [1, 3],
    [4, 5],
  ])
  assert.equal(log.logEndOffset, 6)
  assert.equal(log.latestEpoch, 5)
  const bytes = readAll(log)
  assert.equal(bytes.readInt32BE(12), 5, 'leader epoch stamped')
})

test('a staged batch has an offset but is not written, and readers do not see it', async (t) => {
  const log = await openLog(t, { dir: tempDir(t) })
  const result = log.appendAsLeader(batch(2), 0, 'client', 12)
  assert.deepEqual([result.errorCode, result.baseOffset, result.lastOffset], [0, 0, 1])
  assert.deepEqual([log.logEndOffset, log.writtenOffset], [2, 0])
  assert.deepEqual(offsetsIn(log, 0, log.logEndOffset), [])
  assert.equal(log.flushStaged(), 0)
  assert.equal(log.writtenOffset, 2)
  assert.deepEqual(offsetsIn(log), [[0, 1]])
})

test('a large batch is written at once together with what was staged before it', async (t) => {
  const log = await openLog(t, { dir: tempDir(t) })
  log.appendAsLeader(batch(1), 0, 'client', 12)
  log.appendAsLeader(batchOfSize(80_000), 0, 'client', 12)
  assert.equal(log.writtenOffset, 2)
  assert.deepEqual(offsetsIn(log), [
    [0, 0],
    [1, 1],
  ])
})

test('a refused batch changes nothing and says why', async (t) => {
  const log = await openLog(t, { dir: tempDir(t), config: { maxMessageBytes: 1000 } })
  const tail = (bytes: Uint8Array, extra: Uint8Array): Uint8Array => Buffer.concat([bytes, extra])
  const flip = (at: number): Uint8Array => {
    const bytes = batch(2)
    bytes[at]! ^= 1
    return bytes
  }
  const cases: [string, Uint8Array, number, number][] = [
    ['nothing at all', new Uint8Array(0), 12, code.invalid],
    ['part of a batch', batch(1).subarray(0, 60), 12, code.invalid],
    ['two batches', tail(batch(1), batch(1)), 12, code.invalid],
    ['a length below the least', Buffer.alloc(70), 12, code.corrupt],
    ['format 1', Object.assign(batch(1), { 16: 1 }), 12, code.invalid],
    ['format 9', Object.assign(batch(1), { 16: 9 }), 12, code.corrupt],
    ['a base offset', batch(1, { baseOffset: 4 }), 12, code.invalid],
    ['a wrong CRC', flip(62), 12, code.corrupt],
    ['a wrong count', batch(2, { count: 3 }), 12, code.invalid],
    ['a wrong last offset delta', batch(2, { lastOffsetDelta: 2 }), 12, code.invalid],
    ['a control batch', batch(1, { attributes: 0x20 }), 12, code.invalid],
    ['a producer without a sequence', batch(1, { producerId: 1, producerEpoch: 0 }), 12, code.invalid],
    ['too many bytes', batchOfSize(1001), 12, code.tooLarge],
    ['zstd before version 7', batch(5, { codec: 4 }), 6, code.codec],
    ['a timestamp in the future', batch([{ timestamp: START + 3_600_001 }]), 12, code.timestamp],
  ]
  for (const [name, bytes, version, expected] of cases) {
    const result = log.appendAsLeader(bytes, 0, 'client', version)
    assert.equal(result.errorCode, expected, `${name}: ${result.errorMessage}`)
    assert.ok(result.errorMessage, name)
    assert.equal(result.baseOffset, -1)
  }
  assert.equal(log.logEndOffset, 0)
  assert.equal(append(log, batch(1)).baseOffset, 0, 'the log takes good batches afterwards')
})

test('bytes of a partial second batch are ignored, as Kafka does', async (t) => {
  const log = await openLog(t, { dir: tempDir(t) })
  append(log, Buffer.concat([batch(1), batch(1).subarray(0, 30)]))
  append(log, batch(1))
  assert.deepEqual(offsetsIn(log), [
    [0, 0],
    [1, 1],
  ])
})

test('the record that broke a rule is named', async (t) => {
  const log = await openLog(t, { dir: tempDir(t), config: { cleanupPolicy: { delete: false, compact: true } } })
  const result = log.appendAsLeader(batch([{ key: 'a' }, { key: null }, { key: 'c' }]), 0, 'client', 12)
  assert.equal(result.errorCode, code.invalid)
  assert.deepEqual(
    result.recordErrors?.map((e) => e.batchIndex),
    [1],
  )
})

test('every codec is taken as it is under compression.type=producer', async (t) => {
  const log = await openLog(t, { dir: tempDir(t) })
  for (const codec of [1, 2, 3, 4]) append(log, batch(50, { codec }))
  assert.equal(log.logEndOffset, 200)
  assert.deepEqual(offsetsIn(log).length, 4)
})

test('a batch of another codec is recompressed when the topic names one', async (t) => {
  const log = await openLog(t, { dir: tempDir(t), config: { compressionType: 'lz4' } })
  append(log, batch(50))
  append(log, batch(50, { codec: 4 }))
  const bytes = readAll(log)
  assert.equal(bytes[22]! & 7, 3)
  assert.deepEqual(offsetsIn(log), [
    [0, 49],
    [50, 99],
  ])
  const out = new Float64Array(VerifyOut.length)
  const first = Buffer.from(bytes.subarray(0, 12 + bytes.readInt32BE(8)))
  assert.equal(native().verifyBatch(first, 0, first.length, 0, 0, 1e15, 1 << 20, out), 0)
  assert.equal(out[0], 50)
})

test('a decompression bomb is refused at the limit', async (t) => {
  const log = await openLog(t, { dir: tempDir(t), config: { maxDecompressedBytes: 100_000 } })
  const bomb = native().recompressBatch(batchOfSize(1_000_000), 0, 1_000_000, 4, -1, 1 << 30)
  assert.ok(bomb.length < 10_000)
  assert.equal(log.appendAsLeader(bomb, 0, 'client', 12).errorCode, code.invalid)
})

test("LogAppendTime stamps the broker's clock into the batch", async (t) => {
  const env = new TestEnv()
  env.nowMs = START + 777
  const log = await openLog(t, { dir: tempDir(t), env, config: { messageTimestampType: 'LogAppendTime' } })
  const result = log.appendAsLeader(batch([{ timestamp: 5 }]), 0, 'client', 12)
  assert.equal(result.logAppendTime, START + 777)
  log.flushStaged()
  const bytes = readAll(log)
  assert.equal(bytes[22]! & 8, 8)
  assert.equal(Number(bytes.readBigInt64BE(35)), START + 777)
  assert.equal(bytes.readUInt32BE(17), native().crc32c(bytes, 21, bytes.length - 21))
})

test('a wrong largest timestamp in the header is corrected', async (t) => {
  const log = await openLog(t, { dir: tempDir(t) })
  const bytes = Buffer.from(batch([{ timestamp: START }, { timestamp: START + 9 }]))
  bytes.writeBigInt64BE(BigInt(START + 5000), 35)
  sealCrc(bytes)
  append(log, bytes)
  const stored = readAll(log)
  assert.equal(Number(stored.readBigInt64BE(35)), START + 9)
  assert.equal(stored.readUInt32BE(17), native().crc32c(stored, 21, stored.length - 21))
})

test('a batch larger than a segment is RECORD_LIST_TOO_LARGE', async (t) => {
  const log = await openLog(t, { dir: tempDir(t), config: { segmentBytes: 2000 } })
  assert.equal(log.appendAsLeader(batchOfSize(2001), 0, 'client', 12).errorCode, code.listTooLarge)
})

test('a coordinator may write control batches', async (t) => {
  const log = await openLog(t, { dir: tempDir(t) })
  const result = log.appendAsLeader(marker(7, 0, true), 0, 'coordinator', 12)
  assert.equal(result.errorCode, 0, result.errorMessage ?? '')
})

test('a follower keeps the offsets and epochs of the leader', async (t) => {
  const log = await openLog(t, { dir: tempDir(t) })
  const bytes = Buffer.concat([
    batch(2, { baseOffset: 0, leaderEpoch: 1 }),
    batch(3, { baseOffset: 10, leaderEpoch: 4 }),
    batch(1, { baseOffset: 13 }).subarray(0, 40),
  ])
  const result = log.appendAsFollower(bytes)
  assert.equal(result.errorCode, 0, result.errorMessage ?? '')
  assert.equal(log.flushStaged(), 0)
  assert.deepEqual(offsetsIn(log), [
    [0, 1],
    [10, 12],
  ])
  assert.deepEqual(log.epochEndOffset(1), { leaderEpoch: 1, endOffset: 10 })
  assert.deepEqual(log.epochEndOffset(4), { leaderEpoch: 4, endOffset: 13 })
  assert.equal(log.appendAsFollower(batch(1, { baseOffset: 5 })).errorCode, code.corrupt)
})

test('segments roll by size, and reads go across them', async (t) => {
  const log = await openLog(t, { dir: tempDir(t), config: { segmentBytes: 5000 } })
  for (let i = 0; i < 10; i++) append(log, batchOfSize(1500))
  assert.equal(log.segmentCount, 4)
  assert.equal(offsetsIn(log).length, 10)
  assert.equal(log.size, 15_000)
  for (let offset = 0; offset < 10; offset++) assert.equal(offsetsIn(log, offset)[0]![0], offset)
})

test('segments roll by the time between their records', async (t) => {
  const log = await openLog(t, { dir: tempDir(t), config: { segmentMs: 1000, messageTimestampAfterMaxMs: 1e12 } })
  append(log, batch([{ timestamp: START }]))
  append(log, batch([{ timestamp: START + 1000 }]))
  assert.equal(log.segmentCount, 1)
  append(log, batch([{ timestamp: START + 1001 }]))
  assert.equal(log.segmentCount, 2)
})

test('a full offset index rolls the segment', async (t) => {
  const log = await openLog(t, { dir: tempDir(t), config: { segmentIndexBytes: 24, indexIntervalBytes: 100 } })
  for (let i = 0; i < 12; i++) append(log, batchOfSize(200))
  assert.ok(log.segmentCount >= 3, `${log.segmentCount} segments`)
  assert.equal(offsetsIn(log).length, 12)
})
