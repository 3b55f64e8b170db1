// The bodies of replication: what a follower asks of one partition, and what the leader answers. They ride as parts of a link frame (which
// names topic id and partition) and open with an int16 version. New versions only append fields. The records of an answer are its last bytes, as
// stored: one read from the file fills them.
//
// What checks those bytes on their way: each batch's own CRC32C covers it from byte 21 on, `recordsChecksum` the first 21 bytes of each whole batch
// and everything behind the last, and the link's frame what lies in front of the records. So no byte of an answer is without a checksum, and the
// records have no second one. The follower verifies `recordsChecksum` first of all, here, then each batch before it appends it.

import { decodeVersioned, encodeVersioned } from '../../protocol/codec/codec.js'
import { bigint64, bool, int16, int32, int64, message } from '../../protocol/schema/dsl.js'
import type { MessageOf } from '../../protocol/schema/dsl.js'
import { native } from '../../log/native.js'
import { ProtocolError } from '../../protocol/codec/protocol-error.js'
import { putInt32 } from '../../protocol/records/batch-layout.js'

const PART_VERSION = 0
const ANSWER_VERSION = 1

/** Follower to leader. */
export const replicaFetchPart = message('ReplicaFetchPart', '0', 'none', {
  /** The registration of the broker that asks: another life of it is fenced. */
  replicaEpoch: bigint64('0+', { default: -1n }),
  currentLeaderEpoch: int32('0+', { default: -1 }),
  fetchOffset: int64('0+'),
  /** Epoch of the last record before `fetchOffset`; -1 in an empty log. */
  lastFetchedEpoch: int32('0+', { default: -1 }),
  logStartOffset: int64('0+'),
  /** Synced below here; -1: the topic does not promise the disk. */
  durableOffset: int64('0+', { default: -1 }),
  /** What the follower believes: an answer that tells a higher one need not wait. */
  highWatermark: int64('0+', { default: -1 }),
  /** 0: a report of progress only, answered at once and without records. */
  maxBytes: int32('0+'),
  minBytes: int32('0+', { default: 1 }),
  maxWaitMs: int32('0+'),
  /** Offset of a batch that came with a wrong checksum; -1: none did. */
  corruptOffset: int64('0+', { default: -1 }),
  /** This replica's own log failed verification, or its disk is full: it must not count as in sync. */
  unfit: bool('0+'),
})
export type ReplicaFetchPart = MessageOf<typeof replicaFetchPart>

/** Leader to follower. */
export const replicaFetchAnswer = message('ReplicaFetchAnswer', '0-1', 'none', {
  errorCode: int16('0+'),
  /** The leader's. */
  leaderEpoch: int32('0+', { default: -1 }),
  highWatermark: int64('0+', { default: -1 }),
  logStartOffset: int64('0+', { default: -1 }),
  logEndOffset: int64('0+', { default: -1 }),
  /** Where the leader's log left the follower's, by epoch; -1: it did not. */
  divergingEpoch: int32('0+', { default: -1 }),
  divergingEndOffset: int64('0+', { default: -1 }),
  /** Bytes of record batches behind these fields. */
  recordsSize: int32('0+'),
  /** CRC32C of what the batches' own checksums leave out; -1: not told. Last, as it is known only once the records were read. */
  recordsChecksum: int64('1+', { default: -1 }),
})
export type ReplicaFetchAnswer = MessageOf<typeof replicaFetchAnswer>
export type FetchAnswerFields = Omit<ReplicaFetchAnswer, 'recordsChecksum'>

export function encodeFetchPart(part: Parameters<typeof encodeVersioned<typeof replicaFetchPart>>[2]): Uint8Array {
  return encodeVersioned(replicaFetchPart, PART_VERSION, part)
}

/** Throws ProtocolError when the bytes are no such part. */
export function decodeFetchPart(body: Uint8Array): ReplicaFetchPart {
  return decodeVersioned(replicaFetchPart, body)
}

/** Bytes, or where they come from: the records are read from the file straight to where they leave from. */
export type FetchAnswerBody =
  | Uint8Array
  | { readonly length: number; readonly selfChecked: number; write(target: Uint8Array, at: number): void }

/** `readRecords` copies `recordsSize` bytes to where it is told and returns how many it had. */
export function encodeFetchAnswer(answer: FetchAnswerFields, readRecords?: (target: Uint8Array, at: number) => number): FetchAnswerBody {
  const { recordsSize } = answer
  const hasRecords = recordsSize > 0 && readRecords !== undefined
  const head = encodeVersioned(replicaFetchAnswer, ANSWER_VERSION, { ...answer, recordsChecksum: hasRecords ? 0 : -1 })
  if (!hasRecords) return head
  // Whole words, so that the next answer in the frame lies like this one (see threads/shared-ring.ts).
  const length = (head.length + recordsSize + 7) & -8
  return {
    length,
    selfChecked: recordsSize,
    write(target, at) {
      target.set(head, at)
      target.fill(0, at + head.length, at + length - recordsSize)
      const start = at + length - recordsSize
      const read = readRecords(target, start)
      if (read !== recordsSize) throw new RangeError(`a read planned for ${recordsSize} bytes gave ${read}`)
      // The low half of the last field.
      putInt32(target, at + head.length - 4, native().uncoveredCrc32c(target, start, recordsSize))
    },
  }
}

/** Throws ProtocolError when the bytes are no such answer, or were changed on their way where no batch's checksum would tell. */
export function decodeFetchAnswer(body: Uint8Array): { readonly answer: ReplicaFetchAnswer; readonly records: Uint8Array } {
  const answer = decodeVersioned(replicaFetchAnswer, body)
  const { recordsSize, recordsChecksum } = answer
  const start = body.length - recordsSize
  if (recordsChecksum >= 0 && native().uncoveredCrc32c(body, start, recordsSize) !== recordsChecksum)
    throw new ProtocolError('the headers of its batches came with a wrong checksum')
  return { answer, records: body.subarray(start) }
}
