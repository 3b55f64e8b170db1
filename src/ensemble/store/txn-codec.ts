// One transaction as bytes: `zxid i64 | time i64 | session i64 | auth[] | opcode i32 | body`. The opcodes are
// ZooKeeper's; the layout is ours, big-endian, counts and lengths int32. The top byte of the auth count is the member the
// transaction came through plus one, 0 when it is not said. Pure.

import { Opcode } from '../tree/codes.js'
import { OPEN_ACL, type Acl, type AuthId, type CreateMode, type SingleOp, type Txn, type TxnBody } from '../tree/types.js'
import { ByteReader, type ByteWriter } from './bytes.js'

export interface LoggedTxn {
  readonly zxid: bigint
  readonly time: number
  readonly txn: Txn
}

const MODES: readonly CreateMode[] = ['persistent', 'ephemeral', 'container', 'ttl']

export function writeTxn(out: ByteWriter, zxid: bigint, time: number, txn: Txn): void {
  out.i64(zxid)
  out.time(time)
  out.i64(BigInt.asIntN(64, txn.sessionId))
  out.i32((((txn.via ?? -1) + 1) << 24) | txn.auth.length)
  for (const who of txn.auth) writeAuth(out, who)
  writeBody(out, txn.body)
}

export function readTxn(buffer: Buffer, at: number): LoggedTxn {
  const input = new ByteReader(buffer, at)
  const zxid = input.i64()
  const time = input.time()
  const sessionId = input.i64()
  const viaAndCount = input.i32()
  const via = (viaAndCount >>> 24) - 1
  const auth = Array.from({ length: viaAndCount & 0xffffff }, () => ({ scheme: input.text(), id: input.text() }))
  const body = readBody(input)
  return { zxid, time, txn: via === -1 ? { sessionId, auth, body } : { sessionId, auth, body, via } }
}

/** The session alone, without reading the rest. */
export function sessionOf(payload: Buffer): bigint {
  return payload.readBigInt64BE(16)
}

/** The opcode alone, without reading the rest. */
export function opcodeOf(payload: Buffer): number {
  const input = new ByteReader(payload, 24)
  for (let left = input.i32() & 0xffffff; left > 0; left--) {
    input.text()
    input.text()
  }
  return input.i32()
}

function writeBody(out: ByteWriter, body: TxnBody): void {
  switch (body.kind) {
    case 'createSession':
      out.i32(Opcode.createSession)
      out.i32(body.timeoutMs)
      out.bytes(body.password)
      return
    case 'closeSession':
      out.i32(Opcode.closeSession)
      return
    case 'moveSession':
      out.i32(Opcode.moveSession)
      out.bytes(body.password)
      return
    case 'reap':
      out.i32(Opcode.deleteContainer)
      out.text(body.path)
      out.i64(body.czxid)
      return
    case 'reconfig':
      out.i32(Opcode.reconfig)
      out.text(body.config)
      return
    case 'multi':
      out.i32(Opcode.multi)
      out.i32(body.ops.length)
      for (const op of body.ops) writeOp(out, op)
      return
    default:
      writeOp(out, body)
  }
}

function readBody(input: ByteReader): TxnBody {
  const opcode = input.i32()
  switch (opcode) {
    case Opcode.createSession:
      return { kind: 'createSession', timeoutMs: input.i32(), password: input.bytes() ?? new Uint8Array(0) }
    case Opcode.closeSession:
      return { kind: 'closeSession' }
    case Opcode.moveSession:
      return { kind: 'moveSession', password: input.bytes() ?? new Uint8Array(0) }
    case Opcode.deleteContainer:
      return { kind: 'reap', path: input.text(), czxid: input.i64() }
    case Opcode.reconfig:
      return { kind: 'reconfig', config: input.text() }
    case Opcode.multi:
      return { kind: 'multi', ops: input.many(() => readOp(input, input.i32())) }
    default:
      return readOp(input, opcode)
  }
}

function writeOp(out: ByteWriter, op: SingleOp): void {
  switch (op.kind) {
    case 'create':
      out.i32(Opcode.create2)
      out.text(op.path)
      out.bytes(op.data)
      writeAcl(out, op.acl)
      out.u8(MODES.indexOf(op.mode) | (op.sequential ? 0x80 : 0))
      if (op.mode === 'ttl') out.time(op.ttlMs)
      return
    case 'delete':
      out.i32(Opcode.delete)
      out.text(op.path)
      out.i32(op.version)
      return
    case 'setData':
      out.i32(Opcode.setData)
      out.text(op.path)
      out.bytes(op.data)
      out.i32(op.version)
      return
    case 'check':
      out.i32(Opcode.check)
      out.text(op.path)
      out.i32(op.version)
      return
    case 'setAcl':
      out.i32(Opcode.setAcl)
      out.text(op.path)
      writeAcl(out, op.acl)
      out.i32(op.version)
  }
}

function readOp(input: ByteReader, opcode: number): SingleOp {
  switch (opcode) {
    case Opcode.create2: {
      const path = input.text()
      const data = input.bytes()
      const acl = readAcl(input)
      const flags = input.u8()
      const mode = MODES[flags & 0x7f]!
      return { kind: 'create', path, data, acl, mode, sequential: (flags & 0x80) !== 0, ttlMs: mode === 'ttl' ? input.time() : 0 }
    }
    case Opcode.delete:
      return { kind: 'delete', path: input.text(), version: input.i32() }
    case Opcode.setData:
      return { kind: 'setData', path: input.text(), data: input.bytes(), version: input.i32() }
    case Opcode.check:
      return { kind: 'check', path: input.text(), version: input.i32() }
    case Opcode.setAcl:
      return { kind: 'setAcl', path: input.text(), acl: readAcl(input), version: input.i32() }
    default:
      throw new RangeError(`unknown opcode ${opcode} in a transaction`)
  }
}

/** The open list, by far the most common, is the count -1: small on disk, one shared object in memory. */
export function writeAcl(out: ByteWriter, acl: readonly Acl[]): void {
  if (acl === OPEN_ACL) {
    out.i32(-1)
    return
  }
  out.i32(acl.length)
  for (const entry of acl) {
    out.i32(entry.perms)
    writeAuth(out, entry)
  }
}

export function readAcl(input: ByteReader): readonly Acl[] {
  const count = input.i32()
  if (count === -1) return OPEN_ACL
  return Array.from({ length: count }, () => ({ perms: input.i32(), scheme: input.text(), id: input.text() }))
}

function writeAuth(out: ByteWriter, who: AuthId): void {
  out.text(who.scheme)
  out.text(who.id)
}
