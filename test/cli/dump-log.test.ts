import assert from 'node:assert/strict'
import { appendFileSync, cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { cli, startNode, temporaryDir } from './run-cli.js'

const LOG = '00000000000000000000.log'

interface Found {
  readonly kind: string
  readonly position?: number
  readonly size?: number
  readonly resume?: number
  readonly torn?: boolean
  readonly damaged?: number
  readonly value?: string
  readonly records?: number
}

/** A partition directory as a node leaves it: 30 batches of one record each. */
async function partition(t: TestContext): Promise<string> {
  const node = await startNode(t)
  const lines = Array.from({ length: 30 }, (_, i) => `value-${i}`)
  const produced = await cli(['produce', 'dumped', '-b', node.bootstrap, '--batch-size', '0'], { input: `${lines.join('\n')}\n` })
  assert.equal(produced.code, 0, produced.stderr)
  await node.stop()
  const copy = join(temporaryDir(t), 'dumped-0')
  cpSync(join(node.dataDir, 'dumped-0'), copy, { recursive: true })
  return copy
}

async function dump(...args: string[]): Promise<{ code: number | null; found: Found[] }> {
  const { code, stdout, stderr } = await cli(['dump-log', '--json', ...args])
  assert.equal(stderr, '')
  return {
    code,
    found: stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Found),
  }
}

test('dump-log prints batches and records, finds a torn tail, a corrupt middle and damaged side files', async (t) => {
  const dir = await partition(t)
  const log = join(dir, LOG)
  const whole = readFileSync(log)

  const sound = await dump('--records', dir)
  assert.equal(sound.code, 0)
  const values = sound.found.filter((line) => line.kind === 'record').map((line) => line.value)
  assert.deepEqual(
    values,
    Array.from({ length: 30 }, (_, i) => `value-${i}`),
  )
  const batches = sound.found.filter((line) => line.kind === 'batch')
  assert.equal(sound.found.at(-1)!.damaged, 0)

  await t.test('a torn tail: exit 5 and the first bad byte', async () => {
    appendFileSync(log, whole.subarray(0, 40))
    const { code, found } = await dump(log)
    const damage = found.find((line) => line.kind === 'damage')!
    assert.deepEqual([code, damage.position, damage.torn], [5, whole.length, true])
  })

  await t.test('a flipped bit in the middle: the bad batch and where valid ones go on', async () => {
    const broken = Buffer.from(whole)
    const victim = batches[Math.floor(batches.length / 2)]!
    const next = victim.position! + victim.size!
    broken[victim.position! + 65]! ^= 1
    writeFileSync(log, broken)
    const { code, found } = await dump(log)
    const damage = found.find((line) => line.kind === 'damage')!
    assert.deepEqual([code, damage.position, damage.resume, damage.torn], [5, victim.position, next, false])
    const text = await cli(['dump-log', '-q', log])
    assert.match(
      text.stdout,
      new RegExp(`first bad byte at ${victim.position} of ${whole.length}.*CRC32C.*valid batch follows at byte ${next}`),
    )
  })

  await t.test('a damaged producer snapshot and checkpoint', async () => {
    writeFileSync(log, whole)
    const snapshot = sound.found.map((line) => (line as { file?: string }).file).find((file) => file?.endsWith('.snapshot'))!
    const bytes = readFileSync(snapshot)
    bytes[12]! ^= 1
    writeFileSync(snapshot, bytes)
    writeFileSync(join(dir, 'leader-epoch-checkpoint'), '0\n5\n0 0\n')
    const { code, found } = await dump(dir)
    assert.equal(code, 5)
    assert.equal(found.at(-1)!.damaged, 2)
  })
})
