import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseOptions } from './options.js'

test('the command line of the ten million records is read, or refused in a line', () => {
  assert.equal(parseOptions(['--help']), null)
  const given = parseOptions(['--records', '500', '--workers', '2', '--kill9'])!
  assert.deepEqual([given.records, given.partitions, given.workers, given.kill9], [500, 12, 2, true])
  assert.equal(parseOptions([])!.workers, undefined)
  for (const [args, pattern] of [
    [['--bogus'], /'--bogus'/],
    [['500'], /'500'/],
    [['--workers', '0'], /--workers 0: a whole number from 1/],
    [['--workers', '2', '--bootstrap', 'h:9092'], /--workers is of a server of its own/],
    [['--kill9', '--bootstrap', 'h:9092'], /--kill9 kills a server of its own/],
  ] as const) {
    assert.throws(() => parseOptions(args), pattern)
  }
})
