// Reads a partition of __consumer_offsets from its beginning, for a group coordinator that takes over. A batch that cannot be read, or whose offsets do not
// follow those before it (no checksum covers them), is reported, so that the controller has another replica lead. Runs on the partition's owner.

import { errors } from '../model/errors.js'
import { GROUP_METADATA_TOPIC } from '../model/topic-partition.js'
import type { ReadPlan } from '../log/types.js'
import { At, HEADER_SIZE, int32At, int64At, LOG_OVERHEAD } from '../protocol/records/batch-layout.js'
import type { HostedPartition } from '../replica/hosted-partition.js'
import type { ReplicaManager } from '../replica/replica-manager.js'

/** What is read at a time. */
const CHUNK_BYTES = 1 << 20

/** Everything the log held when this leader took over; no more of it can be lost than is committed, so each piece is read once it is. */
export async function* readGroupLog(
  replicas: Pick<ReplicaManager, 'find' | 'batchSuspected'>,
  partition: number,
): AsyncGenerator<Uint8Array> {
  const hosted = replicas.find(GROUP_METADATA_TOPIC, partition)
  if (!hosted) return
  const { log, state } = hosted
  const { leaderEpoch } = state
  const end = log.logEndOffset
  let offset = log.logStartOffset
  let before: { readonly plan: ReadPlan; readonly lastBatch: number; readonly bytes: number } | undefined
  while (offset < end) {
    if (state.role !== 'leader' || state.leaderEpoch !== leaderEpoch || replicas.find(GROUP_METADATA_TOPIC, partition) !== hosted)
      throw Object.assign(new Error('the partition has another leader by now'), { code: errors.NOT_LEADER_OR_FOLLOWER.name })
    if (state.highWatermark <= offset) {
      await nextMove(hosted)
      continue
    }
    const plan = log.planRead(offset, CHUNK_BYTES, Math.min(end, state.highWatermark), true)
    if (plan.kind === 'error') throw Object.assign(new Error(plan.errorMessage), { code: errors.KAFKA_STORAGE_ERROR.name })
    if (plan.size === 0) {
      // Compaction took the last records of the range.
      if (state.highWatermark >= end) return
      await nextMove(hosted)
      continue
    }
    if (before && !follows(plan, before.plan, before.bytes)) throw suspected(replicas, hosted, [before.lastBatch])
    const chunk = Buffer.allocUnsafe(plan.size)
    const whole = wholeBatches(chunk.subarray(0, log.readInto(plan, chunk, 0)), offset, end)
    let isRead = false
    try {
      if (whole.bytes.length > 0) yield whole.bytes
      isRead = true
    } finally {
      // Given up in the middle of it: a checksum is wrong, perhaps.
      if (!isRead) suspected(replicas, hosted, whole.offsets)
    }
    if (whole.isDamaged) throw suspected(replicas, hosted, [whole.nextOffset])
    before = { plan, lastBatch: whole.offsets.at(-1)!, bytes: whole.bytes.length }
    offset = whole.nextOffset
    // Other partitions of this worker must not wait for a long load.
    await new Promise((resolve) => setImmediate(resolve))
  }
}

function suspected(replicas: Pick<ReplicaManager, 'batchSuspected'>, hosted: HostedPartition, offsets: readonly number[]): Error {
  for (const offset of offsets) replicas.batchSuspected(hosted, offset)
  return Object.assign(new Error(`the batches at offsets ${offsets.join()} cannot be read`), { code: errors.CORRUPT_MESSAGE.name })
}

/** Resolves when the high watermark moves, or the partition's role does. */
function nextMove(hosted: HostedPartition): Promise<void> {
  return new Promise((resolve) => {
    const stop = hosted.watch(() => {
      stop()
      resolve()
    })
  })
}

/** No batch lies between the end of what was read and this plan: an offset that is too high would pass over some. */
function follows(plan: ReadPlan, before: ReadPlan, bytes: number): boolean {
  if (plan.segmentBaseOffset !== before.segmentBaseOffset) return plan.position === 0
  return plan.generation !== before.generation || plan.position === before.position + bytes
}

interface WholeBatches {
  readonly bytes: Buffer
  /** Where each should begin. */
  readonly offsets: readonly number[]
  readonly nextOffset: number
  /** The one at `nextOffset` does not follow those before it. */
  readonly isDamaged: boolean
}

/** A plan may end in the middle of a batch: what is left out is read again with the next chunk. */
function wholeBatches(chunk: Buffer, from: number, end: number): WholeBatches {
  const offsets: number[] = []
  let position = 0
  let nextOffset = from
  let isDamaged = false
  while (chunk.length - position >= HEADER_SIZE) {
    const size = LOG_OVERHEAD + int32At(chunk, position + At.batchLength)
    const base = int64At(chunk, position + At.baseOffset)
    const last = base + int32At(chunk, position + At.lastOffsetDelta)
    // Only the very first may begin before what was asked for: the log may start in the middle of it.
    isDamaged = size < HEADER_SIZE || last < nextOffset || last >= end || (position > 0 && base < nextOffset)
    if (isDamaged || chunk.length - position < size) break
    offsets.push(nextOffset)
    nextOffset = last + 1
    position += size
  }
  return { bytes: chunk.subarray(0, position), offsets, nextOffset, isDamaged: isDamaged || position === 0 }
}
