// The addon's surface as the log uses it: verdicts, segments, recovery, compaction, locks, sockets, errors with codes.

import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { Worker } from 'node:worker_threads'
import { BatchVerdict, native, PlanOut, VerifyFlag, VerifyOut } from '../../src/log/native.js'
import type { CompactionOptions } from '../../src/log/native.js'

const addon = native()
const LIMIT = 64 << 20
const NO_LIMIT = Number.MAX_SAFE_INTEGER
const BASE_TIME = 1_700_000_000_000

function varint(value: number): number[] {
  let raw = ((value << 1) ^ (value >> 31)) >>> 0
  const out: number[] = []
  while (raw >= 128) {
    out.push((raw & 127) | 128)
    raw >>>= 7
  }
  return [...out, raw]
}

function seal(batch: Buffer): Buffer {
  batch.writeUInt32BE(addon.crc32c(batch, 21, batch.length - 21), 17)
  return batch
}

/** A batch of `count` records with 3-byte keys; record i has timestamp BASE_TIME + i. */
function batchOf(count: number, valueSize = 100, baseOffset = 0, keyOf = (i: number): string => `k${i % 100}`): Buffer {
  const records: number[] = []
  for (let i = 0; i < count; i++) {
    const key = [...Buffer.from(keyOf(i))]
    const value = Array.from({ length: valueSize }, (_, j) => (i + j) & 255)
    const body = [0, ...varint(i), ...varint(i), ...varint(key.length), ...key, ...varint(valueSize), ...value, 0]
    records.push(...varint(body.length), ...body)
  }
  const batch = Buffer.alloc(61 + records.length)
  batch.set(records, 61)
  batch.writeBigInt64BE(BigInt(baseOffset), 0)
  batch.writeInt32BE(batch.length - 12, 8)
  batch[16] = 2
  batch.writeInt32BE(count - 1, 23)
  batch.writeBigInt64BE(BigInt(BASE_TIME), 27)
  batch.writeBigInt64BE(BigInt(BASE_TIME + count - 1), 35)
  batch.writeBigInt64BE(-1n, 43)
  batch.writeInt16BE(-1, 51)
  batch.writeInt32BE(-1, 53)
  batch.writeInt32BE(count, 57)
  return seal(batch)
}

function verify(batch: Uint8Array, flags: number = VerifyFlag.fromClient, max = LIMIT): { verdict: number; out: Float64Array } {
  const out = new Float64Array(VerifyOut.length)
  return { verdict: addon.verifyBatch(batch, 0, batch.length, flags, 0, NO_LIMIT, max, out), out }
}

function directory(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'millrace-native-'))
  t.after(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}

const openSegment = (dir: string, writable: boolean): number => addon.segmentOpen(dir, 0, writable, -1, 4096, 10 << 20)
const logFile = (dir: string): string => join(dir, '00000000000000000000.log')

/** Appends `batches` batches of ten records; returns the size of each. */
function fill(handle: number, batches: number): number {
  let size = 0
  for (let i = 0; i < batches; i++) {
    const batch = batchOf(10, 200)
    size = batch.length
    addon.segmentAppend(handle, batch, 0, batch.length, i * 10, 3, -1, BASE_TIME + 9, i * 10 + 9)
  }
  addon.segmentFlush(handle)
  return size
}

function planOf(
  handle: number,
  start: number,
  maxOffset: number,
  maxBytes: number,
  minOne: boolean,
): { position: number; size: number; first: number } {
  const out = new Float64Array(PlanOut.length)
  addon.segmentReadPlan(handle, start, maxOffset, maxBytes, minOne, out)
  return { position: out[PlanOut.position]!, size: out[PlanOut.size]!, first: out[PlanOut.firstBatchSize]! }
}

const code = (expected: string) => (error: unknown) =>
  (error as NodeJS.ErrnoException).code === expected && (error as Error).message.length > 10

test('CRC32C answers the check value of the standard', () => {
  assert.equal(addon.crc32c(Buffer.from('x123456789'), 1, 9), 0xe3069283)
})

