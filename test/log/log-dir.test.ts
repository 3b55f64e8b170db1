import assert from 'node:assert/strict'
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { LogDir } from '../../src/log/log-dir.js'
import { LeaderEpochCache } from '../../src/log/leader-epoch-cache.js'
import { append, batch, openLog, tempDir, TestEnv } from './support.js'
import { turnsUntil } from '../support/patience.js'

const env = new TestEnv()
const events = { topic: 'events', partition: 0 }

test('a data directory is locked against a second user', (t) => {
  const path = tempDir(t)
  const dir = LogDir.open({ path, env })
  assert.throws(() => LogDir.open({ path, env }), { code: 'ERR_MILLRACE_LOCKED', message: /in use by another process/ })
  dir.close(true)
  LogDir.open({ path, env }).close(true)
})

test('the clean marker is believed once', (t) => {
  const path = tempDir(t)
  const first = LogDir.open({ path, env })
  assert.equal(first.cleanShutdown, false)
  first.close(true)
  assert.deepEqual(JSON.parse(readFileSync(join(path, '.kafka_cleanshutdown'), 'utf8')), { version: 0, brokerEpoch: -1 })
  const second = LogDir.open({ path, env })
  assert.equal(second.cleanShutdown, true)
  assert.equal(existsSync(join(path, '.kafka_cleanshutdown')), false)
  second.close(false)
  const third = LogDir.open({ path, env })
  assert.equal(third.cleanShutdown, false)
  third.close(false)
})

test("a newer format and another cluster's directory are refused", (t) => {
  const path = tempDir(t)
  LogDir.open({ path, env, clusterId: 'here', nodeId: 1 }).close(true)
  assert.throws(() => LogDir.open({ path, env, clusterId: 'elsewhere' }), { code: 'ERR_MILLRACE_WRONG_DIR', message: /cluster\.id=here/ })
  assert.throws(() => LogDir.open({ path, env, nodeId: 2 }), { code: 'ERR_MILLRACE_WRONG_DIR' })
  const meta = join(path, 'meta.properties')
  writeFileSync(meta, readFileSync(meta, 'utf8').replace('millrace.format=1', 'millrace.format=2'))
  assert.throws(() => LogDir.open({ path, env }), { code: 'ERR_MILLRACE_FORMAT', message: /format 2/ })
})

test('the directory id stays', (t) => {
  const path = tempDir(t)
  const first = LogDir.open({ path, env })
  first.close(true)
  const second = LogDir.open({ path, env })
  assert.equal(second.directoryId, first.directoryId)
  second.close(true)
})

test("checkpoints are Kafka's text files and come back", (t) => {
  const path = tempDir(t)
  const dir = LogDir.open({ path, env })
  dir.offsets.note(events, { recoveryPoint: 120, logStartOffset: 7, highWatermark: 130 })
  dir.offsets.note({ topic: 'a-b', partition: 3 }, { recoveryPoint: 9, logStartOffset: 0, cleanerOffset: 5, highWatermark: 9 })
  dir.writeCheckpoints()
  assert.equal(readFileSync(join(path, 'recovery-point-offset-checkpoint'), 'utf8'), '0\n2\nevents 0 120\na-b 3 9\n')
  assert.equal(readFileSync(join(path, 'log-start-offset-checkpoint'), 'utf8'), '0\n1\nevents 0 7\n')
  dir.close(false)
  const again = LogDir.open({ path, env })
  assert.deepEqual(again.offsets.of(events), { recoveryPoint: 120, logStartOffset: 7, cleanerOffset: 0, highWatermark: 130 })
  assert.deepEqual(again.offsets.of({ topic: 'a-b', partition: 3 }), {
    recoveryPoint: 9,
    logStartOffset: 0,
    cleanerOffset: 5,
    highWatermark: 9,
  })
  again.offsets.forget(events)
  again.writeCheckpoints()
  assert.equal(readFileSync(join(path, 'recovery-point-offset-checkpoint'), 'utf8'), '0\n1\na-b 3 9\n')
  again.close(false)
})

