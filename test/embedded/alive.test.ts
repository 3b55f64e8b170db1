// Who awaits a start or a stop is not left in the middle of it, although the node's timers let the process end.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'

const REAL = JSON.stringify(join(import.meta.dirname, '../../src/env/real.js'))

function ran(awaited: string): [status: number | null, said: string] {
  const script = `const { stayAlive, realTimers } = await import(${REAL})
const work = new Promise((resolve, reject) => realTimers.after(50, () => ${awaited}))
console.log(await stayAlive(work).catch((error) => error.message))
realTimers.after(1 << 30, () => {})`
  const { status, stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8', timeout: 30_000 })
  return [status, stdout]
}

test('the process stays until work is done that only its timers are waiting for, and ends then', () => {
  assert.deepEqual(ran(`resolve('done')`), [0, 'done\n'])
  assert.deepEqual(ran(`reject(new Error('failed'))`), [0, 'failed\n'])
})
