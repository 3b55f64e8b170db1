// Looks over what a leader sent before any of it is appended: framing, CRC32C and order of every whole batch. Pure but for the addon's checksum.

import { At, HEADER_SIZE, int32At, int64At, LOG_OVERHEAD } from '../protocol/records/batch-layout.js'
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

/**
 * `maxEpoch`: batches of a later leader epoch are not this leader's to give; they and what follows them are left out. `endOffset`: where the
 * leader's log ends; -1: not known.
 */
export function checkReplicated(records: Uint8Array, maxEpoch: number, fetchOffset: number, endOffset: number): CheckedBatches {
  let at = 0
  let next = fetchOffset
  let firstLastOffset = -1
  while (records.length - at > LOG_OVERHEAD) {
    const size = int32At(records, at + At.batchLength) + LOG_OVERHEAD
    // An answer may end within a batch; but a first batch is always whole.
    if (at > 0 && at + size > records.length && size > 0) break
    const isWhole = size > LOG_OVERHEAD && at + size <= records.length
    const wrong = isWhole
      ? (replicatedBatchError(records, at)?.message ?? placeError(records, at, size, next, endOffset))
      : `a replicated batch says ${size} bytes where ${records.length - at} came`
    if (wrong !== undefined)
      return { size: at, baseOffset: baseOf(records, at), firstLastOffset, corrupt: { offset: next, message: wrong } }
    if (int32At(records, at + At.leaderEpoch) > maxEpoch) break
    // Offsets are left out before the last one that came: it is asked for once more, as the first, which its leader looks at.
    if (at > 0 && int64At(records, at) > next && records.length - at - size < HEADER_SIZE) break
    next = int64At(records, at + At.baseOffset) + int32At(records, at + At.lastOffsetDelta) + 1
    if (at === 0) firstLastOffset = next - 1
    at += size
  }
  return { size: at, baseOffset: baseOf(records, at), firstLastOffset, corrupt: undefined }
}

/** No checksum covers a base offset: it has to fit what comes before it, what comes behind it, and the leader's log. */
function placeError(records: Uint8Array, at: number, size: number, next: number, endOffset: number): string | undefined {
  const base = int64At(records, at + At.baseOffset)
  const last = base + int32At(records, at + At.lastOffsetDelta)
  const wrong = `a replicated batch says offsets ${base} to ${last} where ${next} comes next`
  if (last < next || (at > 0 && base < next)) return wrong
  if (base <= next) return undefined
  if (endOffset >= 0 && last >= endOffset) return `${wrong} and ${endOffset} is the end`
  const following = records.length - at - size < HEADER_SIZE ? -1 : int64At(records, at + size)
  return following >= next && following <= last ? `${wrong} and the one behind it begins at ${following}` : undefined
}

function baseOf(records: Uint8Array, size: number): number {
  return size > 0 ? int64At(records, At.baseOffset) : -1
}
