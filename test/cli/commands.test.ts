// Topics, records, groups and settings through the command line against one node.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import { cli, startCli, startNode, temporaryDir } from './run-cli.js'
import type { Node, Result, RunOptions } from './run-cli.js'

let node: Node
const cleanups: (() => unknown)[] = []

/** Runs against the node; the code is checked, so that a failure shows its message. */
async function millrace(expected: number, args: readonly string[], options: RunOptions = {}): Promise<Result> {
  const result = await cli(args, { ...options, env: { MILLRACE_BOOTSTRAP: node.bootstrap } })
  assert.equal(result.code, expected, `${args.join(' ')}\n${result.stdout}${result.stderr}`)
  return result
}

async function json<T>(args: readonly string[], options: RunOptions = {}): Promise<T> {
  return JSON.parse((await millrace(0, [...args, '--json'], options)).stdout) as T
}

const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '')

describe('commands against a node', () => {
  before(async () => {
    const context = { after: (task: () => unknown) => void cleanups.push(task) } as unknown as TestContext
    node = await startNode(context, ['--set', 'num.partitions=3', '--set', 'group.initial.rebalance.delay.ms=0'])
  })
  after(async () => {
    for (const task of cleanups.toReversed()) await task()
  })

  test('topics: created, listed, described, altered and deleted', async () => {
    assert.equal(
      (await millrace(0, ['topics', 'create', 'life', '-p', '2', '-c', 'retention.ms=100000'])).stdout,
      'created life with 2 partitions\n',
    )
    assert.match(
      (await millrace(1, ['topics', 'create', 'life'])).stderr,
      /already exists.*\n.*fix: choose another name, or add --if-not-exists/,
    )
    assert.equal((await millrace(0, ['topics', 'create', 'life', '--if-not-exists'])).stdout, 'life exists already\n')
    assert.match((await millrace(1, ['topics', 'create', 'bad', '-c', 'retntion.ms=1'])).stderr, /did you mean retention\.ms\?/)
    const listed = await json<{ name: string; partitions: number; replicas: number }[]>(['topics', 'list'])
    assert.ok(listed.some(({ name, partitions, replicas }) => name === 'life' && partitions === 2 && replicas === 1))
    assert.match((await millrace(0, ['topics', 'list'])).stdout, /^topic\tpartitions\treplicas\n(.*\n)*life\t2\t1\n/)
    await millrace(0, ['topics', 'alter', 'life', '-p', '4', '-c', 'cleanup.policy=compact,delete', '--unset', 'retention.ms'])
    const [described] = await json<{ partitions: unknown[]; configs: object }[]>(['topics', 'describe', 'life'])
    assert.equal(described!.partitions.length, 4)
    assert.deepEqual(described!.configs, { 'cleanup.policy': 'compact,delete' })
    assert.match((await millrace(4, ['topics', 'delete', 'life', 'absent'])).stderr, /no topic absent; nothing was deleted/)
    assert.equal((await millrace(0, ['topics', 'delete', 'life', 'absent', '--if-exists'])).stdout, 'deleted life\nabsent does not exist\n')
    await millrace(4, ['topics', 'describe', 'life'])
  })

  test('what produce reads, consume prints: keys, headers, timestamps, every codec and any bytes', async () => {
    for (const codec of ['none', 'gzip', 'snappy', 'lz4', 'zstd']) {
      const input = `{"key":"k-${codec}","value":"v-${codec}","headers":{"h":"x"},"timestamp":1700000000000,"partition":1}\n`
      await millrace(0, ['produce', 'codecs', '--format', 'json', '-z', codec], { input })
    }
    const printed = lines((await millrace(0, ['consume', 'codecs', '--from', 'beginning', '--until', 'end', '--json'])).stdout).map(
      (line) => JSON.parse(line) as object,
    )
    assert.deepEqual(
      printed,
      ['none', 'gzip', 'snappy', 'lz4', 'zstd'].map((codec, offset) => ({
        topic: 'codecs',
        partition: 1,
        offset,
        timestamp: 1_700_000_000_000,
        key: `k-${codec}`,
        value: `v-${codec}`,
        headers: { h: 'x' },
      })),
    )
    await millrace(0, ['produce', 'bytes', '--format', 'json'], { input: '{"keyBase64":"/wA=","value":null}\n' })
    const [record] = lines((await millrace(0, ['consume', 'bytes', '--from', 'beginning', '--max', '1', '--json'])).stdout).map(
      (line) => JSON.parse(line) as { keyBase64: string; value: null },
    )
    assert.deepEqual([record!.keyBase64, record!.value], ['/wA=', null])
  })

  test('ten thousand lines come back in order within each key', async () => {
    const input = Array.from({ length: 10_000 }, (_, i) => `key-${i % 7}:${i}`).join('\n')
    const summary = await json<{ records: number; failed: number }>(['produce', 'many', '-K', ':', '-z', 'lz4'], { input })
    assert.deepEqual([summary.records, summary.failed], [10_000, 0])
    const { stdout } = await millrace(0, ['consume', 'many', '--from', 'beginning', '--until', 'end', '--keys'])
    const byKey = new Map<string, number[]>()
    for (const [key, value] of lines(stdout).map((line) => line.split('\t'))) byKey.set(key!, [...(byKey.get(key!) ?? []), Number(value)])
    assert.equal(byKey.size, 7)
    for (const [key, values] of byKey)
      assert.deepEqual(
        values,
        Array.from({ length: values.length }, (_, i) => i * 7 + Number(key.slice(4))),
      )
    assert.equal([...byKey.values()].flat().length, 10_000)
  })

  test('consume starts and stops where it is told: offsets, times, counts, partitions', async () => {
    const input = Array.from({ length: 10 }, (_, i) => `{"value":"v${i}","partition":0,"timestamp":${1_700_000_000_000 + i * 1000}}`).join(
      '\n',
    )
    await millrace(0, ['produce', 'ranged', '--format', 'json'], { input })
    const values = async (...args: string[]): Promise<string> => lines((await millrace(0, ['consume', 'ranged', ...args])).stdout).join(' ')
    assert.equal(await values('--from', '3', '--until', '6', '-p', '0'), 'v3 v4 v5')
    assert.equal(await values('--from', '@1700000007500', '--until', 'end'), 'v8 v9')
    assert.equal(await values('--from', 'beginning', '--until', '2023-11-14T22:13:22Z'), 'v0 v1')
    assert.equal(await values('--from', 'beginning', '--max', '2', '--format', '%p@%o=%v'), '0@0=v0 0@1=v1')
    assert.equal(await values('--from', 'end', '--until', 'end'), '')
    assert.match((await millrace(4, ['consume', 'ranged', '-p', '9'])).stderr, /ranged has no partition 9/)
    assert.match((await millrace(4, ['consume', 'absent'])).stderr, /UNKNOWN_TOPIC_OR_PARTITION/)
  })

  test('a tail prints what comes after it started, and a signal ends it cleanly', async () => {
    await millrace(0, ['topics', 'create', 'tailed', '-p', '1'])
    const main = new URL('../../src/cli/main.js', import.meta.url).pathname
    const tail = spawn(process.execPath, [main, 'consume', 'tailed', '--from', 'beginning', '-b', node.bootstrap])
    let seen = ''
    const arrived = new Promise<void>((resolve) =>
      tail.stdout.on('data', (chunk: Buffer) => (seen += chunk.toString()).includes('two') && resolve()),
    )
    const ended = new Promise<number | null>((resolve) => tail.on('close', resolve))
    await millrace(0, ['produce', 'tailed'], { input: 'one\n' })
    await millrace(0, ['produce', 'tailed'], { input: 'two\n' })
    await arrived
    tail.kill('SIGINT')
    assert.equal(await ended, 0)
    assert.equal(seen, 'one\ntwo\n')
  })

  test('a reader that goes away ends consume quietly', async () => {
    const input = Array.from({ length: 50_000 }, (_, i) => `a line of some length, number ${i}`).join('\n')
    await millrace(0, ['produce', 'piped', '-q'], { input })
    const main = new URL('../../src/cli/main.js', import.meta.url).pathname
    const child = spawn(process.execPath, [main, 'consume', 'piped', '--from', 'beginning', '-b', node.bootstrap], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let errors = ''
    child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()))
    const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
    child.stdout.once('data', () => child.stdout.destroy())
    assert.equal(await ended, 0)
    assert.equal(errors, '')
  })

  test('a group goes on where it stopped; lag is shown, offsets are reset only with --execute', async () => {
    await millrace(0, ['produce', 'grouped', '-p', '0'], { input: Array.from({ length: 20 }, (_, i) => `g${i}`).join('\n') })
    const read = async (...args: string[]): Promise<string[]> =>
      lines((await millrace(0, ['consume', 'grouped', '-g', 'readers', ...args])).stdout)
    assert.deepEqual(await read('--from', 'beginning', '--max', '5'), ['g0', 'g1', 'g2', 'g3', 'g4'])
    assert.deepEqual(await read('--max', '3'), ['g5', 'g6', 'g7'])
    const lag = async (): Promise<number> => (await json<{ totalLag: number }[]>(['groups', 'describe', 'readers']))[0]!.totalLag
    assert.equal(await lag(), 12)
    const groups = await json<{ groupId: string; state: string }[]>(['groups', 'list'])
    assert.deepEqual(groups.find((group) => group.groupId === 'readers')?.state, 'Empty')
    assert.match(
      (await millrace(0, ['groups', 'reset', 'readers', '--to-offset', '18'])).stdout,
      /grouped\t0\t8\t18\nnothing was changed; add --execute/,
    )
    assert.equal(await lag(), 12)
    await millrace(0, ['groups', 'reset', 'readers', '--to-offset', '18', '--execute'])
    assert.equal(await lag(), 2)
    await millrace(0, ['groups', 'reset', 'readers', '-t', 'grouped:0', '--shift-by', '-3', '--execute'])
    assert.deepEqual(await read('--max', '5'), ['g15', 'g16', 'g17', 'g18', 'g19'])
    assert.equal(await lag(), 0)
    await millrace(0, ['groups', 'delete', 'readers'])
    assert.match((await millrace(4, ['groups', 'describe', 'readers'])).stderr, /there is no group readers/)
    assert.match((await millrace(2, ['consume', 'grouped', '-g', 'readers', '--from', '7'])).stderr, /groups reset/)
  })

  test('configs: changed at run time, shown with their source, refused with the reason', async () => {
    await millrace(0, ['topics', 'create', 'configured', '-p', '1'])
    const source = async (): Promise<unknown[]> => {
      const [row] = await json<{ value: string; source: string }[]>(['configs', 'describe', '-t', 'configured', '--name', 'retention.ms'])
      return [row!.value, row!.source]
    }
    assert.deepEqual(await source(), ['604800000', 'default'])
    await millrace(0, ['configs', 'alter', '--broker-defaults', '--set', 'log.retention.ms=5000000'])
    assert.deepEqual(await source(), ['5000000', 'broker default'])
    await millrace(0, ['configs', 'alter', '-t', 'configured', '--set', 'retention.ms=4000000', '--append', 'cleanup.policy=compact'])
    assert.deepEqual(await source(), ['4000000', 'topic'])
    assert.equal(
      (await millrace(0, ['configs', 'describe', '-t', 'configured'])).stdout,
      'setting\tvalue\tfrom\tchangeable\ncleanup.policy\tdelete,compact\ttopic\tyes\nretention.ms\t4000000\ttopic\tyes\n',
    )
    await millrace(0, ['configs', 'alter', '-t', 'configured', '--unset', 'retention.ms', '--subtract', 'cleanup.policy=compact'])
    await millrace(0, ['configs', 'alter', '--broker-defaults', '--unset', 'log.retention.ms'])
    assert.deepEqual(await source(), ['604800000', 'default'])
    assert.match((await millrace(1, ['configs', 'alter', '-t', 'configured', '--set', 'segment.bytes=1'])).stderr, /segment\.bytes/)
    assert.match((await millrace(1, ['configs', 'alter', '--broker', '1', '--set', 'num.partitions=2'])).stderr, /num\.partitions/)
    const partitions = await json<{ name: string; value: string; source: string }[]>([
      'configs',
      'describe',
      '--broker',
      '1',
      '--name',
      'num.partitions',
    ])
    assert.deepEqual([partitions[0]!.value, partitions[0]!.source], ['3', 'static'])
  })

  test('produce: a bad line is named, what came before it is sent; --ack disk and --rate are kept', async (t) => {
    const bad = await millrace(2, ['produce', 'partly', '-K', ':', '--json'], { input: 'a:1\nb:2\nnothing\nc:3\n' })
    assert.equal((JSON.parse(bad.stdout) as { records: number }).records, 2)
    assert.match(bad.stderr, /line 3 has no key separator/)
    await millrace(0, ['produce', 'durable', '--ack', 'disk'], { input: 'kept\n' })
    const file = join(temporaryDir(t), 'lines.txt')
    writeFileSync(file, 'a\r\nb\r\nc')
    const paced = await json<{ records: number; ms: number }>(['produce', 'paced', '--input', file, '--rate', '10'])
    assert.equal(paced.records, 3)
    assert.ok(paced.ms >= 200, `three records at 10 a second take 200 ms, took ${paced.ms}`)
    assert.deepEqual(lines((await millrace(0, ['consume', 'paced', '--from', 'beginning', '--until', 'end'])).stdout).toSorted(), [
      'a',
      'b',
      'c',
    ])
  })

  test('produce --timeout: a record that nobody takes is given up after that long, with its attempts', async (t) => {
    const node = await startNode(t)
    await cli(['topics', 'create', 'left', '-b', node.bootstrap])
    const producing = startCli(t, ['produce', 'left', '-b', node.bootstrap, '--timeout', '1500'], 'pipe')
    const ended = once(producing.process, 'close')
    producing.process.stdin!.write('taken\n')
    const taken = await cli(['consume', 'left', '-b', node.bootstrap, '--from', 'beginning', '--max', '1'])
    assert.equal(taken.stdout, 'taken\n')
    await node.stop('SIGKILL')
    const began = performance.now()
    producing.process.stdin!.end('left\n')
    assert.notDeepEqual(await ended, [0, null])
    assert.match(producing.errors(), /not delivered within 15\d\d ms/)
    assert.ok(performance.now() - began < 60_000)
  })
})
