// `millrace bench` against a real node: what is counted was really written, a stalled server is charged for it, and errors say what to do.

import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import type { Tally } from '../../src/cli/bench/load.js'
import { runLatency } from '../../src/cli/bench/latency.js'
import { runProduce } from '../../src/cli/bench/produce.js'
import type { ResultFile } from '../../src/cli/bench/result-file.js'
import { Target } from '../../src/cli/bench/target.js'
import { cli, startNode, temporaryDir } from './run-cli.js'
import type { Node } from './run-cli.js'

/** By count: in a given time a busy machine may get nothing done. Enough for the server to have used CPU. */
const SHORT = ['--records', '50000', '-w', '0', '-p', '3']

async function bench(node: Node, args: readonly string[]): Promise<ResultFile> {
  const { code, stdout, stderr } = await cli(['bench', ...args, '-b', node.bootstrap, '--pid', String(node.process.pid), '--json'])
  assert.equal(code, 0, stderr)
  return JSON.parse(stdout) as ResultFile
}

async function openTarget(t: TestContext, node: Node): Promise<Target> {
  const target = await Target.open(node.bootstrap)
  t.after(() => target.close())
  return target
}

test('bench against a node', async (t) => {
  const node = await startNode(t)
  const linux = process.platform === 'linux'

  await t.test('produce --records sends as many records as it says, and they are there', async (tt) => {
    const sized = ['--records', '5000', '--record-size', '100', '--batch-size', '2KiB']
    const result = await bench(node, ['produce', ...sized, '-w', '0', '-p', '3', '-t', 'counted', '--keep'])
    const row = result.rows[0]!
    assert.ok(row.records >= 5000 && row.records < 5000 + 100, `${row.records} records`)
    assert.equal(row.bytes, row.records * 100)
    const target = await openTarget(tt, node)
    let stored = 0
    for (const leader of await target.leaders('counted'))
      for (const end of (await target.offsets('counted', leader, 'latest')).values()) stored += end
    assert.equal(stored, row.records)
  })

  await t.test('a result says what was measured, on which machine and against whom', async () => {
    const { machine, versions, servers, rows, startedAt } = await bench(node, ['produce', ...SHORT])
    assert.equal(versions.node, process.version)
    assert.ok(machine.cpu.length > 0 && machine.cores > 0 && machine.memoryBytes > 0)
    assert.equal(servers[0]!.kind, 'Millrace')
    assert.ok(servers[0]!.clusterId)
    assert.ok(Date.parse(startedAt) <= Date.now())
    const row = rows[0]!
    assert.equal(row.settings['batchSize'], 262_144)
    assert.ok(row.megabytesPerSecond > 0 && row.ack!.p50 <= row.ack!.p99 && row.ack!.p99 <= row.ack!.max)
    if (!linux) return
    assert.ok(row.serverCpuSeconds! > 0 && row.serverPeakMemoryBytes! > 1e6)
    assert.ok(row.othersPercent! >= 0)
  })

  for (const args of [
    ['--producer', 'client'],
    ['--compression', 'zstd'],
    ['--acks', '0'],
    ['--acks', '1', '--connections', '5'],
  ]) {
    await t.test(`produce ${args.join(' ')} sends records`, async () => {
      const result = await bench(node, ['produce', ...SHORT, ...args])
      assert.ok(result.rows[0]!.records > 0)
    })
  }

  await t.test('consume reads its own topic again and again', async () => {
    const row = (await bench(node, ['consume', ...SHORT, '--fill', '1MiB'])).rows[0]!
    assert.ok(row.records >= 50_000, `${row.records} records of 1 KiB, and the topic holds 1024`)
  })

  await t.test('latency counts every record once, answered and read', async () => {
    const row = (await bench(node, ['latency', '-d', '1s', '-w', '200ms', '--rate', '400', '-p', '3'])).rows[0]!
    assert.equal(row.records, 480)
    assert.equal(row.ack!.count, 400)
    assert.equal(row.endToEnd!.count, 400)
    assert.ok(row.endToEnd!.p50 > 0)
  })

  await t.test('topics that were made are gone afterwards', async () => {
    const { stdout } = await cli(['topics', 'list', '-b', node.bootstrap, '--json'])
    assert.doesNotMatch(stdout, /millrace-bench-/)
  })

  await t.test('--out and --report write a result and a page that needs nothing else', async (tt) => {
    const dir = temporaryDir(tt)
    const [out, report] = [join(dir, 'result.json'), join(dir, 'report.html')]
    const { code, stdout, stderr } = await cli(['bench', 'produce', '-b', node.bootstrap, ...SHORT, '--out', out, '--report', report])
    assert.equal(code, 0, stderr)
    assert.match(stdout, /MB\/s\t[\d.]+/)
    assert.equal((JSON.parse(readFileSync(out, 'utf8')) as ResultFile).format, 'millrace-bench-1')
    assert.match(readFileSync(report, 'utf8'), /<svg /)
    const again = join(dir, 'again.html')
    assert.equal((await cli(['bench', 'report', out, out, '--out', again])).code, 0)
    assert.ok(existsSync(again))
  })

  await t.test('compare runs both servers in turns and prints ratios', async () => {
    const pid = String(node.process.pid)
    const both = ['--against', node.bootstrap, '--against-pid', pid, '-b', node.bootstrap, '--pid', pid]
    const args = [
      'bench',
      'compare',
      ...both,
      '--quick',
      '-d',
      '300ms',
      '-w',
      '50ms',
      '--rounds',
      '2',
      '--pause',
      '0',
      '--only',
      '16 KiB,latency',
      '-p',
      '2',
      '--prepare',
      'echo prepared >&2',
    ]
    const table = await cli(args)
    assert.equal(table.code, 0, table.stderr)
    assert.match(table.stdout, /^produce 100 B in 16 KiB\tMillrace\t\d+\t[\d,]+\t[\d.]+\t/m)
    assert.match(table.stdout, /^\tMillrace 2\t/m)
    assert.match(table.stdout, /^\tratio\t[\d.]+×\t/m)
    assert.match(table.stdout, /^latency at 2,000\/s, end-to-end\t/m)
    const order = [...table.stderr.matchAll(/^round (\d) {2}(Millrace(?: 2)?) {2}produce/gm)].map(([, round, name]) => `${round} ${name}`)
    assert.deepEqual(order, ['1 Millrace', '1 Millrace 2', '2 Millrace 2', '2 Millrace'])
    assert.equal([...table.stderr.matchAll(/^prepared\nround \d/gm)].length, 8, 'before each of two rows on each server in two rounds')

    const failing = await cli([...args, '--prepare', 'exit 3'])
    assert.equal(failing.code, 1)
    assert.match(failing.stderr, /--prepare "exit 3" ended with 3/)
  })

  await t.test('latency in a topic that others write to counts only its own records', async (tt) => {
    const target = await openTarget(tt, node)
    await target.createTopic('shared', 2, 1)
    const others = { recordSize: 100, batchSize: 1000, connections: 1, inFlight: 1, acks: -1, compression: 'none' } as const
    const noise = runProduce(target, 'shared', others, { seconds: 0.4, records: Infinity }, { records: 0, bytes: 0 })
    const settings = { rate: 200, recordSize: 64, acks: -1, inFlight: 5, seconds: 0.4, warmupSeconds: 0 } as const
    const result = await runLatency(target, 'shared', settings, { records: 0, bytes: 0 })
    await noise
    assert.equal(result.endToEnd!.totalCount, 80)
  })
})

