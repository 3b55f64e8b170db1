// Batches by hand and logs in temporary directories, gone with the test.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { defaultLogConfig } from '../../src/log/config.js'
import type { LogConfig } from '../../src/log/config.js'
import { Log } from '../../src/log/log.js'
import { native } from '../../src/log/native.js'
import { runPoolTask } from '../../src/log/pool-tasks.js'
import type { Env, Timer } from '../../src/env/env.js'
import type { LogOptions, ReadPlan } from '../../src/log/types.js'
import { silentLogger } from '../../src/env/real.js'

export const TOPIC_ID = 'AAAAAAAAAAAAAAAAAAAAAQ'
export const START = 1_700_000_000_000

export interface RecordSpec {
  readonly key?: string | null
  readonly value?: string | null
  readonly timestamp?: number
}

export interface BatchSpec {
  readonly baseOffset?: number
  readonly leaderEpoch?: number
  readonly attributes?: number
  readonly producerId?: number
  readonly producerEpoch?: number
  readonly baseSequence?: number
  readonly codec?: number
  readonly count?: number
  readonly lastOffsetDelta?: number
}

function varint(out: number[], value: number): void {
  let raw = value >= 0 ? value * 2 : -value * 2 - 1
  while (raw >= 128) {
    out.push((raw % 128) | 128)
    raw = Math.floor(raw / 128)
  }
  out.push(raw)
}

function bytesField(out: number[], bytes: Uint8Array | null): void {
  varint(out, bytes === null ? -1 : bytes.length)
  if (bytes) for (const byte of bytes) out.push(byte)
}

function text(value: string | null | undefined): Uint8Array | null {
  return value === null || value === undefined ? null : Buffer.from(value)
}

export function rawBatch(
  records: readonly { key: Uint8Array | null; value: Uint8Array | null; timestamp: number }[],
  spec: BatchSpec = {},
): Uint8Array {
  const base = records[0]?.timestamp ?? -1
  const body: number[] = []
  records.forEach((record, i) => {
    const fields: number[] = [0]
    varint(fields, record.timestamp - base)
    varint(fields, i)
    bytesField(fields, record.key)
    bytesField(fields, record.value)
    varint(fields, 0)
    varint(body, fields.length)
    for (const byte of fields) body.push(byte)
  })
  const bytes = Buffer.alloc(61 + body.length)
  bytes.set(body, 61)
  bytes.writeBigInt64BE(BigInt(spec.baseOffset ?? 0), 0)
  bytes.writeInt32BE(bytes.length - 12, 8)
  bytes.writeInt32BE(spec.leaderEpoch ?? -1, 12)
  bytes[16] = 2
  bytes.writeInt16BE(spec.attributes ?? 0, 21)
  bytes.writeInt32BE(spec.lastOffsetDelta ?? records.length - 1, 23)
  bytes.writeBigInt64BE(BigInt(base), 27)
  bytes.writeBigInt64BE(BigInt(Math.max(-1, ...records.map((r) => r.timestamp))), 35)
  bytes.writeBigInt64BE(BigInt(spec.producerId ?? -1), 43)
  bytes.writeInt16BE(spec.producerEpoch ?? -1, 51)
  bytes.writeInt32BE(spec.baseSequence ?? -1, 53)
  bytes.writeInt32BE(spec.count ?? records.length, 57)
  sealCrc(bytes)
  return spec.codec ? native().recompressBatch(bytes, 0, bytes.length, spec.codec, -1, 1 << 30) : bytes
}

export function sealCrc(bytes: Uint8Array): void {
  const crc = native().crc32c(bytes, 21, bytes.length - 21)
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(17, crc)
}

export function batch(records: readonly RecordSpec[] | number, spec: BatchSpec = {}): Uint8Array {
  const list = typeof records === 'number' ? Array.from({ length: records }, (_, i) => ({ value: `value-${i}` })) : records
  return rawBatch(
    list.map((r: RecordSpec) => ({ key: text(r.key), value: text(r.value ?? 'v'), timestamp: r.timestamp ?? START })),
    spec,
  )
}

/** One record whose whole batch has exactly `size` bytes. */
export function batchOfSize(size: number, spec: BatchSpec = {}): Uint8Array {
  let value = size - 61 - 10
  for (;;) {
    const bytes = rawBatch([{ key: null, value: Buffer.alloc(value, 120), timestamp: START }], spec)
    if (bytes.length === size) return bytes
    value += size - bytes.length
  }
}

export function marker(producerId: number, producerEpoch: number, commit: boolean, coordinatorEpoch = 0): Uint8Array {
  const key = Buffer.alloc(4)
  key.writeInt16BE(commit ? 1 : 0, 2)
  const value = Buffer.alloc(6)
  value.writeInt32BE(coordinatorEpoch, 2)
  return rawBatch([{ key, value, timestamp: START }], { producerId, producerEpoch, attributes: 0x30 })
}

