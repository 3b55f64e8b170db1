// A log against a model: whatever is done to it, in any order, it holds exactly the batches the model says.

import assert from 'node:assert/strict'
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { batch, batchOfSize, offsetsIn, openLog, START, tempDir, TestEnv } from './support.js'
import type { Log } from '../../src/log/log.js'

type Step =
  | { readonly kind: 'append'; readonly records: number; readonly codec: number; readonly flush: boolean }
  | { readonly kind: 'big'; readonly size: number }
  | { readonly kind: 'truncate'; readonly share: number }
  | { readonly kind: 'delete-records'; readonly share: number }
  | { readonly kind: 'retention' }
  | { readonly kind: 'sync' }
  | { readonly kind: 'reopen'; readonly clean: boolean }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('append' as const),
      records: fc.integer({ min: 1, max: 5 }),
      codec: fc.integer({ min: 0, max: 4 }),
      flush: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('big' as const), size: fc.integer({ min: 200, max: 18_000 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('truncate' as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('delete-records' as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'retention' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'sync' as const }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('reopen' as const), clean: fc.boolean() }) },
)

const config = { segmentBytes: 20_000, indexIntervalBytes: 300, retentionBytes: 40_000, retentionMs: -1 }

interface Model {
  /** [base, last] of every batch. */
  batches: [number, number][]
  end: number
  start: number
  sequence: number
}

function check(log: Log, model: Model): void {
  assert.deepEqual([log.logStartOffset, log.logEndOffset], [model.start, model.end])
  assert.ok(log.durableOffset <= log.writtenOffset && log.writtenOffset <= log.logEndOffset)
  const wanted = model.batches.filter(([, last]) => last >= model.start)
  assert.deepEqual(offsetsIn(log, model.start), wanted)
  if (wanted.length > 0) {
    const [base, last] = wanted[wanted.length >> 1]!
    const inside = Math.max((base + last) >> 1, model.start)
    assert.deepEqual(offsetsIn(log, inside)[0], [base, last])
    assert.equal(log.offsetForTimestamp(START).offset, Math.max(model.start, wanted[0]![0]))
  }
}

test('any sequence of appends, cuts, retention, stops and kills leaves exactly what the model holds', { timeout: 300_000 }, async (t) => {
  const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
  t.diagnostic(`SEED=${seed}`)
  const run = fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
    let dir = tempDir(t)
    const env = new TestEnv()
    let log = await openLog(t, { dir, env, config })
    const model: Model = { batches: [], end: 0, start: 0, sequence: 0 }
    const appended = (records: number, bytes: Uint8Array): void => {
      const result = log.appendAsLeader(bytes, 0, 'client', 12)
      assert.equal(result.errorCode, 0, result.errorMessage ?? '')
      assert.equal(result.baseOffset, model.end)
      model.batches.push([model.end, model.end + records - 1])
      model.end += records
    }
    for (const s of steps) {
      if (s.kind === 'append') appended(s.records, batch(s.records, { codec: s.codec }))
      else if (s.kind === 'big') appended(1, batchOfSize(s.size))
      if (s.kind === 'append' && !s.flush) continue
      assert.equal(log.flushStaged(), 0)
      log.updateHighWatermark(log.logEndOffset)
      if (s.kind === 'truncate') {
        const held = model.batches.filter(([base]) => base >= model.start)
        const at = held[Math.floor(s.share * held.length)]?.[0] ?? model.end
        log.truncateTo(at)
        model.batches = model.batches.filter(([base]) => base < at)
        model.end = at
      } else if (s.kind === 'delete-records') {
        const at = model.start + Math.floor(s.share * (model.end - model.start))
        assert.equal(log.deleteRecordsBefore(at).errorCode, 0)
        model.start = Math.max(model.start, at)
      } else if (s.kind === 'retention') {
        log.applyRetention(env.nowMs)
        assert.ok(log.logStartOffset >= model.start)
        model.start = log.logStartOffset
      } else if (s.kind === 'sync') {
        assert.equal(await log.sync(), model.end)
      } else if (s.kind === 'reopen') {
        if (s.clean) await log.close(true)
        const from = dir
        const recoveryPoint = log.recoveryPoint
        if (!s.clean) {
          dir = tempDir(t)
          cpSync(join(from, 'events-0'), join(dir, 'events-0'), { recursive: true })
          await log.close(false)
        }
        log = await openLog(t, { dir, env, config, clean: s.clean, recoveryPoint, logStartOffset: model.start })
      }
      check(log, model)
    }
  })
  const details = await fc.check(run, { seed, numRuns: Number(process.env['RUNS'] ?? 20) })
  if (details.failed)
    assert.fail(`${JSON.stringify(details.counterexample)}\n${String((details.errorInstance as Error | undefined)?.stack)}`)
})
