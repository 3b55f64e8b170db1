// The bodies of replication: what a follower asks of one partition, and what the leader answers. They ride as parts of a link frame (which
// names topic id and partition) and open with an int16 version. New versions only append fields. The records of an answer are its last bytes, as
// stored: one read from the file fills them.

import { decodeVersioned, encodeVersioned } from '../../protocol/codec/codec.js'
import { bigint64, bool, int16, int32, int64, message } from '../../protocol/schema/dsl.js'
import type { MessageOf } from '../../protocol/schema/dsl.js'

const VERSION = 0

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
export const replicaFetchAnswer = message('ReplicaFetchAnswer', '0', 'none', {
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
})
export type ReplicaFetchAnswer = MessageOf<typeof replicaFetchAnswer>

export function encodeFetchPart(part: Parameters<typeof encodeVersioned<typeof replicaFetchPart>>[2]): Uint8Array {
  return encodeVersioned(replicaFetchPart, VERSION, part)
}

/** Throws ProtocolError when the bytes are no such part. */
export function decodeFetchPart(body: Uint8Array): ReplicaFetchPart {
  return decodeVersioned(replicaFetchPart, body)
}

/** Bytes, or where they come from: the records are read from the file straight to where they leave from. */
export type FetchAnswerBody = Uint8Array | { readonly length: number; write(target: Uint8Array, at: number): void }

/** `readRecords` copies `recordsSize` bytes to where it is told and returns how many it had. */
export function encodeFetchAnswer(answer: ReplicaFetchAnswer, readRecords?: (target: Uint8Array, at: number) => number): FetchAnswerBody {
  const head = encodeVersioned(replicaFetchAnswer, VERSION, answer)
  const { recordsSize } = answer
  if (recordsSize === 0 || readRecords === undefined) return head
  // Whole words, so that the next answer in the frame lies like this one (see link/shared-ring.ts).
  const length = (head.length + recordsSize + 7) & -8
  return {
    length,
    write(target, at) {
      target.set(head, at)
      target.fill(0, at + head.length, at + length - recordsSize)
      const read = readRecords(target, at + length - recordsSize)
      if (read !== recordsSize) throw new RangeError(`a read planned for ${recordsSize} bytes gave ${read}`)
    },
  }
}

/** Throws ProtocolError when the bytes are no such answer. */
export function decodeFetchAnswer(body: Uint8Array): { readonly answer: ReplicaFetchAnswer; readonly records: Uint8Array } {
  const answer = decodeVersioned(replicaFetchAnswer, body)
  return { answer, records: body.subarray(body.length - answer.recordsSize) }
}
