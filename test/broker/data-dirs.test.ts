import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { open } from '../../src/embedded/open.js'

function partitionsIn(dir: string): string[] {
  return readdirSync(dir).filter((name) => /^spread-\d+$/.test(name))
}

test('partitions of a directory that is missing stay offline and are not started anew elsewhere', async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'millrace-dirs-'))
  t.after(() => rmSync(root, { recursive: true, force: true }))
  const dirs = [join(root, 'a'), join(root, 'b')]
  const before = await open({ dataDir: dirs, workers: 0 })
  await before.admin().createTopics([{ name: 'spread', partitions: 4 }])
  for (const partition of [0, 1, 2, 3]) await before.producer().send({ topic: 'spread', partition, value: `in ${partition}` })
  await before.close()
  const [inFirst, inSecond] = [partitionsIn(dirs[0]!), partitionsIn(dirs[1]!)]
  assert.equal(inFirst.length + inSecond.length, 4)
  assert.ok(inSecond.length > 0)

  renameSync(dirs[1]!, join(root, 'away'))
  writeFileSync(dirs[1]!, 'not a directory')
  const without = await open({ dataDir: dirs, workers: 0 })
  assert.deepEqual(partitionsIn(dirs[0]!), inFirst)
  const served = Number(inFirst[0]!.split('-')[1])
  const offline = Number(inSecond[0]!.split('-')[1])
  assert.equal((await without.producer().send({ topic: 'spread', partition: served, value: 'more' })).offset, 1)
  const impatient = without.producer({ deliveryTimeoutMs: 300, requestTimeoutMs: 200, lingerMs: 0 })
  await assert.rejects(impatient.send({ topic: 'spread', partition: offline, value: 'lost?' }))
  await without.close()

  rmSync(dirs[1]!)
  renameSync(join(root, 'away'), dirs[1]!)
  const after = await open({ dataDir: dirs, workers: 0 })
  assert.equal((await after.producer().send({ topic: 'spread', partition: offline, value: 'back' })).offset, 1)
  await after.close()
})
