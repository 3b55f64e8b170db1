import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  apiVersionsFor,
  correlationIdOf,
  decodeRequest,
  decodeRequestHeader,
  decodeResponse,
  decodeVersioned,
  encodeRequest,
  encodeResponse,
  encodeVersioned,
  ProtocolError,
  supportedFeatures,
} from '../../../src/protocol/codec/index.js'
import { offsetCommitValue } from '../../../src/protocol/schema/group-records.js'
import { allApis, apis } from '../../../src/protocol/schema/index.js'
import { goldenMessages, versionsOf } from '../support.js'

test('a request is read by the header it was written with, for every API and version', () => {
  for (const api of allApis) {
    for (const version of versionsOf(api.request)) {
      const frame = Buffer.concat(encodeRequest(api, version, 4711, 'client', {}))
      const header = decodeRequestHeader(frame)
      assert.deepEqual(
        { ...header, bodyOffset: 0 },
        { apiKey: api.key, apiVersion: version, correlationId: 4711, clientId: 'client', bodyOffset: 0 },
      )
      const again = Buffer.concat(encodeRequest(api, version, 4711, 'client', decodeRequest(api, version, frame, header.bodyOffset)))
      assert.deepEqual(again, frame)
    }
  }
})

test('a response carries its size and its correlation id, for every API and version', () => {
  for (const api of allApis) {
    for (const version of versionsOf(api.response)) {
      const frame = Buffer.concat(encodeResponse(api, version, -17, {}))
      assert.equal(frame.readInt32BE(0), frame.length - 4)
      assert.equal(correlationIdOf(frame.subarray(4)), -17)
      assert.equal(decodeResponse(api, version, frame.subarray(4)).correlationId, -17)
    }
  }
})

test('the request header that Kafka writes is read without the table', () => {
  for (const golden of goldenMessages().filter((each) => each.message === 'RequestHeader')) {
    const value = golden.value as { requestApiKey: number; requestApiVersion: number; correlationId: number; clientId: string | null }
    const header = decodeRequestHeader(Buffer.from(golden.bytes['2']!, 'base64'))
    assert.equal(header.apiKey, value.requestApiKey)
    assert.equal(header.apiVersion, value.requestApiVersion)
    assert.equal(header.correlationId, value.correlationId)
    assert.equal(header.clientId, value.clientId)
  }
})

test('ApiVersions is answered without tags in its header, other flexible APIs with them', () => {
  // size, correlation id, then at once the error code 35
  assert.equal(Buffer.concat(encodeResponse(apis.apiVersions, 3, 1, { errorCode: 35 })).readInt16BE(8), 35)
  assert.equal(Buffer.concat(encodeResponse(apis.heartbeat, 4, 1, { throttleTimeMs: 9 })).readInt32BE(9), 9)
  assert.equal(Buffer.concat(encodeResponse(apis.heartbeat, 3, 1, { throttleTimeMs: 9 })).readInt32BE(8), 9)
})

test('records of 4 KiB and more are passed on without a copy, smaller ones are copied', () => {
  const small = Buffer.alloc(4095, 1)
  const large = Buffer.alloc(4096, 2)
  const body = { responses: [{ topic: 't', partitions: [{ records: small }, { records: large }, { records: large }] }] }
  const pieces = encodeResponse(apis.fetch, 12, 1, body)
  assert.equal(pieces.filter((piece) => piece === large).length, 2)
  assert.ok(!pieces.includes(small))
  const frame = Buffer.concat(pieces)
  assert.equal(frame.readInt32BE(0), frame.length - 4)
  const partitions = decodeResponse(apis.fetch, 12, frame.subarray(4)).body.responses[0]!.partitions
  assert.deepEqual(
    partitions.map((partition) => partition.records),
    [small, large, large],
  )
})

test('decoded records are views of the frame', () => {
  const frame = Buffer.concat(
    encodeRequest(apis.produce, 9, 1, null, { topicData: [{ name: 't', partitionData: [{ index: 0, records: Buffer.alloc(100, 7) }] }] }),
  )
  const { bodyOffset } = decodeRequestHeader(frame)
  const records = decodeRequest(apis.produce, 9, frame, bodyOffset).topicData[0]!.partitionData[0]!.records!
  assert.equal(records.buffer, frame.buffer)
})

