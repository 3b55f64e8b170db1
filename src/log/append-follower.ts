// Batches that another replica stored: copied with their offsets and epochs, checked only for being whole.

import { At, Attribute, int32At, int64At, LOG_OVERHEAD } from '../protocol/records/batch-layout.js'
import { endTransactionMarker } from './end-transaction-marker.js'
import { applyProducer, booked, NO_MARKER } from './append.js'
import { refuse, refuseOperational } from './append-results.js'
import { Code } from './codes.js'
import { replicatedBatchError } from './validation.js'
import type { LogState } from './log-state.js'
import type { AppendResult } from './types.js'

/** Copies batches as another replica stored them: offsets and epochs are theirs. `isChecked`: by `checkReplicated`, nothing is checked again. */
export function appendAsFollower(log: LogState, records: Uint8Array, isChecked = false): AppendResult {
  const unavailable = log.unavailable()
  if (unavailable !== undefined) return refuseOperational(log, unavailable)
  const first = records.length >= LOG_OVERHEAD ? int64At(records, At.baseOffset) : -1
  let at = 0
  while (records.length - at > LOG_OVERHEAD) {
    const size = int32At(records, at + At.batchLength) + LOG_OVERHEAD
    if (at + size > records.length) break // a fetch answer may end within a batch
    const wrong = isChecked ? undefined : replicatedBatchError(records, at)
    if (wrong !== undefined) return refuse(log, wrong)
    const failed = appendReplicated(log, records, at, size)
    if (failed !== undefined) return failed
    at += size
  }
  const baseOffset = at === 0 ? -1 : first
  return {
    errorCode: Code.none,
    errorMessage: null,
    recordErrors: null,
    baseOffset,
    lastOffset: log.logEndOffset - 1,
    logAppendTime: -1,
    logStartOffset: log.logStartOffset,
    duplicate: false,
  }
}

function appendReplicated(log: LogState, records: Uint8Array, at: number, size: number): AppendResult | undefined {
  const baseOffset = int64At(records, at + At.baseOffset)
  const lastOffset = baseOffset + int32At(records, at + At.lastOffsetDelta)
  if (baseOffset < log.logEndOffset) {
    return refuse(log, {
      code: Code.corruptMessage,
      message: `a replicated batch begins at ${baseOffset}, the log ends at ${log.logEndOffset}`,
      recordErrors: null,
    })
  }
  const maxTimestamp = int64At(records, at + At.maxTimestamp)
  const leaderEpoch = int32At(records, at + At.leaderEpoch)
  const isControl = (records[at + At.attributes + 1]! & Attribute.control) !== 0
  const now = log.env.clock.now()
  try {
    if (log.mustRoll || log.active.mustRoll(log.config, size, lastOffset, maxTimestamp, now)) log.roll(now, baseOffset)
    if (leaderEpoch > log.epochs.latestEpoch || log.epochs.isPending) log.beginEpoch(leaderEpoch, baseOffset)
    const staged = log.addon.segmentAppend(log.active.handle, records, at, size, -1, leaderEpoch, -1, maxTimestamp, lastOffset)
    booked(log, size, lastOffset, maxTimestamp, staged)
    const producerId = int64At(records, at + At.producerId)
    if (producerId >= 0) {
      const batch = at === 0 ? records : records.subarray(at, at + size)
      const marker = isControl ? (endTransactionMarker(batch, 0, size) ?? NO_MARKER) : NO_MARKER
      applyProducer(log, batch, producerId, baseOffset, lastOffset, maxTimestamp, isControl, marker, staged > 0)
    }
    return undefined
  } catch (error) {
    return refuseOperational(log, log.writeFailed(error))
  }
}
