// The znode tree: ZooKeeper's data model as a pure state machine. `apply` is deterministic in (tree, txn, zxid, time),
// so every member that applies the same transactions in the same order holds the same tree. It does no I/O and
// knows no clock; durability is `store/`, order is the member's. Operations are validated here, at apply: a
// transaction that fails changes nothing and fails the same way everywhere.

import { isAllowed, normalizeAcl } from './acl.js'
import { ZkCode } from './codes.js'
import { childPath, nameOf, parentOf, pathProblem, sequenceSuffix } from './path.js'
import { countedIn, Quotas, readUsage, statsPath, usageBytes } from './quotas.js'
import {
  OPEN_ACL,
  Perm,
  READ_ACL,
  type Acl,
  type AuthId,
  type CheckOp,
  type CreateOp,
  type DeleteOp,
  type OpResult,
  type SetAclOp,
  type SetDataOp,
  type SingleOp,
  type Txn,
  type TxnResult,
} from './types.js'
import { TreeImage } from './tree-image.js'
import { Watches, type Delivery } from './watches.js'
import { addChild, emptyNode, newNode, nextVersion, removeChild, statOf, type Znode } from './znode.js'

export interface SessionRecord {
  readonly timeoutMs: number
  readonly password: Uint8Array
  /** The member whose connection has the session; -1 not known, then any may write. */
  readonly owner: number
}

export interface Applied {
  readonly result: TxnResult
  /** In delivery order; they go out before the result does. */
  readonly deliveries: readonly Delivery[]
}

interface Step {
  readonly zxid: bigint
  readonly time: number
  readonly sessionId: bigint
  readonly auth: readonly AuthId[]
  readonly undo: (() => void)[]
  readonly changes: Change[]
}

interface Change {
  readonly kind: 'created' | 'deleted' | 'data'
  readonly path: string
  readonly acl: readonly Acl[]
  readonly parentAcl: readonly Acl[]
}

const CONFIG = '/zookeeper/config'
const RESERVED = ['/zookeeper', CONFIG, '/zookeeper/quota']
/** ZooKeeper keeps a TTL in 40 bits. */
const MAX_TTL_MS = 0xff_ffff_ffff

export class ZnodeTree {
  readonly watches = new Watches()
  readonly #nodes = new Map<string, Znode>()
  readonly #ephemerals = new Map<bigint, Set<string>>()
  readonly #sessions = new Map<bigint, SessionRecord>()
  #quotas = new Quotas()
  /** Paths of container and TTL nodes. */
  readonly #transient = new Set<string>()
  /** Those being written out: they are told before a node changes. */
  readonly #images = new Set<TreeImage>()
  #lastZxid = 0n
  #dataBytes = 0

  constructor() {
    for (const path of ['/', ...RESERVED]) this.#place(path, emptyNode(path === CONFIG ? READ_ACL : OPEN_ACL))
  }

  get lastZxid(): bigint {
    return this.#lastZxid
  }

  get size(): number {
    return this.#nodes.size
  }

  get nodes(): ReadonlyMap<string, Znode> {
    return this.#nodes
  }

  get sessions(): ReadonlyMap<bigint, SessionRecord> {
    return this.#sessions
  }

  /** Container and TTL nodes: what a reaper has to look at. */
  get transient(): ReadonlySet<string> {
    return this.#transient
  }

  node(path: string): Znode | undefined {
    return this.#nodes.get(path)
  }

  /** As ZooKeeper estimates it: paths and data. */
  get approximateDataBytes(): number {
    return this.#dataBytes
  }

  /** Session ids with their ephemeral paths. */
  get ephemerals(): ReadonlyMap<bigint, ReadonlySet<string>> {
    return this.#ephemerals
  }

