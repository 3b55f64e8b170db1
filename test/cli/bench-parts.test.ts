// The parts of `millrace bench` that need no server.

import assert from 'node:assert/strict'
import { createServer, type AddressInfo } from 'node:net'
import { test } from 'node:test'
import fc from 'fast-check'
import { distinctName, spreadOf, summarize } from '../../src/cli/bench/compare/summary.js'
import { parseAcks, parsePids, parseSeconds, parseSize } from '../../src/cli/bench/flags.js'
import { encodeBatch, newHistogram, recordMicros, spread } from '../../src/cli/bench/load.js'
import { Probe } from '../../src/cli/bench/probe.js'
import { RawConnection } from '../../src/cli/bench/raw-connection.js'
import { barChart, formatNumber, logTicks, ticksTo } from '../../src/cli/bench/report/charts.js'
import { renderReport } from '../../src/cli/bench/report/page.js'
import { resultOf, type ServerUnderTest } from '../../src/cli/bench/result-file.js'
import { measure, type Row } from '../../src/cli/bench/row.js'
import { BatchCursor, RecordCursor } from '../../src/protocol/records/index.js'

test('sizes and times are read with their units', () => {
  const sizes: [string, number][] = [
    ['100', 100],
    ['16KiB', 16_384],
    ['16k', 16_384],
    ['1MB', 1e6],
    ['1.5MiB', 1_572_864],
    ['2GiB', 2 ** 31],
  ]
  for (const [text, bytes] of sizes) assert.equal(parseSize(text, '--x'), bytes)
  for (const text of ['', '1 potato', '-1', '0']) assert.throws(() => parseSize(text, '--x'), /--x takes a size/)
  const times: [string, number][] = [
    ['10', 10],
    ['10s', 10],
    ['500ms', 0.5],
    ['2m', 120],
    ['0', 0],
  ]
  for (const [text, seconds] of times) assert.equal(parseSeconds(text, '--x'), seconds)
  assert.throws(() => parseSeconds('-1', '--x'), /--x takes a time/)
  assert.equal(parseAcks('all'), -1)
  assert.deepEqual(parsePids(['1,2', '3']), [1, 2, 3])
})

test('a batch has the records it says, and no more bytes than asked for', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 1, max: 40_000 }), (recordBytes, batchBytes) => {
      const batch = encodeBatch(recordBytes, batchBytes, 'none')
      assert.ok(batch.records === 1 || batch.bytes.length <= batchBytes, `${batch.bytes.length} bytes`)
      const batches = new BatchCursor(batch.bytes)
      const records = new RecordCursor()
      assert.ok(batches.next())
      records.open(batches.bytes, batches.position)
      let count = 0
      while (records.next()) {
        assert.equal(records.valueLength, recordBytes)
        count++
      }
      assert.equal(count, batch.records)
      assert.equal(batches.next(), false)
    }),
    { numRuns: 50 },
  )
})

test('every partition has a connection, and every connection a partition', () => {
  const leader = { address: { host: 'h', port: 1 }, partitions: [0, 1, 2, 3, 4] }
  assert.deepEqual(spread(leader, 2), [
    [0, 2, 4],
    [1, 3],
  ])
  assert.deepEqual(
    spread(leader, 6).every((share) => share.length === 5),
    true,
  )
})

test('frames arrive whole however the bytes were cut', async (t) => {
  const server = createServer((socket) => socket.resume().on('error', () => undefined))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const connection = await RawConnection.connect({ host: '127.0.0.1', port: (server.address() as AddressInfo).port })
  t.after(() => connection.close())
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 12 }),
      fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1 }),
      (frames, cuts) => {
        const wire = Buffer.concat(
          frames.flatMap((frame) => {
            const length = Buffer.alloc(4)
            length.writeUInt32BE(frame.length)
            return [length, Buffer.from(frame)]
          }),
        )
        const got: string[] = []
        connection.attach(
          (frame) => got.push(frame.toString('hex')),
          (error) => assert.fail(error),
        )
        for (let at = 0, turn = 0; at < wire.length; turn++) {
          // As the socket does it: the same memory again and again.
          const chunk = Buffer.from(wire.subarray(at, at + cuts[turn % cuts.length]!))
          connection.receive(chunk, chunk.length)
          at += chunk.length
          chunk.fill(0xee)
        }
        assert.deepEqual(
          got,
          frames.map((frame) => Buffer.from(frame).toString('hex')),
        )
      },
    ),
  )
})

test('a connection that the server ends is an error with its address', async (t) => {
  const server = createServer((socket) => socket.destroy())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  const failure = await RawConnection.connect({ host: '127.0.0.1', port }).then(
    (connection) => new Promise<Error>((resolve) => connection.attach(() => undefined, resolve)),
    (error: Error) => error,
  )
  assert.match(failure.message, new RegExp(`127\\.0\\.0\\.1:${port}`))
})

test('percentiles are exact to three digits', () => {
  const histogram = newHistogram()
  for (let i = 1; i <= 1000; i++) recordMicros(histogram, i)
  for (const [percentile, expected] of [
    [50, 500_000],
    [99, 990_000],
    [99.9, 999_000],
  ] as const) {
    const value = histogram.getValueAtPercentile(percentile)
    assert.ok(Math.abs(value - expected) / expected < 0.002, `p${percentile} is ${value}`)
  }
})

