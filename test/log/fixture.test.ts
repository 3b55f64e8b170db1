// A small data directory as release 0.1 writes it (test/log/fixtures/format-1). Every later release must open it, cleanly
// closed and as if killed. Made once by `MAKE_FIXTURE=1 node dist/test/log/fixture.test.js`; never made again for format 1.

import assert from 'node:assert/strict'
import { cpSync, existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { LogDir } from '../../src/log/log-dir.js'
import { append, batch, batchOfSize, marker, offsetsIn, openLog, START, tempDir, TestEnv } from './support.js'

const config = { segmentBytes: 2000, indexIntervalBytes: 500 }
const fixture = join(fileURLToPath(import.meta.url), '..', '..', '..', '..', 'test', 'log', 'fixtures', 'format-1')

async function make(t: TestContext): Promise<void> {
  rmSync(fixture, { recursive: true, force: true })
  const env = new TestEnv()
  const dir = LogDir.open({ path: fixture, env, clusterId: 'fixture-cluster-000000', nodeId: 1 })
  const log = await openLog(t, { dir: fixture, env, config })
  for (let codec = 0; codec < 5; codec++)
    append(log, batch(20, { codec, producerId: 9, producerEpoch: 1, baseSequence: codec * 20 }), codec >> 1)
  append(log, batch(2, { producerId: 11, producerEpoch: 0, baseSequence: 0, attributes: 0x10 }), 3)
  log.appendAsLeader(marker(11, 0, false), 3, 'coordinator', 12)
  for (let i = 0; i < 5; i++) append(log, batchOfSize(700), 3)
  append(log, batch([{ key: 'open', value: 'transaction' }], { producerId: 12, producerEpoch: 0, baseSequence: 0, attributes: 0x10 }), 4)
  log.updateHighWatermark(log.logEndOffset)
  log.deleteRecordsBefore(7)
  await log.close(true)
  dir.offsets.note(
    { topic: 'events', partition: 0 },
    { recoveryPoint: log.recoveryPoint, logStartOffset: log.logStartOffset, highWatermark: 0 },
  )
  dir.close(true)
}

test('a directory of format 1 opens, after a clean stop and after a kill', async (t) => {
  if (process.env['MAKE_FIXTURE']) await make(t)
  assert.ok(existsSync(fixture), 'the fixture is part of the repository')
  for (const clean of [true, false]) {
    const path = tempDir(t)
    cpSync(fixture, path, { recursive: true })
    if (!clean) rmSync(join(path, '.kafka_cleanshutdown'))
    const env = new TestEnv()
    env.nowMs = START + 1000
    const dir = LogDir.open({ path, env, clusterId: 'fixture-cluster-000000', nodeId: 1 })
    const events = { topic: 'events', partition: 0 }
    assert.equal(dir.cleanShutdown, clean)
    const log = await openLog(t, {
      dir: path,
      env,
      config,
      clean,
      recoveryPoint: clean ? dir.offsets.of(events).recoveryPoint : 0,
      logStartOffset: dir.offsets.of(events).logStartOffset,
    })
    assert.deepEqual([log.logStartOffset, log.logEndOffset, log.latestEpoch], [7, 109, 4])
    assert.deepEqual(offsetsIn(log), [
      [0, 19],
      [20, 39],
      [40, 59],
      [60, 79],
      [80, 99],
      [100, 101],
      [102, 102],
      [103, 103],
      [104, 104],
      [105, 105],
      [106, 106],
      [107, 107],
      [108, 108],
    ])
    log.updateHighWatermark(109)
    assert.equal(log.lastStableOffset, 108)
    assert.deepEqual(log.abortedTransactions(7, 109), [{ producerId: 11, firstOffset: 100 }])
    assert.deepEqual(log.epochEndOffset(1), { leaderEpoch: 1, endOffset: 80 })
    const again = log.appendAsLeader(batch(20, { codec: 4, producerId: 9, producerEpoch: 1, baseSequence: 80 }), 4, 'client', 12)
    assert.deepEqual([again.duplicate, again.baseOffset], [true, 80])
    assert.equal(log.offsetForTimestamp(START).offset, 7)
    dir.close(false)
  }
})
