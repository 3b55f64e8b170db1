import assert from 'node:assert/strict'
import { appendFileSync, cpSync, existsSync, readdirSync, readFileSync, renameSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { runPoolTask } from '../../src/log/pool-tasks.js'
import { append, batch, batchOfSize, offsetsIn, openLog, START, tempDir } from './support.js'
import type { OpenArgs } from './support.js'
import type { Log } from '../../src/log/log.js'

const file = (dir: string, base: number, suffix = '.log'): string => join(dir, 'events-0', String(base).padStart(20, '0') + suffix)

/** The directory as a killed process leaves it: copied under the open log. */
function killed(t: TestContext, dir: string): string {
  const copy = tempDir(t)
  cpSync(dir, copy, { recursive: true })
  return copy
}

async function filled(t: TestContext, batches: number, config: OpenArgs['config'] = {}, size = 500): Promise<{ dir: string; log: Log }> {
  const dir = tempDir(t)
  const log = await openLog(t, { dir, config })
  for (let i = 0; i < batches; i++) append(log, batchOfSize(size), 1)
  return { dir, log }
}

function corrupt(path: string, position: number, bytes = 8): void {
  const content = readFileSync(path)
  content.fill(0xee, position, position + bytes)
  writeFileSync(path, content)
}

test('what was written is there after a kill', async (t) => {
  const { dir } = await filled(t, 20, { segmentBytes: 2000 })
  const log = await openLog(t, { dir: killed(t, dir) })
  assert.equal(log.logEndOffset, 20)
  assert.equal(offsetsIn(log).length, 20)
  assert.equal(append(log, batch(1)).baseOffset, 20)
  assert.equal(log.latestEpoch, 1)
})

test('a torn tail is cut and kept aside', async (t) => {
  const { dir } = await filled(t, 5)
  const copy = killed(t, dir)
  appendFileSync(file(copy, 0), batchOfSize(500).subarray(0, 300))
  const log = await openLog(t, { dir: copy })
  assert.equal(log.logEndOffset, 5)
  assert.equal(statSync(file(copy, 0)).size, 2500)
  assert.equal(readFileSync(file(copy, 0, '.log.torn-1')).length, 300)
  assert.deepEqual(log.quarantined, [])
  append(log, batch(1))
  assert.equal(offsetsIn(log).length, 6)
})

/** A follower's log with one batch of each of these leader epochs. */
async function withEpochs(t: TestContext, epochs: readonly number[]): Promise<{ dir: string; recoveryPoint: number }> {
  const dir = tempDir(t)
  const log = await openLog(t, { dir, config: { segmentBytes: 200 } })
  epochs.forEach((leaderEpoch, baseOffset) => log.appendAsFollower(batch(1, { baseOffset, leaderEpoch })))
  log.flushStaged()
  await log.close(false)
  return { dir, recoveryPoint: log.recoveryPoint }
}

test('a tail that had been cut and came back with the machine vouches for no epoch but its own', async (t) => {
  const { dir } = await withEpochs(t, [0, 0, 0, 0])
  // The truncation to 2 and the batch of epoch 3 there were lost with the power; this file was synced.
  writeFileSync(join(dir, 'events-0', 'leader-epoch-checkpoint'), '0\n2\n0 0\n3 2\n')
  const log = await openLog(t, { dir })
  assert.equal(log.logEndOffset, 4)
  assert.deepEqual(log.epochEndOffset(0), { leaderEpoch: 0, endOffset: 4 })
  assert.equal(log.latestEpoch, 0)
})

test('batches of an older leader epoch behind a newer one are a tail that had been cut: cut again, kept aside', async (t) => {
  const { dir } = await withEpochs(t, [0, 0, 3, 0, 0, 0])
  const log = await openLog(t, { dir, config: { segmentBytes: 200 } })
  assert.equal(log.logEndOffset, 3)
  assert.deepEqual(log.quarantined, [])
  assert.deepEqual(log.epochEndOffset(0), { leaderEpoch: 0, endOffset: 2 })
  assert.ok(readdirSync(join(dir, 'events-0')).some((name) => name.includes('.torn-')))
  assert.equal(append(log, batch(1), 3).baseOffset, 3)
  await log.close(false)
  const durable = await withEpochs(t, [0, 0, 3, 0, 0, 0])
  const kept = await openLog(t, { dir: durable.dir, recoveryPoint: 6, config: { segmentBytes: 200 } })
  assert.equal(kept.logEndOffset, 6, 'what was synced stays')
})

/** Turns bits of a stored batch's leader epoch, which no checksum covers. */
function turnEpoch(path: string, position: number, leaderEpoch: number): void {
  const content = readFileSync(path)
  content.writeInt32BE(leaderEpoch, position + 12)
  writeFileSync(path, content)
}

for (const [what, epochs, stray] of [
  ['a later one', [0, 0, 0, 0, 0], 134_217_728],
  ['an earlier one', [5, 5, 5, 5, 5], 4],
] as const) {
  test(`a batch whose leader epoch is ${what} by a turned bit is quarantined, and nothing behind it is cut`, async (t) => {
    const { dir } = await withEpochs(t, epochs)
    turnEpoch(file(dir, 2), 0, stray)
    const log = await openLog(t, { dir, config: { segmentBytes: 200 } })
    assert.equal(log.logEndOffset, 5)
    assert.equal(log.latestEpoch, epochs[0])
    assert.deepEqual(
      log.quarantined.map(({ firstOffset, lastOffset, position, size }) => ({ firstOffset, lastOffset, position, size })),
      [{ firstOffset: 2, lastOffset: 2, position: 0, size: 75 }],
    )
    assert.ok(!readdirSync(join(dir, 'events-0')).some((name) => name.includes('.torn-')))
  })
}

test('a second torn tail does not overwrite the first', async (t) => {
  const { dir, log } = await filled(t, 2)
  await log.close(false)
  for (const n of [1, 2]) {
    appendFileSync(file(dir, 0), Buffer.alloc(10 * n, 7))
    await (await openLog(t, { dir })).close(false)
    assert.equal(statSync(file(dir, 0, `.log.torn-${n}`)).size, 10 * n)
  }
})

test('a corrupt middle is quarantined: refused by name, kept, and remembered', async (t) => {
  const { dir } = await filled(t, 10)
  const copy = killed(t, dir)
  corrupt(file(copy, 0), 3 * 500 + 200)
  const before = readFileSync(file(copy, 0))
  let log = await openLog(t, { dir: copy })
  for (let round = 0; round < 2; round++) {
    assert.equal(log.logEndOffset, 10 + round)
    assert.deepEqual(
      log.quarantined.map((r) => [r.firstOffset, r.lastOffset, r.position, r.size]),
      [[3, 3, 1500, 500]],
    )
    const refused = log.planRead(3, 1000, log.writtenOffset, true)
    assert.ok(refused.kind === 'error' && refused.errorCode === 2)
    assert.match(refused.errorMessage, /offsets 3 to 3 of .*events-0 are corrupt .*position 1500/)
    assert.deepEqual(
      offsetsIn(log, 0, 3),
      [
        [0, 0],
        [1, 1],
        [2, 2],
      ],
      'up to the range',
    )
    const upTo = log.planRead(0, 1 << 20, log.writtenOffset, true)
    assert.ok(upTo.kind === 'plan' && upTo.size === 1500, 'a read ends before the range and never skips it')
    assert.equal(offsetsIn(log, 4)[0]![0], 4, 'behind the range')
    append(log, batch(1))
    assert.deepEqual(readFileSync(file(copy, 0)), before, 'the file is as it was found')
    await log.close(true)
    log = await openLog(t, { dir: copy, clean: true })
  }
})

for (const bit of [0, 11, 30, 60]) {
  test(`bit ${bit} of a batch's offset flips in a closed segment: a read there is refused, quarantined and told, all others are answered`, async (t) => {
    const { dir, log } = await filled(t, 12, { segmentBytes: 2000 })
    await log.close(true)
    const bytes = readFileSync(file(dir, 4))
    bytes[500 + 7 - (bit >> 3)]! ^= 1 << (bit & 7)
    writeFileSync(file(dir, 4), bytes)
    const told: number[] = []
    const again = await openLog(t, { dir, clean: true, recoveryPoint: 12, overrides: { onDamaged: (offset) => told.push(offset) } })
    for (const offset of [5, 4, 6, 7, 8, 11]) {
      const plan = again.planRead(offset, 1, again.writtenOffset, true)
      if (offset === 5) assert.ok(plan.kind === 'error' && plan.errorCode === 2)
      else assert.deepEqual(plan.kind === 'plan' && [plan.segmentBaseOffset, plan.position], [offset & ~3, (offset & 3) * 500])
    }
    assert.deepEqual(told, [5])
    assert.deepEqual(
      again.quarantined.map((r) => [r.segmentBaseOffset, r.firstOffset, r.lastOffset, r.position, r.size]),
      [[4, 5, 5, 500, 500]],
    )
    await again.close(true)
  })
}

test('a corrupt middle followed by a torn tail is both', async (t) => {
  const { dir } = await filled(t, 10)
  const copy = killed(t, dir)
  corrupt(file(copy, 0), 2 * 500 + 100)
  appendFileSync(file(copy, 0), Buffer.alloc(70, 9))
  const log = await openLog(t, { dir: copy })
  assert.equal(log.logEndOffset, 10)
  assert.equal(log.quarantined.length, 1)
  assert.equal(statSync(file(copy, 0, '.log.torn-1')).size, 70)
  append(log, batch(1))
  assert.deepEqual(offsetsIn(log, 3).length, 8)
})

test('the lost end of an earlier segment is a corrupt range when a later segment holds batches', async (t) => {
  const { dir } = await filled(t, 12, { segmentBytes: 2000 })
  const copy = killed(t, dir)
  truncateSync(file(copy, 4), 1250)
  const log = await openLog(t, { dir: copy, config: { segmentBytes: 2000 } })
  assert.equal(log.logEndOffset, 12)
  assert.deepEqual(
    log.quarantined.map((r) => [r.segmentBaseOffset, r.firstOffset, r.lastOffset]),
    [[4, 6, 7]],
  )
  assert.equal(statSync(file(copy, 4)).size, 1250, 'nothing is cut there')
  const refused = log.planRead(6, 1000, 12, true)
  assert.ok(refused.kind === 'error' && refused.errorCode === 2)
  assert.equal(offsetsIn(log, 8).length, 4)
})

test('a cut to where a batch is torn in a closed segment, and one behind it, leave none of its bytes', async (t) => {
  const { dir } = await filled(t, 10, { segmentBytes: 2000 })
  for (const [cut, end] of [
    [6, 1000],
    [7, 1000],
    [5, 500],
  ] as const) {
    const copy = killed(t, dir)
    truncateSync(file(copy, 4), 1250)
    const log = await openLog(t, { dir: copy, config: { segmentBytes: 2000 } })
    assert.deepEqual(
      log.quarantined.map((r) => [r.firstOffset, r.lastOffset]),
      [[6, 7]],
    )
    log.truncateTo(cut)
    assert.equal(log.logEndOffset, cut)
    assert.equal(statSync(file(copy, 4)).size, end)
    log.appendAsFollower(batch(1, { baseOffset: cut, leaderEpoch: 1 }))
    log.flushStaged()
    assert.deepEqual(
      log.quarantined.map((r) => [r.firstOffset, r.lastOffset]),
      cut === 7 ? [[6, 6]] : [],
      'what is appended is not refused for what stood there before',
    )
    assert.deepEqual(offsetsIn(log, cut), [[cut, cut]])
    await log.close(false)
    const again = await openLog(t, { dir: copy, config: { segmentBytes: 2000 } })
    assert.equal(again.logEndOffset, cut + 1)
    assert.ok(again.quarantined.every((r) => r.size === 250 || r.size === 0))
  }
})

test('segments behind the last valid batch are taken away, their bytes kept aside', async (t) => {
  const { dir } = await filled(t, 9, { segmentBytes: 2000 })
  const copy = killed(t, dir)
  truncateSync(file(copy, 4), 700)
  corrupt(file(copy, 8), 0, 500)
  const log = await openLog(t, { dir: copy, config: { segmentBytes: 2000 } })
  assert.equal(log.logEndOffset, 5)
  assert.deepEqual(log.quarantined, [])
  assert.equal(existsSync(file(copy, 8)), false)
  assert.equal(statSync(file(copy, 8, '.log.torn-1')).size, 500)
  assert.equal(statSync(file(copy, 4, '.log.torn-1')).size, 200)
  assert.equal(append(log, batch(1)).baseOffset, 5)
})

test('only segments past the recovery point are scanned, all of them at once', async (t) => {
  const { dir } = await filled(t, 20, { segmentBytes: 2000 })
  const scanned: number[] = []
  const log = await openLog(t, {
    dir: killed(t, dir),
    recoveryPoint: 12,
    overrides: {
      runInPool: (task) => {
        if (task.name === 'recoverSegment') scanned.push(task.baseOffset)
        return runPoolTask(task)
      },
    },
  })
  assert.deepEqual(scanned, [12, 16])
  assert.equal(log.logEndOffset, 20)
})

test('a rolled segment passes the recovery point only after its fsync', async (t) => {
  const due: number[] = []
  const dir = tempDir(t)
  const log = await openLog(t, { dir, config: { segmentBytes: 2000 }, overrides: { onCheckpointDue: () => due.push(log.recoveryPoint) } })
  for (let i = 0; i < 9; i++) append(log, batchOfSize(500))
  assert.equal(log.recoveryPoint, 0)
  await log.close(false)
  assert.equal(log.recoveryPoint, 8)
  assert.deepEqual(due, [4, 8])
})

test('what a killed process left is synced before it counts as durable', async (t) => {
  const { dir } = await filled(t, 9, { segmentBytes: 2000 })
  const log = await openLog(t, { dir: killed(t, dir), recoveryPoint: 4, config: { segmentBytes: 2000 } })
  assert.deepEqual([log.durableOffset, log.recoveryPoint], [4, 4])
  assert.equal(await log.sync(), 9)
  assert.equal(log.recoveryPoint, 8)
})

test('a clean open scans nothing; a clean marker over a torn file is not believed', async (t) => {
  const { dir, log } = await filled(t, 5)
  await log.close(true)
  const noScan = { runInPool: () => Promise.reject(new Error('scanned')) }
  const again = await openLog(t, { dir, clean: true, overrides: noScan })
  assert.equal(again.logEndOffset, 5)
  await again.close(true)
  appendFileSync(file(dir, 0), Buffer.alloc(30, 1))
  const third = await openLog(t, { dir, clean: true })
  assert.equal(third.logEndOffset, 5)
  assert.equal(statSync(file(dir, 0, '.log.torn-1')).size, 30)
})

test('lost index files are made again', async (t) => {
  const { dir, log } = await filled(t, 40, { segmentBytes: 10_000, indexIntervalBytes: 1000 })
  await log.close(true)
  for (const name of readdirSync(join(dir, 'events-0')))
    if (name.endsWith('index')) renameSync(join(dir, 'events-0', name), join(dir, name))
  const again = await openLog(t, { dir, clean: true, config: { indexIntervalBytes: 1000 } })
  assert.equal(offsetsIn(again).length, 40)
  for (const name of ['00000000000000000000.index', '00000000000000000000.timeindex']) {
    assert.deepEqual(readFileSync(join(dir, 'events-0', name)), readFileSync(join(dir, name)), name)
  }
})

test('half-done removals are finished when the partition is opened', async (t) => {
  const { dir, log } = await filled(t, 3)
  await log.close(true)
  for (const name of ['00000000000000000000.log.deleted', '00000000000000000007.log.cleaned', '00000000000000000009.index'])
    writeFileSync(join(dir, 'events-0', name), 'x')
  await openLog(t, { dir, clean: true })
  const names = readdirSync(join(dir, 'events-0'))
  assert.ok(!names.some((name) => /deleted|cleaned|0009/.test(name)), names.join(' '))
})

test('the directory of another topic of the same name is refused', async (t) => {
  const { dir, log } = await filled(t, 1)
  await log.close(true)
  await assert.rejects(openLog(t, { dir, overrides: { topicId: 'BBBBBBBBBBBBBBBBBBBBBB' } }), { code: 'ERR_MILLRACE_TOPIC_ID' })
  assert.equal(readFileSync(join(dir, 'events-0', 'partition.metadata'), 'utf8'), 'version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ')
})

test('progress is told when a scan takes long', async (t) => {
  const { dir } = await filled(t, 9, { segmentBytes: 2000 })
  const told: [number, number][] = []
  const { TestEnv } = await import('./support.js')
  const env = new TestEnv()
  await openLog(t, {
    dir: killed(t, dir),
    env,
    overrides: {
      runInPool: async (task) => {
        env.nowMs += 600
        return runPoolTask(task)
      },
      onProgress: (done, total) => told.push([done, total]),
    },
  })
  assert.deepEqual(told.at(-1), [3, 3])
  assert.ok(env.nowMs > START)
})

test('a leader epoch file that power loss left empty or torn is made again from the batches', async (t) => {
  for (const left of ['', '0\n3\n1 0\n']) {
    const { dir } = await withEpochs(t, [1, 1, 3, 5])
    writeFileSync(join(dir, 'events-0', 'leader-epoch-checkpoint'), left)
    // Also where everything is below the recovery point, or the stop was clean: the file vouches for all of it.
    const log = await openLog(t, { dir, recoveryPoint: 4, clean: left === '' })
    assert.deepEqual(
      [1, 3, 5].map((epoch) => log.epochEndOffset(epoch)),
      [
        { leaderEpoch: 1, endOffset: 2 },
        { leaderEpoch: 3, endOffset: 3 },
        { leaderEpoch: 5, endOffset: 4 },
      ],
    )
  }
})

test('a log without a record costs no scan after a kill, and no file for its leader epoch', async (t) => {
  const dir = tempDir(t)
  const log = await openLog(t, { dir })
  log.assignEpochStart(4)
  assert.equal(log.latestEpoch, 4)
  assert.deepEqual(readdirSync(join(dir, 'events-0')).toSorted(), ['00000000000000000000.log', 'partition.metadata'])
  const tasks: string[] = []
  const again = await openLog(t, {
    dir: killed(t, dir),
    overrides: {
      runInPool: (task) => {
        tasks.push(task.name)
        return runPoolTask(task)
      },
    },
  })
  assert.deepEqual([tasks, again.logEndOffset], [[], 0])
  append(log, batch(1), 4)
  const epochs = (): string => readFileSync(join(dir, 'events-0', 'leader-epoch-checkpoint'), 'utf8')
  assert.equal(epochs(), '0\n1\n4 0\n', 'the first record has it beside it')
})
