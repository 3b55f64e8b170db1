import assert from 'node:assert/strict'
import { test } from 'node:test'
import { errorByCode, errorName, errors } from '../../src/model/errors.js'

test('codes run from -1 to 136 without a gap, each once', () => {
  const codes = Object.values(errors).map((error) => error.code)
  assert.deepEqual(
    codes,
    Array.from({ length: 138 }, (_, i) => i - 1),
  )
})

test('every error carries its own name and a sentence', () => {
  for (const [name, error] of Object.entries(errors)) {
    assert.equal(error.name, name)
    assert.match(error.text, /^[A-Z].*\.$|^[a-z]+ .*\.$/)
  }
})

test('an unknown code counts as UNKNOWN_SERVER_ERROR but keeps its number in its name', () => {
  assert.equal(errorByCode(6), errors.NOT_LEADER_OR_FOLLOWER)
  assert.equal(errorByCode(999), errors.UNKNOWN_SERVER_ERROR)
  assert.equal(errorName(0), 'NONE')
  assert.equal(errorName(999), 'UNKNOWN(999)')
})
