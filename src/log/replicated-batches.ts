// Looks over what a leader sent before any of it is appended: framing and CRC32C of every whole batch. Pure but for the addon's checksum.

import { At, int32At, int64At, LOG_OVERHEAD } from '../protocol/records/batch-layout.js'
import { replicatedBatchError } from './validation.js'

export interface CheckedBatches {
  /** Bytes of whole, sound batches from the start. */
  readonly size: number
  /** First batch's; -1: there is none. */
  readonly baseOffset: number
  readonly firstLastOffset: number
  /** What is wrong with the batch behind `size`; undefined: nothing. */
  readonly corrupt: { readonly offset: number; readonly message: string } | undefined
}

/** `maxEpoch`: batches of a later leader epoch are not this leader's to give; they and what follows them are left out. */
export function checkReplicated(records: Uint8Array, maxEpoch: number, fetchOffset: number): CheckedBatches {
  let at = 0
  let next = fetchOffset
  let firstLastOffset = -1
  while (records.length - at > LOG_OVERHEAD) {
    const size = int32At(records, at + At.batchLength) + LOG_OVERHEAD
    // An answer may end within a batch; but a first batch is always whole.
    if (at > 0 && at + size > records.length && size > 0) break
    const wrong = at + size > records.length ? undefined : replicatedBatchError(records, at)
    if (wrong !== undefined || at + size > records.length || size <= LOG_OVERHEAD) {
      const message = wrong?.message ?? `a replicated batch says ${size} bytes where ${records.length - at} came`
      return { size: at, baseOffset: baseOf(records, at), firstLastOffset, corrupt: { offset: next, message } }
    }
    if (int32At(records, at + At.leaderEpoch) > maxEpoch) break
    next = int64At(records, at + At.baseOffset) + int32At(records, at + At.lastOffsetDelta) + 1
    if (at === 0) firstLastOffset = next - 1
    at += size
  }
  return { size: at, baseOffset: baseOf(records, at), firstLastOffset, corrupt: undefined }
}

function baseOf(records: Uint8Array, size: number): number {
  return size > 0 ? int64At(records, At.baseOffset) : -1
}
