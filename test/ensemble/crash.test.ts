import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import path from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { openMember, tempDir } from './helpers.js'

const CHILD = fileURLToPath(new URL('./crash-child.js', import.meta.url))

/** Lets the child acknowledge `count` writes, kills it, and returns the numbers it acknowledged. */
async function writeAndKill(dir: string, count: number): Promise<number[]> {
  const child = spawn(process.execPath, [CHILD, dir], { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString()
    if (output.split('\n').length > count) child.kill('SIGKILL')
  })
  await new Promise((resolve) => child.once('close', resolve))
  return output.slice(0, output.lastIndexOf('\n')).split('\n').map(Number)
}

test('whatever was acknowledged before kill -9 is there, over several lives and through snapshots', async (t) => {
  const dir = path.join(tempDir(t), 'e')
  const acknowledged = new Set<number>()
  for (const count of [300, 50, 500]) {
    for (const number of await writeAndKill(dir, count)) acknowledged.add(number)
    const member = openMember(t, dir)
    for (const number of acknowledged) assert.equal(member.tree.node(`/n${number}`)?.data?.[0], number & 0xff, `node ${number}`)
    assert.ok(member.stoppedUncleanly)
    await member.close()
  }
  assert.ok(acknowledged.size >= 850)
})
