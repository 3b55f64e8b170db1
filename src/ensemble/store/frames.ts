// The frame of a log entry and the verdict on a log file: `length u32 | crc32c u32 | payload`, the CRC over the
// payload, whose first eight bytes are the zxid. The top bit of the length says that a write of the log began with the entry: what
// came before was durable then, so bad bytes before it are damage, and not what a stop left of the last write. Pure over the file's
// bytes; the caller acts on the verdict.

import { readTxn, writeTxn, type LoggedTxn } from './txn-codec.js'
import type { Txn } from '../tree/types.js'
import type { ByteWriter } from './bytes.js'
import { crc32c } from './crc.js'

/** File header: magic "MRTL", format version int32, first zxid int64, CRC32C of these. */
export const LOG_MAGIC = 0x4d52544c
/** 1 has no marks of writes, and no zeros behind its last entry; the headers of 1 and 2 have no checksum. */
export const LOG_VERSION = 3
export const LOG_HEADER_BYTES = 20
const CHECKSUM_AT = 16
const FRAME_BYTES = 8
const LENGTH_BYTES = 4
/** zxid + time + session + auth count + opcode. */
const MIN_PAYLOAD = 8 + 8 + 8 + 4 + 4
const WRITE_MARK = 0x80000000
/** What a disk writes whole or not at all. */
const SECTOR_BYTES = 512

