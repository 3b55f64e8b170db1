// The only file that imports the addon. Rust owns file handles and bytes; TypeScript owns every decision.
// Runs on any thread that owns partitions (synchronous calls) and on pool threads (recovery, compaction).
//
// Numbers are JavaScript numbers (offsets are safe integers below 2^53). Functions that fail for an
// operational reason throw an Error whose `code` is a stable string: ENOSPC, EIO, ENOENT, EACCES, … (errno
// names) or ERR_MILLRACE_*. Verdicts about data are numbers (`BatchVerdict`), never thrown.

import { createRequire } from 'node:module'
import type { PackRecords } from '../protocol/records/pack.js'

/** What `verifyBatch` says about a record batch. Mapped to Kafka's error codes by `log/validation.ts`. */
export const BatchVerdict = {
  ok: 0,
  /** The batch's size or CRC32C is wrong, or its records do not decompress: CORRUPT_MESSAGE. */
  corrupt: 1,
  /** The CRC is right but a rule is broken (counts, offset deltas, lengths, trailing bytes, control bit, …): INVALID_RECORD. */
  invalid: 2,
  /** A record's timestamp is outside the allowed window: INVALID_TIMESTAMP. */
  timestamp: 3,
  /** A record without a key on a compacted topic: INVALID_RECORD. */
  missingKey: 4,
  /** Unknown compression codec id, or one the request version does not allow: UNSUPPORTED_COMPRESSION_TYPE. */
  codec: 5,
  /** Decompressed size passes the limit. */
  tooLarge: 6,
  /** Magic is not 2. */
  magic: 7,
} as const
export type BatchVerdict = (typeof BatchVerdict)[keyof typeof BatchVerdict]

/** Bits of `flags` in `verifyBatch`. `seal`: the batch has no checksum yet; it is computed and written, not compared. */
export const VerifyFlag = { requireKey: 1, fromClient: 2, checkTimestamps: 4, seal: 8 } as const

/**
 * Slots that `verifyBatch` fills in its `out` Float64Array. `maxTimestamp` is what the records say (the header may
 * be wrong: hand it to `segmentAppend`, which corrects the header as Kafka does); `maxTimestampDelta` the offset
 * delta of the first record that has it; `failedIndex` the first record a rule refused, -1 when it was the batch.
 */
export const VerifyOut = {
  records: 0,
  maxTimestamp: 1,
  maxTimestampDelta: 2,
  failedIndex: 3,
  uncompressedSize: 4,
  failedCount: 5,
  failed: 6,
  length: 70,
} as const

/**
 * Slots of `out` in `readPlan` (a batch-aligned range in one segment file). `position` -1: nothing at or after the offset. `damagedFrom` not -1:
 * what held the offset is damaged, `position` and `size` are the damage's, which may have held these offsets.
 */
export const PlanOut = { position: 0, size: 1, firstBatchSize: 2, damagedFrom: 3, damagedTo: 4, firstBaseOffset: 5, length: 6 } as const

export interface RecoveredBatch {
  readonly baseOffset: number
  readonly lastOffset: number
  readonly producerId: number
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly maxTimestamp: number
  readonly leaderEpoch: number
  readonly isControl: boolean
  readonly isTransactional: boolean
  readonly position: number
  /** For a control batch: 0 ABORT, 1 COMMIT, else -1; coordinatorEpoch from the marker's value, else -1. */
  readonly controlType: number
  readonly coordinatorEpoch: number
}

export interface RecoveryReport {
  /** Bytes of valid batches from the start, before the first bad byte; the file is NOT changed by the scan. */
  readonly validBytes: number
  /** End of the last valid batch anywhere (= validBytes without a corrupt middle): what follows is a torn tail. */
  readonly endBytes: number
  readonly fileBytes: number
  /** Next offset after the last valid batch, behind a corrupt middle too (base offset of the segment when empty). */
  readonly nextOffset: number
  readonly maxTimestamp: number
  readonly offsetOfMaxTimestamp: number
  /** True when a whole valid batch starts after the first bad byte: a corrupt middle, not a torn tail. */
  readonly corruptMiddle: boolean
  /** Byte and offset ranges that hold no valid batch though valid ones follow (empty for a torn tail). */
  readonly corruptRanges: readonly CorruptRange[]
  /**
   * In file order: control batches, the first batch of every run of one leader epoch, and of every producer its newest five
   * batches (all that its state remembers) plus the first one of each transaction.
   */
  readonly batches: readonly RecoveredBatch[]
}

