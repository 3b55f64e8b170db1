// A produced batch's way into the log: sound (validation.ts, the addon), allowed (producer state), of the right codec,
// placed, booked; in this order. The hot path: nothing is allocated but the result, and JavaScript reads headers only.

import { At, Attribute, int16At, int32At, int64At, LOG_OVERHEAD } from '../protocol/records/batch-layout.js'
import { endTransactionMarker } from './end-transaction-marker.js'
import { duplicate, listTooLarge, producerRefusal, refuse, refuseOperational } from './append-results.js'
import { Code, errorText } from './codes.js'
import { compressionLevel, targetCodec } from './config.js'
import { VerifyFlag, VerifyOut } from './native.js'
import { DUPLICATE } from './producer-state/producer-state.js'
import { noteAborted } from './producer-state/rebuild.js'
import { framingError, headerError, sizeError, verdictRefusal } from './validation.js'
import type { LogState } from './log-state.js'
import { type AppendOrigin, type AppendResult, isClient } from './types.js'
import type { Refusal } from './validation.js'

export const NO_MARKER = { controlType: -1, coordinatorEpoch: -1 } as const

/** Shared by all logs of a thread: filled and read within one call. */
const verified = new Float64Array(VerifyOut.length)

/** Takes one produced batch. `records` is the log's until the call returns: header fields are patched in place. */
export function appendAsLeader(
  log: LogState,
  records: Uint8Array,
  leaderEpoch: number,
  origin: AppendOrigin,
  requestVersion: number,
): AppendResult {
  const unavailable = log.unavailable()
  if (unavailable !== undefined) return refuseOperational(log, unavailable)
  const framing = framingError(records, requestVersion)
  if (framing !== undefined) return refuse(log, framing)
  const config = log.config
  const size = int32At(records, At.batchLength) + LOG_OVERHEAD
  const fromClient = isClient(origin)
  const tooLong = fromClient ? headerError(records, size, config.maxMessageBytes) : sizeError(size, config.maxMessageBytes)
  if (tooLong !== undefined) return refuse(log, tooLong)

  const now = log.env.clock.now()
  const createTime = config.messageTimestampType === 'CreateTime'
  const min = now - config.messageTimestampBeforeMaxMs
  const max = now + config.messageTimestampAfterMaxMs
  const flags =
    (config.cleanupPolicy.compact && fromClient ? VerifyFlag.requireKey : 0) |
    (fromClient ? VerifyFlag.fromClient : 0) |
    (createTime ? VerifyFlag.checkTimestamps : 0) |
    (origin === 'embedded' ? VerifyFlag.seal : 0)
  const verdict = log.addon.verifyBatch(records, 0, size, flags, min, max, config.maxDecompressedBytes, verified)
  if (verdict !== 0) return refuse(log, verdictRefusal(verdict, records, failedRecords(), { min, max }, config.maxDecompressedBytes))

  const maxTimestamp = createTime ? verified[VerifyOut.maxTimestamp]! : now
  return appendVerified(log, records, size, leaderEpoch, origin, maxTimestamp, createTime ? -1 : now, now)
}

