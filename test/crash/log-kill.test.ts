import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { openLog, readAll, tempDir } from '../log/support.js'
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
      assert.ok(bytes.subarray(at + 17, at + size).equals(expected.subarray(17)), `batch ${n} is what was sent`)
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
