// Settings that producer, consumer and admin share, under Kafka's names in camelCase, and the check that refuses
// names nobody knows. Pure.

import type { ConnectionOptions } from 'node:tls'
import type { Env } from '../../env/env.js'
import { ClientError } from '../errors.js'
import type { Transport } from '../transport.js'

export interface ClientSettings {
  /** `'host:port,…'` or a list. Needed unless `transport` is given. */
  readonly bootstrapServers?: string | readonly string[]
  /** Another way to reach a cluster, e.g. an embedded broker's. The client does not close it. */
  readonly transport?: Transport
  /** TLS: `true`, or options for `tls.connect`. Default off. */
  readonly tls?: boolean | ConnectionOptions
  /** Name in the broker's logs and quotas. Default `millrace`. */
  readonly clientId?: string
  /** Milliseconds one request may wait for its answer. Default 30000. */
  readonly requestTimeoutMs?: number
  /** Milliseconds a call such as `partitionsFor` or an admin call may take with all its retries. Default 60000. */
  readonly defaultApiTimeoutMs?: number
  /** First pause before a retry, in milliseconds; doubles up to `retryBackoffMaxMs`, ±20 %. Default 100. */
  readonly retryBackoffMs?: number
  /** Default 1000. */
  readonly retryBackoffMaxMs?: number
  /** Milliseconds before a broker that could not be reached is tried again; doubles. Default 50. */
  readonly reconnectBackoffMs?: number
  /** Default 1000. */
  readonly reconnectBackoffMaxMs?: number
  /** Milliseconds to wait for a TCP or TLS connection. Default 10000. */
  readonly socketConnectionSetupTimeoutMs?: number
  /** Metadata is asked for again after this many milliseconds even if nothing failed. Default 300000. */
  readonly metadataMaxAgeMs?: number
  /** Rack of this client, for reading from a near replica. Default none. */
  readonly clientRack?: string
  /** Clock, timers, randomness and logger; for tests. Default the real ones without logging. */
  readonly env?: Env
}

export const CLIENT_DEFAULTS = {
  clientId: 'millrace',
  requestTimeoutMs: 30_000,
  defaultApiTimeoutMs: 60_000,
  retryBackoffMs: 100,
  retryBackoffMaxMs: 1000,
  reconnectBackoffMs: 50,
  reconnectBackoffMaxMs: 1000,
  socketConnectionSetupTimeoutMs: 10_000,
  metadataMaxAgeMs: 300_000,
} as const

const COMMON_NAMES = [...Object.keys(CLIENT_DEFAULTS), 'bootstrapServers', 'transport', 'tls', 'clientRack', 'env'] as const

/** Refuses a setting that does not exist, naming the nearest one that does. */
export function checkNames(settings: object, own: readonly string[]): void {
  const known = [...COMMON_NAMES, ...own]
  for (const name of Object.keys(settings)) {
    if (known.includes(name)) continue
    const nearest = known.map((candidate) => ({
      candidate,
      distance: editDistance(name.replace(/[._-]/g, '').toLowerCase(), candidate.toLowerCase()),
    }))
    nearest.sort((a, b) => a.distance - b.distance)
    throw new ClientError('ERR_MILLRACE_SETTING', `unknown setting '${name}'; did you mean '${nearest[0]!.candidate}'?`)
  }
}

/** An integer in [min, max], or the default when left out. */
export function integerSetting(
  name: string,
  value: number | undefined,
  fallback: number,
  min: number,
  max = Number.MAX_SAFE_INTEGER,
): number {
  if (value === undefined) return fallback
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new ClientError('ERR_MILLRACE_SETTING', `${name} is ${value}; it must be an integer from ${min} to ${max}`)
  }
  return value
}

/** One of `allowed`, or the default when left out. */
export function choiceSetting<T extends string | number>(name: string, value: T | undefined, fallback: T, allowed: readonly T[]): T {
  if (value === undefined) return fallback
  if (!allowed.includes(value))
    throw new ClientError('ERR_MILLRACE_SETTING', `${name} is '${value}'; it must be one of ${allowed.join(', ')}`)
  return value
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      row.push(Math.min(previous[j]! + 1, row[j - 1]! + 1, previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)))
    }
    previous = row
  }
  return previous[b.length]!
}
