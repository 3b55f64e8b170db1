import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decode, encode } from '../../../src/protocol/codec/index.js'
import { allMessages, arbitraryShape, seenIn, versionsOf } from '../support.js'

test('what is encoded is decoded to the same, in every version of every message', () => {
  for (const message of allMessages) {
    for (const version of versionsOf(message)) {
      fc.assert(
        fc.property(arbitraryShape(message.fields, version), (shape) => {
          assert.deepEqual(decode(message, version, encode(message, version, shape)), seenIn(version, message.fields, shape))
        }),
        { numRuns: 5 },
      )
    }
  }
})

test('a body without any field is encoded as its defaults', () => {
  for (const message of allMessages) {
    for (const version of versionsOf(message)) {
      const decoded = decode(message, version, encode(message, version, {})) as Record<string, unknown>
      for (const [name, field] of Object.entries(message.fields)) assert.deepEqual(decoded[name], field.default, `${message.name}.${name}`)
    }
  }
})
