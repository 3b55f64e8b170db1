// What the addon's per-request calls cost from JavaScript: CRC32C, a batch check per codec, append, plan, read.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Bench } from 'tinybench'
import { native, PlanOut, VerifyFlag, VerifyOut } from '../../src/log/native.js'

const LIMIT = 64 << 20
const NO_LIMIT = Number.MAX_SAFE_INTEGER
const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const
const addon = native()

function varint(value: number): number[] {
  const out: number[] = []
  let raw = value * 2
  for (; raw >= 128; raw >>>= 7) out.push((raw & 127) | 128)
  return [...out, raw]
}

/** A batch of `count` records of about `valueSize` bytes each. */
function batchOf(count: number, valueSize: number): Buffer {
  const records: number[] = []
  for (let i = 0; i < count; i++) {
    const value = Array.from({ length: valueSize }, (_, j) => (i * 7 + j) & 255)
    const body = [0, ...varint(i), ...varint(i), 1, ...varint(valueSize), ...value, 0]
    records.push(...varint(body.length), ...body)
  }
  const batch = Buffer.alloc(61 + records.length)
  batch.set(records, 61)
  batch.writeInt32BE(batch.length - 12, 8)
  batch[16] = 2
  batch.writeInt32BE(count - 1, 23)
  batch.writeBigInt64BE(1_700_000_000_000n, 27)
  batch.writeBigInt64BE(1_700_000_000_000n + BigInt(count - 1), 35)
  batch.writeBigInt64BE(-1n, 43)
  batch.writeInt16BE(-1, 51)
  batch.writeInt32BE(-1, 53)
  batch.writeInt32BE(count, 57)
  batch.writeUInt32BE(addon.crc32c(batch, 21, batch.length - 21), 17)
  return batch
}

function addChecks(bench: Bench): void {
  const block = Buffer.alloc(64 * 1024, 7)
  const out = new Float64Array(VerifyOut.length)
  bench.add('crc32c, no bytes (the call itself)', () => addon.crc32c(block, 0, 0))
  bench.add('crc32c, 64 KiB', () => addon.crc32c(block, 0, block.length))
  for (const [count, size] of [
    [1, 100],
    [150, 100],
    [2500, 100],
    [250, 1024],
  ] as const) {
    const plain = batchOf(count, size)
    for (const [codec, name] of CODECS.entries()) {
      if (codec > 0 && count !== 2500) continue
      const batch = codec === 0 ? plain : addon.recompressBatch(plain, 0, plain.length, codec, -1, LIMIT)
      bench.add(`verifyBatch, ${count} x ${size} B, ${name}`, () => {
        addon.verifyBatch(batch, 0, batch.length, VerifyFlag.fromClient | VerifyFlag.checkTimestamps, 0, NO_LIMIT, LIMIT, out)
      })
    }
  }
}

/** One segment that is emptied when it nears 1 GiB, so that a long run stays small. */
function addAppends(bench: Bench, dir: string): void {
  for (const [base, [count, size]] of (
    [
      [1, 100],
      [150, 100],
      [2500, 100],
    ] as const
  ).entries()) {
    const batch = batchOf(count, size)
    const handle = addon.segmentOpen(dir, base, true, -1, 4096, 10 << 20)
    let offset = base
    bench.add(`segmentAppend and flush at 128 KiB, ${batch.length} B`, () => {
      if (addon.segmentSize(handle) > 1 << 30) {
        addon.segmentTruncate(handle, 0)
        offset = base
      }
      if (addon.segmentAppend(handle, batch, 0, batch.length, offset, 0, -1, -1, offset + count - 1) > 131_072) addon.segmentFlush(handle)
      offset += count
    })
  }
}

function addReads(bench: Bench, dir: string): void {
  const batch = batchOf(150, 100)
  const handle = addon.segmentOpen(dir, 1 << 20, true, -1, 4096, 10 << 20)
  let end = 1 << 20
  for (let i = 0; i < 4000; i++, end += 150) addon.segmentAppend(handle, batch, 0, batch.length, end, 0, -1, -1, end + 149)
  addon.segmentFlush(handle)
  const plan = new Float64Array(PlanOut.length)
  const target = Buffer.alloc(1 << 20)
  let at = 1 << 20
  bench.add('segmentReadPlan, newest batch', () => addon.segmentReadPlan(handle, end - 1, end, 1 << 20, true, plan))
  bench.add('segmentReadPlan, one batch after the other', () => {
    at = at + 150 < end ? at + 150 : 1 << 20
    addon.segmentReadPlan(handle, at, end, 16_384, true, plan)
  })
  bench.add('segmentRead, 1 MiB', () => addon.segmentRead(handle, 0, target.length, target, 0))
}

export async function run(): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'millrace-bench-'))
  try {
    const bench = new Bench({ time: 300, warmupTime: 100 })
    addChecks(bench)
    addAppends(bench, dir)
    addReads(bench, dir)
    await bench.run()
    console.table(bench.table())
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) await run()
