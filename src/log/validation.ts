// Kafka's rules for a produced batch that need no record: framing, header, and the words for what the addon's record walk
// found. Returns codes, never throws; messages are made only when something is refused.

import { At, Attribute, HEADER_SIZE, int32At, int64At, LOG_OVERHEAD, MIN_RECORD_SIZE } from '../protocol/records/batch-layout.js'
import { Code } from './codes.js'
import { BatchVerdict, native } from './native.js'
import type { RecordError } from './types.js'

export interface Refusal {
  readonly code: number
  readonly message: string
  readonly recordErrors: readonly RecordError[] | null
}

function refusal(code: number, message: string): Refusal {
  return { code, message, recordErrors: null }
}

/** From here to `magic` inclusive a batch must be present to be looked at. */
const SIZE_UP_TO_MAGIC = 17
const ZSTD = 4
/** zstd came with produce version 7. */
const ZSTD_SINCE = 7

/**
 * Exactly one whole v2 batch at the start of `records`. Like Kafka, a partial batch behind it is ignored and a partial
 * one alone counts as none. undefined: well framed.
 */
export function framingError(records: Uint8Array, requestVersion: number): Refusal | undefined {
  const first = batchSizeAt(records, 0)
  if (typeof first !== 'number') return first
  if (first === 0)
    return refusal(
      Code.invalidRecord,
      `produce version ${requestVersion} needs a whole record batch for every partition, got ${records.length} bytes without one`,
    )
  if (records[At.magic] !== 2) {
    return refusal(
      Code.invalidRecord,
      `produce version ${requestVersion} takes record batches of format 2 only, got format ${records[At.magic]}`,
    )
  }
  if (requestVersion < ZSTD_SINCE && first > At.attributes + 1 && (records[At.attributes + 1]! & Attribute.codecMask) === ZSTD) {
    return refusal(
      Code.unsupportedCompressionType,
      `zstd needs produce version ${ZSTD_SINCE} or later, this request is version ${requestVersion}`,
    )
  }
  if (first === records.length) return undefined
  const second = batchSizeAt(records, first)
  if (typeof second !== 'number') return second
  return second === 0
    ? undefined
    : refusal(Code.invalidRecord, `produce version ${requestVersion} takes exactly one record batch for every partition`)
}

/** Size of the whole batch at `at`; 0 when only part of one is there; a refusal when the bytes cannot be a batch. */
function batchSizeAt(records: Uint8Array, at: number): number | Refusal {
  const remaining = records.length - at
  if (remaining < LOG_OVERHEAD) return 0
  const length = int32At(records, at + At.batchLength)
  if (length < MIN_RECORD_SIZE)
    return refusal(Code.corruptMessage, `a record batch of ${length} bytes is below the least possible ${MIN_RECORD_SIZE}`)
  if (remaining < SIZE_UP_TO_MAGIC) return 0
  const magic = (records[at + At.magic]! << 24) >> 24
  if (magic < 0 || magic > 2) return refusal(Code.corruptMessage, `unknown record batch format ${magic}`)
  return remaining < length + LOG_OVERHEAD ? 0 : length + LOG_OVERHEAD
}

/** Rules for a client's batch before its CRC is looked at. */
export function headerError(records: Uint8Array, size: number, maxMessageBytes: number): Refusal | undefined {
  const baseOffset = int64At(records, At.baseOffset)
  if (baseOffset !== 0) return refusal(Code.invalidRecord, `the base offset of a produced batch must be 0, got ${baseOffset}`)
  return sizeError(size, maxMessageBytes)
}

export function sizeError(size: number, maxMessageBytes: number): Refusal | undefined {
  if (size <= maxMessageBytes) return undefined
  return refusal(
    Code.messageTooLarge,
    `a record batch of ${size} bytes is over max.message.bytes=${maxMessageBytes}: send smaller batches or raise the setting`,
  )
}

/** Words for a broken rule of a client's header; undefined when the rule broken is another one. */
function headerRule(records: Uint8Array): string | undefined {
  if ((records[At.attributes + 1]! & Attribute.control) !== 0) return 'clients may not write control records'
  const sequence = int32At(records, At.baseSequence)
  if (int64At(records, At.producerId) >= 0 && sequence < 0) return `an idempotent batch needs a sequence of 0 or more, got ${sequence}`
  const count = int32At(records, At.recordsCount)
  const delta = int32At(records, At.lastOffsetDelta)
  if (count <= 0) return `the record count must be above 0, got ${count}`
  return delta + 1 === count ? undefined : `the header says ${count} records and a last offset delta of ${delta}`
}

/** The addon's verdict in Kafka's terms. `failed`: the records a rule refused, none when it was the batch as a whole. */
export function verdictRefusal(
  verdict: number,
  records: Uint8Array,
  failed: readonly number[],
  window: { min: number; max: number },
  maxDecompressedBytes: number,
): Refusal {
  const perRecord = (code: number, summary: string, message: string): Refusal => ({
    code,
    message: summary,
    recordErrors: failed.length > 0 ? failed.map((batchIndex) => ({ batchIndex, message })) : null,
  })
  switch (verdict) {
    case BatchVerdict.corrupt:
      return refusal(
        Code.corruptMessage,
        `the record batch is corrupt: its CRC32C or its structure does not hold (stored CRC ${int32At(records, At.crc) >>> 0})`,
      )
    case BatchVerdict.timestamp:
      return perRecord(
        Code.invalidTimestamp,
        'one or more records were refused for their timestamp',
        `the timestamp is outside [${window.min}, ${window.max}] (message.timestamp.before.max.ms, message.timestamp.after.max.ms) or of the wrong type`,
      )
    case BatchVerdict.missingKey:
      return perRecord(Code.invalidRecord, 'one or more records were refused', 'a compacted topic takes no record without a key')
    case BatchVerdict.codec:
      return refusal(Code.unsupportedCompressionType, `unknown compression codec ${records[At.attributes + 1]! & Attribute.codecMask}`)
    case BatchVerdict.tooLarge:
      return refusal(Code.invalidRecord, `the record batch unpacks to more than ${maxDecompressedBytes} bytes`)
    case BatchVerdict.magic:
      return refusal(Code.unsupportedForMessageFormat, `record batches of format ${records[At.magic]} are not taken`)
    default:
      // Kafka names no record here: what does not hold together is the batch.
      return refusal(
        Code.invalidRecord,
        headerRule(records) ?? `the record batch does not hold together (size, offset delta, trailing bytes)`,
      )
  }
}

/** Header facts of a whole batch that a follower or a recovery copies as it is. */
export function replicatedBatchError(records: Uint8Array, at: number): Refusal | undefined {
  const size = batchSizeAt(records, at)
  if (typeof size !== 'number') return size
  if (size < HEADER_SIZE || records[at + At.magic] !== 2)
    return refusal(Code.corruptMessage, 'a replicated batch is shorter than its header or not of format 2')
  const crc = native().crc32c(records, at + At.attributes, size - At.attributes)
  if (crc !== int32At(records, at + At.crc) >>> 0)
    return refusal(Code.corruptMessage, `a replicated batch at offset ${int64At(records, at)} has a wrong CRC32C`)
  return undefined
}
