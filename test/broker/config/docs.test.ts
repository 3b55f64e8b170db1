import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { configurationPage } from '../../../src/broker/config/docs.js'
import { editDistance, nearestName } from '../../../src/broker/config/registry.js'

test('docs/configuration.md is what the tables say (else: node dist/src/broker/config/docs.js > docs/configuration.md)', () => {
  // dist*/test/broker/config → the repository
  const page = readFileSync(new URL('../../../../docs/configuration.md', import.meta.url), 'utf8')
  assert.equal(page, configurationPage())
})

test('the nearest name is found over typing slips, and nothing is offered for nonsense', () => {
  const known = ['log.retention.hours', 'log.retention.bytes', 'num.partitions']
  assert.equal(nearestName('log.retenion.hours', known), 'log.retention.hours')
  assert.equal(nearestName('num.partition', known), 'num.partitions')
  assert.equal(nearestName('zzzzzzzzzzzz', known), undefined)
  assert.equal(editDistance('ab', 'ba'), 1)
  assert.equal(editDistance('kitten', 'sitting'), 3)
})
