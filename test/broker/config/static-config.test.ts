import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import fc from 'fast-check'
import { ConfigError, flattenToml, loadStaticConfig, parseProperties } from '../../../src/broker/config/static-config.js'

function fileWith(t: TestContext, name: string, text: string): string {
  const dir = mkdtempSync(join(tmpdir(), 'millrace-config-'))
  t.after(() => rmSync(dir, { recursive: true }))
  const path = join(dir, name)
  writeFileSync(path, text)
  return path
}

test('properties: comments, separators, continuation lines and escapes read as Java reads them', () => {
  const text = [
    '# a comment',
    '   ! another',
    '',
    'plain=value',
    'colon: value two',
    'blank   value three',
    'lists=a,\\',
    '     b,\\',
    '   # not a comment,c',
    'path=C\\:\\\\data\\tx',
    'uni\\u0063ode=\\u00e9',
    'with\\ space=1',
    'empty=',
    'alone',
    'twice=1',
    'twice=2',
    'ends=with\\\\',
  ].join('\r\n')
  assert.deepEqual(Object.fromEntries(parseProperties(text)), {
    plain: 'value',
    colon: 'value two',
    blank: 'value three',
    lists: 'a,b,# not a comment,c',
    path: 'C:\\data\tx',
    unicode: 'é',
    'with space': '1',
    empty: '',
    alone: '',
    twice: '2',
    ends: 'with\\',
  })
})

test('properties: any key and value survive being written with escapes', () => {
  const escape = (text: string, all: boolean): string =>
    text.replace(/[\\\t\n\r\f=:#! ]/g, (c) =>
      c === ' ' && !all ? ' ' : c === '\t' ? '\\t' : c === '\n' ? '\\n' : c === '\r' ? '\\r' : c === '\f' ? '\\f' : `\\${c}`,
    )
  fc.assert(
    fc.property(fc.string({ minLength: 1 }), fc.string(), (key, value) => {
      const visible = /^[\x20-\x7e\t\n\r\f]*$/
      fc.pre(visible.test(key) && visible.test(value))
      assert.deepEqual([...parseProperties(`${escape(key, true)}=${escape(value, true)}`)], [[key, value]])
    }),
  )
})

test('TOML tables, dotted keys and arrays become dotted names and lists', () => {
  const table = { log: { dirs: ['/a', '/b'], retention: { hours: 24 } }, 'num.partitions': 3, 'delete.topic.enable': false }
  assert.deepEqual(Object.fromEntries(flattenToml(table)), {
    'log.dirs': '/a,/b',
    'log.retention.hours': '24',
    'num.partitions': '3',
    'delete.topic.enable': 'false',
  })
})

test('--set wins over the file, a flag over both, and both kinds of file are read', (t) => {
  const properties = fileWith(t, 'server.properties', 'num.partitions=2\nlog.retention.hours=1\nnode.id=7\n')
  const toml = fileWith(t, 'server.toml', '"num.partitions" = 2\n[log.retention]\nhours = 1\n[node]\nid = 7\n')
  for (const file of [properties, toml]) {
    const { properties: settings } = loadStaticConfig({ file, set: ['num.partitions=3', 'node.id=8'], flags: new Map([['node.id', '9']]) })
    assert.deepEqual(Object.fromEntries(settings), { 'num.partitions': '3', 'log.retention.hours': '1', 'node.id': '9' })
  }
})

test('an unknown setting is refused with the nearest known name and where it stands', (t) => {
  const file = fileWith(t, 'server.properties', 'log.retntion.hours=1\n')
  assert.throws(
    () => loadStaticConfig({ file }),
    (error: Error) =>
      error instanceof ConfigError &&
      /Unknown broker config name: log\.retntion\.hours; did you mean log\.retention\.hours\? \(in .*server\.properties\)/.test(
        error.message,
      ),
  )
  assert.throws(() => loadStaticConfig({ set: ['retention.ms=5'] }), /it is a topic setting\); did you mean log\.retention\.ms\?/)
  assert.throws(() => loadStaticConfig({ set: ['utter.nonsense.zzzzzz=5'] }), /docs\/configuration\.md lists all names/)
})

test('a known setting that changes nothing is kept and warned about; an acted-on one is not warned about', () => {
  const { properties, warnings } = loadStaticConfig({
    set: ['num.io.threads=8', 'num.partitions=4', 'log.cleanup.policy= compact , delete '],
  })
  assert.equal(properties.get('num.io.threads'), '8')
  assert.equal(properties.get('log.cleanup.policy'), 'compact,delete')
  assert.equal(warnings.length, 1)
  assert.match(warnings[0]!, /^num\.io\.threads is a Kafka setting that this version knows but does not act on/)
})

test('a value that does not fit is refused with what, limit, actual, setting and fix', () => {
  assert.throws(() => loadStaticConfig({ set: ['log.segment.bytes=10'] }), {
    message:
      'Invalid value "10" for configuration log.segment.bytes: it is below the least allowed, 1048576; set log.segment.bytes to 1048576 or more. (in --set)',
  })
  assert.throws(() => loadStaticConfig({ set: ['no-equals-sign'] }), /--set takes key=value/)
})

test('a missing file and broken TOML are named', (t) => {
  assert.throws(
    () => loadStaticConfig({ file: '/nowhere/at/all.properties' }),
    /cannot read the configuration file \/nowhere\/at\/all\.properties/,
  )
  const broken = fileWith(t, 'broken.toml', 'a = = 1\n')
  assert.throws(() => loadStaticConfig({ file: broken }), /is not valid TOML/)
})
