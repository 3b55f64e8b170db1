// The pure parts of produce and consume: input lines, output formats, times.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatterFor } from '../../src/cli/consume/format.js'
import { parseBound } from '../../src/cli/consume/range.js'
import { bootstrapOf, parseHostPort, parseTime } from '../../src/cli/options.js'
import { parseLine } from '../../src/cli/produce/lines.js'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const record = {
  topic: 't',
  partition: 2,
  offset: 7,
  timestamp: 1000,
  key: bytes('k'),
  value: bytes('v'),
  headers: [['h', bytes('x')] as const],
}
const plain = { format: 'text', keySeparator: null, headers: [] } as const

test('a text line is a value; with a separator, the first one splits key and value', () => {
  assert.deepEqual(parseLine('a:b', 1, plain), { key: null, value: 'a:b' })
  assert.deepEqual(parseLine('a:b:c', 1, { ...plain, keySeparator: ':' }), { key: 'a', value: 'b:c' })
  assert.throws(() => parseLine('abc', 3, { ...plain, keySeparator: ':' }), /line 3 has no key separator ":"/)
})

test('a JSON line gives every part of a record, and says which line and field are wrong', () => {
  const json = { ...plain, format: 'json' } as const
  assert.deepEqual(parseLine('{"key":"k","value":{"a":1},"headers":{"h":"x"},"partition":3,"timestamp":5}', 1, json), {
    key: 'k',
    value: '{"a":1}',
    headers: [['h', 'x']],
    partition: 3,
    timestamp: 5,
  })
  assert.deepEqual(parseLine('{"valueBase64":"/w=="}', 1, json), { key: null, value: Buffer.from([255]) })
  assert.throws(() => parseLine('{"vlaue":1}', 9, json), /line 9 has the unknown field "vlaue"/)
  assert.throws(() => parseLine('[1]', 9, json), /line 9 is not a JSON object/)
  assert.throws(() => parseLine('{', 9, json), /line 9 is not JSON/)
  assert.throws(() => parseLine('{"value":"x","partition":"1"}', 9, json), /partition that is not a whole number/)
})

test('what consume prints as JSON, produce reads back unchanged, whatever the bytes', () => {
  const any = fc.option(fc.uint8Array(), { nil: null })
  const print = formatterFor('json', { keys: false, headers: false })
  const asBytes = (value: Uint8Array | string | null): number[] | null =>
    value === null ? null : [...(typeof value === 'string' ? bytes(value) : value)]
  fc.assert(
    fc.property(any, any, (key, value) => {
      const line = print({ ...record, key, value, headers: [] })
      assert.ok(line.endsWith('\n') && line.indexOf('\n') === line.length - 1)
      const back = parseLine(line, 1, { ...plain, format: 'json' })
      assert.deepEqual(asBytes(back.key), key === null ? null : [...key])
      assert.deepEqual(asBytes(back.value), value === null ? null : [...value])
    }),
  )
})

test('text shows values, and keys and headers when asked', () => {
  assert.equal(formatterFor('text', { keys: false, headers: false })(record), 'v\n')
  assert.equal(formatterFor('text', { keys: true, headers: false })(record), 'k\tv\n')
  assert.equal(formatterFor('text', { keys: true, headers: true })(record), 'h=x\tk\tv\n')
  assert.equal(formatterFor('text', { keys: true, headers: false })({ ...record, key: null }), 'null\tv\n')
})

test('a template knows every letter, escapes and the percent sign', () => {
  const format = (template: string): string => formatterFor(template, { keys: false, headers: false })(record)
  assert.equal(format('%t/%p@%o %T %k=%v %h 100%%'), 't/2@7 1000 k=v h=x 100%\n')
  assert.equal(format('%k\\t%v\\n'), 'k\tv\n')
})

test('bounds: words, offsets, ages, dates and @milliseconds', () => {
  const now = Date.UTC(2026, 0, 2)
  assert.deepEqual(parseBound('beginning', '--from'), { kind: 'beginning' })
  assert.deepEqual(parseBound('end', '--from'), { kind: 'end' })
  assert.deepEqual(parseBound('17', '--from'), { kind: 'offset', offset: 17 })
  assert.deepEqual(parseBound('1d', '--from', now), { kind: 'time', timestamp: Date.UTC(2026, 0, 1) })
  assert.deepEqual(parseBound('2026-01-01T00:00:00Z', '--from'), { kind: 'time', timestamp: Date.UTC(2026, 0, 1) })
  assert.deepEqual(parseBound('@1000', '--from'), { kind: 'time', timestamp: 1000 })
  assert.throws(() => parseBound('sometime', '--from'), /"sometime" is none of them/)
  assert.equal(parseTime('90s', '--to-datetime', 100_000), 10_000)
})

test('addresses: names, IPv6, a port alone; several brokers with commas', () => {
  assert.deepEqual(parseHostPort('example.org:1', '--listen'), { host: 'example.org', port: 1 })
  assert.deepEqual(parseHostPort('[::1]:2', '--listen'), { host: '::1', port: 2 })
  assert.deepEqual(parseHostPort('PLAINTEXT://:3', '--listen'), { host: '0.0.0.0', port: 3 })
  assert.throws(() => parseHostPort('host', '--listen'), /--listen takes HOST:PORT/)
  assert.throws(() => parseHostPort('host:70000', '--listen'), /--listen takes HOST:PORT/)
  assert.deepEqual(bootstrapOf({ bootstrap: 'a:1, b', timeout: '1' }), ['a:1', 'b:9092'])
})