test('a server that stalls is charged for every record that was due meanwhile', async (t) => {
  const node = await startNode(t)
  const target = await openTarget(t, node)
  await target.createTopic('stalled', 2, 1)
  const tally: Tally = { records: 0, bytes: 0 }
  const stallMs = 600
  const running = runLatency(target, 'stalled', { rate: 500, recordSize: 64, acks: -1, inFlight: 5, seconds: 2, warmupSeconds: 0 }, tally)
  const watch = setInterval(() => {
    if (tally.records < 100) return
    clearInterval(watch)
    node.process.kill('SIGSTOP')
    setTimeout(() => node.process.kill('SIGCONT'), stallMs)
  }, 5)
  t.after(() => clearInterval(watch))
  const result = await running
  // 300 of 1000 records were due in the stall and waited for between 600 and 0 ms: a tenth of all waited for over 400. A closed loop would
  // have had at most five requests to charge.
  assert.equal(result.ack!.totalCount, 1000)
  assert.ok(result.ack!.getValueAtPercentile(90) > 250_000, `p90 is ${result.ack!.getValueAtPercentile(90)} µs`)
  assert.ok(result.endToEnd!.getValueAtPercentile(90) > 250_000)
})

test('a batch that the server refuses ends the run with its reason', async (t) => {
  const node = await startNode(t)
  const target = await openTarget(t, node)
  await target.createTopic('small', 1, 1, { 'max.message.bytes': '1000' })
  const { code, stderr } = await cli(['bench', 'produce', ...SHORT, '-b', node.bootstrap, '-t', 'small'])
  assert.equal(code, 1)
  assert.match(stderr, /partition 0 refused a batch: .*MESSAGE_TOO_LARGE|RECORD_LIST_TOO_LARGE/)
})

test('wrong flags, a missing process and a missing server are told apart', async () => {
  const cases: readonly (readonly [args: string[], code: number, message: RegExp])[] = [
    [['produce', '--record-size', 'big'], 2, /--record-size takes a size/],
    [['produce', '--duration', 'soon'], 2, /--duration takes a time/],
    [['produce', '--acks', '2'], 2, /--acks takes all, 1 or 0/],
    [['produce', '--producer', 'other'], 2, /--producer takes raw or client/],
    [['produce', '--compression', 'brotli'], 2, /--compression takes none, gzip/],
    [['produce', '--pid', '999999999'], 4, /no process 999999999/],
    [['produce', '-b', '127.0.0.1:1'], 3, /no broker answers at 127.0.0.1:1/],
    [['compare', '--only', 'nothing'], 2, /rows are: produce 1 KiB/],
    [['report', '/nonexistent.json', '--out', '/dev/null'], 4, /cannot read/],
    [['report', process.execPath, '--out', '/dev/null'], 2, /is not a result of millrace bench/],
    [['nonsense'], 2, /unknown command/],
  ]
  for (const [args, expected, message] of cases) {
    const { code, stderr } = await cli(['bench', ...args])
    assert.equal(code, expected, `${args.join(' ')}: ${stderr}`)
    assert.match(stderr, message)
  }
})
