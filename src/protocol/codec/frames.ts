// Requests and responses with their headers, as they stand in a frame. Reading a request's header, which comes before anyone
// knows the API, is in request-header.ts. Does not load the list of all APIs, so that a client loads only the tables it uses.

import { decoderOf, encoderOf } from './codec.js'
import type { BodyOf } from './codec.js'
import { reader, writer } from './instances.js'
import { ProtocolError } from './protocol-error.js'
import type { MessageOf } from '../schema/dsl.js'
import type { Api } from '../schema/index.js'

const API_VERSIONS_KEY = 18

export function decodeRequest<A extends Api>(
  api: A,
  version: number,
  bytes: Uint8Array,
  bodyOffset: number,
  end = bytes.length,
): MessageOf<A['request']> {
  const run = decoderOf(api.request, version)
  reader.reset(bytes, bodyOffset, end)
  try {
    return run(reader) as MessageOf<A['request']>
  } finally {
    reader.release()
  }
}

/** A response as pieces to write one after the other, with the four bytes of its size in front. */
export function encodeResponse<A extends Api>(api: A, version: number, correlationId: number, body: BodyOf<A['response']>): Uint8Array[] {
  const run = encoderOf(api.response, version)
  writer.begin()
  writer.int32(0)
  writer.int32(correlationId)
  if (hasResponseTags(api, version)) writer.uvarint(0)
  run(writer, body)
  return writer.finishSized()
}

/** A request as pieces, without its size. */
export function encodeRequest<A extends Api>(
  api: A,
  version: number,
  correlationId: number,
  clientId: string | null,
  body: BodyOf<A['request']>,
): Uint8Array[] {
  const run = encoderOf(api.request, version)
  writer.begin()
  writer.int16(api.key)
  writer.int16(version)
  writer.int32(correlationId)
  if (clientId === null) writer.int16(-1)
  else writer.string(clientId)
  if (version >= api.flexibleFrom) writer.uvarint(0)
  run(writer, body)
  return writer.finish()
}

export function decodeResponse<A extends Api>(
  api: A,
  version: number,
  bytes: Uint8Array,
): { readonly correlationId: number; readonly body: MessageOf<A['response']> } {
  const run = decoderOf(api.response, version)
  reader.reset(bytes, 0, bytes.length)
  try {
    const correlationId = reader.int32()
    if (hasResponseTags(api, version)) reader.skipTags()
    return { correlationId, body: run(reader) as MessageOf<A['response']> }
  } finally {
    reader.release()
  }
}

/** The id by which an answer is matched to its request, before anything else of the answer is read. */
export function correlationIdOf(response: Uint8Array): number {
  if (response.length < 4) throw new ProtocolError(`a response of ${response.length} bytes`)
  return (response[0]! << 24) | (response[1]! << 16) | (response[2]! << 8) | response[3]!
}

/** ApiVersions is answered under the old header in every version: its reader does not know yet what the server speaks. */
function hasResponseTags(api: Api, version: number): boolean {
  return version >= api.flexibleFrom && api.key !== API_VERSIONS_KEY
}
