// Bytes that Kafka's own classes wrote, for every message in every version.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decode, encode } from '../../../src/protocol/codec/index.js'
import { allMessages, fromJson, goldenMessages, seenIn, versionsOf } from '../support.js'

const golden = goldenMessages()

test('every message in every version is among the golden ones', () => {
  for (const message of allMessages) {
    const versions = new Set(golden.filter((each) => each.message === message.name).flatMap((each) => Object.keys(each.bytes)))
    assert.deepEqual(
      [...versions].map(Number).sort((a, b) => a - b),
      versionsOf(message),
      message.name,
    )
  }
})

for (const message of allMessages) {
  test(`${message.name} is written and read as Kafka does`, () => {
    for (const each of golden.filter((candidate) => candidate.message === message.name)) {
      const shape = fromJson(message.fields, each.value)
      for (const [key, base64] of Object.entries(each.bytes)) {
        const version = Number(key)
        assert.equal(Buffer.from(encode(message, version, shape)).toString('base64'), base64, `encode version ${version}`)
        assert.deepEqual(
          decode(message, version, Buffer.from(base64, 'base64')),
          seenIn(version, message.fields, shape),
          `decode version ${version}`,
        )
      }
    }
  })
}
