// A request's header, read before its API is known: the one place of the codec that needs the list of all APIs.

import { reader } from './instances.js'
import { LATEST } from '../schema/dsl.js'
import { apiByKey } from '../schema/index.js'

export interface RequestHeader {
  readonly apiKey: number
  readonly apiVersion: number
  readonly correlationId: number
  readonly clientId: string | null
  /** Where the body starts. */
  readonly bodyOffset: number
}

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
