// The producer's settings and what follows from them. Pure.

import type { CompressionName } from './batch.js'
import { checkNames, choiceSetting, type ClientSettings, integerSetting } from '../cluster/settings.js'
import { ClientError } from '../errors.js'

/** Chooses a partition for a record without an explicit one; `key` is null for records without a key. */
export type Partitioner = (topic: string, key: Uint8Array | null, partitionCount: number) => number

/** One batch was answered: what the hot path learns instead of a promise per record. */
export interface BatchResult {
  readonly topic: string
  readonly partition: number
  /** Offset of its first record; -1 when it failed, or with acks 0. */
  readonly baseOffset: number
  readonly recordCount: number
  /** Milliseconds; the broker's time where the topic uses LogAppendTime, else -1. */
  readonly logAppendTimeMs: number
  readonly error: Error | undefined
}

export interface ProducerSettings extends ClientSettings {
  /** Who must have a record before it is acknowledged: `'all'` (in-sync replicas), 1 (leader), 0 (nobody). Default `'all'`. */
  readonly acks?: 'all' | -1 | 0 | 1
  /** Retries leave neither duplicates nor another order. Default true where acks is all. */
  readonly enableIdempotence?: boolean
  /** Milliseconds a batch waits for more records. Default 5. */
  readonly lingerMs?: number
  /** Bytes of records per batch before it is sent without waiting. Default 16384. */
  readonly batchSize?: number
  /** Bytes of all unsent and unanswered batches; sends wait above it. Default 33554432. */
  readonly bufferMemory?: number
  /** Default `none`. */
  readonly compressionType?: CompressionName
  /** Requests on the way per broker; at most 5 with idempotence. Default 5. */
  readonly maxInFlightRequestsPerConnection?: number
  /** Milliseconds from `send` to success or failure. Default 120000. */
  readonly deliveryTimeoutMs?: number
  /** Bytes of one request, and of one record uncompressed. Default 1048576. */
  readonly maxRequestSize?: number
  /** How often a batch is sent again; the time limit usually comes first. Default 2147483647. */
  readonly retries?: number
  /** Milliseconds `send` may wait for metadata or buffer space. Default 60000. */
  readonly maxBlockMs?: number
  /** Default: murmur2 of the key as Java does it; without a key, one partition per batch. */
  readonly partitioner?: Partitioner
  /** Called after every batch. Must not throw. */
  readonly onBatch?: (result: BatchResult) => void
}

const OWN_NAMES = [
  'acks',
  'enableIdempotence',
  'lingerMs',
  'batchSize',
  'bufferMemory',
  'compressionType',
  'maxInFlightRequestsPerConnection',
  'deliveryTimeoutMs',
  'maxRequestSize',
  'retries',
  'maxBlockMs',
  'partitioner',
  'onBatch',
] as const

export interface ProducerOptions {
  readonly acks: -1 | 0 | 1
  readonly idempotent: boolean
  readonly lingerMs: number
  readonly batchSize: number
  readonly bufferMemory: number
  readonly compression: CompressionName
  readonly maxInFlight: number
  readonly deliveryTimeoutMs: number
  readonly requestTimeoutMs: number
  readonly maxRequestSize: number
  readonly retries: number
  readonly maxBlockMs: number
  readonly partitioner: Partitioner | undefined
  readonly onBatch: ((result: BatchResult) => void) | undefined
}

const INT_MAX = 0x7fffffff

export function producerOptions(settings: ProducerSettings): ProducerOptions {
  checkNames(settings, OWN_NAMES)
  const asked = choiceSetting('acks', settings.acks, 'all', ['all', -1, 0, 1])
  const acks = asked === 'all' ? -1 : asked
  if (settings.enableIdempotence === true && acks !== -1) {
    throw new ClientError('ERR_MILLRACE_SETTING', `enableIdempotence needs acks 'all'; acks is ${asked}`)
  }
  const idempotent = settings.enableIdempotence ?? acks === -1
  const maxInFlight = integerSetting('maxInFlightRequestsPerConnection', settings.maxInFlightRequestsPerConnection, 5, 1, 1000)
  if (idempotent && maxInFlight > 5) {
    throw new ClientError(
      'ERR_MILLRACE_SETTING',
      `maxInFlightRequestsPerConnection is ${maxInFlight}; with enableIdempotence it is at most 5`,
    )
  }
  const requestTimeoutMs = integerSetting('requestTimeoutMs', settings.requestTimeoutMs, 30_000, 1, INT_MAX)
  const lingerMs = integerSetting('lingerMs', settings.lingerMs, 5, 0, INT_MAX)
  const deliveryTimeoutMs = integerSetting(
    'deliveryTimeoutMs',
    settings.deliveryTimeoutMs,
    Math.max(120_000, lingerMs + requestTimeoutMs),
    1,
    INT_MAX,
  )
  if (deliveryTimeoutMs < lingerMs + requestTimeoutMs) {
    throw new ClientError(
      'ERR_MILLRACE_SETTING',
      `deliveryTimeoutMs is ${deliveryTimeoutMs}; it must be at least lingerMs + requestTimeoutMs (${lingerMs + requestTimeoutMs})`,
    )
  }
  return {
    acks,
    idempotent,
    lingerMs,
    batchSize: integerSetting('batchSize', settings.batchSize, 16_384, 0, 1 << 30),
    bufferMemory: integerSetting('bufferMemory', settings.bufferMemory, 33_554_432, 1),
    compression: choiceSetting('compressionType', settings.compressionType, 'none', ['none', 'gzip', 'snappy', 'lz4', 'zstd']),
    maxInFlight,
    deliveryTimeoutMs,
    requestTimeoutMs,
    maxRequestSize: integerSetting('maxRequestSize', settings.maxRequestSize, 1_048_576, 1, 1 << 30),
    retries: integerSetting('retries', settings.retries, INT_MAX, 0, INT_MAX),
    maxBlockMs: integerSetting('maxBlockMs', settings.maxBlockMs, 60_000, 0, INT_MAX),
    partitioner: settings.partitioner,
    onBatch: settings.onBatch,
  }
}
