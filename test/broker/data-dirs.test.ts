import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import type { Logger } from '../../src/env/env.js'
import { DataDirs } from '../../src/broker/data-dirs.js'
import { realEnv, silentLogger } from '../../src/env/real.js'
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

async function spread(t: TestContext): Promise<{ dirs: [string, string]; inSecond: number }> {
  const root = mkdtempSync(join(tmpdir(), 'millrace-dirs-'))
  t.after(() => rmSync(root, { recursive: true, force: true }))
  const dirs: [string, string] = [join(root, 'a'), join(root, 'b')]
  const node = await open({ dataDir: dirs, workers: 0 })
  await node.admin().createTopics([{ name: 'spread', partitions: 4 }])
  for (const partition of [0, 1, 2, 3]) await node.producer().send({ topic: 'spread', partition, value: `in ${partition}` })
  await node.close()
  return { dirs, inSecond: Number(partitionsIn(dirs[1])[0]!.split('-')[1]) }
}

function lines(): { logger: Logger; errors: string[] } {
  const errors: string[] = []
  const none = (): void => {}
  return { logger: { ...silentLogger, debug: none, info: none, warn: none, error: (_fields, text) => errors.push(text) }, errors }
}

test('a known directory that comes back empty is named, stays empty, and its partitions stay offline, also when the topic grows', async (t) => {
  const { dirs, inSecond } = await spread(t)
  renameSync(dirs[1], `${dirs[1]}-away`)
  mkdirSync(dirs[1])
  const { logger, errors } = lines()
  const without = await open({ dataDir: dirs, workers: 0, logger })
  assert.ok(
    errors.some((text) => text.includes(dirs[1]) && text.includes('millrace.accept.empty.log.dirs=true')),
    errors.join('\n'),
  )
  await without.admin().createPartitions({ spread: 6 })
  assert.deepEqual(readdirSync(dirs[1]), [])
  assert.ok(!partitionsIn(dirs[0]).includes(`spread-${inSecond}`))
  const impatient = without.producer({ deliveryTimeoutMs: 300, requestTimeoutMs: 200, lingerMs: 0 })
  await assert.rejects(impatient.send({ topic: 'spread', partition: inSecond, value: 'lost?' }))
  await without.close()

  rmSync(dirs[1], { recursive: true })
  renameSync(`${dirs[1]}-away`, dirs[1])
  const after = await open({ dataDir: dirs, workers: 0 })
  assert.equal((await after.producer().send({ topic: 'spread', partition: inSecond, value: 'back' })).offset, 1)
  await after.close()
})

test('a known directory that is taken out of the list keeps its partitions offline; found at another path it is itself', async (t) => {
  const { dirs, inSecond } = await spread(t)
  const without = await open({ dataDir: dirs[0], workers: 0 })
  const impatient = without.producer({ deliveryTimeoutMs: 300, requestTimeoutMs: 200, lingerMs: 0 })
  await assert.rejects(impatient.send({ topic: 'spread', partition: inSecond, value: 'lost?' }))
  assert.ok(!partitionsIn(dirs[0]).includes(`spread-${inSecond}`))
  await without.close()
  renameSync(dirs[1], `${dirs[1]}-elsewhere`)
  const after = await open({ dataDir: [dirs[0], `${dirs[1]}-elsewhere`], workers: 0 })
  assert.equal((await after.producer().send({ topic: 'spread', partition: inSecond, value: 'back' })).offset, 1)
  await after.close()
})

test('the controller is told of every directory that may come back, and not of one whose loss was accepted', async (t) => {
  const { dirs } = await spread(t)
  const idsOf = (paths: readonly string[], acceptEmpty = false): string[] => {
    const opened = DataDirs.open(paths, 1, { ...realEnv(), logger: silentLogger }, acceptEmpty)
    const ids = opened.ids.toSorted()
    opened.close([], true)
    return ids
  }
  const both = idsOf(dirs)
  assert.equal(both.length, 2)
  assert.deepEqual(idsOf([dirs[0]]), both, 'taken out of the list')
  renameSync(dirs[1], `${dirs[1]}-away`)
  writeFileSync(dirs[1], 'not a directory')
  assert.deepEqual(idsOf(dirs), both, 'not to be opened')
  rmSync(dirs[1])
  assert.deepEqual(idsOf(dirs), both, 'not mounted')
  const [first, second, ...others] = idsOf(dirs, true)
  assert.deepEqual(others, [])
  assert.equal([first, second].filter((id) => both.includes(id!)).length, 1, 'lost for good')
})

test('an accepted loss begins the partitions empty and is forgotten', async (t) => {
  const { dirs, inSecond } = await spread(t)
  rmSync(dirs[1], { recursive: true })
  const accepting = await open({ dataDir: dirs, workers: 0, settings: { 'millrace.accept.empty.log.dirs': true } })
  assert.equal((await accepting.producer().send({ topic: 'spread', partition: inSecond, value: 'anew' })).offset, 0)
  await accepting.close()
  const { logger, errors } = lines()
  const after = await open({ dataDir: dirs, workers: 0, logger })
  assert.deepEqual(errors, [])
  assert.equal((await after.producer().send({ topic: 'spread', partition: inSecond, value: 'more' })).offset, 1)
  await after.close()
})

test('the first directory is not taken for new while another one has been used', async (t) => {
  const { dirs } = await spread(t)
  renameSync(dirs[0], `${dirs[0]}-away`)
  mkdirSync(dirs[0])
  await assert.rejects(open({ dataDir: dirs, workers: 0 }), (error: Error & { code: string }) => {
    assert.equal(error.code, 'ERR_MILLRACE_EMPTY_DIR')
    return error.message.includes(dirs[0])
  })
  assert.deepEqual(readdirSync(dirs[0]), [])
  rmSync(dirs[0], { recursive: true })
  renameSync(`${dirs[0]}-away`, dirs[0])
  await (await open({ dataDir: dirs, workers: 0 })).close()
})
