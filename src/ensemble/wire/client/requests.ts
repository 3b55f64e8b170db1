// What the client sends and how it reads the answers. Pure.

import { ZkCode, Opcode } from '../../tree/codes.js'
import { OPEN_ACL, type OpResult, type Stat } from '../../tree/types.js'
import type { CreateOptions, MultiOp } from '../../znode-client.js'
import type { Reader } from '../../../protocol/codec/reader.js'
import { ProtocolError } from '../../../protocol/codec/protocol-error.js'
import { codecOf, type Codec } from '../jute/codec.js'
import * as records from '../jute/records.js'
import type { JuteRecord } from '../jute/schema.js'
import type { JuteWriter } from '../jute/writer.js'

export interface Request<T> {
  readonly opcode: number
  readonly write: (w: JuteWriter) => void
  readonly read: (r: Reader) => T
}

const createRequest = codecOf(records.CreateRequest)
const createTtlRequest = codecOf(records.CreateTtlRequest)
const multiHeader = codecOf(records.MultiHeader)
const pathVersion = codecOf(records.PathVersion)
const setDataRequest = codecOf(records.SetDataRequest)
const create2Response = codecOf(records.Create2Response)
const pathRecord = codecOf(records.PathRecord)
const statResponse = codecOf(records.StatResponse)
const errorResponse = codecOf(records.ErrorResponse)

export function request<Q extends JuteRecord, T>(
  opcode: number,
  of: Codec<Q>,
  value: Parameters<Codec<Q>['write']>[1],
  read: (r: Reader) => T,
): Request<T> {
  return { opcode, write: (w) => of.write(w, value), read }
}

export function createOf(path: string, data: Uint8Array | null, options: CreateOptions): Request<{ path: string; stat: Stat }> {
  const { opcode, write } = createParts(path, data, options)
  return { opcode, write, read: (r) => create2Response.read(r) }
}

function createParts(path: string, data: Uint8Array | null, options: CreateOptions): { opcode: number; write: (w: JuteWriter) => void } {
  const acl = options.acl ?? OPEN_ACL
  const sequential = options.sequential ?? false
  switch (options.mode ?? 'persistent') {
    case 'persistent':
      return { opcode: Opcode.create2, write: (w) => createRequest.write(w, { path, data, acl, flags: sequential ? 2 : 0 }) }
    case 'ephemeral':
      return { opcode: Opcode.create2, write: (w) => createRequest.write(w, { path, data, acl, flags: sequential ? 3 : 1 }) }
    case 'container':
      return { opcode: Opcode.createContainer, write: (w) => createRequest.write(w, { path, data, acl, flags: 4 }) }
    case 'ttl': {
      const value = { path, data, acl, flags: sequential ? 6 : 5, ttl: options.ttlMs ?? 0 }
      return { opcode: Opcode.createTtl, write: (w) => createTtlRequest.write(w, value) }
    }
  }
}

/** `at` turns a path of the caller into one of the server. */
export function multiOf(ops: readonly MultiOp[], at: (path: string) => string): Request<OpResult[]> {
  const write = (w: JuteWriter): void => {
    for (const op of ops) writeOp(w, op, at(op.path))
    multiHeader.write(w, { type: -1, done: true, err: -1 })
  }
  return { opcode: Opcode.multi, write, read: readResults }
}

function writeOp(w: JuteWriter, op: MultiOp, path: string): void {
  const header = (type: number): void => multiHeader.write(w, { type, done: false, err: -1 })
  switch (op.kind) {
    case 'create': {
      const { opcode, write } = createParts(path, op.data, op)
      header(opcode)
      return write(w)
    }
    case 'delete':
      header(Opcode.delete)
      return pathVersion.write(w, { path, version: op.version ?? -1 })
    case 'setData':
      header(Opcode.setData)
      return setDataRequest.write(w, { path, data: op.data, version: op.version ?? -1 })
    case 'check':
      header(Opcode.check)
      return pathVersion.write(w, { path, version: op.version })
  }
}

function readResults(r: Reader): OpResult[] {
  const results: OpResult[] = []
  for (;;) {
    const { type, done } = multiHeader.read(r)
    if (done) return results
    results.push(readResult(r, type))
  }
}

function readResult(r: Reader, type: number): OpResult {
  switch (type) {
    case -1:
      return { code: errorResponse.read(r).err, path: null, stat: null }
    case Opcode.create:
      return { code: ZkCode.ok, path: pathRecord.read(r).path, stat: null }
    case Opcode.create2:
    case Opcode.createContainer:
    case Opcode.createTtl:
      return { code: ZkCode.ok, ...create2Response.read(r) }
    case Opcode.setData:
      return { code: ZkCode.ok, path: null, stat: statResponse.read(r).stat }
    case Opcode.delete:
    case Opcode.check:
      return { code: ZkCode.ok, path: null, stat: null }
    default:
      throw new ProtocolError(`a multi answers an operation of type ${type}`)
  }
}