test('no percentile of a row is above its maximum', async () => {
  for (const ms of [1.5, 999.999, 1234.567, 5000]) {
    const { p50, p999, max, distribution } = (await rowOf('r', 'A', ms, 1)).ack!
    assert.deepEqual([p50, p999, max, distribution.at(-1)], [ms, ms, ms, [100, ms]])
  }
})

async function rowOf(name: string, server: string, round: number, records: number): Promise<Row> {
  const ack = newHistogram()
  recordMicros(ack, round)
  const load = (): Promise<{ records: number; bytes: number; seconds: number; requests: number; wireBytes: number; ack: typeof ack }> =>
    Promise.resolve({ records, bytes: records * 1000, seconds: 2, requests: 1, wireBytes: 1, ack })
  return measure({ name, kind: 'produce', server, round, settings: {}, probe: new Probe([]), load })
}

test('a comparison is the ratio of medians over rounds', async () => {
  const rows = [
    await rowOf('r', 'A', 1, 100),
    await rowOf('r', 'A', 2, 300),
    await rowOf('r', 'A', 3, 200),
    await rowOf('r', 'B', 1, 400),
    await rowOf('r', 'B', 2, 500),
    await rowOf('r', 'B', 3, 100_000),
  ]
  const figure = summarize(rows, 'A', 'B').find(({ metric }) => metric === 'records/s')!
  assert.deepEqual(figure.reference, { median: 100, min: 50, max: 150 })
  assert.deepEqual(figure.subject, { median: 250, min: 200, max: 50_000 })
  assert.equal(figure.ratio, 2.5)
  // What was not measured has no figure at all.
  assert.equal(
    summarize(rows, 'A', 'B').some(({ metric }) => metric === 'CPU s/GB'),
    false,
  )
  assert.equal(spreadOf([4, 1, 2, 3])?.median, 2.5)
  assert.equal(distinctName('Millrace', 'Millrace'), 'Millrace 2')
})

test('a probe without a pid gives no figures of the server', async () => {
  const row = await rowOf('r', 'A', 1, 10)
  assert.equal(row.serverCpuSeconds, null)
  assert.equal(row.serverPeakMemoryBytes, null)
  assert.equal(row.othersPercent, null)
})

test('a probe sees the CPU of a process and how much was used by others', { skip: process.platform !== 'linux' }, () => {
  const probe = new Probe([process.pid])
  probe.resetPeak()
  const before = probe.sample()
  // The system counts in hundredths of a second.
  for (const began = process.cpuUsage(); process.cpuUsage(began).user < 50_000;);
  const cost = probe.cost(before, probe.sample())
  assert.ok(cost.serverCpuSeconds! > 0, `${cost.serverCpuSeconds} s`)
  assert.ok(cost.serverPeakMemoryBytes! > 1e6)
  assert.ok(cost.othersPercent! >= 0 && cost.othersPercent! <= 110)
  assert.deepEqual(new Probe([999_999_999]).missing(), [999_999_999])
})

function server(name: string): ServerUnderTest {
  const info = { kind: name, clusterId: 'c', brokers: 1, apis: 1, produceVersion: 12, fetchVersion: 12, features: {} }
  return { ...info, name, bootstrap: 'h:1', pids: [], startSeconds: 1, idleMemoryBytes: 1e8, version: '1' }
}

test('a report needs no network and no script, and names from outside cannot break it', async () => {
  const nasty = '<img src=x onerror=alert(1)>"\'&'
  const rows = [await rowOf(nasty, 'Millrace', 1, 10), await rowOf(nasty, nasty, 1, 20)]
  const page = renderReport([resultOf('bench compare', new Date(0), [server(nasty), server('Millrace')], {}, rows)])
  assert.doesNotMatch(page, /<img|<script|<link|https?:|url\(|@import/)
  assert.match(page, /prefers-color-scheme: dark/)
  assert.equal(page.match(/<svg /g)?.length, page.match(/<\/svg>/g)?.length)
  assert.doesNotMatch(page, /NaN|Infinity|undefined/)
})

test('axes have round ticks that cover the data', () => {
  fc.assert(
    fc.property(fc.double({ min: 1e-6, max: 1e12, noNaN: true }), (max) => {
      const ticks = ticksTo(max)
      assert.equal(ticks[0]!.at, 0)
      assert.ok(ticks.at(-1)!.at >= max && ticks.length <= 8, JSON.stringify(ticks))
      const logs = logTicks([max, max * 3])
      assert.ok(logs[0]!.at <= Math.max(max, 1) && logs.at(-1)!.at >= max * 3 * 0.999)
    }),
  )
  assert.doesNotMatch(barChart('empty', [{ label: 'none', bars: [{ series: 's', colour: 'c0', value: 0 }] }]), /NaN/)
  assert.equal(formatNumber(2_024_872), '2.02 M')
  assert.equal(formatNumber(0.5), '0.5')
  assert.equal(formatNumber(12_345), '12.3 k')
})