/**
 * What a compaction pass is told. The offset map (key → last offset) is built from the batches of `mapSegments` in
 * [mapFrom, mapUpTo); a record below `mapUpTo` stays when no later record has its key.
 */
export interface CompactionOptions {
  /** Base offsets of the segments whose keys make the map: the dirty ones up to the cleanable end. */
  readonly mapSegments: readonly number[]
  /** First dirty offset. */
  readonly mapFrom: number
  /** End (exclusive) of what may be cleaned: below the active segment, the LSO and the min compaction lag. */
  readonly mapUpTo: number
  /** The log's segments before the compacted ones (headers are read): transactions may reach from there. Empty when the log has none. */
  readonly priorSegments: readonly number[]
  /** Tombstones and transaction markers get `now + deleteRetentionMs` as delete horizon when first seen, and go once `now` passes it. */
  readonly now: number
  readonly deleteRetentionMs: number
  /** Batches that hold a producer's last sequence are kept (empty) though all their records are gone: [producerId, producerEpoch, lastDataOffset or -1]. */
  readonly activeProducers: readonly (readonly [number, number, number])[]
  /** Aborted transactions that overlap the segments: [producerId, firstOffset, lastOffset]. Their records are dropped. */
  readonly abortedTransactions: readonly (readonly [number, number, number])[]
  readonly maxUncompressed: number
  readonly indexIntervalBytes: number
  /** Memory of the offset map; the pass covers less of the dirty part when it is full. */
  readonly mapBytes: number
}

export interface CompactionResult {
  readonly bytesIn: number
  readonly bytesOut: number
  readonly recordsIn: number
  readonly recordsOut: number
  /** End (exclusive) of what the map covered: the next first dirty offset. Below `mapUpTo` when the map was full. */
  readonly cleanedUpTo: number
  /** Largest timestamp of what was kept (-1: nothing). */
  readonly maxTimestamp: number
}

/** What is wrong in a segment file, and the offsets that it may have held. */
export interface CorruptRange {
  readonly position: number
  readonly size: number
  readonly firstOffset: number
  readonly lastOffset: number
}

export interface ScrubResult {
  /** Where to go on; the end position: nothing is left. */
  readonly position: number
  /** Offset after the last sound batch. */
  readonly nextOffset: number
  /**
   * The first bad batch, to the next one or, when its length cannot be true, to the end of the file. What follows it has not been looked at.
   */
  readonly bad?: CorruptRange
}

/** Sockets go by numbers that are never used again. Whatever was not added (false) has to be sent by other means. */
export interface NativeTransfers {
  /** Keeps a duplicate of the descriptor until `close`, for one of `threads` threads. -1: none could be made, or the system has no such calls. */
  open(descriptor: number, threads: number): number
  /** Adds a copy of the bytes to what is handed over next. */
  addBytes(socket: number, bytes: Uint8Array): boolean
  addSegment(socket: number, handle: number, position: number, length: number): boolean
  /** Hands over what was added. Until its end is told nobody else may write to the socket. */
  begin(socket: number): boolean
  /** Bytes that the socket has taken so far, of the transfer under way too. */
  moved(socket: number): number
  /** What is under way ends, and nobody is told. */
  close(socket: number): void
}

