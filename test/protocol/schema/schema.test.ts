import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import type { InputOf, MessageOf } from '../../../src/protocol/schema/dsl.js'
import { versionRange } from '../../../src/protocol/schema/dsl.js'
import { allApis, apiByKey, apiByName, apis } from '../../../src/protocol/schema/index.js'
import { produceRequest } from '../../../src/protocol/schema/produce.js'
import type { ProduceRequest } from '../../../src/protocol/schema/produce.js'

test('every API has its own key, its own name and a file of that name', () => {
  assert.equal(new Set(allApis.map((api) => api.key)).size, Object.keys(apis).length)
  for (const [name, api] of Object.entries(apis)) {
    assert.equal(name, api.name[0]!.toLowerCase() + api.name.slice(1))
    assert.equal(apiByKey(api.key), api)
    assert.equal(apiByName(api.name), api)
    const file = api.name.replace(/(?<=.)[A-Z]/g, (letter) => `-${letter}`).toLowerCase()
    assert.ok(existsSync(new URL(`../../../../src/protocol/schema/${file}.ts`, import.meta.url)), file)
  }
  assert.equal(apiByKey(7), undefined)
  assert.equal(apiByKey(-1), undefined)
})

test('request and response of an API have the same versions and turn flexible together', () => {
  for (const api of allApis) {
    assert.deepEqual(api.request.versions, api.response.versions, api.name)
    assert.deepEqual(api.request.flexible, api.response.flexible, api.name)
    assert.ok(api.maxVersion >= api.minVersion && api.maxVersion <= api.request.versions[1])
  }
})

test('version ranges are read as they are written', () => {
  assert.deepEqual(versionRange('3'), [3, 3])
  assert.deepEqual(versionRange('0-12'), [0, 12])
  assert.deepEqual(versionRange('4+'), [4, 32767])
  assert.throws(() => versionRange('4-'))
})

test('types follow from the tables', () => {
  type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
  type Partition = ProduceRequest['topicData'][number]['partitionData'][number]
  const exact: [
    Equal<ProduceRequest['transactionalId'], string | null>,
    Equal<ProduceRequest['acks'], number>,
    Equal<Partition['records'], Uint8Array | null>,
    Equal<MessageOf<typeof apis.fetch.request>['topics'][number]['partitions'][number]['highWatermark'], bigint>,
    Equal<MessageOf<typeof apis.fetch.response>['responses'][number]['partitions'][number]['currentLeader']['leaderId'], number>,
  ] = [true, true, true, true, true]
  assert.ok(exact.every(Boolean))
  const input: InputOf<typeof produceRequest> = { topicData: [{ partitionData: [{ index: 1 }] }] }
  assert.ok(input)
  // @ts-expect-error a number is not a topic's name
  const wrong: InputOf<typeof produceRequest> = { topicData: [{ name: 5 }] }
  assert.ok(wrong)
  // @ts-expect-error no such field
  const unknown: InputOf<typeof produceRequest> = { topics: [] }
  assert.ok(unknown)
})
