// Bytes from someone who means harm: the only error is ProtocolError, and memory stays in proportion to the bytes.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decode, decodeRequestHeader, encode, encodeRequest, ProtocolError } from '../../../src/protocol/codec/index.js'
import type { Message } from '../../../src/protocol/schema/dsl.js'
import { apis } from '../../../src/protocol/schema/index.js'
import { allMessages, arbitraryShape, goldenMessages } from '../support.js'

function decodeOrRefuse(message: Message, version: number, bytes: Uint8Array): void {
  try {
    decode(message, version, bytes)
  } catch (error) {
    assert.ok(error instanceof ProtocolError, `${message.name} version ${version}: ${String(error)}`)
    assert.equal(error.code, 'ERR_MILLRACE_PROTOCOL')
  }
}

test('random bytes decode to something or are refused with a ProtocolError', () => {
  for (const message of allMessages) {
    const arbitrary = fc.tuple(fc.integer({ min: message.versions[0], max: message.versions[1] }), fc.uint8Array({ maxLength: 200 }))
    fc.assert(
      fc.property(arbitrary, ([version, bytes]) => decodeOrRefuse(message, version, bytes)),
      { numRuns: 50 },
    )
  }
})

test('every message that Kafka wrote is refused with a ProtocolError wherever it is cut short', () => {
  const byName = new Map(allMessages.map((message) => [message.name, message]))
  for (const golden of goldenMessages()) {
    const message = byName.get(golden.message)!
    for (const [version, base64] of Object.entries(golden.bytes)) {
      const bytes = Buffer.from(base64, 'base64')
      const step = Math.max(1, Math.floor(bytes.length / 40))
      for (let length = 0; length < bytes.length; length += step) {
        assert.throws(() => decode(message, Number(version), bytes, 0, length), ProtocolError, `${golden.message} ${version} at ${length}`)
      }
    }
  }
})

test('one flipped byte in a message never gives another error', () => {
  const byName = new Map(allMessages.map((message) => [message.name, message]))
  for (const golden of goldenMessages()) {
    const message = byName.get(golden.message)!
    const versions = Object.entries(golden.bytes)
    const [version, base64] = versions[versions.length - 1]!
    const bytes = Buffer.from(base64, 'base64')
    for (let at = 0; at < bytes.length; at += 3) {
      const changed = Buffer.from(bytes)
      changed[at] = changed[at]! ^ 0xff
      decodeOrRefuse(message, Number(version), changed)
    }
  }
})

test('an array that counts two thousand million elements in twelve bytes is refused before anything is allocated', () => {
  const bytes = Buffer.from('ffff0001000003e87fffffff', 'hex')
  assert.throws(() => decode(apis.produce.request, 3, bytes), /an array of 2147483647 elements in 0 bytes/)
  assert.throws(() => decode(apis.metadata.request, 1, Buffer.from('7fffffff0000', 'hex')), /an array of 2147483647 elements/)
})

test('a message whose arrays would fill the memory is refused', () => {
  // 50 million topics with empty names, in a frame of the size that sockets take.
  const bytes = Buffer.alloc(100_000_004)
  bytes.writeInt32BE(50_000_000, 0)
  assert.throws(() => decode(apis.metadata.request, 0, bytes), /more than 1000000 elements/)
  bytes.writeInt32BE(900_000, 0)
  assert.equal(decode(apis.metadata.request, 0, bytes).topics!.length, 900_000)
})

test('a null where none may be is refused, however negative its length is written', () => {
  assert.throws(() => decode(apis.saslHandshake.request, 0, Buffer.from('fffe', 'hex')), ProtocolError)
  assert.throws(() => decode(apis.saslHandshake.request, 0, Buffer.from('ffff', 'hex')), /SaslHandshakeRequest.mechanism is null/)
})

test('an int64 beyond 2^53 is refused, and one that means "for ever" is not', () => {
  const listOffsets = encode(apis.listOffsets.request, 1, { topics: [{ name: 't', partitions: [{ timestamp: 5 }] }] })
  Buffer.from('7fffffffffffffff', 'hex').copy(listOffsets, listOffsets.length - 8)
  assert.equal(decode(apis.listOffsets.request, 1, listOffsets).topics[0]!.partitions[0]!.timestamp, Number.MAX_SAFE_INTEGER)
  const endTxn = encode(apis.endTxn.request, 0, { transactionalId: 'a', producerId: 1, producerEpoch: 1, committed: true })
  Buffer.from('7fffffffffffffff', 'hex').copy(endTxn, 3)
  assert.throws(() => decode(apis.endTxn.request, 0, endTxn), /safe range/)
})

test('unknown tagged fields are passed over', () => {
  const plain = encode(apis.heartbeat.request, 4, { groupId: 'g', generationId: 3, memberId: 'm' })
  const tagged = Buffer.concat([plain.subarray(0, -1), Buffer.from('02' + '07' + '03' + 'aabbcc' + '90ce01' + '00', 'hex')])
  assert.deepEqual(decode(apis.heartbeat.request, 4, tagged), decode(apis.heartbeat.request, 4, plain))
})

test('a tagged field that is longer than the message is refused', () => {
  const plain = encode(apis.heartbeat.request, 4, { groupId: 'g', generationId: 3, memberId: 'm' })
  const tagged = Buffer.concat([plain.subarray(0, -1), Buffer.from('01' + '07' + 'ffffffff0f', 'hex')])
  assert.throws(() => decode(apis.heartbeat.request, 4, tagged), ProtocolError)
})

test('a request header of an unknown API or version is still read as far as it can be', () => {
  const known = Buffer.concat(encodeRequest(apis.heartbeat, 4, 17, 'me', { groupId: 'g' }))
  assert.deepEqual(decodeRequestHeader(known), { apiKey: 12, apiVersion: 4, correlationId: 17, clientId: 'me', bodyOffset: 13 })
  const unknown = Buffer.from(known)
  unknown.writeInt16BE(999, 0)
  assert.deepEqual(decodeRequestHeader(unknown), { apiKey: 999, apiVersion: 4, correlationId: 17, clientId: 'me', bodyOffset: 12 })
  const negative = Buffer.from(known)
  negative.writeInt16BE(-5, 2)
  assert.equal(decodeRequestHeader(negative).apiVersion, -5)
  for (let length = 0; length < 13; length++) assert.throws(() => decodeRequestHeader(known, 0, length), ProtocolError)
})

test('a shape with a random tagged section keeps the reader in step', () => {
  fc.assert(
    fc.property(arbitraryShape(apis.fetch.response.fields, 18), fc.uint8Array({ maxLength: 8 }), (shape, rest) => {
      const bytes = Buffer.concat([encode(apis.fetch.response, 18, shape), rest])
      assert.deepEqual(decode(apis.fetch.response, 18, bytes), decode(apis.fetch.response, 18, encode(apis.fetch.response, 18, shape)))
    }),
    { numRuns: 100 },
  )
})
