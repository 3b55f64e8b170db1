// Odd requests below any API's meaning: versions, unknown keys, frames that lie.

import { encodeRequest } from '../raw/apis.js'
import { int, type Fields } from '../raw/shape.js'
import type { Context, OddCase } from './context.js'

/** What became of a connection after a frame that is not a request. */
async function afterFrame(context: Context, body: Buffer, length?: number): Promise<string> {
  const connection = await context.open()
  connection.sendFrame(body, length)
  const outcome = await connection.receive(2000)
  connection.close()
  return outcome.kind
}

const head = (apiKey: number, version: number): Buffer => Buffer.concat([int(2, apiKey), int(2, version), int(4, 1), int(2, -1)])

const CLIENT_APIS = [0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 19, 20, 21, 22, 23, 32, 33, 34, 35, 37, 42, 44, 47, 60, 74, 75]

export const WIRE_CASES: readonly OddCase[] = [
  ...[0, 1, 2, 3, 4].map((version) => ({
    name: `ApiVersions: version ${version} has these versions of the APIs handled`,
    ask: async (context: Context) => {
      const values: Fields = version >= 3 ? { software: 'wire-test', softwareVersion: '1.0' } : {}
      const answer = await context.call('ApiVersions', version, values)
      if (typeof answer === 'string') return answer
      const apis = (answer['apis'] as { key: number; min: number; max: number }[]).filter((api) => CLIENT_APIS.includes(api.key))
      return apis.toSorted((a, b) => a.key - b.key).map((api) => `${api.key}: ${api.min}-${api.max}`)
    },
  })),
  {
    name: 'ApiVersions: a version too new',
    ask: async (context) => {
      const outcome = await (
        await context.open()
      ).request({ apiKey: 18, version: 99, flexible: true, flexibleAnswer: false }, Buffer.from([0, 0, 0]))
      if (outcome.kind !== 'answer') return outcome.kind
      const apis = outcome.body.readInt32BE(2)
      const listed = Array.from({ length: apis }, (_, index) => outcome.body.readInt16BE(6 + index * 6))
      return {
        error: outcome.body.readInt16BE(0),
        version0: outcome.body.length === 6 + apis * 6,
        onlyApiVersions: listed.every((key) => key === 18),
        apis: apis === 1 ? 1 : 'all',
      }
    },
  },
  {
    name: 'ApiVersions: an invalid software name',
    ask: async (context) => {
      const answer = await context.call('ApiVersions', 3, { software: 'no good name!', softwareVersion: '1' })
      return typeof answer === 'string' ? answer : answer['error']
    },
  },
  {
    name: 'ApiVersions: an empty software name',
    ask: async (context) => {
      const answer = await context.call('ApiVersions', 3, { software: '', softwareVersion: '' })
      return typeof answer === 'string' ? answer : answer['error']
    },
  },
  ...[99, 999, -1, 4, 5, 6, 7, 32767].map((key) => ({
    name: `unknown API: key ${key}`,
    ask: (context: Context) => context.raw({ apiKey: key, version: 0, flexible: false }, Buffer.alloc(20)),
  })),
  ...[
    ['Metadata', 3, 99],
    ['Metadata', 3, -1],
    ['Produce', 0, 14],
    ['Produce', 0, 2],
    ['Fetch', 1, 3],
    ['Fetch', 1, 19],
    ['ListOffsets', 2, 0],
    ['JoinGroup', 11, 10],
    ['OffsetCommit', 8, 1],
    ['OffsetFetch', 9, 0],
    ['CreateTopics', 19, 1],
  ].map(([name, key, version]) => ({
    name: `unknown version: ${name} ${version}`,
    ask: (context: Context) => context.raw({ apiKey: key as number, version: version as number, flexible: false }, Buffer.alloc(40)),
  })),
  { name: 'frame: length -1', ask: (context) => afterFrame(context, Buffer.alloc(0), -1) },
  { name: 'frame: length 0', ask: (context) => afterFrame(context, Buffer.alloc(0), 0) },
  { name: 'frame: length 3', ask: (context) => afterFrame(context, Buffer.alloc(3), 3) },
  { name: 'frame: length 2^31-1', ask: (context) => afterFrame(context, Buffer.alloc(100), 0x7fffffff) },
  { name: 'frame: just over socket.request.max.bytes', ask: (context) => afterFrame(context, Buffer.alloc(100), 104857601) },
  { name: 'frame: an HTTP request', ask: (context) => afterFrame(context, Buffer.from('1.1\r\nHost: localhost\r\n\r\n'), 0x47455420) },
  { name: 'frame: a TLS hello', ask: (context) => afterFrame(context, Buffer.alloc(100, 1), 0x16030100) },
  {
    name: 'frame: a head that ends in the client id',
    ask: (context) => afterFrame(context, Buffer.concat([int(2, 3), int(2, 4), int(4, 1), int(2, 50), Buffer.from('abc')])),
  },
  { name: 'frame: a head only', ask: (context) => afterFrame(context, head(3, 4)) },
  {
    name: 'frame: a body cut in the middle',
    ask: (context) => afterFrame(context, Buffer.concat([head(3, 4), int(4, 1), int(2, 10), Buffer.from('cut')])),
  },
  {
    name: 'frame: an array of 2^31-1',
    ask: (context) => afterFrame(context, Buffer.concat([head(3, 4), int(4, 0x7fffffff), Buffer.alloc(30)])),
  },
  {
    name: 'frame: an array of -5',
    notCompared: 'a close is as good as taking it for none',
    ask: (context) => afterFrame(context, Buffer.concat([head(3, 4), int(4, -5), int(1, 0)])),
  },
  {
    name: 'frame: a string of length -2',
    ask: (context) => afterFrame(context, Buffer.concat([head(3, 4), int(4, 1), int(2, -2), int(1, 0)])),
  },
  {
    name: 'frame: bytes after the body',
    ask: (context) =>
      afterFrame(
        context,
        Buffer.concat([head(3, 4), encodeRequest('Metadata', 4, { topics: [], autoCreate: false }), Buffer.from('extra')]),
      ),
  },
  {
    name: 'frame: a null client id',
    ask: (context) => afterFrame(context, Buffer.concat([head(3, 4), encodeRequest('Metadata', 4, { topics: [], autoCreate: false })])),
  },
  {
    name: 'frame: a client id that is not UTF-8',
    ask: (context) =>
      afterFrame(
        context,
        Buffer.concat([
          int(2, 3),
          int(2, 4),
          int(4, 1),
          int(2, 2),
          Buffer.from([0xff, 0xfe]),
          encodeRequest('Metadata', 4, { topics: [], autoCreate: false }),
        ]),
      ),
  },
  {
    name: 'frame: random bytes of 64',
    ask: (context) => afterFrame(context, Buffer.from(Array.from({ length: 64 }, (_, index) => (index * 197 + 91) & 255))),
  },
]
