import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { codecOf, reader, writer } from '../../../src/ensemble/wire/jute/codec.js'
import * as records from '../../../src/ensemble/wire/jute/records.js'
import type { Field, Fields, JuteRecord } from '../../../src/ensemble/wire/jute/schema.js'

function encoded(of: JuteRecord, value: object): Buffer {
  writer.begin()
  codecOf(of).write(writer, value as never)
  return writer.finish().subarray(4)
}

function decoded(of: JuteRecord, bytes: Uint8Array): object {
  reader.reset(bytes, 0, bytes.length)
  const value = codecOf(of).read(reader)
  assert.equal(reader.remaining(), 0)
  return value
}

const tables = Object.values(records)

function arbitraryOf(field: Field): fc.Arbitrary<unknown> {
  switch (field.kind) {
    case 'int':
      return fc.integer()
    case 'long':
      return fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
    case 'time':
      return fc.maxSafeInteger()
    case 'bool':
      return fc.boolean()
    case 'ustring':
      return fc.string({ unit: 'binary', maxLength: 80 })
    case 'buffer':
      return fc.option(fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes)))
    case 'vector':
      return fc.array(arbitraryOf(field.element!), { maxLength: 4 })
    case 'record':
      return shapeOf(field.fields!)
  }
}

function shapeOf(fields: Fields): fc.Arbitrary<object> {
  return fc.record(Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, arbitraryOf(field)])), { noNullPrototype: true })
}

test('property: every record reads back as it was written', () => {
  for (const of of tables) {
    fc.assert(
      fc.property(shapeOf(of.fields), (value) => assert.deepEqual(decoded(of, encoded(of, value)), value)),
      { numRuns: 60 },
    )
  }
})

test('property: whatever bytes come, a record is read or refused, never read past its end', () => {
  fc.assert(
    fc.property(fc.constantFrom(...tables), fc.uint8Array({ maxLength: 120 }), (of, bytes) => {
      reader.reset(bytes, 0, bytes.length)
      try {
        codecOf(of).read(reader)
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'ERR_MILLRACE_PROTOCOL')
      }
    }),
    { numRuns: 2000 },
  )
})

test('a vector that says it is longer than its bytes is refused before anything is allocated', () => {
  assert.throws(() => decoded(records.GetChildrenResponse, Buffer.from('7fffffff', 'hex')), /array of 2147483647 elements/)
})

test('nulls are read as ZooKeeper means them: no data, no text, no elements', () => {
  assert.deepEqual(decoded(records.SetDataRequest, Buffer.from('ffffffffffffffff00000003', 'hex')), { path: '', data: null, version: 3 })
  assert.deepEqual(decoded(records.GetChildrenResponse, Buffer.from('ffffffff', 'hex')), { children: [] })
})

test('a frame larger than a slab, and the frames around it, stay whole', () => {
  const small = encoded(records.PathRecord, { path: '/before' })
  const data = Buffer.alloc(200_000, 7)
  const large = encoded(records.SetDataRequest, { path: '/größe', data, version: 1 })
  const after = encoded(records.PathRecord, { path: '/after' })
  assert.deepEqual(decoded(records.PathRecord, small), { path: '/before' })
  assert.deepEqual(decoded(records.SetDataRequest, large), { path: '/größe', data, version: 1 })
  assert.deepEqual(decoded(records.PathRecord, after), { path: '/after' })
})