test('a good batch passes under every codec and says the same', () => {
  const batch = batchOf(50)
  const plain = verify(batch)
  assert.equal(plain.verdict, BatchVerdict.ok)
  assert.equal(plain.out[VerifyOut.records], 50)
  assert.equal(plain.out[VerifyOut.maxTimestamp], BASE_TIME + 49)
  assert.equal(plain.out[VerifyOut.maxTimestampDelta], 49)
  assert.equal(plain.out[VerifyOut.failedIndex], -1)
  for (const codec of [1, 2, 3, 4]) {
    const other = addon.recompressBatch(batch, 0, batch.length, codec, -1, LIMIT)
    assert.ok(other.length < batch.length)
    assert.deepEqual(verify(other), plain)
    assert.deepEqual(Buffer.from(addon.recompressBatch(other, 0, other.length, 0, -1, LIMIT)), batch)
  }
})

test('bad batches get their verdict', () => {
  const changed = (change: (batch: Buffer) => void, sealed = true): number => {
    const batch = batchOf(5)
    change(batch)
    return verify(sealed ? seal(batch) : batch).verdict
  }
  assert.equal(
    changed((b) => (b[70]! ^= 1), false),
    BatchVerdict.corrupt,
  )
  assert.equal(
    changed((b) => b.writeInt32BE(6, 57)),
    BatchVerdict.invalid,
  )
  assert.equal(
    changed((b) => b.writeInt32BE(5, 23)),
    BatchVerdict.invalid,
  )
  assert.equal(
    changed((b) => b.writeInt16BE(0x20, 21)),
    BatchVerdict.invalid,
  )
  assert.equal(
    changed((b) => b.writeInt16BE(5, 21)),
    BatchVerdict.codec,
  )
  assert.equal(
    changed((b) => (b[16] = 1)),
    BatchVerdict.magic,
  )
  assert.equal(verify(batchOf(5).subarray(0, 60)).verdict, BatchVerdict.corrupt)
  const out = new Float64Array(VerifyOut.length)
  const batch = batchOf(5)
  assert.equal(addon.verifyBatch(batch, 0, batch.length, VerifyFlag.checkTimestamps, 0, BASE_TIME + 2, LIMIT, out), BatchVerdict.timestamp)
  assert.equal(out[VerifyOut.failedIndex], 3)
})

test('a decompression bomb is refused at the limit', () => {
  const bomb = addon.recompressBatch(batchOf(20, 5000), 0, batchOf(20, 5000).length, 4, -1, LIMIT)
  assert.equal(verify(bomb, VerifyFlag.fromClient, 50_000).verdict, BatchVerdict.tooLarge)
  assert.throws(() => addon.recompressBatch(bomb, 0, bomb.length, 0, -1, 50_000), code('ERR_MILLRACE_TOO_LARGE'))
})

test('a segment gives back what was appended, by offset and by size', (t) => {
  const dir = directory(t)
  const handle = openSegment(dir, true)
  const size = fill(handle, 100)
  assert.equal(addon.segmentSize(handle), 100 * size)
  assert.equal(addon.segmentNextOffset(handle), 1000)
  assert.deepEqual(planOf(handle, 555, NO_LIMIT, 10_000, true), { position: 55 * size, size: 10_000, first: size })
  assert.deepEqual(planOf(handle, 995, NO_LIMIT, 10, true), { position: 99 * size, size, first: size })
  assert.deepEqual(planOf(handle, 995, NO_LIMIT, 10, false), { position: 99 * size, size: 0, first: size })
  assert.deepEqual(planOf(handle, 5, 20, 1e6, true), { position: 0, size: 2 * size, first: size })
  assert.equal(planOf(handle, 1000, NO_LIMIT, 1e6, true).position, -1)
  const target = new Uint8Array(size + 10)
  assert.equal(addon.segmentRead(handle, 55 * size, size, target, 10), size)
  assert.equal(Buffer.from(target).readBigInt64BE(10), 550n)
  assert.equal(Buffer.from(target).readInt32BE(10 + 12), 3)
  assert.equal(verify(target.subarray(10), 0).verdict, BatchVerdict.ok)
  addon.segmentClose(handle)
  const again = openSegment(dir, false)
  assert.deepEqual(planOf(again, 555, NO_LIMIT, 10_000, true), { position: 55 * size, size: 10_000, first: size })
  addon.segmentClose(again)
})