  /** The tree as it is now, for as long as the image is not released. */
  image(): TreeImage {
    const image = new TreeImage(this, (released) => void this.#images.delete(released))
    this.#images.add(image)
    return image
  }

  #changing(node: Znode): void {
    for (const image of this.#images) image.keep(node)
  }

  /** Nodes below `path`, at any depth; the node itself is not counted. */
  descendantCount(path: string): number {
    if (path === '/') return this.#nodes.size - 1
    let count = 0
    for (const name of this.#nodes.get(path)?.children ?? []) count += 1 + this.descendantCount(childPath(path, name))
    return count
  }

  ephemeralsOf(sessionId: bigint): readonly string[] {
    return [...(this.#ephemerals.get(sessionId) ?? [])].sort()
  }

  /** Applies one transaction of the agreed order. zxids must rise. */
  apply(txn: Txn, zxid: bigint, time: number): Applied {
    if (zxid <= this.#lastZxid) throw new Error(`zxid ${zxid} applied after ${this.#lastZxid}: the order is broken`)
    this.#lastZxid = zxid
    const step: Step = { zxid, time, sessionId: txn.sessionId, auth: txn.auth, undo: [], changes: [] }
    const result = this.#run(txn, step)
    return { result, deliveries: this.#fire(step) }
  }

  #run(txn: Txn, step: Step): TxnResult {
    const { body } = txn
    const { zxid } = step
    if (body.kind === 'createSession') {
      this.#sessions.set(txn.sessionId, { timeoutMs: body.timeoutMs, password: body.password, owner: txn.via ?? -1 })
      return { zxid, code: ZkCode.ok, path: null, stat: null, results: [] }
    }
    if (body.kind === 'reap') return { zxid, ...this.#reap(body.path, body.czxid, step), results: [] }
    if (body.kind === 'reconfig') return { zxid, ...this.#reconfig(body.config, step), results: [] }
    const session = this.#sessions.get(txn.sessionId)
    if (!session) return { zxid, code: ZkCode.sessionExpired, path: null, stat: null, results: [] }
    if (body.kind === 'moveSession') {
      const code = sameBytes(session.password, body.password) ? ZkCode.ok : ZkCode.authFailed
      if (code === ZkCode.ok) this.#sessions.set(txn.sessionId, { ...session, owner: txn.via ?? -1 })
      return { zxid, code, path: null, stat: null, results: [] }
    }
    if (txn.via !== undefined && session.owner !== -1 && session.owner !== txn.via) {
      return { zxid, code: ZkCode.sessionMoved, path: null, stat: null, results: [] }
    }
    if (body.kind === 'closeSession') {
      this.#closeSession(step)
      return { zxid, code: ZkCode.ok, path: null, stat: null, results: [] }
    }
    if (body.kind === 'multi') return this.#multi(body.ops, step)
    return { zxid, ...this.#single(body, step), results: [] }
  }

  #fire(step: Step): Delivery[] {
    const out: Delivery[] = []
    for (const { kind, path, acl, parentAcl } of step.changes) {
      if (kind === 'created') this.watches.fireCreated(path, step.zxid, acl, parentAcl, out)
      else if (kind === 'deleted') this.watches.fireDeleted(path, step.zxid, acl, parentAcl, out)
      else this.watches.fireDataChanged(path, step.zxid, acl, out)
    }
    return out
  }

  /** All or nothing: a failing operation takes back what stood before it, and no watch fires. */
  #multi(ops: readonly SingleOp[], step: Step): TxnResult {
    const results: OpResult[] = []
    for (let i = 0; i < ops.length; i++) {
      const result = this.#single(ops[i]!, step)
      if (result.code === ZkCode.ok) {
        results.push(result)
        continue
      }
      for (const undo of step.undo.reverse()) undo()
      step.changes.length = 0
      const failed = ops.map((_, at) => failure(at < i ? ZkCode.ok : at === i ? result.code : ZkCode.runtimeInconsistency))
      return { zxid: step.zxid, code: result.code, path: null, stat: null, results: failed }
    }
    return { zxid: step.zxid, code: ZkCode.ok, path: null, stat: null, results }
  }

  #single(op: SingleOp, step: Step): OpResult {
    switch (op.kind) {
      case 'create':
        return this.#create(op, step)
      case 'delete':
        return this.#delete(op, step)
      case 'setData':
        return this.#setData(op, step)
      case 'check':
        return this.#check(op, step)
      case 'setAcl':
        return this.#setAcl(op, step)
    }
  }

  #create(op: CreateOp, step: Step): OpResult {
    const wanted = op.sequential ? `${op.path}${sequenceSuffix(0)}` : op.path
    if (pathProblem(wanted) || wanted === '/') return failure(wanted === '/' ? ZkCode.nodeExists : ZkCode.badArguments)
    if (op.mode === 'ttl' && (op.ttlMs <= 0 || op.ttlMs > MAX_TTL_MS)) return failure(ZkCode.badArguments)
    const acl = op.acl === OPEN_ACL ? OPEN_ACL : normalizeAcl(op.acl, step.auth)
    if (typeof acl === 'number') return failure(acl)
    const parentPath = parentOf(wanted)
    const parent = this.#nodes.get(parentPath)
    if (!parent) return failure(ZkCode.noNode)
    if (!isAllowed(parent.acl, Perm.create, step.auth)) return failure(ZkCode.noAuth)
    const path = op.sequential ? op.path + sequenceSuffix(parent.childCreates) : op.path
    if (this.#nodes.has(path)) return failure(ZkCode.nodeExists)
    if (parent.kind === 'ephemeral') return failure(ZkCode.noChildrenForEphemerals)
    const owner = op.mode === 'ephemeral' ? step.sessionId : 0n
    const node = newNode(op, acl, owner, step.zxid, step.time)
    const { pzxid, childCreates } = parent
    this.#changing(parent)
    this.#place(path, node)
    parent.childCreates = childCreates + 1
    parent.pzxid = step.zxid
    step.undo.push(() => {
      this.#remove(path, node)
      parent.childCreates = childCreates
      parent.pzxid = pzxid
    })
    step.changes.push({ kind: 'created', path, acl, parentAcl: parent.acl })
    const counted = countedIn(path)
    if (counted) this.#replaceData(node, usageBytes(this.#usageOf(counted)))
    this.#count(path, 1, sizeOf(node.data), step)
    return { code: ZkCode.ok, path, stat: statOf(node) }
  }

  #delete(op: DeleteOp, step: Step): OpResult {
    if (pathProblem(op.path) || op.path === '/' || RESERVED.includes(op.path)) return failure(ZkCode.badArguments)
    const node = this.#nodes.get(op.path)
    if (!node) return failure(ZkCode.noNode)
    const parent = this.#nodes.get(parentOf(op.path))!
    if (!isAllowed(parent.acl, Perm.delete, step.auth)) return failure(ZkCode.noAuth)
    if (op.version !== -1 && op.version !== node.version) return failure(ZkCode.badVersion)
    if (node.children.size > 0) return failure(ZkCode.notEmpty)
    this.#deleteNode(op.path, node, parent, step)
    return { code: ZkCode.ok, path: null, stat: null }
  }

  #deleteNode(path: string, node: Znode, parent: Znode, step: Step): void {
    const { pzxid } = parent
    this.#changing(parent)
    this.#remove(path, node)
    parent.pzxid = step.zxid
    step.undo.push(() => {
      this.#place(path, node)
      parent.pzxid = pzxid
    })
    step.changes.push({ kind: 'deleted', path, acl: node.acl, parentAcl: parent.acl })
    this.#count(path, -1, -sizeOf(node.data), step)
  }

  #setData(op: SetDataOp, step: Step): OpResult {
    if (pathProblem(op.path)) return failure(ZkCode.badArguments)
    const node = this.#nodes.get(op.path)
    if (!node) return failure(ZkCode.noNode)
    if (!isAllowed(node.acl, Perm.write, step.auth)) return failure(ZkCode.noAuth)
    if (op.version !== -1 && op.version !== node.version) return failure(ZkCode.badVersion)
    const { data, version, mzxid, mtime } = node
    const grown = sizeOf(op.data) - sizeOf(data)
    this.#replaceData(node, op.data)
    node.version = nextVersion(version)
    node.mzxid = step.zxid
    node.mtime = step.time
    step.undo.push(() => {
      this.#replaceData(node, data)
      Object.assign(node, { version, mzxid, mtime })
    })
    step.changes.push({ kind: 'data', path: op.path, acl: node.acl, parentAcl: node.acl })
    this.#count(op.path, 0, grown, step)
    return { code: ZkCode.ok, path: null, stat: statOf(node) }
  }

  #check(op: CheckOp, step: Step): OpResult {
    if (pathProblem(op.path)) return failure(ZkCode.badArguments)
    const node = this.#nodes.get(op.path)
    if (!node) return failure(ZkCode.noNode)
    if (!isAllowed(node.acl, Perm.read, step.auth)) return failure(ZkCode.noAuth)
    if (op.version !== -1 && op.version !== node.version) return failure(ZkCode.badVersion)
    return { code: ZkCode.ok, path: null, stat: null }
  }

  #setAcl(op: SetAclOp, step: Step): OpResult {
    if (pathProblem(op.path)) return failure(ZkCode.badArguments)
    const acl = normalizeAcl(op.acl, step.auth)
    if (typeof acl === 'number') return failure(acl)
    const node = this.#nodes.get(op.path)
    if (!node) return failure(ZkCode.noNode)
    if (!isAllowed(node.acl, Perm.admin, step.auth)) return failure(ZkCode.noAuth)
    if (op.version !== -1 && op.version !== node.aversion) return failure(ZkCode.badVersion)
    const { acl: before, aversion } = node
    this.#changing(node)
    node.acl = acl
    node.aversion = nextVersion(aversion)
    step.undo.push(() => Object.assign(node, { acl: before, aversion }))
    return { code: ZkCode.ok, path: null, stat: statOf(node) }
  }

