// The frame of a log entry and the verdict on a log file: `length u32 | crc32c u32 | payload`, the CRC over the
// payload, whose first eight bytes are the zxid. Pure over the file's bytes; the caller acts on the verdict.

import { readTxn, writeTxn, type LoggedTxn } from './txn-codec.js'
import type { Txn } from '../tree/types.js'
import type { ByteWriter } from './bytes.js'
import { crc32c } from './crc.js'

/** File header: magic "MRTL", format version int32, first zxid int64. */
export const LOG_MAGIC = 0x4d52544c
export const LOG_VERSION = 1
export const LOG_HEADER_BYTES = 16
const FRAME_BYTES = 8
/** zxid + time + session + auth count + opcode. */
const MIN_PAYLOAD = 8 + 8 + 8 + 4 + 4

export function logHeader(firstZxid: bigint): Buffer {
  const header = Buffer.alloc(LOG_HEADER_BYTES)
  header.writeUInt32BE(LOG_MAGIC, 0)
  header.writeInt32BE(LOG_VERSION, 4)
  header.writeBigInt64BE(firstZxid, 8)
  return header
}

export function writeFrame(out: ByteWriter, zxid: bigint, time: number, txn: Txn): void {
  const at = out.length
  out.u32(0)
  out.u32(0)
  writeTxn(out, zxid, time, txn)
  sealFrame(out, at)
}

/** A payload that is encoded already, as it came from a leader. */
export function framed(payload: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(FRAME_BYTES + payload.length)
  frame.writeUInt32BE(payload.length, 0)
  frame.writeUInt32BE(crc32c(payload), 4)
  frame.set(payload, FRAME_BYTES)
  return frame
}

function sealFrame(out: ByteWriter, at: number): void {
  const payload = out.view(at + FRAME_BYTES)
  out.patchU32(at, payload.length)
  out.patchU32(at + 4, crc32c(payload))
}

/** The zxid after `zxid`: the low 32 bits count inside an epoch (ZooKeeper's form), a full counter opens the next epoch. */
export function nextZxid(zxid: bigint): bigint {
  return (zxid & 0xffffffffn) === 0xffffffffn ? (((zxid >> 32n) + 1n) << 32n) | 1n : zxid + 1n
}

/** May `zxid` follow `previous` in the log? By one, or as the first of a later epoch. */
export function follows(previous: bigint, zxid: bigint): boolean {
  return zxid === nextZxid(previous) || (zxid >> 32n > previous >> 32n && (zxid & 0xffffffffn) <= 1n)
}

export type LogVerdict =
  | { readonly kind: 'clean' }
  /** Nothing valid follows `position`: a write that was under way when the process or the machine stopped. */
  | { readonly kind: 'torn'; readonly position: number }
  /** Valid entries follow the bad bytes at `position`: acknowledged history is damaged. */
  | { readonly kind: 'corrupt'; readonly position: number; readonly reason: string }

/** Walks a whole log file, calling `visit` for each valid entry in order. */
export function scanLog(file: Buffer, visit: (entry: LoggedTxn, payload: Buffer, end: number) => void): LogVerdict {
  if (file.length < LOG_HEADER_BYTES) return { kind: 'torn', position: 0 }
  if (file.readUInt32BE(0) !== LOG_MAGIC) {
    const rest = entryAfter(file, 0)
    return rest === -1 && isZero(file)
      ? { kind: 'torn', position: 0 }
      : { kind: 'corrupt', position: 0, reason: 'the file does not start as a transaction log' }
  }
  const version = file.readInt32BE(4)
  if (version !== LOG_VERSION)
    return { kind: 'corrupt', position: 4, reason: `format version ${version}, this release reads ${LOG_VERSION}` }
  let at = LOG_HEADER_BYTES
  while (at < file.length) {
    const size = validFrame(file, at)
    if (size === -1) {
      const next = entryAfter(file, at + 1)
      if (next === -1) return { kind: 'torn', position: at }
      return { kind: 'corrupt', position: at, reason: `checksum or length is wrong, and a valid entry follows at ${next}` }
    }
    const entry = readTxn(file, at + FRAME_BYTES)
    if (at === LOG_HEADER_BYTES && entry.zxid !== file.readBigInt64BE(8)) {
      return { kind: 'corrupt', position: 8, reason: 'the header names another first transaction than the file holds' }
    }
    const payload = file.subarray(at + FRAME_BYTES, at + FRAME_BYTES + size)
    at += FRAME_BYTES + size
    visit(entry, payload, at)
  }
  return { kind: 'clean' }
}

/** Payload size of a valid frame at `at`, else -1. */
function validFrame(file: Buffer, at: number): number {
  if (at + FRAME_BYTES > file.length) return -1
  const size = file.readUInt32BE(at)
  if (size < MIN_PAYLOAD || at + FRAME_BYTES + size > file.length) return -1
  const crc = crc32c(file.subarray(at + FRAME_BYTES, at + FRAME_BYTES + size))
  return crc === file.readUInt32BE(at + 4) ? size : -1
}

/** Where a valid frame starts at or after `from`, else -1. Plausible sizes only are checksummed, so it stays cheap. */
function entryAfter(file: Buffer, from: number): number {
  for (let at = from; at + FRAME_BYTES + MIN_PAYLOAD <= file.length; at++) {
    if (validFrame(file, at) !== -1) return at
  }
  return -1
}

function isZero(file: Buffer): boolean {
  return file.every((byte) => byte === 0)
}