test('a reader sees what another handle appended after it was opened', (t) => {
  const dir = directory(t)
  const writer = openSegment(dir, true)
  const reader = openSegment(dir, false)
  const size = fill(writer, 3)
  assert.equal(addon.segmentRead(reader, 2 * size, size, new Uint8Array(size), 0), size)
  addon.segmentClose(reader)
  addon.segmentClose(writer)
})

test('timestamps and the largest one are found', (t) => {
  const handle = openSegment(directory(t), true)
  fill(handle, 10)
  const out = new Float64Array(3)
  addon.segmentFindTimestamp(handle, BASE_TIME + 4, 21, LIMIT, out)
  assert.deepEqual([...out], [24, BASE_TIME + 4, 3])
  addon.segmentFindTimestamp(handle, BASE_TIME + 10, 0, LIMIT, out)
  assert.equal(out[0], -1)
  addon.segmentMaxTimestamp(handle, LIMIT, out)
  assert.deepEqual([...out], [9, BASE_TIME + 9, 3])
  addon.segmentClose(handle)
})

test('a truncated segment goes on from the cut', (t) => {
  const handle = openSegment(directory(t), true)
  const size = fill(handle, 10)
  assert.equal(addon.segmentTruncate(handle, 45), 4 * size)
  assert.equal(addon.segmentNextOffset(handle), 40)
  const batch = batchOf(1)
  addon.segmentAppend(handle, batch, 0, batch.length, 40, 4, -1, BASE_TIME, 40)
  assert.equal(addon.segmentFlush(handle), 4 * size + batch.length)
  addon.segmentClose(handle)
})

test('a sync resolves with the size that is durable', async (t) => {
  const handle = openSegment(directory(t), true)
  const size = fill(handle, 4)
  assert.equal(await addon.segmentSync(handle, false), 4 * size)
  const pending = addon.segmentSync(handle, true)
  addon.segmentClose(handle)
  assert.equal(await pending, 4 * size)
})

test('recovery keeps what is valid, tells a torn tail from a corrupt middle, and never changes the log', (t) => {
  const dir = directory(t)
  const handle = openSegment(dir, true)
  const size = fill(handle, 20)
  addon.segmentClose(handle)
  const whole = addon.recoverSegment(dir, 0, 0, 4096, LIMIT)
  assert.equal(whole.validBytes, 20 * size)
  assert.equal(whole.nextOffset, 200)
  assert.equal(whole.batches.length, 1)
  const bytes = readFileSync(logFile(dir))
  bytes[7 * size + 100]! ^= 4
  writeFileSync(logFile(dir), bytes)
  const middle = addon.recoverSegment(dir, 0, 0, 4096, LIMIT)
  assert.equal(middle.corruptMiddle, true)
  assert.deepEqual(middle.corruptRanges, [{ position: 7 * size, size, firstOffset: 70, lastOffset: 79 }])
  assert.equal(middle.validBytes, 7 * size)
  assert.equal(middle.endBytes, 20 * size)
  truncateSync(logFile(dir), 7 * size + 50)
  const torn = addon.recoverSegment(dir, 0, 0, 4096, LIMIT)
  assert.equal(torn.corruptMiddle, false)
  assert.equal(torn.endBytes, 7 * size)
  assert.equal(statSync(logFile(dir)).size, 7 * size + 50)
})

test('compaction writes the last record of every key beside the log', (t) => {
  const dir = directory(t)
  const handle = openSegment(dir, true)
  for (let i = 0; i < 10; i++) {
    const batch = batchOf(10, 20, 0, (j) => `k${j % 5}`)
    addon.segmentAppend(handle, batch, 0, batch.length, i * 10, 0, -1, -1, i * 10 + 9)
  }
  addon.segmentClose(handle)
  const options: CompactionOptions = {
    mapSegments: [0],
    mapFrom: 0,
    mapUpTo: 100,
    priorSegments: [],
    now: Date.now(),
    deleteRetentionMs: 1000,
    activeProducers: [],
    abortedTransactions: [],
    maxUncompressed: LIMIT,
    indexIntervalBytes: 4096,
    mapBytes: 1 << 20,
  }
  const result = addon.compactSegments(dir, Float64Array.of(0), JSON.stringify(options))
  assert.equal(result.recordsIn, 100)
  assert.equal(result.recordsOut, 5)
  assert.equal(result.cleanedUpTo, 100)
  assert.equal(statSync(`${logFile(dir)}.cleaned`).size, result.bytesOut)
  assert.throws(() => addon.compactSegments(dir, Float64Array.of(0), '{}'), code('ERR_MILLRACE_ARGUMENT'))
})

