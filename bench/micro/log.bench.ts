// What the log's own path costs per produced batch: verify, producer state, append, write(2); and parts of it.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Bench } from 'tinybench'
import { defaultLogConfig } from '../../src/log/config.js'
import { Log } from '../../src/log/log.js'
import { native, VerifyOut } from '../../src/log/native.js'
import { runPoolTask } from '../../src/log/pool-tasks.js'
import { realEnv } from '../../src/env/real.js'
import { ftruncateSync, openSync, writeSync } from 'node:fs'

function batchOf(records: number, valueSize: number): Uint8Array {
  const value = Buffer.alloc(valueSize, 120)
  const parts: Buffer[] = []
  for (let i = 0; i < records; i++) {
    const delta = i < 64 ? [i * 2] : [((i * 2) & 127) | 128, (i * 2) >> 7]
    const length = valueSize < 64 ? [valueSize * 2] : [((valueSize * 2) & 127) | 128, (valueSize * 2) >> 7]
    const body = Buffer.concat([Buffer.from([0, 0, ...delta, 1, ...length]), value, Buffer.from([0])])
    const size = body.length < 64 ? [body.length * 2] : [((body.length * 2) & 127) | 128, (body.length * 2) >> 7]
    parts.push(Buffer.from(size), body)
  }
  const body = Buffer.concat(parts)
  const bytes = Buffer.alloc(61 + body.length)
  body.copy(bytes, 61)
  bytes.writeInt32BE(bytes.length - 12, 8)
  bytes[16] = 2
  bytes.writeInt32BE(records - 1, 23)
  const now = BigInt(Date.now())
  bytes.writeBigInt64BE(now, 27)
  bytes.writeBigInt64BE(now, 35)
  bytes.writeBigInt64BE(-1n, 43)
  bytes.writeInt16BE(-1, 51)
  bytes.writeInt32BE(-1, 53)
  bytes.writeInt32BE(records, 57)
  bytes.writeUInt32BE(native().crc32c(bytes, 21, bytes.length - 21), 17)
  return bytes
}

/** Append as the broker does it; the base offset is put back because the same bytes are sent again. */
function produce(log: Log, bytes: Uint8Array, sequence: number): void {
  bytes.fill(0, 0, 8)
  if (sequence >= 0) {
    bytes[53] = sequence >>> 24
    bytes[54] = sequence >>> 16
    bytes[55] = sequence >>> 8
    bytes[56] = sequence
  }
  const result = log.appendAsLeader(bytes, 0, 'client', 12)
  if (result.errorCode !== 0 || log.flushStaged() !== 0) throw new Error(result.errorMessage ?? 'flush')
}

async function main(): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'millrace-bench-'))
  const bench = new Bench({ time: 700, warmupTime: 200 })
  const config = { ...defaultLogConfig, segmentBytes: 256 << 20, retentionBytes: 512 << 20, fileDeleteDelayMs: 0 }
  const logs: Log[] = []
  for (const [name, records, size] of [
    ['16 KiB, 100 B records', 153, 100],
    ['1 KiB, one record', 1, 950],
    ['256 KiB, 1 KiB records', 250, 1024],
  ] as const) {
    const bytes = batchOf(records, size)
    const log = await Log.open({
      dir: join(dir, `bench-${logs.length}`),
      topicPartition: { topic: 'bench', partition: logs.length },
      topicId: 'AAAAAAAAAAAAAAAAAAAAAQ',
      config,
      env: realEnv(),
      cleanShutdown: true,
      recoveryPoint: 0,
      logStartOffset: 0,
      runInPool: runPoolTask,
    })
    logs.push(log)
    let appends = 0
    const trim = (): void => {
      if (++appends % 4096 !== 0) return
      log.updateHighWatermark(log.writtenOffset)
      log.applyRetention(Date.now())
    }
    const out = new Float64Array(VerifyOut.length)
    bench.add(`append + write, ${name} (${bytes.length} B)`, () => {
      produce(log, bytes, -1)
      trim()
    })
    bench.add(`verifyBatch alone, ${name}`, () => {
      bytes.fill(0, 0, 8)
      native().verifyBatch(bytes, 0, bytes.length, 6, 0, 1e15, 1 << 28, out)
    })
    const fd = openSync(join(dir, `raw-${logs.length}`), 'w')
    let position = 0
    bench.add(`write(2) alone, ${name}`, () => {
      writeSync(fd, bytes, 0, bytes.length, position)
      position += bytes.length
      if (position > 256 << 20) {
        ftruncateSync(fd, 0)
        position = 0
      }
    })
  }
  const log = logs[0]!
  // the log's own path with nothing behind it: what policy costs beyond verify and write
  const addon = native()
  const { segmentAppend, verifyBatch } = addon
  const plain = batchOf(1, 100)
  const idempotent = batchOf(1, 100)
  let sequence = 0
  const policyOnly = {
    beforeAll: () => {
      addon.segmentAppend = () => 0
      addon.verifyBatch = () => 0
    },
    afterAll: () => {
      addon.segmentAppend = segmentAppend
      addon.verifyBatch = verifyBatch
    },
  }
  const policyLog = logs[1]!
  bench.add('policy alone (no verify, no bytes moved)', () => produce(policyLog, plain, -1), policyOnly)
  idempotent[50] = 7 // producer id 7, epoch 0
  idempotent.fill(0, 43, 50)
  idempotent.fill(0, 51, 53)
  bench.add('policy alone, idempotent producer', () => produce(policyLog, idempotent, sequence++), policyOnly)
  bench.add('planRead at the tail', () => {
    const plan = log.planRead(log.writtenOffset - 1, 1 << 20, log.writtenOffset, true)
    if (plan.kind === 'error') throw new Error(plan.errorMessage)
  })
  const target = Buffer.allocUnsafe(1 << 20)
  bench.add('planRead + readInto 1 MiB', () => {
    const plan = log.planRead(Math.max(log.logStartOffset, log.writtenOffset - 20_000), 1 << 20, log.writtenOffset, true)
    if (plan.kind === 'plan') log.readInto(plan, target, 0)
  })
  await bench.run()
  console.table(
    bench.tasks.map((task) => {
      const result = task.result as { latency?: { mean: number; p50: number; p99: number } }
      return {
        name: task.name,
        'mean µs': round(result.latency?.mean),
        'p50 µs': round(result.latency?.p50),
        'p99 µs': round(result.latency?.p99),
      }
    }),
  )
  for (const open of logs) await open.close(false).catch(() => undefined)
  rmSync(dir, { recursive: true, force: true })
}

function round(ms: number | undefined): number {
  return Math.round((ms ?? 0) * 100_000) / 100
}

await main()
