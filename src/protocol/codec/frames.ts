// Requests and responses with their headers, as they stand in a frame. The choice of header version is made here and nowhere else.

import { decoderOf, encoderOf } from './codec.js'
import type { BodyOf } from './codec.js'
import { ProtocolError } from './protocol-error.js'
import { Reader } from './reader.js'
import { Writer } from './writer.js'
import { LATEST } from '../schema/dsl.js'
import type { MessageOf } from '../schema/dsl.js'
import { apiByKey } from '../schema/index.js'
import type { Api } from '../schema/index.js'

export interface RequestHeader {
  readonly apiKey: number
  readonly apiVersion: number
  readonly correlationId: number
  readonly clientId: string | null
  /** Where the body starts. */
  readonly bodyOffset: number
}

const API_VERSIONS_KEY = 18

const reader = new Reader()
const writer = new Writer()

/**
 * Reads a request's header, also of an API or version that is not served: the fields before the tagged section stand still for ever.
 * Of an unknown API the tagged section is not read (whether there is one is unknown), so that `bodyOffset` then says nothing.
 */
export function decodeRequestHeader(bytes: Uint8Array, offset = 0, end = bytes.length): RequestHeader {
  reader.reset(bytes, offset, end)
  try {
    const apiKey = reader.int16()
    const apiVersion = reader.int16()
    const correlationId = reader.int32()
    const length = reader.length16()
    const clientId = length < 0 ? null : reader.text(length)
    if (apiVersion >= (apiByKey(apiKey)?.flexibleFrom ?? LATEST)) reader.skipTags()
    return { apiKey, apiVersion, correlationId, clientId, bodyOffset: reader.position }
  } finally {
    reader.release()
  }
}

export function decodeRequest<A extends Api>(api: A, version: number, bytes: Uint8Array, bodyOffset: number, end = bytes.length): MessageOf<A['request']> {
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
