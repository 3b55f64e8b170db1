// The answers of an append, made in one place.

import { At, int16At, int32At, int64At } from '../protocol/records/batch-layout.js'
import { Code, LogError } from './codes.js'
import type { LogState } from './log-state.js'
import type { AppendResult, OffsetError } from './types.js'
import type { Refusal } from './validation.js'

export function refuse(log: LogState, refusal: Refusal): AppendResult {
  return {
    errorCode: refusal.code,
    errorMessage: refusal.message,
    recordErrors: refusal.recordErrors,
    baseOffset: -1,
    lastOffset: -1,
    logAppendTime: -1,
    logStartOffset: log.logStartOffset,
    duplicate: false,
  }
}

export function refuseOperational(log: LogState, error: LogError): AppendResult {
  return refuse(log, { code: Code.kafkaStorageError, message: error.message, recordErrors: null })
}

export function duplicate(log: LogState): AppendResult {
  const producers = log.producers
  return {
    errorCode: Code.none,
    errorMessage: null,
    recordErrors: null,
    baseOffset: producers.duplicateBaseOffset,
    lastOffset: producers.duplicateLastOffset,
    // Kafka answers a duplicate with the timestamp it remembers, whatever the topic's timestamp type.
    logAppendTime: producers.duplicateTimestamp,
    logStartOffset: log.logStartOffset,
    duplicate: true,
  }
}

export function producerRefusal(log: LogState, code: number, records: Uint8Array): Refusal {
  const producerId = int64At(records, At.producerId)
  const epoch = int16At(records, At.producerEpoch)
  const known = log.producers.get(producerId)
  const said = `producer ${producerId} epoch ${epoch} sequence ${int32At(records, At.baseSequence)}`
  const expected = `the log has epoch ${known?.epoch ?? -1}, last sequence ${known?.lastSequence ?? -1}`
  const why =
    code === Code.outOfOrderSequenceNumber
      ? 'out of order'
      : code === Code.invalidProducerEpoch
        ? 'a newer epoch has taken over'
        : 'not allowed in the current transaction state'
  return { code, message: `${said}: ${why}; ${expected}`, recordErrors: null }
}

export function storageError(error: LogError): OffsetError {
  return { kind: 'error', errorCode: Code.kafkaStorageError, errorMessage: error.message }
}

export function listTooLarge(size: number, segmentBytes: number): Refusal {
  return {
    code: Code.recordListTooLarge,
    message: `a batch of ${size} bytes does not fit a segment of segment.bytes=${segmentBytes}`,
    recordErrors: null,
  }
}