/** The batch is sound: producer state, codec, roll, bytes, bookkeeping, in this order. */
function appendVerified(
  log: LogState,
  records: Uint8Array,
  size: number,
  leaderEpoch: number,
  origin: AppendOrigin,
  maxTimestamp: number,
  logAppendTime: number,
  now: number,
): AppendResult {
  const attributes = records[At.attributes + 1]!
  const producerId = int64At(records, At.producerId)
  const lastOffsetDelta = int32At(records, At.lastOffsetDelta)
  const isControl = (attributes & Attribute.control) !== 0
  const marker = isControl ? (endTransactionMarker(records, 0, size) ?? NO_MARKER) : NO_MARKER
  if (producerId >= 0) {
    const code = isControl
      ? log.producers.checkMarker(producerId, int16At(records, At.producerEpoch), marker.coordinatorEpoch)
      : log.producers.check(
          producerId,
          int16At(records, At.producerEpoch),
          int32At(records, At.baseSequence),
          lastOffsetDelta,
          (attributes & Attribute.transactional) !== 0,
          origin,
        )
    if (code === DUPLICATE) return duplicate(log)
    if (code !== Code.none) return refuse(log, producerRefusal(log, code, records))
  }
  let bytes = records
  const target = targetCodec(log.config.compressionType)
  if (target !== -1 && target !== (attributes & Attribute.codecMask) && !isControl) {
    const recompressed = recompress(log, records, size, target)
    if ('code' in recompressed) return refuse(log, recompressed)
    bytes = recompressed
  }
  const length = bytes === records ? size : bytes.length
  try {
    if (length > log.config.segmentBytes) return refuse(log, listTooLarge(length, log.config.segmentBytes))
    const baseOffset = log.logEndOffset
    const lastOffset = baseOffset + lastOffsetDelta
    if (log.mustRoll || log.active.mustRoll(log.config, length, lastOffset, maxTimestamp, now)) log.roll(now)
    if (leaderEpoch > log.epochs.latestEpoch || log.epochs.isPending) log.beginEpoch(leaderEpoch, baseOffset)
    const staged = log.addon.segmentAppend(
      log.active.handle,
      bytes,
      0,
      length,
      baseOffset,
      leaderEpoch,
      logAppendTime,
      maxTimestamp,
      lastOffset,
    )
    booked(log, length, lastOffset, maxTimestamp, staged)
    if (producerId >= 0) applyProducer(log, records, producerId, baseOffset, lastOffset, maxTimestamp, isControl, marker, staged > 0)
    return {
      errorCode: Code.none,
      errorMessage: null,
      recordErrors: null,
      baseOffset,
      lastOffset,
      logAppendTime,
      logStartOffset: log.logStartOffset,
      duplicate: false,
    }
  } catch (error) {
    return refuseOperational(log, log.writeFailed(error))
  }
}

function recompress(log: LogState, records: Uint8Array, size: number, codec: number): Uint8Array | Refusal {
  try {
    const bytes = log.addon.recompressBatch(records, 0, size, codec, compressionLevel(log.config, codec), log.config.maxDecompressedBytes)
    return sizeError(bytes.length, log.config.maxMessageBytes) ?? bytes
  } catch (error) {
    return {
      code: Code.corruptMessage,
      message: `the batch cannot be recompressed for compression.type=${log.config.compressionType}: ${errorText(error)}`,
      recordErrors: null,
    }
  }
}

/** An append that the addon has taken. */
export function booked(log: LogState, bytes: number, lastOffset: number, maxTimestamp: number, staged: number): void {
  log.active.noteAppend(bytes, maxTimestamp)
  log.unflushedRecords += lastOffset + 1 - log.logEndOffset
  log.logEndOffset = lastOffset + 1
  if (staged === 0) log.allWritten()
}

export function applyProducer(
  log: LogState,
  records: Uint8Array,
  producerId: number,
  baseOffset: number,
  lastOffset: number,
  maxTimestamp: number,
  isControl: boolean,
  marker: { readonly controlType: number; readonly coordinatorEpoch: number },
  staged: boolean,
): void {
  const epoch = int16At(records, At.producerEpoch)
  if (!isControl) {
    const transactional = (records[At.attributes + 1]! & Attribute.transactional) !== 0
    log.producers.applyData(
      producerId,
      epoch,
      int32At(records, At.baseSequence),
      baseOffset,
      lastOffset,
      maxTimestamp,
      transactional,
      staged,
    )
    return
  }
  if (marker.controlType !== 0 && marker.controlType !== 1) return
  // a marker ends a transaction for good: its bytes are written before anything says so
  if (staged) log.writeStaged()
  const completed = log.producers.applyMarker(
    producerId,
    epoch,
    marker.coordinatorEpoch,
    marker.controlType === 0,
    baseOffset,
    maxTimestamp,
  )
  if (completed?.aborted) noteAborted(log.active, log.producers, completed)
}

/**
 * write(2) of everything staged. 0: all appends since the last call are written. Otherwise KAFKA_STORAGE_ERROR: those
 * whose `lastOffset` is not below `writtenOffset` are lost and their offsets will be given again.
 */
export function flushStaged(log: LogState): number {
  if (log.failure !== undefined) return Code.kafkaStorageError
  if (log.refusedUntilFlush !== undefined) {
    log.refusedUntilFlush = undefined
    return Code.kafkaStorageError
  }
  if (log.writtenOffset === log.logEndOffset) return Code.none
  try {
    log.writeStaged()
  } catch (error) {
    log.writeFailed(error)
    log.refusedUntilFlush = undefined
    return Code.kafkaStorageError
  }
  return Code.none
}

/** Indexes of the records that `verified` names as refused. */
function failedRecords(): readonly number[] {
  return Array.from(verified.subarray(VerifyOut.failed, VerifyOut.failed + verified[VerifyOut.failedCount]!))
}
