// Messages of members as bytes: a kind byte, then the fields, big-endian. A newer member adds kinds or fields at the end;
// `PROTOCOL_VERSION` is what two members agree on in their handshake (the lower of both). Pure; a malformed message throws a RangeError.

import { asBuffer } from '../../model/bytes.js'
import { ByteReader, ByteWriter } from '../store/bytes.js'
import type { Entry, EpochEnd } from './log-window.js'
import type { Message, PeerState } from './messages.js'
import type { EnsembleConfig } from './config.js'

/** 2: an empty frame says that the other side is there. */
export const PROTOCOL_VERSION = 2

const KINDS = [
  'notification',
  'followerInfo',
  'leaderInfo',
  'ackEpoch',
  'truncate',
  'chunk',
  'chunkAck',
  'append',
  'newLeader',
  'ack',
  'commit',
  'ping',
  'pong',
  'confirm',
  'request',
  'refused',
  'sync',
  'synced',
] as const satisfies readonly Message['kind'][]
const STATES: readonly PeerState[] = ['looking', 'leading', 'following', 'observing']

export function encodeMessage(message: Message): Buffer {
  const out = new ByteWriter(message.kind === 'append' ? 256 + message.entries.reduce((sum, e) => sum + e.payload.length + 32, 0) : 128)
  out.u8(KINDS.indexOf(message.kind))
  if ('epoch' in message) out.u32(message.epoch)
  switch (message.kind) {
    case 'notification':
      out.i32(message.leader)
      out.i64(message.zxid)
      out.u32(message.round)
      out.u8(STATES.indexOf(message.state))
      out.u8((message.established ? 1 : 0) | (message.virgin ? 2 : 0))
      break
    case 'followerInfo':
      out.u32(message.acceptedEpoch)
      out.u8(message.virgin ? 1 : 0)
      break
    case 'leaderInfo':
      break
    case 'ackEpoch':
      out.i32(message.currentEpoch)
      out.i64(message.base)
      out.i32(message.ends.length)
      for (const { epoch, last } of message.ends) {
        out.u32(epoch)
        out.i64(last)
      }
      out.u32(message.heardAgoMs)
      break
    case 'truncate':
      out.i64(message.after)
      break
    case 'chunk':
      out.i64(message.zxid)
      out.u32(message.offset)
      out.u32(message.total)
      out.bytes(message.bytes)
      break
    case 'chunkAck':
      out.u32(message.offset)
      break
    case 'append':
      out.i64(message.previous)
      out.i32(message.entries.length)
      for (const entry of message.entries) writeEntry(out, entry)
      break
    case 'newLeader':
      out.i64(message.last)
      break
    case 'ack':
      out.i64(message.zxid)
      out.u8(message.newLeader ? 1 : 0)
      break
    case 'commit':
      out.i64(message.zxid)
      out.u8(message.upToDate ? 1 : 0)
      break
    case 'ping':
      out.u32(message.round)
      out.i64(message.last)
      break
    case 'pong':
      out.u32(message.round)
      out.i32(message.touched.length)
      for (const id of message.touched) out.i64(BigInt.asIntN(64, id))
      break
    case 'confirm':
      out.u32(message.round)
      break
    case 'request':
      out.u32(message.request)
      out.bytes(message.txn)
      break
    case 'refused':
      out.u32(message.request)
      out.i32(message.code)
      break
    case 'sync':
    case 'synced':
      out.u32(message.request)
  }
  return out.view()
}

/** `configOf` tells which payloads change the configuration. */
export function decodeMessage(bytes: Buffer, configOf: (payload: Uint8Array) => EnsembleConfig | null): Message {
  const input = new ByteReader(bytes)
  const kind = KINDS[input.u8()]
  if (kind === undefined) throw new RangeError('a message of an unknown kind')
  if (kind === 'followerInfo') return { kind, acceptedEpoch: input.u32(), virgin: input.u8() !== 0 }
  const epoch = input.u32()
  switch (kind) {
    case 'notification': {
      const [leader, zxid, round, state, flags] = [input.i32(), input.i64(), input.u32(), STATES[input.u8()], input.u8()]
      if (state === undefined) throw new RangeError('a notification of an unknown state')
      return { kind, leader, epoch, zxid, round, state, established: (flags & 1) !== 0, virgin: (flags & 2) !== 0 }
    }
    case 'leaderInfo':
      return { kind, epoch }
    case 'ackEpoch':
      return {
        kind,
        epoch,
        currentEpoch: input.i32(),
        base: input.i64(),
        ends: input.many(() => readEnd(input)),
        heardAgoMs: input.position < bytes.length ? input.u32() : 0,
      }
    case 'truncate':
      return { kind, epoch, after: input.i64() }
    case 'chunk':
      return { kind, epoch, zxid: input.i64(), offset: input.u32(), total: input.u32(), bytes: input.bytes() ?? new Uint8Array(0) }
    case 'chunkAck':
      return { kind, epoch, offset: input.u32() }
    case 'append':
      return { kind, epoch, previous: input.i64(), entries: input.many(() => readEntry(input, configOf)) }
    case 'newLeader':
      return { kind, epoch, last: input.i64() }
    case 'ack':
      return { kind, epoch, zxid: input.i64(), newLeader: input.u8() !== 0 }
    case 'commit':
      return { kind, epoch, zxid: input.i64(), upToDate: input.u8() !== 0 }
    case 'ping':
      return { kind, epoch, round: input.u32(), last: input.i64() }
    case 'pong':
      return { kind, epoch, round: input.u32(), touched: input.many(() => input.i64()) }
    case 'confirm':
      return { kind, epoch, round: input.u32() }
    case 'request':
      return { kind, epoch, request: input.u32(), txn: input.bytes() ?? new Uint8Array(0) }
    case 'refused':
      return { kind, epoch, request: input.u32(), code: input.i32() }
    case 'sync':
    case 'synced':
      return { kind, epoch, request: input.u32() }
  }
}

function writeEntry(out: ByteWriter, { payload, origin }: Entry): void {
  out.bytes(payload)
  out.i32(origin?.member ?? -1)
  out.u32(origin?.request ?? 0)
}

function readEntry(input: ByteReader, configOf: (payload: Uint8Array) => EnsembleConfig | null): Entry {
  const payload = input.bytes() ?? new Uint8Array(0)
  if (payload.length < 8) throw new RangeError('an entry without a zxid')
  const zxid = asBuffer(payload).readBigInt64BE(0)
  const [member, request] = [input.i32(), input.u32()]
  return { zxid, payload, config: configOf(payload), origin: member === -1 ? null : { member, request } }
}

function readEnd(input: ByteReader): EpochEnd {
  return { epoch: input.u32(), last: input.i64() }
}