test('frames that are held while thousands more are written stay as they were', () => {
  const frames = Array.from({ length: 5000 }, (_, i) => ({
    pieces: encodeResponse(apis.findCoordinator, 3, i, {
      host: 'h'.repeat(i % 200),
      errorMessage: i % 500 === 0 ? 'm'.repeat(100_000) : null,
    }),
    i,
  }))
  for (const { pieces, i } of frames) {
    const { correlationId, body } = decodeResponse(apis.findCoordinator, 3, Buffer.concat(pieces).subarray(4))
    assert.equal(correlationId, i)
    assert.equal(body.host.length, i % 200)
    assert.equal(body.errorMessage?.length ?? 0, i % 500 === 0 ? 100_000 : 0)
  }
})

test('after a body that cannot be written the next one is whole', () => {
  assert.throws(
    () => encodeResponse(apis.findCoordinator, 1, 1, { host: null as unknown as string }),
    /FindCoordinatorResponse.host must not be null in version 1/,
  )
  assert.throws(() => encodeResponse(apis.findCoordinator, 1, 1, { host: 'x'.repeat(40_000) }), RangeError)
  assert.throws(() => encodeRequest(apis.fetch, 13, 1, null, { topics: [{ topicId: 'short' }] }), RangeError)
  assert.equal(
    decodeResponse(apis.findCoordinator, 1, Buffer.concat(encodeResponse(apis.findCoordinator, 1, 1, { host: 'h' })).subarray(4)).body.host,
    'h',
  )
})

test('a version that an API does not have is a ProtocolError', () => {
  assert.throws(() => encodeRequest(apis.produce, 2, 1, null, {}), ProtocolError)
  assert.throws(() => decodeRequest(apis.produce, 14, Buffer.alloc(10), 0), ProtocolError)
})

test('Produce is advertised from version 0, two-phase InitProducerId not at all', () => {
  assert.deepEqual(apiVersionsFor([22, 0, 18]), [
    { apiKey: 0, minVersion: 0, maxVersion: 13 },
    { apiKey: 18, minVersion: 0, maxVersion: 5 },
    { apiKey: 22, minVersion: 0, maxVersion: 5 },
  ])
  assert.deepEqual(
    supportedFeatures.map((feature) => feature.name),
    ['millrace.ack'],
  )
})

test("a produce call's own acknowledgement travels in a tag, and only when it is asked for", () => {
  const plain = Buffer.concat(encodeRequest(apis.produce, 9, 1, null, { acks: 1 }))
  const disk = Buffer.concat(encodeRequest(apis.produce, 9, 1, null, { acks: 1, millraceAck: 2 }))
  assert.equal(plain[plain.length - 1], 0)
  assert.equal(disk.subarray(plain.length - 1).toString('hex'), '01' + 'a09c01' + '01' + '02')
  const { bodyOffset } = decodeRequestHeader(disk)
  assert.equal(decodeRequest(apis.produce, 9, disk, bodyOffset).millraceAck, 2)
  assert.equal(decodeRequest(apis.produce, 9, plain, bodyOffset).millraceAck, 0)
})

test('a record value opens with its version, and one of a later version is read as the newest known', () => {
  const value = encodeVersioned(offsetCommitValue, 3, { offset: 5, metadata: 'm', commitTimestamp: 7 })
  assert.equal(Buffer.from(value).readInt16BE(0), 3)
  assert.equal(decodeVersioned(offsetCommitValue, value).metadata, 'm')
  const later = Buffer.from(encodeVersioned(offsetCommitValue, offsetCommitValue.versions[1], { offset: 6 }))
  later.writeInt16BE(99, 0)
  assert.equal(decodeVersioned(offsetCommitValue, later).offset, 6)
  assert.throws(() => decodeVersioned(offsetCommitValue, Buffer.alloc(1)), ProtocolError)
})
