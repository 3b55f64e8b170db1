// The producer snapshot in Kafka's binary form, version 1: int16 version, uint32 CRC32C of what follows it, int32
// count, then 46 bytes per producer, its last batch among them. Pure but for the CRC, which the caller passes in.
//
// Behind Kafka's entries, which end its readers' interest but not what the CRC covers, stands our own part: the older
// batches of each producer's window, which Kafka forgets with a reload. A batch that is sent again after one must be
// known for what it is: refused as out of order it is refused for ever, or written twice under the client's next epoch.
// A file without that part (Kafka's, or of an older build) is read as it is.

import { KEPT_BATCHES, ProducerEntry } from './producer-entry.js'

const VERSION = 1
const CRC_AT = 2
const ENTRIES_AT = 6
// id 8, epoch 2, last sequence 4, last offset 8, offset delta 4, timestamp 8, coordinator epoch 4, open txn offset 8
const ENTRY_SIZE = 46
/** "MRPW" */
const WINDOWS_MAGIC = 0x4d525057
const WINDOWS_HEADER = 4
// last sequence 4, last offset 8, offset delta 4, timestamp 8
const BATCH_SIZE = 24

export type Crc32c = (data: Uint8Array, offset: number, length: number) => number

export function encodeSnapshot(entries: Iterable<ProducerEntry>, count: number, crc32c: Crc32c): Uint8Array {
  const all = Array.from(entries)
  const windowsAt = ENTRIES_AT + 4 + count * ENTRY_SIZE
  const older = all.reduce((sum, entry) => sum + olderBatches(entry), 0)
  const bytes = new Uint8Array(windowsAt + (older === 0 ? 0 : WINDOWS_HEADER + count + older * BATCH_SIZE))
  const view = new DataView(bytes.buffer)
  view.setInt16(0, VERSION)
  view.setInt32(ENTRIES_AT, count)
  all.forEach((entry, i) => encodeEntry(view, ENTRIES_AT + 4 + i * ENTRY_SIZE, entry))
  if (older > 0) encodeWindows(view, windowsAt, all)
  view.setUint32(CRC_AT, crc32c(bytes, ENTRIES_AT, bytes.length - ENTRIES_AT))
  return bytes
}

function encodeEntry(view: DataView, at: number, entry: ProducerEntry): void {
  view.setBigInt64(at, BigInt(entry.producerId))
  view.setInt16(at + 8, entry.epoch)
  view.setInt32(at + 10, entry.lastSequence)
  view.setBigInt64(at + 14, BigInt(entry.lastOffset))
  view.setInt32(at + 22, entry.lastOffsetDelta)
  view.setBigInt64(at + 26, BigInt(entry.lastTimestamp))
  view.setInt32(at + 34, entry.coordinatorEpoch)
  view.setBigInt64(at + 38, BigInt(entry.txnFirstOffset))
}

/** For each producer, in the order of the entries: a count (1 byte), then that many batches, oldest first. */
function encodeWindows(view: DataView, start: number, entries: readonly ProducerEntry[]): void {
  view.setUint32(start, WINDOWS_MAGIC)
  let at = start + WINDOWS_HEADER
  for (const entry of entries) {
    const older = olderBatches(entry)
    view.setUint8(at++, older)
    for (let slot = 0; slot < older; slot++, at += BATCH_SIZE) {
      view.setInt32(at, entry.lastSequences[slot]!)
      view.setBigInt64(at + 4, BigInt(entry.lastOffsets[slot]!))
      view.setInt32(at + 12, entry.offsetDeltas[slot]!)
      view.setBigInt64(at + 16, BigInt(entry.timestamps[slot]!))
    }
  }
}

function olderBatches(entry: ProducerEntry): number {
  return Math.max(0, entry.count - 1)
}

/** The entries, or undefined when the bytes are not a whole, valid snapshot. */
export function decodeSnapshot(bytes: Uint8Array, crc32c: Crc32c): ProducerEntry[] | undefined {
  if (bytes.length < ENTRIES_AT + 4) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (view.getInt16(0) !== VERSION) return undefined
  if (view.getUint32(CRC_AT) !== crc32c(bytes, ENTRIES_AT, bytes.length - ENTRIES_AT)) return undefined
  const count = view.getInt32(ENTRIES_AT)
  const windowsAt = ENTRIES_AT + 4 + count * ENTRY_SIZE
  if (count < 0 || bytes.length < windowsAt) return undefined
  const entries = Array.from({ length: count }, (_, i) => new ProducerEntry(Number(view.getBigInt64(ENTRIES_AT + 4 + i * ENTRY_SIZE))))
  if (bytes.length > windowsAt && !decodeWindows(view, windowsAt, entries)) return undefined
  // the newest batch comes last into each window
  entries.forEach((entry, i) => decodeEntry(view, ENTRIES_AT + 4 + i * ENTRY_SIZE, entry))
  return entries
}

function decodeEntry(view: DataView, at: number, entry: ProducerEntry): void {
  const epoch = view.getInt16(at + 8)
  const lastOffset = Number(view.getBigInt64(at + 14))
  const timestamp = Number(view.getBigInt64(at + 26))
  // the older batches are of the same epoch: `addBatch` begins a new window for another one
  entry.epoch = epoch
  // a last offset below 0 means the producer has only been told an epoch, by a marker
  if (lastOffset >= 0) entry.addBatch(epoch, view.getInt32(at + 10), lastOffset, view.getInt32(at + 22), timestamp)
  entry.lastTimestamp = timestamp
  entry.coordinatorEpoch = view.getInt32(at + 34)
  entry.txnFirstOffset = Number(view.getBigInt64(at + 38))
}

/** False: these are not windows of just these producers. */
function decodeWindows(view: DataView, start: number, entries: readonly ProducerEntry[]): boolean {
  const end = view.byteLength
  if (start + WINDOWS_HEADER > end || view.getUint32(start) !== WINDOWS_MAGIC) return false
  let at = start + WINDOWS_HEADER
  for (const entry of entries) {
    if (at >= end) return false
    const older = view.getUint8(at++)
    if (older >= KEPT_BATCHES || at + older * BATCH_SIZE > end) return false
    for (let slot = 0; slot < older; slot++, at += BATCH_SIZE) {
      const lastOffset = Number(view.getBigInt64(at + 4))
      entry.addBatch(entry.epoch, view.getInt32(at), lastOffset, view.getInt32(at + 12), Number(view.getBigInt64(at + 16)))
    }
  }
  return at === end
}
