// What every kind of load has in common: what it counts while it runs, what it hands back, payloads and histograms.

import { randomBytes } from 'node:crypto'
import { build, type Histogram } from 'hdr-histogram-js'
import { BatchBuilder, type CompressionName } from '../../protocol/records/index.js'
import type { Leader } from './target.js'

/** Counted up while a load runs; a sampler reads it. */
export interface Tally {
  records: number
  /** Of record values. */
  bytes: number
}

export interface LoadResult extends Tally {
  readonly seconds: number
  readonly requests: number
  /** Bytes of record batches as they crossed the wire. */
  readonly wireBytes: number
  /** Microseconds. */
  readonly ack?: Histogram
  readonly endToEnd?: Histogram
}

export type Acks = -1 | 0 | 1

/** When a load ends: after so much time, or so many records. */
export interface Extent {
  readonly seconds: number
  readonly records: number
}

/** Microseconds up to ten minutes, three digits exact. */
export function newHistogram(): Histogram {
  return build({ lowestDiscernibleValue: 1, highestTrackableValue: 600_000_000, numberOfSignificantValueDigits: 3, bitBucketSize: 32 })
}

export function recordMicros(histogram: Histogram, milliseconds: number): void {
  histogram.recordValue(Math.min(600_000_000, Math.max(0, Math.round(milliseconds * 1000))))
}

/** Capital letters at random, as Kafka's own performance tool sends. */
export function payload(bytes: number): Buffer {
  const value = randomBytes(bytes)
  for (let i = 0; i < bytes; i++) value[i] = 65 + (value[i]! % 26)
  return value
}

export interface EncodedBatch {
  readonly bytes: Uint8Array
  readonly records: number
}

/** One batch of about `batchBytes` before compression; at least one record. */
export function encodeBatch(recordBytes: number, batchBytes: number, compression: CompressionName): EncodedBatch {
  const builder = new BatchBuilder(batchBytes + recordBytes + 128)
  const now = Date.now()
  const room = batchBytes - 40
  do builder.append(now, null, payload(recordBytes))
  while (builder.sizeBytes + recordBytes < room)
  return { bytes: builder.build({ compression }), records: builder.count }
}

/** Partitions for each of `count` connections to one broker: spread where there are enough, else all for each. */
export function spread(leader: Leader, count: number): number[][] {
  const shares: number[][] = []
  for (let connection = 0; connection < count; connection++) {
    const share = leader.partitions.filter((_, index) => index % count === connection)
    shares.push(leader.partitions.length >= count ? share : [...leader.partitions])
  }
  return shares
}