export function logHeader(firstZxid: bigint): Buffer {
  const header = Buffer.alloc(LOG_HEADER_BYTES)
  header.writeUInt32BE(LOG_MAGIC, 0)
  header.writeInt32BE(LOG_VERSION, 4)
  header.writeBigInt64BE(firstZxid, 8)
  header.writeUInt32BE(crc32c(header.subarray(0, CHECKSUM_AT)), CHECKSUM_AT)
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

/** The frame is the first of a write. */
export function markWrite(frame: Buffer): void {
  frame[0]! |= 0x80
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
  /** What follows `end` is reserved space. `lastWrite`: where the last write began. */
  | { readonly kind: 'clean'; readonly end: number; readonly version: number; readonly lastWrite: number }
  /** From `position` on lies what is left of a write that was under way when the process or the machine stopped. */
  | { readonly kind: 'torn'; readonly position: number; readonly version: number; readonly lastWrite: number }
  /** The bytes at `position` are bad, and a write was made after them: acknowledged history is damaged. */
  | { readonly kind: 'corrupt'; readonly position: number; readonly reason: string }

/** Walks a whole log file, calling `visit` for each valid entry in order. */
export function scanLog(file: Buffer, visit: (entry: LoggedTxn, payload: Buffer, end: number) => void): LogVerdict {
  const header = readHeader(file)
  if (header.kind !== 'header') return header
  const { version, size: headerBytes } = header
  let lastWrite = 0
  for (let at = headerBytes; ;) {
    if (at === file.length) return { kind: 'clean', end: at, version, lastWrite }
    const size = validFrame(file, at)
    if (size === -1) return verdictAt(file, at, version, lastWrite)
    const entry = readTxn(file, at + FRAME_BYTES)
    if (at === headerBytes && entry.zxid !== file.readBigInt64BE(8)) {
      return { kind: 'corrupt', position: 8, reason: 'the header names another first transaction than the file holds' }
    }
    if (isMarked(file, at)) {
      if (version === 1) return { kind: 'corrupt', position: 4, reason: 'it says format version 1, and has what came with 2' }
      // The header came with the first entry.
      lastWrite = at === headerBytes ? 0 : at
    }
    const payload = file.subarray(at + FRAME_BYTES, at + FRAME_BYTES + size)
    at += FRAME_BYTES + size
    visit(entry, payload, at)
  }
}

function readHeader(file: Buffer): { readonly kind: 'header'; readonly version: number; readonly size: number } | LogVerdict {
  if (file.length < CHECKSUM_AT) return TORN_FROM_THE_START
  if (file.readUInt32BE(0) !== LOG_MAGIC) return headless(file, 'the file does not start as a transaction log')
  const version = file.readInt32BE(4)
  const checksum = file.length < LOG_HEADER_BYTES ? null : file.readUInt32BE(CHECKSUM_AT)
  if (version === LOG_VERSION) {
    if (checksum === null) return TORN_FROM_THE_START
    const isGood = checksum === crc32c(file.subarray(0, CHECKSUM_AT))
    return isGood ? { kind: 'header', version, size: LOG_HEADER_BYTES } : headless(file, "the header's checksum is wrong")
  }
  if (version !== 1 && version !== 2)
    return { kind: 'corrupt', position: 4, reason: `format version ${version}, this release reads 1 to ${LOG_VERSION}` }
  if (checksum === logHeader(file.readBigInt64BE(8)).readUInt32BE(CHECKSUM_AT))
    return { kind: 'corrupt', position: 4, reason: `it says format version ${version}, and has the checksum of ${LOG_VERSION}` }
  return { kind: 'header', version, size: CHECKSUM_AT }
}

const TORN_FROM_THE_START = { kind: 'torn', position: 0, version: LOG_VERSION, lastWrite: 0 } as const

/** The header is part of the file's first write, and may be lost with it. */
function headless(file: Buffer, reason: string): LogVerdict {
  const next = entryAfter(file, 0)
  const lost = next === -1 ? isZero(file, LOG_HEADER_BYTES, file.length) : isTorn(file, 0, next)
  return lost ? TORN_FROM_THE_START : { kind: 'corrupt', position: 0, reason }
}

/** What the bytes from `at` on are, where a frame should be and is not. */
function verdictAt(file: Buffer, at: number, version: number, lastWrite: number): LogVerdict {
  if (isZero(file, at, file.length)) return { kind: 'clean', end: at, version, lastWrite }
  const next = entryAfter(file, at + 1)
  if (next === -1 || (version > 1 && isTorn(file, at, next))) return { kind: 'torn', position: at, version, lastWrite }
  return { kind: 'corrupt', position: at, reason: `checksum or length is wrong, and a valid entry follows at ${next}` }
}

/**
 * Bad bytes at `at` and a valid entry at `next`: is that one write of which the disk took some sectors and not others? Then a sector
 * between them is still the zeros that were reserved, and no write began behind it.
 */
function isTorn(file: Buffer, at: number, next: number): boolean {
  if (!missesSector(file, at, next)) return false
  for (let valid = next; valid !== -1;) {
    if (isMarked(file, valid)) return false
    const after = valid + FRAME_BYTES + validFrame(file, valid)
    valid = validFrame(file, after) === -1 ? entryAfter(file, after) : after
  }
  return true
}

/**
 * Small lengths begin with up to three zeros. So the entry at `next` is valid, without the mark it may have had, though a sector that
 * ends inside of its length is missing; and where a sector ends inside of the length at `at`, zeros there say nothing: if that one alone
 * were missing, the entry would be valid.
 */
function missesSector(file: Buffer, at: number, next: number): boolean {
  for (let sector = at - (at % SECTOR_BYTES); sector < next; sector += SECTOR_BYTES) {
    const from = Math.max(at, sector)
    const to = Math.min(sector + SECTOR_BYTES, file.length)
    if (to - from >= LENGTH_BYTES && isZero(file, from, to)) return true
  }
  return false
}

function isMarked(file: Buffer, at: number): boolean {
  return file.readUInt32BE(at) >= WRITE_MARK
}

/** Payload size of a valid frame at `at`, else -1. */
function validFrame(file: Buffer, at: number): number {
  if (at + FRAME_BYTES > file.length) return -1
  const size = file.readUInt32BE(at) & ~WRITE_MARK
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

const ZEROS = Buffer.alloc(4096)

function isZero(file: Buffer, from: number, to: number): boolean {
  for (let at = from; at < to; at += ZEROS.length) {
    const end = Math.min(at + ZEROS.length, to)
    if (file.compare(ZEROS, 0, end - at, at, end) !== 0) return false
  }
  return true
}
