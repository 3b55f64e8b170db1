import assert from 'node:assert/strict'
import { cpSync, existsSync, readdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { cleanablePart, groupSegments } from '../../src/log/compaction/cleanable.js'
import { compactDue } from '../../src/log/compaction/schedule.js'
import { runPoolTask } from '../../src/log/pool-tasks.js'
import { append, batch, marker, openLog, readAll, START, tempDir, TestEnv } from './support.js'
import type { OpenArgs, RecordSpec } from './support.js'
import type { Log } from '../../src/log/log.js'
import { turnsUntil } from '../support/patience.js'

const compacted = {
  cleanupPolicy: { delete: false, compact: true },
  segmentBytes: 400,
  minCleanableDirtyRatio: 0.1,
  deleteRetentionMs: 1000,
} as const

/** key → value of every record left, with offsets, uncompressed batches only. */
function records(log: Log): [number, string | null, string | null][] {
  const bytes = readAll(log)
  const found: [number, string | null, string | null][] = []
  let at = 0
  while (at < bytes.length) {
    const base = Number(bytes.readBigInt64BE(at))
    const end = at + 12 + bytes.readInt32BE(at + 8)
    const count = bytes.readInt32BE(at + 57)
    if ((bytes[at + 22]! & 0x20) === 0) {
      const cursor = { at: at + 61 }
      for (let i = 0; i < count; i++) found.push(record(bytes, cursor, base))
    }
    at = end
  }
  return found
}

function record(b: Buffer, c: { at: number }, base: number): [number, string | null, string | null] {
  const varint = (): number => {
    let raw = 0
    let factor = 1
    for (;;) {
      const byte = b[c.at++]!
      raw += (byte & 127) * factor
      factor *= 128
      if (byte < 128) return raw % 2 === 0 ? raw / 2 : -(raw + 1) / 2
    }
  }
  const text = (length: number): string | null => (length < 0 ? null : b.toString('utf8', c.at, (c.at += length)))
  varint()
  c.at++
  varint()
  const delta = varint()
  const key = text(varint())
  const value = text(varint())
  varint()
  return [base + delta, key, value]
}

async function filled(
  t: TestContext,
  dir: string,
  rounds: number,
  overrides: Partial<OpenArgs> = {},
): Promise<{ log: Log; env: TestEnv; expected: Map<string, string> }> {
  const env = new TestEnv()
  const log = await openLog(t, { dir, env, config: compacted, ...overrides })
  const expected = new Map<string, string>()
  for (let round = 0; round < rounds; round++) {
    const list: RecordSpec[] = ['a', 'b', `only-${round}`].map((key) => ({ key, value: `${key}@${round}` }))
    append(log, batch(list))
    for (const r of list) expected.set(r.key!, r.value!)
  }
  await log.sync()
  log.updateHighWatermark(log.logEndOffset)
  return { log, env, expected }
}

test('compaction keeps the last record of every key, its offset, and all that is not yet cleanable', async (t) => {
  const dir = tempDir(t)
  const { log, expected } = await filled(t, dir, 30)
  const before = records(log)
  const active = log.recoveryPoint
  assert.ok(log.compactionState(START)!.isDue)
  const segments = log.segmentCount
  log.updateConfig({ ...log.config, segmentBytes: 1500 })
  const summary = await log.compact(START)
  assert.ok(log.segmentCount < segments / 2, 'neighbours that fit together become one')
  assert.ok(summary && summary.recordsOut < summary.recordsIn)
  assert.equal(log.cleanerOffset, active)
  const after = records(log)
  const latestBelow = new Map(before.filter(([offset]) => offset < active).map(([offset, key]) => [key, offset]))
  const wanted = before.filter(([offset, key]) => offset >= active || latestBelow.get(key) === offset)
  assert.deepEqual(after, wanted)
  assert.deepEqual(new Map(after.map(([, key, value]) => [key, value])), new Map(expected))
  assert.equal(log.logEndOffset, 90)
  for (const offset of [0, 1, 17, 40]) {
    const plan = log.planRead(offset, 1 << 20, 90, true)
    assert.ok(plan.kind === 'plan' && plan.size > 0, `offset ${offset} reads on to what is left`)
  }
  assert.equal(await log.compact(START), undefined, 'nothing is dirty now')
})

test('the dirtiest logs that are due are compacted, one failure does not stop the others', async (t) => {
  const { log } = await filled(t, tempDir(t), 30)
  const broken = await filled(t, tempDir(t), 30, { overrides: { runInPool: () => Promise.reject(new Error('no pool')) } })
  const other = await filled(t, tempDir(t), 2)
  assert.equal(await compactDue([other.log, broken.log, log], START), 1)
  assert.ok(log.cleanerOffset > 0)
  assert.equal(broken.log.cleanerOffset, 0)
  assert.equal(broken.log.failure, undefined)
})

test('a compacted log opens again, cleanly and after a kill', async (t) => {
  const dir = tempDir(t)
  const { log } = await filled(t, dir, 30)
  await log.compact(START)
  const before = records(log)
  const copy = tempDir(t)
  cpSync(dir, copy, { recursive: true })
  await log.close(true)
  const again = await openLog(t, { dir, clean: true, config: compacted })
  assert.deepEqual(records(again), before)
  const killed = await openLog(t, { dir: copy, config: compacted })
  assert.deepEqual(records(killed), before)
  assert.deepEqual(killed.quarantined, [], 'gaps that compaction made are no loss')
})

test('a tombstone stays for delete.retention.ms, then goes with its key', async (t) => {
  const dir = tempDir(t)
  const { log, env } = await filled(t, dir, 3)
  append(log, batch([{ key: 'a', value: null as never }]).slice())
  const tombstone = await import('./support.js').then((s) => s.rawBatch([{ key: Buffer.from('a'), value: null, timestamp: START }]))
  append(log, tombstone)
  const fill = async (): Promise<void> => {
    for (let i = 0; i < 12; i++) append(log, batch([{ key: 'z', value: 'x'.repeat(40) }]))
    await log.sync()
    log.updateHighWatermark(log.logEndOffset)
  }
  await fill()
  await log.compact(START, true)
  assert.deepEqual(
    records(log)
      .filter(([, key]) => key === 'a')
      .map(([, , value]) => value),
    [null],
  )
  env.nowMs = START + 1001
  await fill()
  await log.compact(env.nowMs, true)
  assert.deepEqual(
    records(log).filter(([, key]) => key === 'a'),
    [],
  )
})

test('records of an aborted transaction go, of an open one nothing above its start is touched', async (t) => {
  const dir = tempDir(t)
  const log = await openLog(t, { dir, config: compacted })
  const txn = { producerId: 5, producerEpoch: 0, attributes: 0x10 }
  append(log, batch([{ key: 'k', value: 'aborted' }], { ...txn, baseSequence: 0 }))
  assert.equal(log.appendAsLeader(marker(5, 0, false), 0, 'coordinator', 12).errorCode, 0)
  append(log, batch([{ key: 'k', value: 'good' }]))
  for (let i = 0; i < 10; i++) append(log, batch([{ key: 'z', value: 'x'.repeat(60) }]))
  append(log, batch([{ key: 'o', value: 'open' }], { producerId: 6, producerEpoch: 0, attributes: 0x10, baseSequence: 0 }))
  const openFrom = log.logEndOffset - 1
  for (let i = 0; i < 10; i++) append(log, batch([{ key: 'z', value: 'y'.repeat(60) }]))
  await log.sync()
  log.updateHighWatermark(log.logEndOffset)
  const before = records(log)
  await log.compact(START, true)
  const after = records(log)
  assert.deepEqual(
    after.filter(([, key]) => key === 'k').map(([, , value]) => value),
    ['good'],
  )
  assert.deepEqual(
    after.filter(([offset]) => offset >= openFrom),
    before.filter(([offset]) => offset >= openFrom),
  )
  assert.deepEqual(append(log, batch([{ key: 'q' }], { ...txn, attributes: 0, baseSequence: 1 })).duplicate, false)
})

test('a truncation under a running pass throws its result away', async (t) => {
  const dir = tempDir(t)
  let release: (() => void) | undefined
  const { log } = await filled(t, dir, 30, {
    overrides: {
      runInPool: async (task) => {
        const result = await runPoolTask(task)
        if (task.name === 'compactSegments') await new Promise<void>((resolve) => (release = resolve))
        return result
      },
    },
  })
  const running = log.compact(START)
  await turnsUntil(() => release !== undefined)
  assert.ok(readdirSync(join(dir, 'events-0')).some((name) => name.endsWith('.log.cleaned')))
  log.truncateTo(4)
  const before = records(log)
  release!()
  assert.equal(await running, undefined)
  assert.deepEqual(records(log), before)
  assert.ok(!readdirSync(join(dir, 'events-0')).some((name) => /cleaned|swap/.test(name)))
})

test('a swap is finished after a stop at any of its steps, and forgotten before the point of no return', async (t) => {
  const source = tempDir(t)
  const { log } = await filled(t, source, 30)
  const uncompacted = tempDir(t)
  cpSync(source, uncompacted, { recursive: true })
  log.updateConfig({ ...log.config, segmentBytes: 1500 })
  await log.compact(START)
  const after = records(log)
  const part = (dir: string): string => join(dir, 'events-0')
  const made = readdirSync(part(source)).filter((name) => /\.(log|index|timeindex)$/.test(name))
  const first = made.filter((name) => name.startsWith('00000000000000000000'))
  const next = Number(made.filter((name) => name.endsWith('.log'))[1]!.slice(0, 20))
  const replaced = readdirSync(part(uncompacted))
    .filter((name) => name.endsWith('.log') && Number(name.slice(0, 20)) < next)
    .map((name) => Number(name.slice(0, 20)))
  for (const step of ['cleaned', 'swap', 'swap, old ones half gone'] as const) {
    const dir = tempDir(t)
    cpSync(uncompacted, dir, { recursive: true })
    const suffix = step === 'cleaned' ? '.cleaned' : '.swap'
    for (const name of first) cpSync(join(part(source), name), join(part(dir), name + suffix))
    writeFileSync(join(part(dir), '00000000000000000000.swap-set'), JSON.stringify(replaced))
    if (step === 'swap, old ones half gone') {
      const old = String(replaced[1]).padStart(20, '0')
      renameSync(join(part(dir), `${old}.log`), join(part(dir), `${old}.log.deleted`))
    }
    const again = await openLog(t, { dir, config: compacted })
    const expected = records(again)
    const below = (list: typeof after): typeof after => list.filter(([offset]) => offset < next)
    if (step === 'cleaned') assert.equal(below(expected).length, next, 'as before the run')
    else assert.deepEqual(below(expected), below(after), step)
    assert.deepEqual(
      readdirSync(part(dir)).filter((name) => /cleaned|swap/.test(name)),
      [],
      step,
    )
    assert.equal(existsSync(join(part(dir), `${String(replaced[1]).padStart(20, '0')}.log`)), step === 'cleaned')
  }
})

test('what is cleanable follows ratio and lags', () => {
  const segment = (baseOffset: number, size: number, stamp: number, isActive = false) => ({
    baseOffset,
    size,
    isActive,
    maxTimestamp: () => stamp,
    firstTimestamp: () => stamp,
  })
  const segments = [segment(0, 100, 10), segment(10, 100, 20), segment(20, 100, 30), segment(30, 50, 40, true)]
  const input = {
    segments,
    logStartOffset: 0,
    cleanerOffset: 10,
    upperBound: 1000,
    minCompactionLagMs: 0,
    maxCompactionLagMs: 1e9,
    minCleanableDirtyRatio: 0.5,
    now: 100,
  }
  assert.deepEqual(cleanablePart(input), {
    firstDirtyOffset: 10,
    firstUncleanableOffset: 30,
    dirtyBytes: 200,
    dirtyRatio: 200 / 300,
    isDue: true,
  })
  assert.equal(cleanablePart({ ...input, minCleanableDirtyRatio: 0.7 }).isDue, false)
  assert.equal(cleanablePart({ ...input, minCleanableDirtyRatio: 0.7, maxCompactionLagMs: 79 }).isDue, true)
  assert.equal(cleanablePart({ ...input, minCompactionLagMs: 75 }).firstUncleanableOffset, 20)
  assert.equal(cleanablePart({ ...input, upperBound: 25 }).firstUncleanableOffset, 20)
  assert.equal(cleanablePart({ ...input, cleanerOffset: 99 }).firstDirtyOffset, 0)
  assert.deepEqual(
    groupSegments(segments.slice(0, 3), 200, 30).map((g) => g.map((s) => s.baseOffset)),
    [[0, 10], [20]],
  )
})
