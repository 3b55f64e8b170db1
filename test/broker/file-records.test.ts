import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FileRecords, ForeignRecords } from '../../src/broker/file-records.js'
import { append, batch, openLog, readPlan, tempDir } from '../log/support.js'

test('a worker that does not own the partition reads the planned bytes from the plan alone, until the last user is gone', async (t) => {
  const log = await openLog(t, { dir: tempDir(t) })
  append(log, batch(4))
  const plan = log.planRead(0, 1 << 20, log.writtenOffset, true)
  assert.ok(plan.kind === 'plan')
  const foreign = new ForeignRecords()
  foreign.acquire(plan)
  foreign.acquire(plan)
  const [one, two] = [new FileRecords(plan, foreign), new FileRecords(plan, foreign)]
  const target = Buffer.alloc(plan.size)
  one.read(0, plan.size, target)
  assert.deepEqual(target, Buffer.from(readPlan(log, plan)))
  one.release()
  two.read(10, plan.size - 10, target)
  assert.deepEqual(target.subarray(0, plan.size - 10), Buffer.from(readPlan(log, plan)).subarray(10))
  two.release()
  assert.throws(() => two.read(0, plan.size, target))
})

test('a plan whose file was cut and written again since is refused by its first bytes', async (t) => {
  const log = await openLog(t, { dir: tempDir(t) })
  for (let i = 0; i < 3; i++) append(log, batch(1))
  const plan = log.planRead(2, 1 << 20, log.writtenOffset, true)
  assert.ok(plan.kind === 'plan')
  const foreign = new ForeignRecords()
  const stale = { ...plan, position: 0 }
  foreign.acquire(stale)
  assert.throws(() => foreign.read(stale, 0, stale.size, Buffer.alloc(stale.size)), { code: 'ERR_MILLRACE_STALE_PLAN' })
  foreign.release(stale)
})
