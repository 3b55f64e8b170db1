// Coordinator records ↔ record batches (format v2). Pure.

import { BatchBuilder, readRecords } from '../../protocol/records/index.js'
import type { CoordinatorRecord } from './coordinator-record.js'

/** At most this much of a batch goes to `record`. */
export function estimateRecordBytes(record: CoordinatorRecord): number {
  return BatchBuilder.estimateBytes(record.key, record.value)
}

/** One uncompressed batch; the log assigns the offsets and the leader epoch. */
export function encodeBatch(records: readonly CoordinatorRecord[], timestamp: number): Uint8Array {
  const builder = new BatchBuilder(records.reduce((sum, record) => sum + estimateRecordBytes(record), 64))
  for (const record of records) builder.append(timestamp, record.key, record.value)
  return builder.build()
}

/** The records of every whole batch in `chunk`, whatever their compression; control batches hold none. Bytes are views. */
export function* decodeRecords(chunk: Uint8Array): Generator<CoordinatorRecord> {
  for (const { key, value } of readRecords(chunk)) yield { key: key ?? NO_KEY, value }
}

const NO_KEY = new Uint8Array(0)
