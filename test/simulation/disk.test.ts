// A log on a disk that loses what was not synced: what was synced is there after a power loss, the rest may be gone.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { batch, openLog, readAll, tempDir } from '../log/support.js'
import { seededRandom } from '../support/sim-env.js'
import { SimulatedDisk } from './support/disk.js'

test('a log keeps what was synced through power losses, and nothing it kept is wrong', async (t) => {
  let lost = 0
  for (let seed = 1; seed <= 20; seed++) {
    const dir = tempDir(t)
    const disk = new SimulatedDisk(dir, seed)
    const random = seededRandom(seed)
    let log = await openLog(t, { dir })
    let expected: Uint8Array = Buffer.alloc(0)
    for (let life = 0; life < 4; life++) {
      for (let i = 0; i < 30; i++) {
        log.appendAsLeader(batch(1 + Math.floor(random.next() * 40)), 0, 'client', 9)
        if (random.next() < 0.5) log.flushStaged()
        if (random.next() < 0.2) await log.sync()
      }
      log.flushStaged()
      const durable = log.durableOffset
      expected = readAll(log)
      const end = log.logEndOffset
      await log.close(false)
      lost += disk.crash().bytes
      log = await openLog(t, { dir, recoveryPoint: log.recoveryPoint })
      assert.ok(log.logEndOffset >= durable, `seed ${seed}, life ${life}: ${durable} were durable, ${log.logEndOffset} are left of ${end}`)
      if (log.quarantined.length === 0) {
        const after = readAll(log)
        assert.ok(after.equals(expected.subarray(0, after.length)), `seed ${seed}, life ${life}: other bytes than were written`)
      }
      await log.sync()
    }
    await log.close(true)
    disk.forget()
  }
  assert.ok(lost > 0, 'no power loss lost anything: the disk does not do its work')
})

test('a full disk refuses, loses nothing that was acknowledged, and takes writes again', async (t) => {
  const dir = tempDir(t)
  const disk = new SimulatedDisk(dir, 1)
  const log = await openLog(t, { dir })
  log.appendAsLeader(batch(10), 0, 'client', 9)
  assert.equal(log.flushStaged(), 0)
  disk.setFaults({ room: 100 })
  log.appendAsLeader(batch(10), 0, 'client', 9)
  assert.notEqual(log.flushStaged(), 0)
  assert.equal(log.logEndOffset, 10)
  disk.setFaults({})
  log.appendAsLeader(batch(10), 0, 'client', 9)
  assert.equal(log.flushStaged(), 0)
  assert.equal(log.logEndOffset, 20)
  disk.forget()
})

test('a failed fsync takes the log out of service', async (t) => {
  const dir = tempDir(t)
  const disk = new SimulatedDisk(dir, 1)
  const log = await openLog(t, { dir })
  log.appendAsLeader(batch(10), 0, 'client', 9)
  log.flushStaged()
  disk.setFaults({ syncError: true })
  await assert.rejects(log.sync())
  assert.ok(log.failure)
  disk.forget()
})
