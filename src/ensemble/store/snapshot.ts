// A snapshot of the tree as bytes: header, sessions, nodes parents first, CRC32C of all of it at the end. Pure, but for making one in
// slices, so that a large tree does not hold the thread; `member-store.ts` writes and reads the files.

import { ZnodeTree, type SessionRecord } from '../tree/znode-tree.js'
import type { TreeImage } from '../tree/tree-image.js'
import { NO_CHILDREN, type Znode } from '../tree/znode.js'
import { ByteReader, ByteWriter } from './bytes.js'
import { crc32c } from './crc.js'
import { readAcl, writeAcl } from './txn-codec.js'

/** "MRTS". */
const SNAPSHOT_MAGIC = 0x4d525453
/** 1 has no owners of sessions. */
const SNAPSHOT_VERSION = 2
/** Of a node beside its path, data and ACL. */
const NODE_BYTES = 90
const KINDS = ['persistent', 'ephemeral', 'container', 'ttl'] as const

/** Nodes of one slice: less than a millisecond. */
const SLICE_NODES = 250

export function encodeSnapshot(tree: ZnodeTree): Buffer {
  const image = tree.image()
  try {
    const out = begin(image)
    for (let i = 0; i < image.size; i++) writeNode(out, image.path(i), image.node(i))
    return end(out)
  } finally {
    image.release()
  }
}

/** The same bytes, made in slices with `breathe` between them; the tree may go on meanwhile. Releases the image. */
export async function encodeInSlices(image: TreeImage, breathe: () => Promise<void>, sliceNodes = SLICE_NODES): Promise<Buffer> {
  try {
    const out = begin(image)
    for (let from = 0; from < image.size; from += sliceNodes) {
      if (from > 0) await breathe()
      const to = Math.min(from + sliceNodes, image.size)
      for (let i = from; i < to; i++) writeNode(out, image.path(i), image.node(i))
    }
    return end(out)
  } finally {
    image.release()
  }
}

function begin(image: TreeImage): ByteWriter {
  const out = new ByteWriter(1024 + image.dataBytes + image.size * NODE_BYTES)
  out.u32(SNAPSHOT_MAGIC)
  out.i32(SNAPSHOT_VERSION)
  out.i64(image.lastZxid)
  out.i32(image.sessions.length)
  for (const [id, session] of image.sessions) {
    out.i64(BigInt.asIntN(64, id))
    out.i32(session.timeoutMs)
    out.bytes(session.password)
    out.i32(session.owner)
  }
  out.i32(image.size)
  return out
}

function end(out: ByteWriter): Buffer {
  out.u32(crc32c(out.view()))
  return out.view()
}

function writeNode(out: ByteWriter, path: string, node: Znode): void {
  out.text(path)
  out.bytes(node.data)
  writeAcl(out, node.acl)
  out.i64(node.czxid)
  out.i64(node.mzxid)
  out.i64(node.pzxid)
  out.time(node.ctime)
  out.time(node.mtime)
  out.i32(node.version)
  out.i32(node.aversion)
  out.i32(node.childCreates)
  out.i64(BigInt.asIntN(64, node.ephemeralOwner))
  out.u8(KINDS.indexOf(node.kind))
  out.time(node.ttlMs)
}

function readNode(input: ByteReader): readonly [string, Znode] {
  const path = input.text()
  const data = input.bytes()
  const acl = readAcl(input)
  const [czxid, mzxid, pzxid] = [input.i64(), input.i64(), input.i64()]
  const [ctime, mtime] = [input.time(), input.time()]
  const [version, aversion, childCreates] = [input.i32(), input.i32(), input.i32()]
  const ephemeralOwner = input.i64()
  const kind = KINDS[input.u8()]!
  const ttlMs = input.time()
  return [
    path,
    { data, acl, czxid, mzxid, pzxid, ctime, mtime, version, aversion, childCreates, ephemeralOwner, kind, ttlMs, children: NO_CHILDREN },
  ]
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
