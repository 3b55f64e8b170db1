// Three ways to turn the same tables into a codec, on Produce and Fetch: an interpreter that walks the table for every message, closures
// composed once per version, and generated source (what src/protocol/codec uses). The first two live only here, decode only, and without
// tagged fields: they are flattered.

import { pathToFileURL } from 'node:url'
import { Bench } from 'tinybench'
import { decode, decodeRequest, decodeRequestHeader, encode, encodeRequest, encodeResponse } from '../../src/protocol/codec/index.js'
import { Reader } from '../../src/protocol/codec/reader.js'
import { minimumSize } from '../../src/protocol/codec/compile.js'
import { includes } from '../../src/protocol/schema/dsl.js'
import type { Field, Fields, Message } from '../../src/protocol/schema/dsl.js'
import { apis } from '../../src/protocol/schema/index.js'

const TOPIC_ID = 'Zk9y3yGrQ4aqzWg3vLq2Yw'

function interpretField(reader: Reader, field: Field, version: number, flexible: boolean): unknown {
  switch (field.kind) {
    case 'string': {
      const length = flexible ? reader.compactLength() : reader.length16()
      return length < 0 ? null : reader.text(length)
    }
    case 'bytes':
    case 'records': {
      const length = flexible ? reader.compactLength() : reader.length32()
      return length < 0 ? null : reader.view(length)
    }
    case 'struct':
      return interpretStruct(reader, field.fields!, version, flexible)
    case 'array': {
      const length = flexible ? reader.compactLength() : reader.length32()
      if (length < 0) return null
      reader.count(length, minimumSize(field.element!, version, flexible))
      const items: unknown[] = []
      for (let i = 0; i < length; i++) items.push(interpretField(reader, field.element!, version, flexible))
      return items
    }
    default:
      return reader[field.kind]()
  }
}

function interpretStruct(reader: Reader, fields: Fields, version: number, flexible: boolean): object {
  const shape: Record<string, unknown> = {}
  for (const name in fields) {
    const field = fields[name]!
    const present = field.tag === undefined && includes(field.versions, version)
    shape[name] = present ? interpretField(reader, field, version, flexible) : field.default
  }
  if (flexible) reader.skipTags()
  return shape
}

type Read = (reader: Reader) => unknown

function closureOf(field: Field, version: number, flexible: boolean): Read {
  switch (field.kind) {
    case 'string':
      return (reader) => {
        const length = flexible ? reader.compactLength() : reader.length16()
        return length < 0 ? null : reader.text(length)
      }
    case 'bytes':
    case 'records':
      return (reader) => {
        const length = flexible ? reader.compactLength() : reader.length32()
        return length < 0 ? null : reader.view(length)
      }
    case 'struct':
      return closureOfStruct(field.fields!, version, flexible)
    case 'array': {
      const element = closureOf(field.element!, version, flexible)
      const size = minimumSize(field.element!, version, flexible)
      return (reader) => {
        const length = flexible ? reader.compactLength() : reader.length32()
        if (length < 0) return null
        reader.count(length, size)
        const items: unknown[] = []
        for (let i = 0; i < length; i++) items.push(element(reader))
        return items
      }
    }
    default: {
      const kind = field.kind
      return (reader) => reader[kind]()
    }
  }
}

function closureOfStruct(fields: Fields, version: number, flexible: boolean): Read {
  const members = Object.entries(fields).map(([name, field]): readonly [string, Read] => {
    const present = field.tag === undefined && includes(field.versions, version)
    const absent = field.default
    return [name, present ? closureOf(field, version, flexible) : () => absent]
  })
  return (reader) => {
    const shape: Record<string, unknown> = {}
    for (const [name, read] of members) shape[name] = read(reader)
    if (flexible) reader.skipTags()
    return shape
  }
}

function threeForms(bench: Bench, label: string, message: Message, version: number, bytes: Uint8Array): void {
  const reader = new Reader()
  const flexible = includes(message.flexible, version)
  const closure = closureOfStruct(message.fields, version, flexible)
  bench.add(`${label}: interpreter`, () => {
    reader.reset(bytes, 0, bytes.length)
    interpretStruct(reader, message.fields, version, flexible)
  })
  bench.add(`${label}: closures`, () => {
    reader.reset(bytes, 0, bytes.length)
    closure(reader)
  })
  bench.add(`${label}: generated`, () => {
    decode(message, version, bytes)
  })
}

const batch = Buffer.alloc(16 * 1024, 7)

function produceBody(partitions: number, topicId: string): object {
  return {
    acks: -1,
    timeoutMs: 30_000,
    topicData: [{ name: 'perf', topicId, partitionData: Array.from({ length: partitions }, (_, index) => ({ index, records: batch })) }],
  }
}

function fetchBody(partitions: number): object {
  const each = (partition: number): object => ({
    partition,
    currentLeaderEpoch: 3,
    fetchOffset: 123_456 + partition,
    partitionMaxBytes: 1_048_576,
  })
  return {
    maxWaitMs: 500,
    minBytes: 1,
    topics: [{ topic: 'perf', topicId: TOPIC_ID, partitions: Array.from({ length: partitions }, (_, i) => each(i)) }],
  }
}

function fetchAnswer(partitions: number): object {
  const each = (partitionIndex: number): object => ({
    partitionIndex,
    highWatermark: 1e9,
    lastStableOffset: 1e9,
    logStartOffset: 0,
    records: batch,
  })
  return { sessionId: 77, responses: [{ topicId: TOPIC_ID, partitions: Array.from({ length: partitions }, (_, i) => each(i)) }] }
}

export async function run(): Promise<void> {
  const bench = new Bench({ time: 300, warmupTime: 100 })
  threeForms(
    bench,
    'decode Produce 9 request, 1 partition',
    apis.produce.request,
    9,
    encode(apis.produce.request, 9, produceBody(1, TOPIC_ID)),
  )
  threeForms(
    bench,
    'decode Produce 13 request, 12 partitions',
    apis.produce.request,
    13,
    encode(apis.produce.request, 13, produceBody(12, TOPIC_ID)),
  )
  threeForms(bench, 'decode Fetch 12 request, 12 partitions', apis.fetch.request, 12, encode(apis.fetch.request, 12, fetchBody(12)))
  threeForms(bench, 'decode Fetch 18 response, 12 partitions', apis.fetch.response, 18, encode(apis.fetch.response, 18, fetchAnswer(12)))

  for (const version of [9, 13]) {
    const frame = Buffer.concat(encodeRequest(apis.produce, version, 1, 'producer-1', produceBody(1, TOPIC_ID)))
    bench.add(`header and body of a Produce ${version} request, 1 partition`, () => {
      const header = decodeRequestHeader(frame)
      decodeRequest(apis.produce, header.apiVersion, frame, header.bodyOffset)
    })
    const response = {
      responses: [
        { name: 'perf', topicId: TOPIC_ID, partitionResponses: [{ index: 0, errorCode: 0, baseOffset: 123_456, logStartOffset: 0 }] },
      ],
    }
    bench.add(`encode Produce ${version} response, 1 partition`, () => {
      encodeResponse(apis.produce, version, 1, response)
    })
  }
  const answer = fetchAnswer(12)
  bench.add('encode Fetch 18 response, 12 partitions of 16 KiB', () => {
    encodeResponse(apis.fetch, 18, 1, answer)
  })
  await bench.run()
  console.table(bench.table())
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) await run()