/** The addon's whole surface. Handles are numbers, valid on the thread that opened them. */
export interface NativeAddon {
  // ---- record batches, no I/O
  crc32c(data: Uint8Array, offset: number, length: number): number
  /**
   * CRC32C of what the own checksums of the batches in data[offset, offset+length) leave out: the first 21 bytes of each whole one, and all from
   * where none begins. For any bytes.
   */
  uncoveredCrc32c(data: Uint8Array, offset: number, length: number): number
  /**
   * Checks one whole v2 batch at data[offset, offset+length): header, CRC32C, then every record (streaming
   * through decompression up to `maxUncompressed` bytes): counts, offset deltas, varints, trailing bytes,
   * timestamps in [minTimestamp, maxTimestamp] where VerifyFlag.checkTimestamps. Fills `out` by VerifyOut.
   */
  verifyBatch(
    data: Uint8Array,
    offset: number,
    length: number,
    flags: number,
    minTimestamp: number,
    maxTimestamp: number,
    maxUncompressed: number,
    out: Float64Array,
  ): number
  /** `packRecords` of protocol/records in Rust; throws ERR_MILLRACE_ARGUMENT for offsets outside of `values`. */
  readonly packRecords: PackRecords
  /** All of `source` to `target`, from byte `at` on. V8's own `set` takes four times as long to or from memory that threads share. */
  copyBytes(target: Uint8Array, source: Uint8Array, at: number): number
  /** Re-encodes a verified batch under another codec (0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd; level -1: the codec's default). */
  recompressBatch(data: Uint8Array, offset: number, length: number, codec: number, level: number, maxUncompressed: number): Uint8Array

  // ---- segments: one handle per `.log` with its `.index` and `.timeindex`
  /** Opens (or creates when `writable`) `<dir>/<baseOffset %020d>.log`. `size`: valid bytes known by the caller, -1 for the file's own. */
  segmentOpen(dir: string, baseOffset: number, writable: boolean, size: number, indexIntervalBytes: number, maxIndexBytes: number): number
  /**
   * Appends whole batches at data[offset, offset+length). With `assignOffset` >= 0 the (single) batch gets that
   * base offset and `leaderEpoch` patched into its header in place; with -1 batches keep theirs. `logAppendTime`
   * >= 0 also sets timestamp type, max timestamp and the CRC; with `logAppendTime` -1 and `maxTimestamp` >= 0 a
   * header that says otherwise is corrected, CRC included. Blocks below 64 KiB are copied into a staging buffer
   * (written out by itself at 256 KiB); larger ones are written at once behind what is staged (one writev). Index
   * entries are made here, from the headers; `lastOffset` is not used. Returns the staged bytes afterwards.
   * Throws as `segmentFlush`, and ERR_MILLRACE_OFFSET_ORDER, _OFFSET_OVERFLOW, _SEGMENT_FULL, _NOT_A_BATCH, _POISONED.
   */
  segmentAppend(
    handle: number,
    data: Uint8Array,
    offset: number,
    length: number,
    assignOffset: number,
    leaderEpoch: number,
    logAppendTime: number,
    maxTimestamp: number,
    lastOffset: number,
  ): number
  /**
   * Writes what is staged. Returns the file size. On ENOSPC/EIO the file is cut back to what the last successful
   * write left, everything staged since is dropped (`segmentNextOffset` says where the log now ends), and the error
   * is thrown. After EIO, a failed sync or a failed cut every write throws ERR_MILLRACE_POISONED until it is reopened.
   */
  segmentFlush(handle: number): number
  /** Offset after the last written batch (staged ones not counted). */
  segmentNextOffset(handle: number): number
  /** Written bytes (staged ones not counted). */
  segmentSize(handle: number): number
  /**
   * Finds the batch holding `startOffset` (or the first one after it) and how many bytes to read from there: at most
   * `maxBytes`, ending before the first batch whose base offset is >= `maxOffset`, and within the written size. As
   * in Kafka the range may end inside a batch; the first one is whole when `minOne`, else `size` is 0 where it does not fit.
   */
  segmentReadPlan(handle: number, startOffset: number, maxOffset: number, maxBytes: number, minOne: boolean, out: Float64Array): void
  /** pread into target[targetOffset, +length); returns the bytes read. */
  segmentRead(handle: number, position: number, length: number, target: Uint8Array, targetOffset: number): number
  /** sendfile(2) of bytes [position, position + length) to a socket's descriptor. Returns the bytes moved; 0: the socket takes none now, or this machine has no such call: read and write instead. */
  segmentSend(handle: number, position: number, length: number, descriptor: number): number
  /** send(2) of bytes[0, length) without waiting. Returns the bytes taken; 0 also for a socket that is gone and where this machine has no such call. */
  socketSend(descriptor: number, bytes: Uint8Array, length: number): number
  /**
   * Large answers that threads of the process move to sockets, for the thread that made this. `ended` tells of each transfer that came to an end,
   * and the bytes moved: fewer than were added where the file or the socket could not go on, which the next read or write finds out.
   */
  readonly Transfers: new (ended: (socket: number, bytes: number) => void) => NativeTransfers
  /** While a TCP socket is corked only full packets leave it. Nothing happens where this machine has no such option. */
  socketCork(descriptor: number, on: boolean): void
  /** First record with timestamp >= `timestamp` at or after `startOffset`: out[0] offset (-1 none), out[1] its timestamp, out[2] leader epoch. */
  segmentFindTimestamp(handle: number, timestamp: number, startOffset: number, maxUncompressed: number, out: Float64Array): void
  /** Largest record timestamp of the segment and the offset of the first record that has it: out[0] offset (-1 none), out[1] timestamp, out[2] leader epoch. */
  segmentMaxTimestamp(handle: number, maxUncompressed: number, out: Float64Array): void
  /** Cuts file and indexes so that no batch holding an offset >= `offset` remains. Returns the new size. */
  segmentTruncate(handle: number, offset: number): number
  /** Writes the indexes out (roll, clean close, recovery point). */
  segmentFlushIndexes(handle: number): void
  /** fdatasync of the log (and of the indexes when `indexes`) on libuv's pool. Resolves with the log size that is now durable. */
  segmentSync(handle: number, indexes: boolean): Promise<number>
  segmentClose(handle: number): void