  #reap(path: string, czxid: bigint, step: Step): OpResult {
    const node = this.#nodes.get(path)
    if (!node || node.czxid !== czxid || !isReapable(node, step.time)) return failure(ZkCode.noNode)
    this.#deleteNode(path, node, this.#nodes.get(parentOf(path))!, step)
    return { code: ZkCode.ok, path: null, stat: null }
  }

  /** ZooKeeper's /zookeeper/config: the servers, then the zxid of this change as version, in the place of the one it was made from. */
  #reconfig(config: string, step: Step): OpResult {
    const node = this.#nodes.get('/zookeeper/config')!
    const servers = config.replace(/^version=.*\n?/m, '').trimEnd()
    this.#replaceData(node, Buffer.from(`${servers}\nversion=${step.zxid.toString(16)}`))
    node.version = nextVersion(node.version)
    node.mzxid = step.zxid
    node.mtime = step.time
    step.changes.push({ kind: 'data', path: '/zookeeper/config', acl: node.acl, parentAcl: node.acl })
    return { code: ZkCode.ok, path: null, stat: statOf(node) }
  }

  #closeSession(step: Step): void {
    for (const path of this.ephemeralsOf(step.sessionId)) {
      this.#deleteNode(path, this.#nodes.get(path)!, this.#nodes.get(parentOf(path))!, step)
    }
    this.#sessions.delete(step.sessionId)
    step.undo.length = 0
  }

  /** The usage of the limited subtree that `path` lies in changes. Its stats node keeps its version, as in ZooKeeper. */
  #count(path: string, nodes: number, bytes: number, step: Step): void {
    if (this.#quotas.none) return
    const limited = this.#quotas.over(path)
    const node = limited === null ? undefined : this.#nodes.get(statsPath(limited))
    if (!node) return
    const { data } = node
    const usage = readUsage(data)
    this.#replaceData(node, usageBytes({ count: usage.count + nodes, bytes: usage.bytes + bytes }))
    step.undo.push(() => this.#replaceData(node, data))
  }

  #usageOf(path: string): { count: number; bytes: number } {
    const node = this.#nodes.get(path)
    if (!node) return { count: 0, bytes: 0 }
    const usage = { count: 1, bytes: sizeOf(node.data) }
    for (const name of node.children) {
      const below = this.#usageOf(childPath(path, name))
      usage.count += below.count
      usage.bytes += below.bytes
    }
    return usage
  }

  #replaceData(node: Znode, data: Uint8Array | null): void {
    this.#changing(node)
    this.#dataBytes += sizeOf(data) - sizeOf(node.data)
    node.data = data
  }

  #place(path: string, node: Znode): void {
    this.#nodes.set(path, node)
    this.#dataBytes += path.length + sizeOf(node.data)
    this.#quotas.placed(path)
    if (node.kind === 'container' || node.kind === 'ttl') this.#transient.add(path)
    if (path !== '/') addChild(this.#nodes.get(parentOf(path))!, nameOf(path))
    if (node.ephemeralOwner === 0n) return
    const owned = this.#ephemerals.get(node.ephemeralOwner)
    if (owned) owned.add(path)
    else this.#ephemerals.set(node.ephemeralOwner, new Set([path]))
  }

  #remove(path: string, node: Znode): void {
    this.#nodes.delete(path)
    this.#dataBytes -= path.length + sizeOf(node.data)
    this.#quotas.removed(path)
    this.#transient.delete(path)
    removeChild(this.#nodes.get(parentOf(path))!, nameOf(path))
    const owned = this.#ephemerals.get(node.ephemeralOwner)
    if (!owned) return
    owned.delete(path)
    if (owned.size === 0) this.#ephemerals.delete(node.ephemeralOwner)
  }

  /** Rebuilds a tree from a snapshot: parents come before children. Watches belong to connections and are not in it. */
  static restore(
    lastZxid: bigint,
    nodes: Iterable<readonly [string, Znode]>,
    sessions: Iterable<readonly [bigint, SessionRecord]>,
  ): ZnodeTree {
    const tree = new ZnodeTree()
    for (const [path, node] of nodes) {
      const reserved = tree.#nodes.get(path)
      for (const name of reserved?.children ?? []) addChild(node, name)
      if (reserved) tree.#dataBytes -= path.length + sizeOf(reserved.data)
      tree.#place(path, node)
    }
    for (const [id, session] of sessions) tree.#sessions.set(id, session)
    tree.#lastZxid = lastZxid
    return tree
  }

  /**
   * Takes over the contents of `other` (a snapshot of the leader's tree), keeping the watches. What differs fires
   * as if it had been applied here, so that whoever watches this tree misses nothing but steps in between.
   */
  become(other: ZnodeTree): readonly Delivery[] {
    const out: Delivery[] = []
    const zxid = other.#lastZxid
    const before = new Map(this.#nodes)
    for (const table of [this.#nodes, this.#ephemerals, this.#sessions, this.#transient]) table.clear()
    for (const [path, node] of other.#nodes) this.#nodes.set(path, node)
    for (const [id, paths] of other.#ephemerals) this.#ephemerals.set(id, paths)
    for (const [id, session] of other.#sessions) this.#sessions.set(id, session)
    for (const path of other.#transient) this.#transient.add(path)
    this.#quotas = other.#quotas
    this.#dataBytes = other.#dataBytes
    this.#lastZxid = zxid
    for (const [path, old] of before) {
      const now = this.#nodes.get(path)
      if (now?.czxid !== old.czxid) this.watches.fireDeleted(path, zxid, old.acl, before.get(parentOf(path))?.acl ?? old.acl, out)
    }
    for (const [path, now] of this.#nodes) {
      const old = before.get(path)
      if (old?.czxid !== now.czxid) this.watches.fireCreated(path, zxid, now.acl, this.#nodes.get(parentOf(path))?.acl ?? now.acl, out)
      else if (old.mzxid !== now.mzxid) this.watches.fireDataChanged(path, zxid, now.acl, out)
    }
    return out
  }
}

/** A container that has had a child and has none, a TTL node without children that nobody wrote for its time. */
export function isReapable(node: Znode, now: number): boolean {
  if (node.children.size > 0) return false
  if (node.kind === 'container') return node.childCreates > 0
  return node.kind === 'ttl' && now - node.mtime > node.ttlMs
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}

function sizeOf(data: Uint8Array | null): number {
  return data === null ? 0 : data.length
}

function failure(code: number): OpResult {
  return { code, path: null, stat: null }
}