/** A clock that stands still until told, and timers that fire when it passes them. */
export class TestEnv implements Env {
  nowMs = START
  readonly logger = silentLogger
  readonly #tasks: { at: number; task: () => void; cancelled: boolean }[] = []
  #seed = 1
  readonly clock = { now: () => this.nowMs, monotonic: () => this.nowMs }
  readonly timers = {
    after: (delayMs: number, task: () => void): Timer => {
      const entry = { at: this.nowMs + delayMs, task, cancelled: false }
      this.#tasks.push(entry)
      return {
        cancel: () => {
          entry.cancelled = true
        },
      }
    },
    every: (): Timer => {
      throw new Error('the log uses no periodic timer')
    },
  }
  readonly random = {
    next: () => {
      this.#seed = (this.#seed * 1103515245 + 12345) % 2147483648
      return this.#seed / 2147483648
    },
    bytes: (count: number) => Uint8Array.from({ length: count }, () => Math.floor(this.random.next() * 256)),
  }

  advance(ms: number): void {
    this.nowMs += ms
    for (const entry of this.#tasks.splice(0)) {
      if (entry.cancelled) continue
      if (entry.at <= this.nowMs) entry.task()
      else this.#tasks.push(entry)
    }
  }
}

/** Logs of a test, closed before their directory goes. */
const open = new WeakMap<TestContext, Set<Log>>()

export function tempDir(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'millrace-log-'))
  t.after(async () => {
    await closeLogs(t)
    rmSync(dir, { recursive: true, force: true })
  })
  return dir
}

export async function closeLogs(t: TestContext): Promise<void> {
  for (const log of open.get(t) ?? []) await log.close(false)
}

export interface OpenArgs {
  readonly dir: string
  readonly env?: Env
  readonly config?: Partial<LogConfig>
  readonly clean?: boolean
  readonly recoveryPoint?: number
  readonly logStartOffset?: number
  readonly overrides?: Partial<LogOptions>
}

/** Opens a log that is closed (uncleanly) with the test if it still is open. */
export async function openLog(t: TestContext, args: OpenArgs): Promise<Log> {
  const log = await Log.open({
    dir: join(args.dir, 'events-0'),
    topicPartition: { topic: 'events', partition: 0 },
    topicId: TOPIC_ID,
    config: { ...defaultLogConfig, ...args.config },
    env: args.env ?? new TestEnv(),
    cleanShutdown: args.clean ?? false,
    recoveryPoint: args.recoveryPoint ?? 0,
    logStartOffset: args.logStartOffset ?? 0,
    runInPool: runPoolTask,
    ...args.overrides,
  })
  if (!open.has(t)) open.set(t, new Set())
  open.get(t)!.add(log)
  return log
}

/** Bytes at and after `offset` as one buffer, over all segments. */
export function readAll(log: Log, offset = log.logStartOffset, bound = log.writtenOffset): Buffer {
  const chunks: Buffer[] = []
  let at = offset
  for (;;) {
    const plan = log.planRead(at, 1 << 20, bound, true)
    if (plan.kind === 'error') throw new Error(`${plan.errorCode}: ${plan.errorMessage}`)
    if (plan.size === 0) return Buffer.concat(chunks)
    const bytes = readPlan(log, plan)
    const whole = wholeBatches(bytes)
    chunks.push(bytes.subarray(0, whole.size))
    at = whole.nextOffset
  }
}

export function readPlan(log: Log, plan: ReadPlan): Buffer {
  const bytes = Buffer.alloc(plan.size)
  const size = log.readInto(plan, bytes, 0)
  return bytes.subarray(0, size)
}

export function wholeBatches(bytes: Buffer): { size: number; nextOffset: number; offsets: [number, number][] } {
  let at = 0
  let nextOffset = -1
  const offsets: [number, number][] = []
  while (at + 61 <= bytes.length && at + 12 + bytes.readInt32BE(at + 8) <= bytes.length) {
    const base = Number(bytes.readBigInt64BE(at))
    const last = base + bytes.readInt32BE(at + 23)
    offsets.push([base, last])
    nextOffset = last + 1
    at += 12 + bytes.readInt32BE(at + 8)
  }
  return { size: at, nextOffset, offsets }
}

export function offsetsIn(log: Log, offset?: number, bound?: number): [number, number][] {
  return wholeBatches(readAll(log, offset, bound)).offsets
}

/** Appends and writes; throws when refused. */
export function append(log: Log, bytes: Uint8Array, epoch = 0): { baseOffset: number; lastOffset: number; duplicate: boolean } {
  const result = log.appendAsLeader(bytes, epoch, 'client', 12)
  if (result.errorCode !== 0) throw new Error(`${result.errorCode}: ${result.errorMessage}`)
  const flushed = log.flushStaged()
  if (flushed !== 0) throw new Error(`flush: ${flushed}`)
  return result
}
