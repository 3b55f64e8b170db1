import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { openLog, readAll, tempDir } from '../log/support.js'
import { defaultLogConfig } from '../../src/log/config.js'
import { realEnv } from '../../src/env/real.js'
import { numberedBatch, RECORDS } from './numbered.js'

const writer = fileURLToPath(new URL('./log-writer.js', import.meta.url))

/** Runs the writer until it has acknowledged `until` batches, then kills it at once. Returns the last acknowledged count. */
function writeAndKill(dir: string, promise: string, from: number, until: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [writer, join(dir, 'events-0'), promise, String(from)], { stdio: ['ignore', 'pipe', 'pipe'] })
    let acknowledged = from
    let text = ''
    let errors = ''
    let killed = false
    child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()))
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString()
      const whole = text.slice(0, text.lastIndexOf('\n') + 1)
      const lines = whole.trim().split('\n')
      acknowledged = Math.max(acknowledged, Number(lines.at(-1)) || 0)
      if (acknowledged >= until && !killed) killed = child.kill('SIGKILL')
    })
    child.on('error', reject)
    child.on('close', () => (killed ? resolve(acknowledged) : reject(new Error(`the writer ended by itself: ${errors}`))))
  })
}

/** Which batch the bytes say they are, and where they first differ: a duplicate, a wrong read and a torn write look different. */
function described(found: Buffer, expected: Buffer): string {
  const name = /#\d+#/.exec(found.toString('latin1'))?.[0] ?? 'no number'
  const sequence = found.length >= 57 ? found.readInt32BE(53) : -1
  const differs = found.subarray(17).findIndex((byte, i) => byte !== expected[17 + i])
  return `${name}, base sequence ${sequence}, ${found.length} bytes for ${expected.length}, first difference at ${differs === -1 ? 'the end' : differs + 17}`
}

/** Every batch in the log, in order, is exactly the numbered one; returns how many there are. */
async function checked(t: TestContext, dir: string): Promise<number> {
  const log = await openLog(t, { dir })
  assert.deepEqual(log.quarantined, [])
  let n = 0
  for (let from = 0; from < log.logEndOffset;) {
    const bytes = readAll(log, from, Math.min(from + 3000, log.logEndOffset))
    for (let at = 0; at < bytes.length; n++) {
      const size = 12 + bytes.readInt32BE(at + 8)
      const expected = Buffer.from(numberedBatch(n))
      assert.equal(Number(bytes.readBigInt64BE(at)), n * RECORDS, `batch ${n} is in its place`)
      const found = bytes.subarray(at, at + size)
      assert.ok(found.subarray(17).equals(expected.subarray(17)), `batch ${n} is what was sent, found ${described(found, expected)}`)
      at += size
      from = (n + 1) * RECORDS
    }
  }
  await log.close(false)
  return n
}

for (const promise of ['process', 'disk']) {
  test(`kill -9 under load loses nothing acknowledged and duplicates nothing (${promise} promise)`, { timeout: 120_000 }, async (t) => {
    const dir = tempDir(t)
    let resumeAt = 0
    for (const until of [300, 900, 1400]) {
      const acknowledged = await writeAndKill(dir, promise, resumeAt, until)
      const present = await checked(t, dir)
      assert.ok(present >= acknowledged, `${acknowledged} acknowledged, ${present} present`)
      // what was in flight is sent again: the newest five are known as duplicates, as a client may have five in flight
      resumeAt = Math.max(acknowledged, present - 5)
    }
  })
}

test('batches written but not acknowledged before a kill are duplicates when sent again by a real clock', async (t) => {
  const dir = tempDir(t)
  // the batches' timestamps are fixed and old: with the default expiration their producer is forgotten at the reopen
  const config = { ...defaultLogConfig, segmentBytes: 256 * 1024, producerIdExpirationMs: Number.MAX_SAFE_INTEGER }
  const args = { dir, config, env: realEnv() }
  const before = await openLog(t, args)
  // 325 is a large batch: it is written at once, and the staged ones before it with it
  for (let n = 0; n < 326; n++) assert.equal(before.appendAsLeader(numberedBatch(n), 0, 'client', 12).errorCode, 0)
  assert.equal(before.flushStaged(), 0)
  await before.close(false)
  const after = await openLog(t, args)
  for (let n = 321; n < 326; n++) {
    const result = after.appendAsLeader(numberedBatch(n), 0, 'client', 12)
    assert.deepEqual([result.errorCode, result.duplicate, result.baseOffset], [0, true, n * RECORDS])
  }
  const next = after.appendAsLeader(numberedBatch(326), 0, 'client', 12)
  assert.deepEqual([next.errorCode, next.duplicate, next.baseOffset], [0, false, 326 * RECORDS])
  await after.close(false)
})
