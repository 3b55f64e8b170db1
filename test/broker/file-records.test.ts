import assert from 'node:assert/strict'
import { readdirSync, readlinkSync, rmSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { FileRecords, ForeignRecords } from '../../src/broker/file-records.js'
import type { Log } from '../../src/log/log.js'
import type { ReadPlan } from '../../src/log/types.js'
import { append, batch, openLog, readPlan, tempDir, TestEnv } from '../log/support.js'

/** How many descriptors of this process are of a file. */
function descriptorsOf(path: string): number {
  let count = 0
  for (const fd of readdirSync('/proc/self/fd')) {
    try {
      if (readlinkSync(`/proc/self/fd/${fd}`) === path) count++
    } catch {
      // Closed since it was listed.
    }
  }
  return count
}

function planFrom(log: Log, offset: number): ReadPlan {
  const plan = log.planRead(offset, 1 << 20, log.writtenOffset, true)
  assert.ok(plan.kind === 'plan')
  return plan
}

function readWith(records: FileRecords, length = records.size): Buffer {
  const target = Buffer.alloc(length)
  records.read(records.size - length, length, target)
  return target
}

test('a worker that does not own the partition reads the planned bytes from the plan alone, by one descriptor for all', async (t) => {
  const dir = tempDir(t)
  const log = await openLog(t, { dir })
  append(log, batch(4))
  const plan = planFrom(log, 0)
  const env = new TestEnv()
  const foreign = new ForeignRecords(env)
  t.after(() => foreign.close())
  const expected = Buffer.from(readPlan(log, plan))
  const file = join(log.dir, '00000000000000000000.log')
  const own = process.platform === 'linux' ? descriptorsOf(file) : 0
  const [one, two] = [new FileRecords(plan, foreign.acquire(plan)), new FileRecords(plan, foreign.acquire(plan))]
  assert.deepEqual(readWith(one), expected)
  if (process.platform === 'linux') assert.equal(descriptorsOf(file), own + 1)
  one.release()
  assert.deepEqual(readWith(two, plan.size - 10), expected.subarray(10))
  two.release()
  // What was appended since is read by the same one.
  append(log, batch(4))
  const longer = planFrom(log, 0)
  const three = new FileRecords(longer, foreign.acquire(longer))
  assert.deepEqual(readWith(three), Buffer.from(readPlan(log, longer)))
  if (process.platform !== 'linux') return
  assert.equal(descriptorsOf(file), own + 1)
  for (let i = 0; i < 10; i++) env.advance(1000)
  assert.equal(descriptorsOf(file), own + 1, 'it is in use')
  three.release()
  for (let i = 0; i < 2; i++) env.advance(1000)
  assert.equal(descriptorsOf(file), own, 'it was kept for a while')
})

test('a partition that was deleted and made again is read from its new file', async (t) => {
  const dir = tempDir(t)
  const env = new TestEnv()
  const foreign = new ForeignRecords(env)
  t.after(() => foreign.close())
  for (const value of ['old', 'new']) {
    const log = await openLog(t, { dir, env })
    append(log, batch([{ value }]))
    const plan = planFrom(log, 0)
    const records = new FileRecords(plan, foreign.acquire(plan))
    assert.ok(readWith(records).includes(value), value)
    records.release()
    await log.close(false)
    rmSync(log.dir, { recursive: true })
    env.advance(1)
  }
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
  const plan = planFrom(log, 2)
  const { client, accepted, descriptor } = await connection(t)
  const foreign = new ForeignRecords(new TestEnv())
  t.after(() => foreign.close())
  const stale = { ...plan, position: 0 }
  const file = foreign.acquire(plan)
  assert.throws(() => file.send(stale, 0, stale.size, descriptor), { code: 'ERR_MILLRACE_STALE_PLAN' })
  assert.equal(file.send({ ...plan, size: 60 }, 0, 60, descriptor), 0, 'no header to look at: read it')
  assert.equal(file.send(plan, 0, plan.size, descriptor), plan.size)
  accepted.end()
  const received: Buffer[] = []
  for await (const bytes of client) received.push(bytes as Buffer)
  assert.deepEqual(Buffer.concat(received), Buffer.from(readPlan(log, plan)))
})

test('a plan whose file was cut and written again since is refused by its first bytes', async (t) => {
  const log = await openLog(t, { dir: tempDir(t) })
  for (let i = 0; i < 3; i++) append(log, batch(1))
  const plan = planFrom(log, 2)
  const foreign = new ForeignRecords(new TestEnv())
  t.after(() => foreign.close())
  const stale = { ...plan, position: 0 }
  assert.throws(() => foreign.acquire(stale).read(stale, 0, stale.size, Buffer.alloc(stale.size)), { code: 'ERR_MILLRACE_STALE_PLAN' })
})