  // ---- pool work: blocking, call on a background thread
  /** Scans one segment file, validating every batch, and rewrites its two indexes from what is valid. Never changes the `.log`. */
  recoverSegment(dir: string, baseOffset: number, fromPosition: number, indexIntervalBytes: number, maxUncompressed: number): RecoveryReport
  /**
   * One compaction pass: merges the closed segments `baseOffsets` (ascending, neighbours) into
   * `<firstBase %020d>.log.cleaned`, `.index.cleaned`, `.timeindex.cleaned`, synced. The caller renames them. `optionsJson`: `CompactionOptions`.
   */
  compactSegments(dir: string, baseOffsets: Float64Array, optionsJson: string): CompactionResult

  /**
   * Checks batches of a closed segment from `position` on, where one begins, for about `maxBytes`: CRC32C, offsets between those around it
   * (`nextOffset`, or the segment's base offset; `endOffset`: the next segment's), and the leader epoch against `epochs` (pairs of first offset
   * and epoch, ascending). A file that is gone has nothing left.
   */
  scrubSegment(
    dir: string,
    baseOffset: number,
    position: number,
    nextOffset: number,
    endPosition: number,
    endOffset: number,
    maxBytes: number,
    epochs: Float64Array,
  ): ScrubResult

  // ---- the process and the machine
  /** Takes an exclusive flock on `path` (created when missing). Returns a handle; throws ERR_MILLRACE_LOCKED when another process has it. */
  lockFile(path: string): number
  unlockFile(handle: number): void
  /**
   * A listening TCP descriptor with SO_REUSEPORT. With `exclusive` it is first bound without it, so a port of another process is EADDRINUSE.
   * Accepted sockets get SO_SNDBUF and SO_RCVBUF as given; 0 or left out: the system tunes them itself. Returns [fd, port].
   */
  listenSocket(
    host: string,
    port: number,
    backlog: number,
    exclusive: boolean,
    sendBufferBytes?: number,
    receiveBufferBytes?: number,
  ): [number, number]
  closeDescriptor(fd: number): void
  /** Keeps a duplicate of a descriptor for another thread. Returns the number to take it by, which is never used again. */
  parkDescriptor(fd: number): number
  /** The descriptor, which is the caller's from now on; -1: somebody took it before. */
  takeDescriptor(parked: number): number
}

let loaded: NativeAddon | undefined

/** For tests: another build of the addon, on this thread, before anything is opened. */
export function useNative(addon: NativeAddon): void {
  loaded = addon
}

/** Loads the addon once per thread. Throws with the build command when it is missing. */
export function native(): NativeAddon {
  if (!loaded) {
    const require = createRequire(import.meta.url)
    loaded = require('../../../native/addon/index.js') as NativeAddon
  }
  return loaded
}