test('errors carry a code and stale handles are refused', (t) => {
  const dir = directory(t)
  assert.throws(() => addon.segmentOpen(join(dir, 'absent'), 0, true, -1, 4096, 1024), code('ENOENT'))
  const handle = openSegment(dir, true)
  addon.segmentClose(handle)
  assert.throws(() => addon.segmentSize(handle), code('ERR_MILLRACE_HANDLE'))
  assert.throws(() => addon.segmentClose(handle), code('ERR_MILLRACE_HANDLE'))
  const next = openSegment(dir, true)
  assert.notEqual(next, handle)
  const batch = batchOf(1)
  assert.throws(() => addon.segmentAppend(next, batch, 10, batch.length, 0, 0, -1, -1, 0), code('ERR_MILLRACE_ARGUMENT'))
  assert.throws(() => addon.segmentAppend(next, batch, 0, 70, 0, 0, -1, -1, 0), code('ERR_MILLRACE_NOT_A_BATCH'))
  assert.throws(() => addon.crc32c('text' as unknown as Uint8Array, 0, 1), code('ERR_MILLRACE_ARGUMENT'))
  addon.segmentClose(next)
})

test('more segments can be open for reading than descriptors are kept', (t) => {
  const dir = directory(t)
  const handles: number[] = []
  const batch = batchOf(1)
  for (let i = 0; i < 700; i++) {
    const writer = addon.segmentOpen(dir, i, true, -1, 4096, 1024)
    addon.segmentAppend(writer, batch, 0, batch.length, i, 0, -1, -1, i)
    addon.segmentClose(writer)
    handles.push(addon.segmentOpen(dir, i, false, -1, 4096, 1024))
  }
  const target = Buffer.alloc(batch.length)
  for (const [i, handle] of handles.entries()) {
    assert.equal(addon.segmentRead(handle, 0, target.length, target, 0), target.length)
    assert.equal(target.readBigInt64BE(0), BigInt(i))
  }
  for (const handle of handles) addon.segmentClose(handle)
})

test('a file is locked until it is unlocked', (t) => {
  const path = join(directory(t), '.lock')
  const lock = addon.lockFile(path)
  assert.throws(() => addon.lockFile(path), code('ERR_MILLRACE_LOCKED'))
  addon.unlockFile(lock)
  addon.unlockFile(addon.lockFile(path))
})

test('listening sockets share a port, and an exclusive one sees that it is taken', async () => {
  const [first, port] = addon.listenSocket('127.0.0.1', 0, 16, true)
  const [second, same] = addon.listenSocket('127.0.0.1', port, 16, false)
  assert.equal(same, port)
  assert.throws(() => addon.listenSocket('127.0.0.1', port, 16, true), code('EADDRINUSE'))
  addon.closeDescriptor(second)
  const server = createServer((socket) => socket.end('hello'))
  await new Promise<void>((resolve) => server.listen({ fd: first }, resolve))
  const text = await new Promise<string>((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    socket.on('data', (data) => resolve(data.toString()))
    socket.on('error', reject)
  })
  assert.equal(text, 'hello')
  await new Promise((resolve) => server.close(resolve))
})

test('a worker thread has handles of its own and gives everything back when it is terminated', async (t) => {
  const dir = directory(t)
  const handle = openSegment(dir, true)
  const source = `
    const { native } = await import(${JSON.stringify(new URL('../../src/log/native.js', import.meta.url).href)})
    const { parentPort, workerData } = await import('node:worker_threads')
    let refused = ''
    try { native().segmentSize(workerData.handle) } catch (error) { refused = error.code }
    native().lockFile(workerData.dir + '/.worker-lock')
    parentPort.postMessage(refused)
    setInterval(() => {}, 1000)
  `
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`), { workerData: { dir, handle } })
  const refused = await new Promise<string>((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
  })
  assert.equal(refused, 'ERR_MILLRACE_HANDLE')
  assert.throws(() => addon.lockFile(join(dir, '.worker-lock')), code('ERR_MILLRACE_LOCKED'))
  await worker.terminate()
  addon.unlockFile(addon.lockFile(join(dir, '.worker-lock')))
  addon.segmentClose(handle)
})
