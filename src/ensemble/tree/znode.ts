// One znode as the tree keeps it, and its stat as ZooKeeper answers it. Pure.

import { OPEN_ACL, type Acl, type CreateOp, type Stat } from './types.js'

/** A znode. Mutable inside the tree only; `data` is never changed in place. */
export interface Znode {
  data: Uint8Array | null
  acl: readonly Acl[]
  readonly czxid: bigint
  mzxid: bigint
  pzxid: bigint
  readonly ctime: number
  mtime: number
  version: number
  aversion: number
  /** Counts creations of children only: the next sequence number. The cversion on the wire is derived from it. */
  childCreates: number
  readonly ephemeralOwner: bigint
  readonly kind: 'persistent' | 'ephemeral' | 'container' | 'ttl'
  readonly ttlMs: number
  /** `NO_CHILDREN` while there have been none: a set of its own would be a tenth of a leaf's memory. */
  children: ReadonlySet<string>
}

export const NO_CHILDREN: ReadonlySet<string> = new Set()

export function addChild(node: Znode, name: string): void {
  if (node.children === NO_CHILDREN) node.children = new Set([name])
  else (node.children as Set<string>).add(name)
}

export function removeChild(node: Znode, name: string): void {
  if (node.children !== NO_CHILDREN) (node.children as Set<string>).delete(name)
}

/** The stat as ZooKeeper answers it: cversion counts creations and deletions, childCreates the creations alone. */
export function statOf(node: Znode): Stat {
  return {
    czxid: node.czxid,
    mzxid: node.mzxid,
    ctime: node.ctime,
    mtime: node.mtime,
    version: node.version,
    cversion: node.childCreates * 2 - node.children.size,
    aversion: node.aversion,
    ephemeralOwner: node.ephemeralOwner,
    dataLength: node.data?.length ?? 0,
    numChildren: node.children.size,
    pzxid: node.pzxid,
  }
}

/** Versions are int32 and skip -1, which means "any" in a request. */
export function nextVersion(version: number): number {
  const next = (version + 1) | 0
  return next === -1 ? 0 : next
}

export function newNode(op: CreateOp, acl: readonly Acl[], ephemeralOwner: bigint, zxid: bigint, time: number): Znode {
  return {
    data: op.data,
    acl,
    czxid: zxid,
    mzxid: zxid,
    pzxid: zxid,
    ctime: time,
    mtime: time,
    version: 0,
    aversion: 0,
    childCreates: 0,
    ephemeralOwner,
    kind: op.mode,
    ttlMs: op.mode === 'ttl' ? op.ttlMs : 0,
    children: NO_CHILDREN,
  }
}

/** What stands at the root and at ZooKeeper's reserved paths from the start. */
export function emptyNode(acl: readonly Acl[] = OPEN_ACL): Znode {
  const op: CreateOp = { kind: 'create', path: '', data: new Uint8Array(0), acl, mode: 'persistent', sequential: false, ttlMs: 0 }
  return newNode(op, acl, 0n, 0n, 0)
}
