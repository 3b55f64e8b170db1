import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseOptions } from './options.js'

test('the command line of the clients says what to run, or is refused in a line', () => {
  assert.equal(parseOptions(['--help']), null)
  assert.equal(parseOptions(['zookeeper', '--connect', 'h:2181'])!.zookeeper, true)
  assert.equal(parseOptions(['--cluster', 'kafka', '--all'])!.cluster, 'kafka')
  for (const [args, pattern] of [
    [['--bogus'], /'--bogus'/],
    [['word'], /'word': the one word/],
    [['--cluster', 'zookeeper'], /--cluster zookeeper: there are/],
  ] as const) {
    assert.throws(() => parseOptions(args), pattern)
  }
})
