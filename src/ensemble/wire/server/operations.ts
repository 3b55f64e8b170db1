// One operation of a client, alone or inside a multi, as the tree's transactions have it. Pure.

import { Opcode, ZkCode } from '../../tree/codes.js'
import { OPEN_ACL, Perm, type Acl, type CreateMode, type SingleOp } from '../../tree/types.js'
import type { Reader } from '../../../protocol/codec/reader.js'
import { codecOf } from '../jute/codec.js'
import * as records from '../jute/records.js'
import { Refusal } from './reply.js'

const createRequest = codecOf(records.CreateRequest)
const createTtlRequest = codecOf(records.CreateTtlRequest)
const pathVersion = codecOf(records.PathVersion)
const setDataRequest = codecOf(records.SetDataRequest)
const setAclRequest = codecOf(records.SetAclRequest)

/** Data is copied: the tree keeps it, and must not keep a whole chunk of the socket with it. */
export function readOp(opcode: number, r: Reader): SingleOp {
  switch (opcode) {
    case Opcode.create:
    case Opcode.create2:
    case Opcode.createContainer: {
      const { path, data, acl, flags } = createRequest.read(r)
      return createOp(opcode, path, data, acl, flags, 0)
    }
    case Opcode.createTtl: {
      const { path, data, acl, flags, ttl } = createTtlRequest.read(r)
      return createOp(opcode, path, data, acl, flags, ttl)
    }
    case Opcode.delete:
      return { kind: 'delete', ...pathVersion.read(r) }
    case Opcode.setData: {
      const { path, data, version } = setDataRequest.read(r)
      return { kind: 'setData', path, data: copied(data), version }
    }
    case Opcode.setAcl: {
      const { path, acl, version } = setAclRequest.read(r)
      return { kind: 'setAcl', path, acl: shared(acl), version }
    }
    case Opcode.check:
      return { kind: 'check', ...pathVersion.read(r) }
    default:
      throw new Refusal(ZkCode.unimplemented)
  }
}

interface Flags {
  readonly mode: CreateMode
  readonly sequential: boolean
}

/** Of create requests, by number. */
const FLAGS: readonly Flags[] = [
  { mode: 'persistent', sequential: false },
  { mode: 'ephemeral', sequential: false },
  { mode: 'persistent', sequential: true },
  { mode: 'ephemeral', sequential: true },
  { mode: 'container', sequential: false },
  { mode: 'ttl', sequential: false },
  { mode: 'ttl', sequential: true },
]

function createOp(opcode: number, path: string, data: Uint8Array | null, acl: readonly Acl[], flags: number, ttlMs: number): SingleOp {
  const known = FLAGS[flags]
  // TTL flags need the request that carries a TTL, and the other way round.
  if (!known || (known.mode === 'ttl') !== (opcode === Opcode.createTtl)) throw new Refusal(ZkCode.badArguments)
  return { kind: 'create', path, data: copied(data), acl: shared(acl), ...known, ttlMs }
}

function copied(data: Uint8Array | null): Uint8Array | null {
  return data === null ? null : Uint8Array.prototype.slice.call(data)
}

/** The open list, by far the most common, is one object in memory. */
function shared(acl: readonly Acl[]): readonly Acl[] {
  const [only] = acl
  const open = acl.length === 1 && only!.perms === Perm.all && only!.scheme === 'world' && only!.id === 'anyone'
  return open ? OPEN_ACL : acl
}
