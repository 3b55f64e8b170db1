import assert from 'node:assert/strict'
import { connect, createServer, type Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
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

/** A client and the descriptor of the socket that was accepted for it. */
async function connection(t: TestContext): Promise<{ readonly client: Socket; readonly accepted: Socket; readonly descriptor: number }> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const client = connect((server.address() as { port: number }).port, '127.0.0.1')
  const accepted = await new Promise<Socket>((resolve) => server.once('connection', resolve))
  t.after(() => {
    client.destroy()
    accepted.destroy()
    server.close()
  })
  return { client, accepted, descriptor: (accepted as unknown as { _handle: { fd: number } })._handle.fd }
}

test('a worker that does not own the partition sends the range from its first byte, once that is the planned one', async (t) => {
  if (process.platform !== 'linux') return
  const log = await openLog(t, { dir: tempDir(t) })
  for (let i = 0; i < 3; i++) append(log, batch(1))
  const plan = log.planRead(2, 1 << 20, log.writtenOffset, true)
  assert.ok(plan.kind === 'plan')
  const { client, accepted, descriptor } = await connection(t)
  const foreign = new ForeignRecords()
  const stale = { ...plan, position: 0 }
  for (const one of [plan, stale]) foreign.acquire(one)
  assert.throws(() => foreign.send(stale, 0, stale.size, descriptor), { code: 'ERR_MILLRACE_STALE_PLAN' })
  assert.equal(foreign.send({ ...plan, size: 60 }, 0, 60, descriptor), 0, 'no header to look at: read it')
  assert.equal(foreign.send(plan, 0, plan.size, descriptor), plan.size)
  accepted.end()
  const received: Buffer[] = []
  for await (const bytes of client) received.push(bytes as Buffer)
  assert.deepEqual(Buffer.concat(received), Buffer.from(readPlan(log, plan)))
  for (const one of [plan, stale]) foreign.release(one)
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
