// What this server says it speaks, taken from the tables. Knows no handler: the caller says which keys it serves.

import { MILLRACE_ACK_FEATURE } from '../schema/api-versions.js'
import { apiByKey } from '../schema/index.js'

const PRODUCE_KEY = 0

export interface ApiVersionRange {
  readonly apiKey: number
  readonly minVersion: number
  readonly maxVersion: number
}

/**
 * Produce is announced from version 0, as Kafka does, though 0 to 2 are answered with UNSUPPORTED_VERSION: librdkafka takes a server
 * without Produce 0 for one that cannot decompress, and switches compression off.
 */
export function apiVersionsFor(handledKeys: Iterable<number>): readonly ApiVersionRange[] {
  const ranges: ApiVersionRange[] = []
  for (const key of handledKeys) {
    const api = apiByKey(key)
    if (api === undefined) throw new Error(`no table for API ${key}`)
    ranges.push({ apiKey: key, minVersion: key === PRODUCE_KEY ? 0 : api.minVersion, maxVersion: api.maxVersion })
  }
  return ranges.sort((a, b) => a.apiKey - b.apiKey)
}

/** Goes into ApiVersions' `supportedFeatures`. */
export const supportedFeatures = [MILLRACE_ACK_FEATURE] as const
