import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { collidingTopic, topicNameProblem } from '../../src/controller/topic-names.js'
import { decodeEntity, encodeEntity } from '../../src/controller/paths.js'
import { pathProblem } from '../../src/ensemble/tree/path.js'

test('property: a legal topic name is a legal znode name', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 300 }), (name) => {
      if (topicNameProblem(name) === null) assert.equal(pathProblem(`/brokers/topics/${name}`), null)
    }),
  )
})

test('names that differ in dots and underscores alone collide', () => {
  assert.equal(collidingTopic('a_b.c', ['x', 'a.b_c']), 'a.b_c')
  assert.equal(collidingTopic('a-b', ['a.b']), undefined)
  assert.equal(collidingTopic('a.b', ['a.b']), undefined)
})

test('property: any entity name fits into a path and comes back', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.constantFrom('.', '..', '', '<default>', '/', 'ü/ß')), (name) => {
      assert.equal(pathProblem(`/config/groups/${encodeEntity(name)}`), null)
      assert.equal(decodeEntity(encodeEntity(name)), name)
    }),
  )
})
