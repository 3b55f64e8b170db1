// A snapshot of the tree as bytes: header, sessions, nodes parents first, CRC32C of all of it at the end. Pure;
// `member-store.ts` writes and reads the files.

import { ZnodeTree, type SessionRecord } from '../tree/znode-tree.js'
import type { Znode } from '../tree/znode.js'
import { ByteReader, ByteWriter } from './bytes.js'
import { crc32c } from './crc.js'
import { readAcl, writeAcl } from './txn-codec.js'

/** "MRTS". */
const SNAPSHOT_MAGIC = 0x4d525453
/** 1 has no owners of sessions. */
const SNAPSHOT_VERSION = 2
const KINDS = ['persistent', 'ephemeral', 'container', 'ttl'] as const

export function encodeSnapshot(tree: ZnodeTree): Buffer {
  const out = new ByteWriter(64 * 1024)
  out.u32(SNAPSHOT_MAGIC)
  out.i32(SNAPSHOT_VERSION)
  out.i64(tree.lastZxid)
  out.i32(tree.sessions.size)
  for (const [id, session] of tree.sessions) {
    out.i64(BigInt.asIntN(64, id))
    out.i32(session.timeoutMs)
    out.bytes(session.password)
    out.i32(session.owner)
  }
  out.i32(tree.size)
  writeNodes(out, tree)
  out.u32(crc32c(out.view()))
  return out.view()
}

/** Breadth first, so that a parent always stands before its children. */
function writeNodes(out: ByteWriter, tree: ZnodeTree): void {
  const queue = ['/']
  for (let i = 0; i < queue.length; i++) {
    const path = queue[i]!
    const node = tree.node(path)!
    writeNode(out, path, node)
    for (const name of node.children) queue.push(path === '/' ? `/${name}` : `${path}/${name}`)
  }
}

function writeNode(out: ByteWriter, path: string, node: Znode): void {
  out.text(path)
  out.bytes(node.data)
  writeAcl(out, node.acl)
  for (const zxid of [node.czxid, node.mzxid, node.pzxid, BigInt(node.ctime), BigInt(node.mtime)]) out.i64(zxid)
  for (const count of [node.version, node.aversion, node.childCreates]) out.i32(count)
  out.i64(BigInt.asIntN(64, node.ephemeralOwner))
  out.u8(KINDS.indexOf(node.kind))
  out.i64(BigInt(node.ttlMs))
}

function readNode(input: ByteReader): readonly [string, Znode] {
  const path = input.text()
  const data = input.bytes()
  const acl = readAcl(input)
  const [czxid, mzxid, pzxid] = [input.i64(), input.i64(), input.i64()]
  const [ctime, mtime] = [Number(input.i64()), Number(input.i64())]
  const [version, aversion, childCreates] = [input.i32(), input.i32(), input.i32()]
  const ephemeralOwner = input.i64()
  const kind = KINDS[input.u8()]!
  const ttlMs = Number(input.i64())
  const children = new Set<string>()
  return [path, { data, acl, czxid, mzxid, pzxid, ctime, mtime, version, aversion, childCreates, ephemeralOwner, kind, ttlMs, children }]
}

/** The tree, or in words why the bytes are no valid snapshot. */
export function decodeSnapshot(file: Buffer): ZnodeTree | string {
  if (file.length < 24) return `it is ${file.length} bytes long`
  if (file.readUInt32BE(0) !== SNAPSHOT_MAGIC) return 'it does not start as a snapshot'
  const stored = file.readUInt32BE(file.length - 4)
  const actual = crc32c(file.subarray(0, file.length - 4))
  if (stored !== actual) return `its checksum is ${actual.toString(16)}, stored is ${stored.toString(16)}`
  const version = file.readInt32BE(4)
  if (version !== 1 && version !== SNAPSHOT_VERSION) return `its format version is ${version}, this release reads 1 and ${SNAPSHOT_VERSION}`
  const input = new ByteReader(file, 8)
  const lastZxid = input.i64()
  const sessions: [bigint, SessionRecord][] = []
  for (let left = input.i32(); left > 0; left--) {
    const [id, timeoutMs, password] = [input.i64(), input.i32(), input.bytes() ?? new Uint8Array(0)]
    sessions.push([id, { timeoutMs, password, owner: version === 1 ? -1 : input.i32() }])
  }
  const nodes: (readonly [string, Znode])[] = []
  for (let left = input.i32(); left > 0; left--) nodes.push(readNode(input))
  return ZnodeTree.restore(lastZxid, nodes, sessions)
}
