// The producer snapshot in Kafka's binary form, version 1: int16 version, uint32 CRC32C of what follows it, int32
// count, then 46 bytes per producer. Pure but for the CRC, which the caller passes in.

import { ProducerEntry } from './producer-entry.js'

const VERSION = 1
const CRC_AT = 2
const ENTRIES_AT = 6
// id 8, epoch 2, last sequence 4, last offset 8, offset delta 4, timestamp 8, coordinator epoch 4, open txn offset 8
const ENTRY_SIZE = 46

export type Crc32c = (data: Uint8Array, offset: number, length: number) => number

export function encodeSnapshot(entries: Iterable<ProducerEntry>, count: number, crc32c: Crc32c): Uint8Array {
  const bytes = new Uint8Array(ENTRIES_AT + 4 + count * ENTRY_SIZE)
  const view = new DataView(bytes.buffer)
  view.setInt16(0, VERSION)
  view.setInt32(ENTRIES_AT, count)
  let at = ENTRIES_AT + 4
  for (const entry of entries) {
    view.setBigInt64(at, BigInt(entry.producerId))
    view.setInt16(at + 8, entry.epoch)
    view.setInt32(at + 10, entry.lastSequence)
    view.setBigInt64(at + 14, BigInt(entry.lastOffset))
    view.setInt32(at + 22, entry.lastOffsetDelta)
    view.setBigInt64(at + 26, BigInt(entry.lastTimestamp))
    view.setInt32(at + 34, entry.coordinatorEpoch)
    view.setBigInt64(at + 38, BigInt(entry.txnFirstOffset))
    at += ENTRY_SIZE
  }
  view.setUint32(CRC_AT, crc32c(bytes, ENTRIES_AT, bytes.length - ENTRIES_AT))
  return bytes
}

/** The entries, or undefined when the bytes are not a whole, valid snapshot. */
export function decodeSnapshot(bytes: Uint8Array, crc32c: Crc32c): ProducerEntry[] | undefined {
  if (bytes.length < ENTRIES_AT + 4) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (view.getInt16(0) !== VERSION) return undefined
  if (view.getUint32(CRC_AT) !== crc32c(bytes, ENTRIES_AT, bytes.length - ENTRIES_AT)) return undefined
  const count = view.getInt32(ENTRIES_AT)
  if (count < 0 || bytes.length !== ENTRIES_AT + 4 + count * ENTRY_SIZE) return undefined
  return Array.from({ length: count }, (_, i) => decodeEntry(view, ENTRIES_AT + 4 + i * ENTRY_SIZE))
}

function decodeEntry(view: DataView, at: number): ProducerEntry {
  const entry = new ProducerEntry(Number(view.getBigInt64(at)))
  const epoch = view.getInt16(at + 8)
  const lastOffset = Number(view.getBigInt64(at + 14))
  const timestamp = Number(view.getBigInt64(at + 26))
  // a last offset below 0 means the producer has only been told an epoch, by a marker
  if (lastOffset >= 0) entry.addBatch(epoch, view.getInt32(at + 10), lastOffset, view.getInt32(at + 22), timestamp)
  entry.epoch = epoch
  entry.lastTimestamp = timestamp
  entry.coordinatorEpoch = view.getInt32(at + 34)
  entry.txnFirstOffset = Number(view.getBigInt64(at + 38))
  return entry
}