test('a damaged checkpoint costs a scan, not the start', (t) => {
  const path = tempDir(t)
  writeFileSync(join(path, 'recovery-point-offset-checkpoint'), '0\n5\nevents 0 120\n')
  const dir = LogDir.open({ path, env })
  assert.equal(dir.offsets.of(events).recoveryPoint, 0)
  dir.close(true)
})

test('partitions are listed with their topic ids; deleted ones are removed, strays are left', async (t) => {
  const path = tempDir(t)
  const log = await openLog(t, { dir: path })
  append(log, batch(1))
  await log.close(true)
  mkdirSync(join(path, 'gone-1.0123456789abcdef0123456789abcdef-delete'))
  mkdirSync(join(path, 'odd-1.0123456789abcdef0123456789abcdef-stray'))
  const dir = LogDir.open({ path, env })
  assert.deepEqual(
    dir.partitions().map((p) => [p.topicPartition, p.topicId]),
    [[events, 'AAAAAAAAAAAAAAAAAAAAAQ']],
  )
  await turnsUntil(() => !readdirSync(path).some((name) => name.endsWith('-delete')))
  const names = readdirSync(path)
  assert.ok(!names.some((name) => name.endsWith('-delete')) && names.some((name) => name.endsWith('-stray')), names.join(' '))
  dir.setAside(events)
  assert.deepEqual(dir.partitions(), [])
  assert.ok(readdirSync(path).some((name) => /^events-0\.[0-9a-f]{32}-stray$/.test(name)))
  assert.ok(dir.space().totalBytes > 0)
  dir.close(true)
})

test('a failed directory writes no clean marker', (t) => {
  const path = tempDir(t)
  const dir = LogDir.open({ path, env })
  dir.fail(Object.assign(new Error('bad disk'), { code: 'EIO' }))
  assert.equal(dir.failure?.code, 'EIO')
  dir.close(true)
  assert.equal(existsSync(join(path, '.kafka_cleanshutdown')), false)
})

test('writes that were lost with the machine are found at every start until it is known where it matters, also after a clean stop', (t) => {
  const path = tempDir(t)
  LogDir.open({ path, env }).close(false)
  assert.equal(lostWrites(path, false), false, 'the same boot')
  writeFileSync(join(path, '.boot'), 'another boot')
  assert.equal(lostWrites(path, false), true)
  assert.equal(lostWrites(path, true), true)
  assert.equal(existsSync(join(path, '.kafka_cleanshutdown')), false)
  const dir = LogDir.open({ path, env })
  assert.equal(dir.lostWrites, true)
  dir.lossIsKnown()
  dir.close(false)
  assert.equal(lostWrites(path, true), false)
  writeFileSync(join(path, '.boot'), 'another boot')
  assert.equal(lostWrites(path, false), false, 'it had been stopped cleanly before the machine was')
  assert.equal(lostWrites(path, false), false)
})

function lostWrites(path: string, clean: boolean): boolean {
  const dir = LogDir.open({ path, env })
  dir.close(clean)
  return dir.lostWrites
}

test("leader epochs are kept in Kafka's text file and cut from both ends", (t) => {
  const dir = tempDir(t)
  const cache = new LeaderEpochCache(dir)
  cache.assign(1, 0)
  cache.assign(3, 10)
  cache.assign(2, 20)
  cache.assign(5, 30)
  assert.equal(readFileSync(join(dir, 'leader-epoch-checkpoint'), 'utf8'), '0\n3\n1 0\n3 10\n5 30\n')
  cache.truncateFromStart(15)
  cache.truncateFromEnd(30)
  assert.deepEqual(new LeaderEpochCache(dir).entries, [{ epoch: 3, startOffset: 15 }])
  cache.assign(7, 15)
  assert.deepEqual(cache.entries, [{ epoch: 7, startOffset: 15 }], 'an epoch without records gives way')
  appendFileSync(join(dir, 'leader-epoch-checkpoint'), 'x')
  assert.throws(() => new LeaderEpochCache(dir), { code: 'ERR_MILLRACE_CHECKPOINT' })
})
