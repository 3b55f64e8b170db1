// Every message there is a table for, shapes made from a table, and the golden files.

import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import * as consumerGroup from '../../src/protocol/schema/consumer-group-records.js'
import * as consumerProtocol from '../../src/protocol/schema/consumer-protocol.js'
import * as control from '../../src/protocol/schema/control-records.js'
import { includes } from '../../src/protocol/schema/dsl.js'
import type { Field, Fields, Message } from '../../src/protocol/schema/dsl.js'
import * as group from '../../src/protocol/schema/group-records.js'
import * as headers from '../../src/protocol/schema/headers.js'
import { allApis } from '../../src/protocol/schema/index.js'
import * as shareGroup from '../../src/protocol/schema/share-group-records.js'
import * as streamsGroup from '../../src/protocol/schema/streams-group-records.js'
import * as transaction from '../../src/protocol/schema/transaction-records.js'

function isMessage(value: unknown): value is Message {
  return typeof value === 'object' && value !== null && 'fields' in value && 'flexible' in value
}

const data = [headers, consumerProtocol, group, consumerGroup, shareGroup, streamsGroup, transaction, control].flatMap((module) =>
  Object.values(module).filter(isMessage),
)

export const allMessages: readonly Message[] = [...allApis.flatMap((api) => [api.request, api.response]), ...data]

export function versionsOf(message: Message): number[] {
  const versions: number[] = []
  for (let version = message.versions[0]; version <= message.versions[1]; version++) versions.push(version)
  return versions
}

/** Tests run from the build's own copy of this folder; golden files stay in the source tree. */
export function goldenFile(name: string): Buffer {
  return readFileSync(new URL(`../../../test/protocol/golden/${name}`, import.meta.url))
}

export interface Golden {
  readonly message: string
  /** Every field, as JSON. */
  readonly value: unknown
  /** What Kafka's own classes made of it, by version. */
  readonly bytes: { readonly [version: string]: string }
}

export function goldenMessages(): Golden[] {
  return goldenFile('messages.jsonl')
    .toString('utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Golden)
}

function fromJsonField(field: Field, value: unknown): unknown {
  if (value === null || value === undefined) return value === undefined ? field.default : null
  switch (field.kind) {
    case 'bytes':
    case 'records':
      return Buffer.from(value as string, 'base64')
    case 'bigint64':
      return BigInt(value as number)
    case 'array':
      return (value as unknown[]).map((item) => fromJsonField(field.element!, item))
    case 'struct':
      return fromJson(field.fields!, value)
    default:
      return value
  }
}

/** The in-memory shape of a golden value. */
export function fromJson(fields: Fields, value: unknown): Record<string, unknown> {
  const source = value as Record<string, unknown>
  return Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, fromJsonField(field, source[name])]))
}

/** What is left of a shape after a trip through one version: fields that it lacks have their defaults. */
export function seenIn(version: number, fields: Fields, shape: unknown): Record<string, unknown> {
  const source = shape as Record<string, unknown>
  const one = (field: Field, value: unknown): unknown => {
    if (value === null) return null
    if (field.kind === 'array') return (value as unknown[]).map((item) => one(field.element!, item))
    if (field.kind === 'struct') return seenIn(version, field.fields!, value)
    return value
  }
  return Object.fromEntries(
    Object.entries(fields).map(([name, field]) => [name, includes(field.versions, version) ? one(field, source[name]) : field.default]),
  )
}

function arbitraryValue(field: Field, version: number, depth: number): fc.Arbitrary<unknown> {
  const plain = (): fc.Arbitrary<unknown> => {
    switch (field.kind) {
      case 'bool':
        return fc.boolean()
      case 'int8':
        return fc.integer({ min: -128, max: 127 })
      case 'int16':
        return fc.integer({ min: -32768, max: 32767 })
      case 'uint16':
        return fc.integer({ min: 0, max: 65535 })
      case 'int32':
        return fc.integer()
      case 'int64':
      case 'time64':
        return fc.maxSafeInteger()
      case 'bigint64':
        return fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
      case 'float64':
        return fc.double({ noNaN: true })
      case 'string':
        return fc.oneof(fc.string({ maxLength: 20 }), fc.string({ unit: 'grapheme', maxLength: 60 }))
      case 'uuid':
        return fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes).toString('base64url'))
      case 'bytes':
        return fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes))
      case 'records':
        return fc.oneof(
          fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
          fc.integer({ min: 4095, max: 9000 }).map((size) => Buffer.alloc(size, size)),
        )
      case 'array':
        return fc.array(arbitraryValue(field.element!, version, depth + 1), { maxLength: depth > 1 ? 1 : 3 })
      case 'struct':
        return arbitraryShape(field.fields!, version, depth + 1)
    }
  }
  return includes(field.nullable, version) ? fc.option(plain(), { nil: null, freq: 4 }) : plain()
}

export function arbitraryShape(fields: Fields, version: number, depth = 0): fc.Arbitrary<Record<string, unknown>> {
  const members: Record<string, fc.Arbitrary<unknown>> = {}
  for (const [name, field] of Object.entries(fields)) {
    members[name] = includes(field.versions, version) ? arbitraryValue(field, version, depth) : fc.constant(field.default)
  }
  return fc.record(members, { noNullPrototype: true })
}
